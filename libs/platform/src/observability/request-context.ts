import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';

/** What follows one piece of work (a request, or the handling of an event) through every line of the log. */
export interface RequestContext {
  requestId: string;
}

const storage = new AsyncLocalStorage<RequestContext>();

export const currentRequestId = (): string | null => storage.getStore()?.requestId ?? null;

/** Runs `work` under a request id: the given one, or a new one. */
export const withRequestId = <T>(requestId: string | null, work: () => T): T =>
  storage.run({ requestId: requestId ?? randomUUID() }, work);
