import { Failure, say } from '../lib/project.mjs';
import { broker } from './broker.mjs';
import { fromCompose } from './compose.mjs';
import { database } from './database.mjs';
import { redis } from './redis.mjs';
import { storage } from './storage.mjs';

/** The kinds of service, in the order in which they are shown. Without an `optional` one the services profile runs all the same. */
export const kinds = [database, broker, storage, redis];

/** The ways to a service, in the order in which they are tried. */
const WAYS = ['found', 'path', 'packages', 'compose'];

/** The ways that MUSTER_TEST_SERVICES allows: unset means all, `own` all but `found`, else a list such as `path,compose`. */
export function allowedWays() {
  const wish = process.env.MUSTER_TEST_SERVICES?.trim();
  if (!wish) return WAYS;
  if (wish === 'own') return WAYS.slice(1);
  const ways = wish.split(',').map((way) => way.trim());
  const unknown = ways.find((way) => !WAYS.includes(way));
  if (unknown) throw new Failure(`MUSTER_TEST_SERVICES: "${unknown}" is none of own, ${WAYS.join(', ')}`);
  return WAYS.filter((way) => ways.includes(way));
}

/**
 * Gets one service: the one that is there, else one that is started and belongs to this process.
 * @returns {Promise<{kind: object, service?: object, reasons: string[]}>} `service` {url, version, source, server?}, or why not
 */
async function provideOne(kind, { run, management }) {
  const ways = {
    found: () => kind.find(),
    path: () => kind.fromPath({ management }),
    packages: () => kind.fromPackages({ management }),
    compose: () => fromCompose(kind, run),
  };
  const reasons = [];
  for (const way of allowedWays()) {
    try {
      const service = await ways[way]();
      say(`  ${kind.name.padEnd(9)} ${service.version}, ${service.source}`);
      return { kind, service, reasons };
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      reasons.push(error.message);
    }
  }
  return { kind, reasons };
}

/**
 * Gets all services. Those that were started must be stopped with `stopOwnServers` of process.mjs.
 * @param {{run: string, management?: boolean}} options the run's name; whether an own RabbitMQ has its HTTP interface
 */
export async function provide(options) {
  const settled = await Promise.allSettled(kinds.map((kind) => provideOne(kind, options)));
  const broken = settled.find(({ status }) => status === 'rejected');
  if (broken) throw broken.reason;
  return settled.map(({ value }) => value);
}
