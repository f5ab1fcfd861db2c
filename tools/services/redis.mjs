import { join } from 'node:path';
import { Failure } from '../lib/project.mjs';
import { which } from '../lib/run.mjs';
import { ownRelease, ownReleaseLibraries, unpack } from './debian.mjs';
import { dataFolder, freePort, isListening, OwnServer } from './process.mjs';

const DEFAULT_URL = 'redis://127.0.0.1:6379';

/** Connects once, asks the server for its version, and closes the connection. */
async function versionOf(url) {
  const { Redis } = await import('ioredis');
  const client = new Redis(url, {
    lazyConnect: true,
    connectTimeout: 5_000,
    commandTimeout: 5_000,
    retryStrategy: null,
  });
  // What goes wrong is thrown by the call that needed it.
  client.on('error', () => undefined);
  try {
    await client.connect();
    return `Redis ${/^redis_version:(\S+)/m.exec(await client.info('server'))?.[1] ?? ''}`.trim();
  } finally {
    client.disconnect();
  }
}

/** The server at the configured address. @throws {Failure} saying why it is not used */
async function find() {
  const url = process.env.MUSTER_TEST_SERVICES_REDIS || process.env.REDIS_URL || DEFAULT_URL;
  if (!/^rediss?:/.test(url)) throw new Failure('REDIS_URL is no redis:// address');
  const { hostname, port } = new URL(url);
  const where = `${hostname}:${port || 6379}`;
  if (!(await isListening(Number(port || 6379), hostname))) throw new Failure(`nothing listens at ${where}`);
  const version = await versionOf(url).catch((error) => {
    throw new Failure(`the Redis at ${where} does not let us in (${error.message})`);
  });
  return { url, version, source: `found at ${where}` };
}

async function start(file, source, env) {
  const folder = dataFolder('redis');
  const server = new OwnServer('Redis', folder);
  try {
    const port = await freePort();
    const own = [
      '--port',
      String(port),
      '--bind',
      '127.0.0.1',
      '--dir',
      folder.path,
      '--save',
      '',
      '--appendonly',
      'no',
    ];
    server.launch(file, own, env);
    const url = `redis://127.0.0.1:${port}`;
    let version = '';
    await server.ready(async () => {
      if (!(await isListening(port))) return false;
      version = await versionOf(url).catch(() => '');
      return version !== '';
    });
    return { url, version, source, server };
  } catch (error) {
    await server.stop();
    throw error;
  }
}

async function fromPath() {
  const found = which('redis-server');
  if (!found) throw new Failure('no redis-server on PATH');
  return start(found, `started from ${found}`);
}

async function fromPackages() {
  const release = ownRelease();
  if (!release) throw new Failure('the release of this machine is not known');
  const tree = await unpack(`redis-${release}`, release, ['redis-server']);
  const env = { LD_LIBRARY_PATH: ownReleaseLibraries(tree) };
  return start(join(tree, 'usr/bin/redis-server'), `started from Debian packages (${release})`, env);
}

export const redis = {
  name: 'redis',
  port: 6379,
  /** The program does without it: where there is none, only the tests that need it are left out. */
  optional: true,
  find,
  fromPath,
  fromPackages,
  fromCompose: async (port) => {
    const url = `redis://127.0.0.1:${port}`;
    const version = await versionOf(url).catch(() => null);
    return version && { url, version };
  },
  composeService: () => 'redis',
  // Tests keep their counts under names of their own, which expire by themselves.
  lend: async ({ url }) => ({ env: { MUSTER_TEST_REDIS_URL: url }, remove: async () => undefined }),
  environment: ({ url }) => ({ MUSTER_TEST_SERVICES_REDIS: url }),
};
