import { EventEnvelope } from '@muster/core/events';

/** Takes one delivery. A rejection means that nothing of it was kept, and the broker delivers again. */
export type Deliver = (envelope: EventEnvelope) => Promise<void>;

/** Carries events from the outbox to the consumers, at least once. */
export interface Broker {
  /** Resolves when the broker has every event safely, and rejects otherwise. */
  publish(envelopes: EventEnvelope[]): Promise<void>;
  /** Delivers the named events to one consumer; consumers of the same name in several processes share them. */
  subscribe(consumer: string, events: string[], deliver: Deliver): Promise<void>;
  /** Tells the relays of all processes that the outbox has something. May be lost: relays also look by themselves. */
  wake(): void;
  /** Calls back at each {@link wake} of any process. */
  onWake(callback: () => void): Promise<void>;
  /** @throws when the broker cannot be used now */
  check(): Promise<void>;
  /** Stops delivering and waits for what is being handled. */
  close(): Promise<void>;
}

export const BROKER = Symbol('Broker');
