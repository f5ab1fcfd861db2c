import { createHash } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { badRequest, invalid, ProblemError, unsupportedType } from '@muster/core/errors';
import { Tx } from '../database/transactions';
import { errorFields, logOf } from '../observability/logger';
import { EffectMark } from '../observability/request-context';
import { SignedInRequest } from './access';
import { Answer, fateOf, seal, StoredAnswer, unseal } from './idempotency.answer';
import { fingerprintOf } from './idempotency.fingerprint';
import { answerLost, Claim, IdempotencyStore, inProgress } from './idempotency.store';

declare module 'fastify' {
  interface FastifyRequest {
    /** Set for a POST that names an `Idempotency-Key`. */
    idempotency: IdempotencyAttempt | null;
  }
}

/** 1 to 255 printable characters; of UTF-8, whose bytes come one by one, so many bytes. */
const KEY = /^[\x20-\x7e\x80-\xff]{1,255}$/;
/** The headers of an answer that a retry gets too. Cookies are not among them. */
const KEPT_HEADERS = ['content-type', 'etag', 'location', 'retry-after'];
/** Larger answers are not kept, in bytes. */
const MAX_BODY = 1024 * 1024;

/** The request's `Idempotency-Key`; null when it names none. @throws 400 `idempotency-key-invalid` */
export function readIdempotencyKey({ headers, raw }: FastifyRequest): string | null {
  const key = headers['idempotency-key'];
  if (key === undefined) return null;
  // Node.js joins what is given twice.
  const given = raw.rawHeaders.filter((name, at) => at % 2 === 0 && name.toLowerCase() === 'idempotency-key').length;
  if (given > 1 || typeof key !== 'string' || !KEY.test(key)) {
    throw badRequest(
      'idempotency-key-invalid',
      'An Idempotency-Key has 1 to 255 printable characters, and is given once.',
    );
  }
  return key;
}

/** One request that names an `Idempotency-Key`, from the claim of the key until its answer is kept. */
export class IdempotencyAttempt implements EffectMark {
  private readonly log = logOf('idempotency');
  private claimed: Claim | null = null;
  private hadEffect = false;
  private lost = false;
  private ended = false;

  constructor(
    private readonly store: IdempotencyStore,
    private readonly request: FastifyRequest & Partial<SignedInRequest>,
    private readonly key: string,
  ) {}

  /**
   * Takes the key, before anything else is done. A multipart form claims when it has been received, by its parts: its bytes differ
   * between retries.
   * @param content the body's meaning: the same for the same request
   * @throws the stored answer; 409 `idempotency-in-progress`, `idempotency-answer-lost`; 422 `idempotency-key-reused`
   */
  async claim(content: unknown): Promise<void> {
    const fingerprint = fingerprintOf([this.request.query, content]);
    const keyHash = this.rowOf(fingerprint);
    const claiming = await this.store.claim(keyHash, fingerprint);
    switch (claiming.kind) {
      case 'claimed':
        this.claimed = claiming.claim;
        return;
      case 'answered':
        throw new StoredAnswer(this.open(claiming.answer, claiming.status, keyHash));
      case 'running':
        throw inProgress();
      case 'lost':
        throw answerLost();
      case 'reused':
        throw invalid('idempotency-key-reused', 'This Idempotency-Key came with another body. Use a new one.');
    }
  }

  private open(sealed: string, status: number, keyHash: string): Answer {
    try {
      return unseal(sealed, status, this.key, keyHash);
    } catch (error) {
      this.log.error(errorFields(error), 'A stored answer was changed in the store.');
      throw answerLost();
    }
  }

  /**
   * The key belongs to the user and the route, path included. Callers who are not signed in cannot be told apart, and must not get
   * each other's answers: theirs belongs to the body and the cookies too, so another body makes another request.
   */
  private rowOf(fingerprint: string): string {
    const { principal, routeOptions, params, headers } = this.request;
    const caller = principal ? ['user', principal.userId] : ['anonymous', headers.cookie ?? null, fingerprint];
    return createHash('sha256')
      .update(fingerprintOf([caller, 'POST', routeOptions.url, params, this.key]))
      .digest('hex');
  }

  async mark(tx: Pick<Tx, 'query'>, attempt: number): Promise<void> {
    if (this.hadEffect || this.ended) return;
    if (!this.claimed) throw unsupportedType('form-unexpected', 'This route takes no form.');
    try {
      await this.store.markCommitted(tx, this.claimed, attempt > 1);
    } catch (error) {
      this.lost = error instanceof ProblemError;
      throw error;
    }
  }

  committed(): void {
    this.hadEffect = true;
  }

  uncertain(): void {
    // The first effect is marked, and tells by itself whether it has committed. Later ones are not.
    if (!this.hadEffect || this.ended) return;
    this.lost = true;
    throw answerLost();
  }

  /**
   * Keeps the answer, or lets go of the key. It must be done before the client has the answer. A failure is logged and the answer is
   * sent: a retry then hears that it was lost.
   */
  async end(reply: FastifyReply, payload: unknown): Promise<void> {
    if (!this.claimed || this.ended) return;
    this.ended = true;
    const status = reply.statusCode;
    const body = bodyOf(payload);
    // A retry without the cookies would be signed in by half.
    const complete = body !== null && body.length <= MAX_BODY && !reply.hasHeader('set-cookie');
    const fate = this.lost ? 'give-up' : fateOf(status, this.hadEffect);
    try {
      if (fate === 'forget') await this.store.forget(this.claimed);
      else if (fate === 'give-up' || !complete) await this.store.giveUp(this.claimed);
      else {
        const answer = { status, headers: keptHeaders(reply), body };
        await this.store.keep(this.claimed, status, seal(answer, this.key, this.claimed.keyHash));
      }
    } catch (error) {
      this.log.error({ status, ...errorFields(error) }, 'An answer could not be kept for a retry.');
    }
  }
}

/** @returns null for a stream */
function bodyOf(payload: unknown): Buffer | null {
  if (payload === undefined || payload === null) return Buffer.alloc(0);
  if (typeof payload === 'string') return Buffer.from(payload);
  return payload instanceof Uint8Array ? Buffer.from(payload) : null;
}

function keptHeaders(reply: FastifyReply): Record<string, string> {
  const kept = KEPT_HEADERS.filter((name) => reply.hasHeader(name));
  return Object.fromEntries(kept.map((name) => [name, String(reply.getHeader(name))]));
}
