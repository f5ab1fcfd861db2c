import { errorKind, messageOf } from '@muster/core/errors';
import { EventEnvelope, EventType } from '@muster/core/events';
import { Database } from '../database/database';
import { formatTime } from '../database/dialect/dialect';
import { Transactions, Tx } from '../database/transactions';
import { failPoint } from '../observability/fail-points';
import { errorFields, logOf } from '../observability/logger';
import { eventsHandled } from '../observability/metrics';
import { withRequestId } from '../observability/request-context';
import { Broker } from './broker';

/** After so many failed attempts a delivery is a dead letter. */
export const MAX_ATTEMPTS = 5;

/** The pause before attempt n+1, in milliseconds: 2 s, 8 s, 32 s, 128 s. */
export const backoff = (attempts: number) => 2_000 * 4 ** (attempts - 1);

type Handler = (tx: Tx, payload: never, envelope: EventEnvelope) => Promise<void>;

/**
 * Runs handlers. Each delivery is one transaction: the inbox row and the handler's effect, so a second delivery changes
 * nothing. What a handler throws is kept in the store and retried with backoff; after {@link MAX_ATTEMPTS} attempts, or at
 * once for a `user` error, it is a dead letter.
 */
export class Dispatcher {
  private readonly log = logOf('dispatcher');
  private readonly handlers = new Map<string, { events: Set<string>; handle: Handler }>();

  constructor(
    private readonly database: Database,
    private readonly transactions: Transactions,
  ) {}

  /** Registers a consumer. Its name is durable (queues and inbox rows carry it): do not change it lightly. */
  on<P extends object>(
    consumer: string,
    type: EventType<P>,
    handle: (tx: Tx, payload: P, envelope: EventEnvelope) => Promise<void>,
  ): void {
    if (this.handlers.has(consumer)) throw new Error(`Two consumers are called "${consumer}".`);
    this.handlers.set(consumer, { events: new Set([type.name]), handle: handle });
  }

  /** Connects every registered consumer to the broker. */
  async subscribeAll(broker: Broker): Promise<void> {
    for (const [consumer, { events }] of this.handlers) {
      await broker.subscribe(consumer, [...events], (envelope) => this.deliver(consumer, envelope));
    }
  }

  /** Handles one delivery, or keeps its failure. Rejects only when the store cannot be reached. */
  async deliver(consumer: string, envelope: EventEnvelope): Promise<void> {
    await withRequestId(envelope.requestId, async () => {
      try {
        await this.attempt(consumer, envelope);
        eventsHandled.inc({ consumer, result: 'handled' });
      } catch (error) {
        eventsHandled.inc({ consumer, result: 'failed' });
        await this.keepFailure(consumer, envelope, error);
      }
      failPoint('consumer.before-ack');
    });
  }

  /** @throws what the handler throws */
  async attempt(consumer: string, envelope: EventEnvelope): Promise<void> {
    const handler = this.handlers.get(consumer);
    if (!handler) throw new Error(`There is no consumer "${consumer}".`);
    try {
      await this.transactions.run(async (tx) => {
        if (await this.isHandled(tx, consumer, envelope.id)) return;
        await tx.query('INSERT INTO inbox (consumer, event_id, handled_at) VALUES (?, ?, ?)', [
          consumer,
          envelope.id,
          formatTime(new Date()),
        ]);
        failPoint('consumer.before-effect');
        await handler.handle(tx, envelope.payload as never, envelope);
        this.log.debug({ consumer, event: envelope.name, eventId: envelope.id }, 'Handled.');
      });
    } catch (error) {
      // Another process handled the same delivery between our look and our insert: then its effect stands.
      if (this.database.dialect.isDuplicate(error) && (await this.isHandledNow(consumer, envelope.id))) return;
      throw error;
    }
  }

  private async isHandled(tx: Tx, consumer: string, eventId: string): Promise<boolean> {
    const { rows } = await tx.query('SELECT 1 FROM inbox WHERE consumer = ? AND event_id = ?', [consumer, eventId]);
    return rows.length > 0;
  }

  private async isHandledNow(consumer: string, eventId: string): Promise<boolean> {
    const rows = await this.database.query('SELECT 1 FROM inbox WHERE consumer = ? AND event_id = ?', [
      consumer,
      eventId,
    ]);
    return rows.length > 0;
  }

  private async keepFailure(consumer: string, envelope: EventEnvelope, error: unknown): Promise<void> {
    await this.transactions.run(async (tx) => {
      const { rows } = await tx.query<{ attempts: number }>(
        'SELECT attempts FROM failed_deliveries WHERE consumer = ? AND event_id = ?',
        [consumer, envelope.id],
      );
      const attempts = Number(rows[0]?.attempts ?? 0) + 1;
      const dead = attempts >= MAX_ATTEMPTS || errorKind(error) === 'user';
      const now = Date.now();
      const values = [
        dead ? 'dead' : 'retrying',
        attempts,
        messageOf(error),
        formatTime(new Date(now + backoff(attempts))),
      ];
      if (rows.length > 0) {
        await tx.query(
          'UPDATE failed_deliveries SET status = ?, attempts = ?, error = ?, next_attempt_at = ? WHERE consumer = ? AND event_id = ?',
          [...values, consumer, envelope.id],
        );
      } else {
        await tx.query(
          'INSERT INTO failed_deliveries (status, attempts, error, next_attempt_at, consumer, event_id, envelope, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
          [...values, consumer, envelope.id, JSON.stringify(envelope), formatTime(new Date(now))],
        );
      }
      this.log[dead ? 'error' : 'warn'](
        { consumer, event: envelope.name, eventId: envelope.id, attempts, ...errorFields(error) },
        dead ? 'A delivery failed for good: it is a dead letter.' : 'A delivery failed and will be retried.',
      );
    });
  }
}
