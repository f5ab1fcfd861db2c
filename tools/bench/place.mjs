import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import mysql from 'mysql2/promise';
import { Failure, say } from '../lib/project.mjs';
import { broker } from '../services/broker.mjs';
import { database } from '../services/database.mjs';
import { killOwnServers, stopOwnServers } from '../services/process.mjs';
import { allowedWays } from '../services/provide.mjs';
import { storage } from '../services/storage.mjs';

/** Who signs in; the program creates this first admin. */
export const ADMIN = { email: 'admin@example.com', password: randomBytes(16).toString('hex') };

/** Settings of the program that a caller's environment may fix. */
const PASSED_ON = ['IMPORT_BATCH_ROWS', 'WORKER_CONCURRENCY', 'LOG_LEVEL'];
const CREDENTIALS = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_REGION'];

const places = new Set();
const services = new Map();

/** Takes away every place that is still there, and the servers that were started for them. */
export async function removePlaces() {
  for (const place of [...places]) await place.remove();
  await stopOwnServers();
}
process.on('exit', killOwnServers);

/** Connects without letting numbers or times be bent: times are texts, as they are stored. */
export async function connect(url) {
  const options = { uri: url.replace(/^mariadb:/, 'mysql:'), dateStrings: true, timezone: 'Z', connectTimeout: 10_000 };
  const connection = await mysql.createConnection(options);
  await connection.query("SET SESSION time_zone = '+00:00'");
  return connection;
}

/**
 * A store, a broker and a directory of its own for one installation of the program, with the environment that leads there.
 * In the embedded profile that is a directory. With services: a new database and a new virtual host (where that cannot be
 * made, a prefix of its own); files go to STORAGE_URL if it is set, with `s3` to a new bucket, else to a directory. Services
 * are those that the tests find, or start.
 * @param {'embedded' | 'services'} profile
 * @param {{name: string, database?: string, s3?: boolean, env?: Record<string, string>, keep?: boolean, servers?: Record<string,
 * object>}} options `database`: URL of a server; `keep`: `remove` leaves everything where it is and says where; `servers`: the
 * services to use instead, by name
 * @throws {Failure} when a service cannot be had
 */
export async function openPlace(profile, options) {
  const place = { profile, env: {}, removals: [], kept: [] };
  places.add(place);
  place.remove = async () => {
    if (!places.delete(place)) return;
    if (options.keep) say(`Kept: ${place.kept.join(', ')}`);
    else while (place.removals.length > 0) await place.removals.pop()();
  };
  place.directory = mkdtempSync(join(tmpdir(), `muster-${options.name}-`));
  place.kept.push(place.directory);
  place.removals.push(async () => rmSync(place.directory, { recursive: true, force: true }));
  Object.assign(place.env, commonEnv(place.directory), options.env);
  if (profile === 'embedded') {
    place.database = { kind: 'sqlite', path: join(place.directory, 'muster.sqlite') };
    place.storage = 'a directory';
  } else {
    await lendServices(place, options);
  }
  return place;
}

const pick = (names) =>
  Object.fromEntries(names.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])));

const commonEnv = (directory) => ({
  PATH: process.env.PATH,
  LOG_LEVEL: 'warn',
  HOST: '127.0.0.1',
  PORT: '0',
  DATA_DIR: directory,
  DEFAULT_REGION: 'US',
  RATE_LIMITS: 'off',
  IMPORT_MAX_DIRECT_BYTES: String(2 * 1024 ** 3),
  ADMIN_EMAIL: ADMIN.email,
  ADMIN_PASSWORD: ADMIN.password,
  ...pick(PASSED_ON),
});

async function lendServices(place, options) {
  const run = `muster-${options.name}-${randomBytes(4).toString('hex')}`;
  const lend = async (kind, service) => {
    const { env, remove, note } = await kind.lend(service, run);
    if (!places.has(place))
      await remove(); // taken away meanwhile: the script was interrupted
    else if (!service.server) place.removals.push(remove); // what we started goes as a whole
    place.kept.push(`${kind.name} ${run}`);
    if (note) say(`${kind.name}: ${note}`);
    return env;
  };
  const { servers = {} } = options;
  const server = options.database ? { url: options.database } : (servers.database ?? (await serviceOf(database)));
  const stores = await lend(database, server);
  const queues = await lend(broker, servers.broker ?? (await serviceOf(broker)));
  place.database = { kind: 'mysql', url: stores.MUSTER_TEST_DATABASE_URL };
  Object.assign(place.env, {
    DATABASE_URL: stores.MUSTER_TEST_DATABASE_URL,
    BROKER_URL: queues.MUSTER_TEST_BROKER_URL,
    BROKER_PREFIX: queues.MUSTER_TEST_BROKER_PREFIX,
    JWT_SECRETS: randomBytes(48).toString('base64'),
  });
  if (process.env.STORAGE_URL && !servers.storage) {
    place.storage = process.env.STORAGE_URL.startsWith('s3:') ? 'S3' : 'a directory';
    Object.assign(place.env, pick(CREDENTIALS), { STORAGE_URL: process.env.STORAGE_URL });
  } else if (options.s3 || servers.storage) {
    const service = servers.storage ?? (await serviceOf(storage));
    const { MUSTER_TEST_STORAGE_URL: url, ...credentials } = await lend(storage, service);
    place.storage = `S3 (${service.version})`;
    Object.assign(place.env, credentials, { STORAGE_URL: url });
  } else {
    const files = join(place.directory, 'files');
    mkdirSync(files);
    place.storage = 'a directory (no STORAGE_URL, no --s3)';
    place.env.STORAGE_URL = pathToFileURL(files).href;
  }
}

/** The service that is there, else one that is started and lives as long as this script. */
async function serviceOf(kind) {
  const ways = {
    found: kind.find,
    path: () => kind.fromPath({ management: false }),
    packages: () => kind.fromPackages({ management: false }),
  };
  if (services.has(kind)) return services.get(kind);
  const reasons = [];
  for (const way of allowedWays().filter((each) => ways[each])) {
    try {
      const service = await ways[way]();
      services.set(kind, service);
      return service;
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      reasons.push(error.message);
    }
  }
  throw new Failure(`the services profile needs a ${kind.name}, and there is none: ${reasons.join('; ')}`);
}
