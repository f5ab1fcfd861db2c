import { randomUUID } from 'node:crypto';
import { EventType } from '@muster/core/events';
import { formatTime } from '../database/dialect/dialect';
import { Tx } from '../database/transactions';
import { currentRequestId } from '../observability/request-context';

/** Where domain events are said: in the transaction of what they tell. */
export class Outbox {
  private nudge: () => void = () => undefined;

  /** Says an event; it is published after the commit, at least once. @returns its id */
  async add<P extends object>(tx: Tx, type: EventType<P>, payload: P): Promise<string> {
    const id = randomUUID();
    await tx.query(
      'INSERT INTO outbox (event_id, name, version, request_id, payload, occurred_at) VALUES (?, ?, ?, ?, ?, ?)',
      [id, type.name, type.version, currentRequestId(), JSON.stringify(payload), formatTime(new Date())],
    );
    tx.afterCommit(() => this.nudge());
    return id;
  }

  /** Calls back after each commit that said something, so that a relay can be woken. */
  onCommit(nudge: () => void): void {
    this.nudge = nudge;
  }
}
