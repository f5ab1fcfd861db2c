import { randomUUID } from 'node:crypto';
import { EventType } from '@muster/core/events';
import { formatTime } from '../database/dialect/dialect';
import { Tx } from '../database/transactions';
import { currentRequestId } from '../observability/request-context';

/** An event to be said. */
export interface Saying {
  type: EventType<object>;
  payload: object;
  /** The event's id, for one that has its own; by default it is new. */
  id?: string;
  /** The event that it says again. */
  replayOf?: string;
}

export const saying = <P extends object>(
  type: EventType<P>,
  payload: P,
  ids: Pick<Saying, 'id' | 'replayOf'> = {},
): Saying => ({ type, payload, ...ids });

const EVENTS_AT_ONCE = 200;

/** Where domain events are said: in the transaction of what they tell. */
export class Outbox {
  private nudge: () => void = () => undefined;

  /** Says an event; it is published after the commit, at least once. @returns its id */
  async add<P extends object>(tx: Tx, type: EventType<P>, payload: P): Promise<string> {
    const id = randomUUID();
    await this.addAll(tx, [saying(type, payload, { id })]);
    return id;
  }

  /** Says several events, in this order. */
  async addAll(tx: Tx, events: readonly Saying[]): Promise<void> {
    const [requestId, occurredAt] = [currentRequestId(), formatTime(new Date())];
    for (let start = 0; start < events.length; start += EVENTS_AT_ONCE) {
      const some = events.slice(start, start + EVENTS_AT_ONCE);
      await tx.query(
        `INSERT INTO outbox (event_id, name, version, request_id, payload, occurred_at, replay_of) VALUES ${some.map(() => '(?, ?, ?, ?, ?, ?, ?)').join(', ')}`,
        some.flatMap(({ type: { name, version }, payload, id, replayOf }) => [
          ...[id ?? randomUUID(), name, version, requestId, JSON.stringify(payload), occurredAt, replayOf ?? null],
        ]),
      );
    }
    if (events.length > 0) tx.afterCommit(() => this.nudge());
  }

  /** How many events wait to be published; counts no further than `most`. */
  async waiting(tx: Tx, most: number): Promise<number> {
    const { rows } = await tx.query<{ n: number | string }>(
      `SELECT COUNT(*) AS n FROM (SELECT 1 AS one FROM outbox WHERE published_at IS NULL LIMIT ${most}) waiting`,
    );
    return Number(rows[0].n);
  }

  /** Calls back after each commit that said something, so that a relay can be woken. */
  onCommit(nudge: () => void): void {
    this.nudge = nudge;
  }
}
