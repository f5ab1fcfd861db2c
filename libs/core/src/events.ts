/**
 * A kind of domain event. Definitions live in each feature's `x.events.ts`; a change of the payload's shape that a
 * consumer could notice gets a new version.
 */
export interface EventType<P> {
  readonly name: string;
  readonly version: number;
  /** Carries the payload's type; never read. */
  readonly _payload?: P;
}

export const defineEvent = <P extends object>(name: string, version = 1): EventType<P> => ({ name, version });

/** An event as it travels: written to the outbox with its cause, delivered at least once. */
export interface EventEnvelope<P = unknown> {
  /** Unique for the event, the same on every delivery (UUID). */
  id: string;
  name: string;
  version: number;
  /** ISO 8601, UTC. */
  occurredAt: string;
  /** The request, or the job, in which it happened: follows the work through the logs. */
  requestId: string | null;
  payload: P;
}
