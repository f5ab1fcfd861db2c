import { EventEnvelope } from '@muster/core/events';
import { Broker } from '../broker/broker';
import { Database } from '../database/database';
import { formatTime, parseTime } from '../database/dialect/dialect';
import { Transactions } from '../database/transactions';
import { marks } from '../database/sql';
import { failPoint } from '../observability/fail-points';
import { errorFields, logOf } from '../observability/logger';
import { eventsPublished } from '../observability/metrics';
import { Loop } from '../observability/loop';

const BATCH = 200;
/** How long a relay has for one batch before another may publish it too, in milliseconds. */
const LEASE = 30_000;
const POLL = 1_000;
/** Published events are kept this long, for people who ask what was said. */
const KEEP = 7 * 86_400_000;

interface OutboxRow {
  id: number;
  event_id: string;
  name: string;
  version: number;
  request_id: string | null;
  payload: string;
  occurred_at: Date | string;
  replay_of: string | null;
}

/** Publishes what the outbox holds. Any number of relays may run: each row is leased to one of them at a time. */
export class Relay {
  private readonly log = logOf('relay');
  private readonly loop = new Loop('relay', POLL, () => this.publishSome());
  private purgedAt = 0;

  constructor(
    private readonly database: Database,
    private readonly transactions: Transactions,
    private readonly broker: Broker,
  ) {}

  start(): void {
    this.loop.start();
  }

  /** Frees at once what a killed predecessor had leased: for the boot of a process that has the store to itself. */
  async takeOver(): Promise<void> {
    await this.transactions.run((tx) =>
      tx.query('UPDATE outbox SET leased_until = NULL WHERE published_at IS NULL AND leased_until IS NOT NULL'),
    );
  }

  /** Says that there may be something to publish. */
  nudge(): void {
    this.loop.nudge();
  }

  async stop(): Promise<void> {
    await this.loop.stop();
  }

  /** @returns whether there may be more to publish at once */
  private async publishSome(): Promise<boolean> {
    const rows = await this.lease();
    if (rows.length === 0) {
      await this.purge();
      return false;
    }
    const ids = rows.map((row) => row.id);
    failPoint('relay.before-publish');
    try {
      await this.broker.publish(rows.map(toEnvelope));
    } catch (error) {
      this.log.warn(
        { ...errorFields(error), events: rows.length },
        'Events could not be published; they wait in the outbox.',
      );
      await this.transactions.run((tx) =>
        tx.query(`UPDATE outbox SET leased_until = NULL WHERE id IN (${marks(ids)})`, ids),
      );
      return false;
    }
    failPoint('relay.after-publish');
    await this.transactions.run((tx) =>
      tx.query(`UPDATE outbox SET published_at = ?, leased_until = NULL WHERE id IN (${marks(ids)})`, [
        formatTime(new Date()),
        ...ids,
      ]),
    );
    for (const row of rows) eventsPublished.inc({ event: row.name });
    return rows.length === BATCH;
  }

  private async lease(): Promise<OutboxRow[]> {
    const now = formatTime(new Date());
    const due = 'published_at IS NULL AND (leased_until IS NULL OR leased_until < ?)';
    const [waiting] = await this.database.query(`SELECT id FROM outbox WHERE ${due} LIMIT 1`, [now]);
    if (!waiting) return [];
    return this.transactions.run(async (tx) => {
      const { rows } = await tx.query<OutboxRow>(
        `SELECT id, event_id, name, version, request_id, payload, occurred_at, replay_of FROM outbox WHERE ${due} ORDER BY id LIMIT ${BATCH}${this.database.dialect.skipLocked}`,
        [now],
      );
      if (rows.length === 0) return [];
      await tx.query(`UPDATE outbox SET leased_until = ? WHERE id IN (${marks(rows)})`, [
        formatTime(new Date(Date.now() + LEASE)),
        ...rows.map((row) => row.id),
      ]);
      return rows;
    });
  }

  private async purge(): Promise<void> {
    if (Date.now() - this.purgedAt < 3_600_000) return;
    this.purgedAt = Date.now();
    const before = formatTime(new Date(Date.now() - KEEP));
    await this.transactions.run(async (tx) => {
      await tx.query('DELETE FROM outbox WHERE published_at < ?', [before]);
      await tx.query('DELETE FROM inbox WHERE handled_at < ?', [before]);
    });
  }
}

function toEnvelope(row: OutboxRow): EventEnvelope {
  return {
    id: row.event_id,
    name: row.name,
    version: Number(row.version),
    occurredAt: parseTime(row.occurred_at).toISOString(),
    requestId: row.request_id,
    ...(row.replay_of === null ? {} : { replayOf: row.replay_of }),
    payload: JSON.parse(row.payload) as unknown,
  };
}
