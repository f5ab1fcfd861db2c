import { setTimeout as pause } from 'node:timers/promises';
import { Violation } from './site.mjs';

const SERVICES = ['services'];
/** How long a server stays down, in milliseconds. */
const DOWN = 3_000;
/** The outage begins when 1 to this many chunks are done. */
const CHUNKS_BEFORE = 8;

/** Stops a server in the middle of an import, and starts it again. */
const restart = (name, part, how) => ({
  name,
  group: 'outages',
  about: `the ${part} ${how === 'SIGKILL' ? 'is killed (SIGKILL)' : 'stops (SIGTERM)'} during an import and starts again after ${DOWN / 1000} s`,
  profiles: SERVICES,
  applies: (servers) => Boolean(servers[part].server),
  run: async (site) => {
    const { server } = site.servers[part];
    const importId = await site.upload();
    await site.untilUnderWay(importId, 1 + site.random.below(CHUNKS_BEFORE));
    await server.halt(how);
    await pause(DOWN);
    await server.again();
    await site.settle(importId, Date.now());
  },
});

const unreachable = {
  name: 'broker-unreachable',
  group: 'outages',
  about: 'nothing reaches the broker for --unreachable seconds: connections stay open and silent',
  profiles: SERVICES,
  run: async (site) => {
    const { gate } = site.servers.broker;
    const importId = await site.upload();
    await site.untilUnderWay(importId, 1 + site.random.below(CHUNKS_BEFORE));
    gate.silence();
    try {
      await pause(site.options.unreachable * 1000);
    } finally {
      gate.open();
    }
    await site.settle(importId, Date.now());
  },
};

const bootFirst = {
  name: 'boot-before-servers',
  group: 'outages',
  about: 'the workers start while store and broker are down; these come up 8 s later',
  profiles: SERVICES,
  applies: (servers) => Boolean(servers.database.server),
  run: async (site) => {
    const { program, servers } = site;
    await Promise.all(program.workers.map((worker) => worker.stop()));
    const importId = await site.upload();
    const down = [servers.database.server, servers.broker.server];
    await Promise.all(down.map((server) => server.halt('SIGTERM')));
    site.restore();
    await pause(8_000);
    await Promise.all(down.map((server) => server.again()));
    const since = Date.now();
    await site.ready();
    await site.settle(importId, since);
  },
};

/** Each befalls one request. The SDK repeats refusals by itself; a body that breaks off is the program's own concern. */
const ERRORS = [
  ['PUT', 'answers 500'],
  ['PUT', 'resets the connection'],
  ['PUT', 'does it and loses the answer'],
  ['PUT', 'answers 503 SlowDown'],
  ['GET', 'answers 503 SlowDown'],
  ['GET', 'resets the connection'],
  ['GET', 'answers 500'],
];
const TRUNCATIONS = ['ends half-way', 'is reset half-way', 'ends half-way', 'is reset half-way'].map((how) => [
  'GET',
  how,
]);

const storageFault = (name, about, mishaps) => ({
  name,
  group: 'storage',
  about,
  profiles: SERVICES,
  applies: (servers) => Boolean(servers.storage),
  run: async (site) => {
    const { proxy } = site.servers.storage;
    proxy.plan(mishaps);
    const importId = await site.upload(10);
    await site.untilCompleted(importId);
    const { waiting } = proxy;
    proxy.plan([]);
    if (waiting.length > 0) throw new Violation('fault did not happen', JSON.stringify(waiting));
    await site.settle(importId);
  },
});

export const outageFaults = [
  restart('store-restart', 'database', 'SIGTERM'),
  restart('store-kill', 'database', 'SIGKILL'),
  restart('broker-restart', 'broker', 'SIGTERM'),
  restart('broker-kill', 'broker', 'SIGKILL'),
  unreachable,
  bootFirst,
  storageFault('s3-errors', 'the file store answers 500 and 503, resets connections, and loses answers', ERRORS),
  storageFault('s3-truncated', 'bodies of the file store end or are reset half-way', TRUNCATIONS),
];
