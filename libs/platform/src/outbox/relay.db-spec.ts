import { EventEnvelope } from '@muster/core/events';
import { openTestDatabase, TestDatabase } from '@muster/testing/database';
import { Broker } from '../broker/broker';
import { InProcessBroker } from '../broker/in-process.broker';
import { formatTime } from '../database/dialect/dialect';
import { Outbox } from './outbox';
import { Relay } from './relay';

const happened = { name: 'test.happened', version: 1 } as never;

describe('the relay', () => {
  let store: TestDatabase;
  const relays: Relay[] = [];
  beforeAll(async () => {
    store = await openTestDatabase();
  });
  afterEach(async () => {
    for (const relay of relays.splice(0)) await relay.stop();
  });
  afterAll(() => store.close());

  const relayTo = (broker: Broker) => {
    const relay = new Relay(store.database, store.transactions, broker);
    relays.push(relay);
    return relay;
  };

  const say = (n: number) => store.transactions.run((tx) => new Outbox().add(tx, happened, { n }));

  const lease = (id: string) => {
    const until = formatTime(new Date(Date.now() + 600_000));
    return store.transactions.run((tx) =>
      tx.query('UPDATE outbox SET leased_until = ? WHERE event_id = ?', [until, id]),
    );
  };

  /** What a relay publishes, in order; each call gives the next. */
  function published(): { broker: Broker; next: () => Promise<EventEnvelope> } {
    const broker = new InProcessBroker();
    const arrived: EventEnvelope[] = [];
    let notify: () => void = () => undefined;
    void broker.subscribe('test', ['test.happened'], async (envelope) => {
      arrived.push(envelope);
      notify();
    });
    const next = async () => {
      while (arrived.length === 0) await new Promise<void>((resolve) => (notify = resolve));
      return arrived.shift()!;
    };
    return { broker, next };
  }

  it('leaves alone what another relay has leased, unless it takes over', async () => {
    const leased = await say(1);
    await lease(leased);
    const free = await say(2);
    const { broker, next } = published();

    const beside = relayTo(broker);
    beside.start();
    expect((await next()).id).toBe(free);
    await beside.stop();

    const successor = relayTo(broker);
    await successor.takeOver();
    successor.start();
    expect((await next()).id).toBe(leased);
  });
});
