import { Controller, Get, Header, Inject, Module, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { messageOf } from '@muster/core/errors';
import { type Broker, BROKER } from '../broker/broker';
import { Database } from '../database/database';
import { Public } from '../http/access';
import { RateLimits } from '../http/rate-limits';
import { RateLimitsModule } from '../http/rate-limits.module';
import { logOf } from '../observability/logger';
import { registry } from '../observability/metrics';
import { type Storage, STORAGE } from '../storage/storage';

/** How long one check may take, in milliseconds. */
const CHECK_TIMEOUT = 3_000;

@ApiExcludeController()
@Controller()
export class HealthController {
  constructor(
    private readonly database: Database,
    @Inject(BROKER) private readonly broker: Broker,
    @Inject(STORAGE) private readonly storage: Storage,
    private readonly limits: RateLimits,
  ) {}

  /** The process runs. */
  @Get('health/live')
  @Public()
  live() {
    return { status: 'ok' };
  }

  /** The process can do its work: store, broker and file store answer. Redis is reported; the process does without it. */
  @Get('health/ready')
  @Public()
  async ready(@Res({ passthrough: true }) reply: FastifyReply) {
    const checks = {
      store: await check('store', () => this.database.query('SELECT 1')),
      broker: await check('broker', () => this.broker.check()),
      storage: await check('storage', () => this.storage.check()),
    };
    const ok = Object.values(checks).every((result) => result === 'ok');
    const redis = this.limits.isShared ? { redis: await check('redis', () => this.limits.check()) } : {};
    reply.status(ok ? 200 : 503);
    return { status: ok ? 'ok' : 'unavailable', checks: { ...checks, ...redis } };
  }

  @Get('metrics')
  @Public()
  @Header('content-type', registry.contentType)
  metrics(): Promise<string> {
    return registry.metrics();
  }
}

async function check(name: string, probe: () => Promise<unknown>): Promise<string> {
  let timer: NodeJS.Timeout | undefined;
  try {
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error('no answer in time')), CHECK_TIMEOUT);
    });
    await Promise.race([probe(), late]);
    return 'ok';
  } catch (error) {
    logOf('health').warn({ part: name, error: messageOf(error) }, 'A readiness check failed.');
    return 'unavailable';
  } finally {
    clearTimeout(timer);
  }
}

/** Liveness, readiness and Prometheus metrics. */
@Module({ imports: [RateLimitsModule], controllers: [HealthController] })
export class HealthModule {}
