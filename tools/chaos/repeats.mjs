import { connect } from 'amqplib';
import { setTimeout as pause } from 'node:timers/promises';
import { ask } from './store.mjs';

/** A message is delivered once, and up to so many times more. */
const MORE = 4;
/** Where nothing can be sent again on the broker: so often the outbox is told that its events are unpublished. */
const ROUNDS = 4;
const ROUND_PAUSE = 300;

/** Counts how often each effect of an event took place: the program's log says so within the effect's transaction. */
class Effects {
  constructor() {
    this.counts = new Map();
  }

  listen(process) {
    let rest = '';
    process.child.stderr.setEncoding('utf8').on('data', (text) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop();
      for (const line of lines.filter((each) => each.includes('"Handled."'))) {
        const { consumer, eventId } = JSON.parse(line);
        const key = `${consumer} ${eventId}`;
        this.counts.set(key, (this.counts.get(key) ?? 0) + 1);
      }
    });
  }

  tell(site) {
    if (this.counts.size === 0) site.deviates('fault did not happen', 'the log tells of no effect');
    for (const [effect, n] of this.counts) if (n > 1) site.deviates('event handled twice', `${effect}: ${n} times`);
  }
}

/** The program's consumers of the events of an import. */
const CONSUMERS = ['imports.analyze', 'imports.plan', 'imports.finish'];

/** Sends each event again to whoever it was for, 1 to {@link MORE} times. */
async function shovel(url, prefix, random) {
  const connection = await connect(url);
  const channel = await connection.createChannel();
  const { queue } = await channel.assertQueue('', { exclusive: true });
  await channel.bindQueue(queue, `${prefix}.events`, '#');
  const queues = [queue, ...CONSUMERS.map((consumer) => `${prefix}.${consumer}`)];
  const work = {
    sent: 0,
    /** Whether no message waits any more, neither for us nor for the program. */
    isDrained: async () => {
      const checks = await Promise.all(queues.map((each) => channel.checkQueue(each)));
      return checks.every(({ messageCount }) => messageCount === 0);
    },
    close: () => connection.close(),
  };
  await channel.consume(
    queue,
    ({ content, fields, properties }) => {
      if (properties.headers?.repeated) return;
      for (let n = 1 + random.below(MORE); n > 0; n--, work.sent++) {
        channel.publish(fields.exchange, fields.routingKey, content, { ...properties, headers: { repeated: true } });
      }
    },
    { noAck: true },
  );
  return work;
}

/** At-least-once at its worst, without a broker: what was published is not, as far as the relay knows. */
async function publishAgain(site, importId) {
  let again = 0;
  for (let round = 0; round < ROUNDS; round++) {
    await pause(ROUND_PAUSE);
    again += await ask(site.database, async (store) => {
      const [{ n }] = await store.query('SELECT COUNT(*) AS n FROM outbox WHERE published_at IS NOT NULL');
      await store.query('UPDATE outbox SET published_at = NULL WHERE published_at IS NOT NULL');
      return Number(n);
    });
    if (round === ROUNDS - 2) await site.untilCompleted(importId);
  }
  return again;
}

export const repeatFaults = [
  {
    name: 'repeats',
    group: 'messages',
    about: 'each event is delivered 2 to 5 times (services: sent again on the broker; embedded: published again)',
    profiles: ['embedded', 'services'],
    run: async (site) => {
      const { program, place } = site;
      const loud = { LOG_LEVEL: 'debug' };
      const effects = new Effects();
      if (site.embedded) {
        await program.api.stop();
        program.spawnApi(loud);
        effects.listen(program.api);
      } else {
        await Promise.all(program.workers.map((worker) => worker.stop()));
        program.workers.forEach((_, index) => {
          program.spawnWorker(index, loud);
          effects.listen(program.workers[index]);
        });
      }
      await site.ready();
      const work = site.embedded
        ? null
        : await shovel(site.servers.broker.direct, place.env.BROKER_PREFIX, site.random);
      const importId = await site.upload();
      const sent = site.embedded ? await publishAgain(site, importId) : null;
      await site.settle(importId);
      if (work) await site.until(() => work.isDrained(), 60_000, 'the end of the repetitions');
      await work?.close();
      // What is being handled is finished before the end; then all effects are told.
      await Promise.all([...(site.embedded ? [program.api] : program.workers)].map((process) => process.stop()));
      effects.tell(site);
      site.note = `${sent ?? work.sent} repeated`;
      if ((sent ?? work.sent) === 0) site.deviates('fault did not happen', 'nothing was repeated');
      site.restore();
      await site.ready();
    },
  },
];
