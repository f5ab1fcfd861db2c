import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Failure, say } from '../lib/project.mjs';
import { capture, tail, which } from '../lib/run.mjs';
import { disown, own, pause } from './process.mjs';

const file = fileURLToPath(new URL('./compose.yml', import.meta.url));
const PULL_TIMEOUT = 10 * 60_000;
const START_TIMEOUT = 180_000;

/** @throws {Failure} when no container engine answers */
async function checkEngine() {
  if (!which('docker')) throw new Failure('no docker on PATH');
  const info = await capture('docker', ['info', '--format', '{{.ServerVersion}}'], { timeout: 20_000 });
  if (!info.ok) throw new Failure('no Docker engine answers');
  const version = await capture('docker', ['compose', 'version'], { timeout: 20_000 });
  if (!version.ok) throw new Failure('Docker has no compose command');
}

/** Removes what {@link fromCompose} started under that project name. */
export async function removeProject(project) {
  const { ok, stderr } = await capture(
    'docker',
    ['compose', '-p', project, '-f', file, 'down', '-v', '--timeout', '5'],
    {
      timeout: 120_000,
    },
  );
  if (!ok) say(`The containers of ${project} could not be removed: ${tail(stderr, 3)}`);
}

/**
 * Starts one service in a container of its own.
 * @param {object} kind one of the three kinds of service @param {string} run the name of the run
 */
export async function fromCompose(kind, run) {
  await checkEngine();
  const project = `${run}-${kind.name}`;
  const service = kind.composeService();
  const compose = (...args) =>
    capture('docker', ['compose', '-p', project, '-f', file, ...args], { timeout: PULL_TIMEOUT });
  const server = {
    stop: async () => {
      await removeProject(project);
      disown(server);
    },
    kill: () =>
      spawn('docker', ['compose', '-p', project, '-f', file, 'kill'], { detached: true, stdio: 'ignore' }).unref(),
    describe: () => ({ name: kind.name, project }),
  };
  own(server);
  try {
    const up = await compose('up', '-d', '--no-deps', service);
    if (!up.ok) throw new Failure(`the container of ${service} did not start: ${tail(up.stderr, 3)}`);
    const published = await compose('port', service, String(kind.port));
    const port = Number(/:(\d+)\s*$/.exec(published.stdout)?.[1]);
    if (!port) throw new Failure(`the container of ${service} has no port`);
    for (const end = Date.now() + START_TIMEOUT; Date.now() < end; await pause(500)) {
      const found = await kind.fromCompose(port);
      if (found) return { ...found, source: `started by Docker Compose`, server };
    }
    throw new Failure(`the container of ${service} did not answer within ${START_TIMEOUT / 1000} s`);
  } catch (error) {
    await server.stop();
    throw error;
  }
}
