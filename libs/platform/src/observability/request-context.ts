import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';

/** Statements inside a transaction. */
interface Statements {
  query<T>(sql: string, params?: unknown[]): Promise<{ rows: T[]; affected: number }>;
}

/** What a request writes in the transaction of its first effect, so that the two stand or fall together. */
export interface EffectMark {
  /** Runs first in each transaction of the request. @param attempt from 1; higher when the transaction is run again */
  mark(tx: Statements, attempt: number): Promise<void>;
  /** One of the request's transactions has committed. */
  committed(): void;
  /** A transaction had done its work, and whether it has committed is not known. @throws when it must not be run again */
  uncertain(): void;
}

/** What follows one piece of work (a request, or the handling of an event) through every line of the log. */
export interface RequestContext {
  requestId: string;
  /** The caller's network address; null for the handling of an event. */
  address: string | null;
  effects?: EffectMark;
}

const storage = new AsyncLocalStorage<RequestContext>();

export const currentRequestId = (): string | null => storage.getStore()?.requestId ?? null;

/** The network address of the caller of the current request. */
export const currentAddress = (): string | null => storage.getStore()?.address ?? null;

/** What the current request writes together with its first effect; none for the handling of an event. */
export const currentEffects = (): EffectMark | null => storage.getStore()?.effects ?? null;

/** Lets the rest of the current request write `effects` together with its first effect. @throws outside a request */
export function markEffects(effects: EffectMark): void {
  const context = storage.getStore();
  if (!context) throw new Error('There is no request whose effects could be marked.');
  context.effects = effects;
}

/** Runs `work` under a request id: the given one, or a new one. */
export const withRequestId = <T>(requestId: string | null, work: () => T, address: string | null = null): T =>
  storage.run({ requestId: requestId ?? randomUUID(), address }, work);
