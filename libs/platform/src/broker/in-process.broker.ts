import { EventEnvelope } from '@muster/core/events';
import { Broker, Deliver } from './broker';

/** Hands events to the consumers of this process. The outbox keeps what a crash interrupts. */
export class InProcessBroker implements Broker {
  private readonly wakers: (() => void)[] = [];
  private readonly subscriptions: { events: Set<string>; deliver: Deliver }[] = [];

  async publish(envelopes: EventEnvelope[]): Promise<void> {
    for (const envelope of envelopes) {
      for (const { events, deliver } of this.subscriptions) {
        if (events.has(envelope.name)) await deliver(envelope);
      }
    }
  }

  async subscribe(_consumer: string, events: string[], deliver: Deliver): Promise<void> {
    this.subscriptions.push({ events: new Set(events), deliver });
  }

  wake(): void {
    this.wakers.forEach((callback) => callback());
  }

  async onWake(callback: () => void): Promise<void> {
    this.wakers.push(callback);
  }

  async check(): Promise<void> {}

  async close(): Promise<void> {}
}
