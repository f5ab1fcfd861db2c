import { fileURLToPath } from 'node:url';
import { join } from 'node:path';

/** The absolute path of the repository. */
export const root = fileURLToPath(new URL('../../', import.meta.url)).replace(/[/\\]$/, '');

/** An absolute path inside the repository. */
export const inRoot = (...parts) => join(root, ...parts);

/** A failure whose message is all that the user needs; anything else is shown with its stack. */
export class Failure extends Error {
  /** @param {string} message @param {number} code the program's exit code */
  constructor(message, code = 1) {
    super(message);
    this.name = 'Failure';
    this.code = code;
  }
}

/** Runs a program's main function; a failure becomes one message on stderr and an exit code. */
export async function main(run) {
  try {
    process.exitCode = (await run()) ?? 0;
  } catch (error) {
    process.stderr.write(`${error instanceof Failure ? `muster: ${error.message}` : error.stack}\n`);
    process.exitCode = error instanceof Failure ? error.code : 1;
  }
}

/** Progress goes to stderr, so that stdout holds only what a program was asked for. */
export function say(message) {
  process.stderr.write(`${message}\n`);
}
