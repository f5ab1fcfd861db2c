import { Channel, ChannelModel, ConfirmChannel, connect, ConsumeMessage } from 'amqplib';
import { unavailable } from '@muster/core/errors';
import { EventEnvelope } from '@muster/core/events';
import { errorFields, logOf } from '../observability/logger';
import { Broker, Deliver } from './broker';

/** How many deliveries a consumer works on at a time. */
const PREFETCH = 20;
const RECONNECT_PAUSE = 1_000;
/** How long the broker has to confirm a publish, in milliseconds. */
const CONFIRM_TIMEOUT = 15_000;

interface Subscription {
  consumer: string;
  events: string[];
  deliver: Deliver;
}

/**
 * RabbitMQ: a durable topic exchange, a quorum queue for each consumer, persistent mandatory messages with publisher confirms.
 * A lost connection is opened again; publishing meanwhile fails at once, because the outbox is the buffer.
 */
export class AmqpBroker implements Broker {
  private readonly log = logOf('broker');
  private readonly subscriptions: Subscription[] = [];
  private readonly wakers: (() => void)[] = [];
  private readonly working = new Set<Promise<void>>();
  private connection: ChannelModel | null = null;
  private publisher: ConfirmChannel | null = null;
  private consumers: Channel[] = [];
  private opening: Promise<void> | null = null;
  private closed = false;

  constructor(
    private readonly url: string,
    private readonly prefix: string,
  ) {}

  private get exchange(): string {
    return `${this.prefix}.events`;
  }

  private get wakeExchange(): string {
    return `${this.prefix}.wake`;
  }

  /** Opens the connection. @throws when the broker is not there */
  async open(): Promise<void> {
    this.opening ??= this.openOnce().finally(() => (this.opening = null));
    await this.opening;
  }

  private async openOnce(): Promise<void> {
    const connection = await connect(this.url, { timeout: 10_000, heartbeat: 10 } as object);
    connection.on('error', (error) => this.log.warn(errorFields(error), 'The connection to the broker failed.'));
    connection.on('close', () => this.lost());
    try {
      this.publisher = await connection.createConfirmChannel();
      this.publisher.on('error', (error) => this.log.warn(errorFields(error), 'The publishing channel failed.'));
      this.publisher.on('close', () => void connection.close().catch(() => undefined));
      this.publisher.setMaxListeners(0);
      await this.publisher.assertExchange(this.exchange, 'topic', { durable: true });
      await this.publisher.assertExchange(this.wakeExchange, 'fanout', { durable: false });
      this.consumers = [];
      this.connection = connection;
      for (const subscription of this.subscriptions) await this.consume(subscription);
      if (this.wakers.length > 0) await this.listenForWakes();
    } catch (error) {
      this.connection = null;
      this.publisher = null;
      await connection.close().catch(() => undefined);
      throw error;
    }
  }

  private lost(): void {
    this.connection = null;
    this.publisher = null;
    if (!this.closed) void this.reopen();
  }

  private async reopen(): Promise<void> {
    while (!this.closed && !this.connection) {
      await new Promise((resolve) => setTimeout(resolve, RECONNECT_PAUSE).unref());
      if (this.closed) return;
      await this.open().then(
        () => this.log.info({}, 'Connected to the broker again.'),
        (error: unknown) => this.log.warn(errorFields(error), 'The broker cannot be reached yet.'),
      );
    }
  }

  async publish(envelopes: EventEnvelope[]): Promise<void> {
    const channel = this.publisher;
    if (!channel) throw unavailable('broker-unavailable', 'The broker cannot be reached.');
    const returned = new Set<string>();
    const onReturn = (message: { properties: { messageId?: string } }) =>
      returned.add(message.properties.messageId ?? '');
    channel.on('return', onReturn);
    try {
      await withTimeout(Promise.all(envelopes.map((envelope) => this.publishOne(channel, envelope))));
    } finally {
      channel.off('return', onReturn);
    }
    // Mandatory and unroutable: no consumer has declared a queue for this event, so nobody waits for it.
    if (returned.size > 0) this.log.debug({ events: returned.size }, 'Events that no queue is bound to.');
  }

  private publishOne(channel: ConfirmChannel, envelope: EventEnvelope): Promise<void> {
    return new Promise((resolve, reject) => {
      const onClose = () => reject(unavailable('broker-unavailable', 'The broker connection closed while publishing.'));
      channel.once('close', onClose);
      channel.publish(
        this.exchange,
        envelope.name,
        Buffer.from(JSON.stringify(envelope)),
        {
          messageId: envelope.id,
          type: envelope.name,
          contentType: 'application/json',
          persistent: true,
          mandatory: true,
        },
        (error) => {
          channel.off('close', onClose);
          if (error) reject(error as Error);
          else resolve();
        },
      );
    });
  }

  async subscribe(consumer: string, events: string[], deliver: Deliver): Promise<void> {
    const subscription = { consumer, events, deliver };
    this.subscriptions.push(subscription);
    if (this.connection) await this.consume(subscription);
  }

  private async consume({ consumer, events, deliver }: Subscription): Promise<void> {
    const channel = await this.connection!.createChannel();
    channel.on('error', (error) => this.log.warn({ consumer, ...errorFields(error) }, 'A consuming channel failed.'));
    // A channel that dies alone would leave its consumer deaf: begin again with a fresh connection.
    const { connection } = this;
    channel.on('close', () => void connection?.close().catch(() => undefined));
    const queue = `${this.prefix}.${consumer}`;
    await channel.assertQueue(queue, { durable: true, arguments: { 'x-queue-type': 'quorum' } });
    for (const event of events) await channel.bindQueue(queue, this.exchange, event);
    await channel.prefetch(PREFETCH);
    await channel.consume(queue, (message) => {
      if (!message) return void channel.close().catch(() => undefined);
      const work = this.handle(channel, message, deliver, consumer);
      this.working.add(work);
      void work.finally(() => this.working.delete(work));
    });
    this.consumers.push(channel);
  }

  private async handle(channel: Channel, message: ConsumeMessage, deliver: Deliver, consumer: string): Promise<void> {
    try {
      const envelope = parse(message.content);
      if (envelope) await deliver(envelope);
      else
        this.log.error(
          { consumer, messageId: message.properties.messageId as unknown },
          'A message that is no event was dropped.',
        );
      channel.ack(message);
    } catch (error) {
      // Only when the store cannot be reached: failures of a handler are kept there, and acknowledged.
      this.log.warn(
        { consumer, ...errorFields(error) },
        'A delivery could not be recorded; it goes back to its queue.',
      );
      await new Promise((resolve) => setTimeout(resolve, 1_000).unref());
      try {
        channel.nack(message);
      } catch {
        // The channel is closed: the broker delivers the message again by itself.
      }
    }
  }

  wake(): void {
    try {
      this.publisher?.publish(this.wakeExchange, '', Buffer.alloc(0), { persistent: false });
    } catch {
      // The connection has just gone: whoever would be woken looks by itself.
    }
  }

  async onWake(callback: () => void): Promise<void> {
    this.wakers.push(callback);
    if (this.connection && this.wakers.length === 1) await this.listenForWakes();
  }

  /** A queue of this process alone, gone with its connection. */
  private async listenForWakes(): Promise<void> {
    const channel = await this.connection!.createChannel();
    channel.on('error', (error) => this.log.warn(errorFields(error), 'The channel of wake-ups failed.'));
    const { queue } = await channel.assertQueue('', { exclusive: true, autoDelete: true });
    await channel.bindQueue(queue, this.wakeExchange, '');
    await channel.consume(queue, () => this.wakers.forEach((callback) => callback()), { noAck: true });
  }

  async check(): Promise<void> {
    if (!this.connection) throw unavailable('broker-unavailable', 'The broker cannot be reached.');
  }

  async close(): Promise<void> {
    this.closed = true;
    const { connection } = this;
    for (const channel of this.consumers) {
      channel.removeAllListeners('close');
    }
    await Promise.allSettled(this.working);
    await connection?.close().catch(() => undefined);
  }
}

function parse(content: Buffer): EventEnvelope | null {
  try {
    const envelope = JSON.parse(content.toString()) as EventEnvelope;
    return typeof envelope.id === 'string' && typeof envelope.name === 'string' ? envelope : null;
  } catch {
    return null;
  }
}

async function withTimeout(work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise((_, reject) => {
    timer = setTimeout(
      () => reject(unavailable('broker-unavailable', 'The broker did not confirm in time.')),
      CONFIRM_TIMEOUT,
    );
  });
  try {
    await Promise.race([work, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
