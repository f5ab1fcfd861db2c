import { CanActivate, ExecutionContext } from '@nestjs/common';
import { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyRequest } from 'fastify';
import { Database } from '../database/database';
import { Transactions } from '../database/transactions';
import { Loop } from '../observability/loop';
import { markEffects } from '../observability/request-context';
import { IdempotencyAttempt, readIdempotencyKey } from './idempotency.attempt';
import { IdempotencyStore } from './idempotency.store';

/** How often expired keys are removed, in milliseconds. */
const PRUNE_INTERVAL = 3_600_000;

/**
 * Lets in the first request that names an `Idempotency-Key`, and answers its retries as it was answered. Guards run in the order in which
 * they are registered: this one must come after that which says who is calling. (An interceptor would do, and slow every request.)
 */
class IdempotencyGuard implements CanActivate {
  constructor(private readonly store: IdempotencyStore) {}

  canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    return request.method !== 'POST' || this.claim(request);
  }

  private claim(request: FastifyRequest): boolean | Promise<boolean> {
    const key = readIdempotencyKey(request);
    if (key === null) return true;
    const attempt = new IdempotencyAttempt(this.store, request, key);
    request.idempotency = attempt;
    markEffects(attempt);
    return request.isMultipart() || attempt.claim(request.body).then(() => true);
  }
}

/**
 * Every POST accepts an `Idempotency-Key`. The first request holds the key while it runs (`running`); its first transaction that commits
 * marks the key `committed` in itself; its answer is kept before it is sent (`answered`), for 24 hours. So an effect takes place once,
 * wherever the process dies: before the mark a retry runs, after it a retry gets the answer, or hears that there is none.
 */
export function acceptIdempotencyKeys(app: NestFastifyApplication): void {
  const store = new IdempotencyStore(app.get(Database), app.get(Transactions));
  const pruning = new Loop('idempotency keys', PRUNE_INTERVAL, () => store.prune());
  const fastify = app.getHttpAdapter().getInstance();
  fastify.decorateRequest('idempotency', null);
  fastify.addHook('onSend', (request, reply, payload, done) => {
    if (!request.idempotency) return done();
    void request.idempotency.end(reply, payload).then(() => done());
  });
  fastify.addHook('onReady', (done) => {
    pruning.start();
    done();
  });
  fastify.addHook('onClose', () => pruning.stop());
  app.useGlobalGuards(new IdempotencyGuard(store));
}
