/** JSON Schema (2020-12) of one value of a payload; the type parameter is the value's type in TypeScript. */
export interface PayloadSchema<T = unknown> {
  readonly json: Readonly<Record<string, unknown>>;
  /** Carries the type; never read. */
  readonly _type?: T;
}

const schema = <T>(json: Record<string, unknown>, description?: string): PayloadSchema<T> => ({
  json: description ? { ...json, description } : json,
});

/** The words in which payloads are described. Payloads name records, people and fields; they never hold personal data. */
export const integer = (description?: string) => schema<number>({ type: 'integer' }, description);
export const text = (description?: string) => schema<string>({ type: 'string' }, description);
export const choice = <const T extends string>(values: readonly T[], description?: string) =>
  schema<T>({ type: 'string', enum: [...values] }, description);
export const listOf = <T>(items: PayloadSchema<T>, description?: string) =>
  schema<T[]>({ type: 'array', items: items.json }, description);
export const countsOf = (description?: string) =>
  schema<Record<string, number>>({ type: 'object', additionalProperties: { type: 'integer' } }, description);
export const nullable = <T>({ json: { description, ...json } }: PayloadSchema<T>) =>
  schema<T | null>({ anyOf: [json, { type: 'null' }] }, description as string | undefined);

type Properties = Record<string, PayloadSchema>;
type ValueOf<S> = S extends PayloadSchema<infer T> ? T : never;
type PayloadOfProperties<S extends Properties> = { -readonly [K in keyof S]: ValueOf<S[K]> };

/**
 * A kind of domain event. Definitions live in each feature's `x.events.ts`; a change of the payload's shape that a
 * consumer could notice gets a new version.
 */
export interface EventType<P> {
  readonly name: string;
  readonly version: number;
  /** When it is said. */
  readonly description: string;
  /** JSON Schema of the payload. */
  readonly schema: Readonly<Record<string, unknown>>;
  /** Carries the payload's type; never read. */
  readonly _payload?: P;
}

/** The payload of an event's definition. */
export type PayloadOf<E> = E extends EventType<infer P> ? P : never;

export const defineEvent = <S extends Properties>(
  name: string,
  description: string,
  properties: S,
  version = 1,
): EventType<PayloadOfProperties<S>> => ({
  name,
  version,
  description,
  schema: {
    type: 'object',
    properties: Object.fromEntries(Object.entries(properties).map(([property, { json }]) => [property, json])),
    required: Object.keys(properties),
    additionalProperties: false,
  },
});

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
  /** The event that this one says again, on request: what it tells has happened then. Absent for all others. */
  replayOf?: string;
  payload: P;
}
