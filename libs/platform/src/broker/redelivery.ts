import { EventEnvelope } from '@muster/core/events';
import { Database } from '../database/database';
import { formatTime } from '../database/dialect/dialect';
import { Transactions } from '../database/transactions';
import { Loop } from '../observability/loop';
import { Dispatcher } from './dispatcher';

const POLL = 1_000;
/** How long one redelivery has before another process may take it, in milliseconds. */
const LEASE = 60_000;

/** Delivers failed deliveries again when their time has come. */
export class Redelivery {
  private readonly loop = new Loop('redelivery', POLL, () => this.redeliverOne());

  constructor(
    private readonly database: Database,
    private readonly transactions: Transactions,
    private readonly dispatcher: Dispatcher,
  ) {}

  start(): void {
    this.loop.start();
  }

  async stop(): Promise<void> {
    await this.loop.stop();
  }

  private async redeliverOne(): Promise<boolean> {
    const [due] = await this.database.query<{ id: number; consumer: string; envelope: string; attempts: number }>(
      `SELECT id, consumer, envelope, attempts FROM failed_deliveries WHERE status = 'retrying' AND next_attempt_at <= ? ORDER BY next_attempt_at LIMIT 1`,
      [formatTime(new Date())],
    );
    if (!due) return false;
    const leased = await this.transactions.run(async (tx) => {
      const result = await tx.query(
        `UPDATE failed_deliveries SET next_attempt_at = ? WHERE id = ? AND status = 'retrying' AND attempts = ? AND next_attempt_at <= ?`,
        [formatTime(new Date(Date.now() + LEASE)), due.id, due.attempts, formatTime(new Date())],
      );
      return result.affected > 0;
    });
    if (!leased) return true;
    await this.dispatcher.deliver(due.consumer, JSON.parse(due.envelope) as EventEnvelope);
    await this.transactions.run((tx) =>
      tx.query(
        `DELETE FROM failed_deliveries WHERE id = ? AND EXISTS (SELECT 1 FROM inbox WHERE inbox.consumer = failed_deliveries.consumer AND inbox.event_id = failed_deliveries.event_id)`,
        [due.id],
      ),
    );
    return true;
  }
}
