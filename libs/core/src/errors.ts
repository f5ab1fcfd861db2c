/**
 * What a failure means decides what happens to it, in one table for the HTTP answer and for the queue:
 * `user` (4xx; dead letter at once), `operational` (503; retried with backoff), `bug` (500; dead letter and alarm).
 */
export type ErrorKind = 'user' | 'operational' | 'bug';

/** One wrong field of a request or of a row. `code` is stable and kebab-case; `message` is for people. */
export interface FieldError {
  field: string;
  code: string;
  message: string;
  /** The record that already holds the value; only when the caller may see it. */
  existingId?: number;
}

/** An expected failure with a stable code. Everything else that is thrown counts as a bug. */
export class ProblemError extends Error {
  constructor(
    readonly kind: ErrorKind,
    readonly status: number,
    readonly code: string,
    message: string,
    readonly errors?: FieldError[],
    /** Seconds after which a retry may succeed; sent as `Retry-After`. */
    readonly retryAfter?: number,
    /** What the answer says beside the usual members of a problem, under names of its own. */
    readonly members?: Readonly<Record<string, unknown>>,
  ) {
    super(message);
    this.name = 'ProblemError';
  }
}

/** The one answer for what is absent and for what is not the caller's. */
export const notFound = () =>
  new ProblemError('user', 404, 'not-found', 'There is no such resource, or it is not yours.');

export const badRequest = (code: string, message: string) => new ProblemError('user', 400, code, message);

export const unauthorized = (code: string, message: string) => new ProblemError('user', 401, code, message);

export const forbidden = (message = 'Your role does not allow this.') =>
  new ProblemError('user', 403, 'forbidden', message);

export const conflict = (code: string, message: string, errors?: FieldError[]) =>
  new ProblemError('user', 409, code, message, errors);

/** What was here and is not kept any more. */
export const gone = (code: string, message: string) => new ProblemError('user', 410, code, message);

export const tooLarge = (code: string, message: string) => new ProblemError('user', 413, code, message);

export const unsupportedType = (code: string, message: string) => new ProblemError('user', 415, code, message);

export const invalid = (code: string, message: string, errors?: FieldError[]) =>
  new ProblemError('user', 422, code, message, errors);

/** What a request with wrong fields is answered. */
export const validationFailed = (errors: FieldError[], detail = 'The request is well-formed but not valid.') =>
  invalid('validation-failed', detail, errors);

/** Something outside (store, broker, file store, provider) failed and may work later. */
export const unavailable = (code: string, message: string, retryAfter = 5) =>
  new ProblemError('operational', 503, code, message, undefined, retryAfter);

export const errorKind = (error: unknown): ErrorKind => (error instanceof ProblemError ? error.kind : 'bug');

/** The message of whatever was thrown. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
