import { errorFields, logOf } from '../observability/logger';

/** How long a boot tries to reach a server that is not there yet, in milliseconds. */
export const BOOT_PATIENCE = 60_000;
const FIRST_PAUSE = 250;
const LONGEST_PAUSE = 5_000;

const NOT_THERE = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'PROTOCOL_CONNECTION_LOST',
  'ER_CON_COUNT_ERROR',
  'ER_SERVER_SHUTDOWN',
]);
/** The AMQP client has no codes for a server that hangs up, or stays silent, in the handshake. */
const NOT_THERE_TEXT = /^(Socket closed abruptly|connect ETIMEDOUT|Client network socket disconnected)/;

/** Whether the server may only not be up yet. A server that answered and said no will say it again. */
function isNotThereYet(error: unknown): boolean {
  const { code, message } = error as { code?: string; message?: string };
  return NOT_THERE.has(code ?? '') || NOT_THERE_TEXT.test(message ?? '');
}

/**
 * Opens something at boot, and tries again with growing pauses while its server cannot be reached.
 * @param patience for how long, in milliseconds @throws what `open` throws: at once when the server refuses, else at the end
 */
export async function untilReached<T>(name: string, open: () => Promise<T>, patience = BOOT_PATIENCE): Promise<T> {
  const log = logOf('boot');
  const end = Date.now() + patience;
  for (let pause = FIRST_PAUSE, attempt = 1; ; pause = Math.min(pause * 2, LONGEST_PAUSE), attempt++) {
    try {
      const opened = await open();
      if (attempt > 1) log.info({ part: name, attempts: attempt }, `The ${name} is there now.`);
      return opened;
    } catch (error) {
      const left = end - Date.now();
      if (!isNotThereYet(error) || left <= 0) throw error;
      const seconds = Math.ceil(left / 1000);
      log.warn(
        { part: name, attempt, ...errorFields(error) },
        `The ${name} cannot be reached yet; this start tries for ${seconds} s more.`,
      );
      await new Promise((resolve) => setTimeout(resolve, Math.min(pause, left)));
    }
  }
}
