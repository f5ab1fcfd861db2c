import { isIP } from 'node:net';
import { Inject, Injectable, OnApplicationShutdown, OnModuleInit } from '@nestjs/common';
import { Redis } from 'ioredis';
import { RateLimiterAbstract, RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import { messageOf, ProblemError } from '@muster/core/errors';
import { Principal } from '@muster/core/principal';
import { type Config } from '../config/config';
import { CONFIG } from '../config/config.module';
import { logOf } from '../observability/logger';
import { rateLimitRefusals } from '../observability/metrics';

/** So many calls in so many seconds; the first call begins the stretch. */
export interface Budget {
  calls: number;
  seconds: number;
  /** Whose calls count together: those from one network address, or those of one user or API key. */
  per: 'address' | 'caller';
}

/** Every budget. `api` and `caller` hold for the whole API; a route takes from another one by `@Limited`. */
export const BUDGETS = {
  api: { calls: 6_000, seconds: 60, per: 'address' },
  caller: { calls: 1_200, seconds: 60, per: 'caller' },
  login: { calls: 30, seconds: 60, per: 'address' },
  register: { calls: 30, seconds: 600, per: 'address' },
  refresh: { calls: 120, seconds: 60, per: 'address' },
  uploads: { calls: 120, seconds: 60, per: 'caller' },
  parts: { calls: 1_200, seconds: 60, per: 'address' },
} as const satisfies Record<string, Budget>;

export type BudgetName = keyof typeof BUDGETS;

/** How long Redis may take to answer before the process counts for itself, in milliseconds. */
const COMMAND_TIMEOUT = 250;
/** After so long without an answer the connection is given up and made anew, in milliseconds. */
const SOCKET_TIMEOUT = 1_000;
/** How long the start waits for Redis, in milliseconds. */
const CONNECT_TIMEOUT = 2_000;
const MAX_RECONNECT_PAUSE = 2_000;

/**
 * Holds callers to their budgets. The counts are in Redis, for all processes together, or in this process's memory; here
 * too, from zero, while Redis does not answer.
 */
@Injectable()
export class RateLimits implements OnModuleInit, OnApplicationShutdown {
  private readonly log = logOf('rate-limits');
  private readonly redis: Redis | null;
  private readonly limiters: Record<BudgetName, RateLimiterAbstract>;
  /** What the memory answered in Redis's place. */
  private readonly insured = new WeakSet<RateLimiterRes>();
  private readonly enabled: boolean;
  private isLost = false;
  private isStopping = false;
  private reason = 'no answer';

  constructor(@Inject(CONFIG) config: Pick<Config, 'rateLimits' | 'redisUrl'>) {
    this.enabled = config.rateLimits;
    if (!this.enabled) this.log.warn({}, 'RATE_LIMITS=off: callers are not held to any rate.');
    this.redis = this.enabled && config.redisUrl ? connection(config.redisUrl) : null;
    this.redis?.on('error', (error) => {
      this.reason = messageOf(error) || ((error as { code?: string }).code ?? 'no connection');
      this.lost();
    });
    const names = Object.keys(BUDGETS) as BudgetName[];
    this.limiters = Object.fromEntries(names.map((name) => [name, this.limiter(name)])) as typeof this.limiters;
  }

  /** Waits for Redis for a moment; without it the process starts all the same. */
  async onModuleInit(): Promise<void> {
    if (!this.redis) return;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error('no answer in time')), CONNECT_TIMEOUT);
    });
    try {
      await Promise.race([this.redis.connect(), late]);
    } catch (error) {
      this.reason = messageOf(error);
      this.lost();
    } finally {
      clearTimeout(timer);
    }
  }

  onApplicationShutdown(): void {
    this.isStopping = true;
    this.redis?.disconnect();
  }

  /** Whether Redis is in use; then {@link check} tells how it is. */
  get isShared(): boolean {
    return this.redis !== null;
  }

  /** @throws when Redis does not answer */
  async check(): Promise<void> {
    await this.redis?.ping();
  }

  /**
   * Takes one call from a budget.
   * @param key {@link addressKey} or {@link callerKey}, as the budget is `per`
   * @throws 429 `too-many-requests` when it is used up
   */
  async take(name: BudgetName, key: string): Promise<void> {
    if (!this.enabled) return;
    try {
      this.heard(await this.limiters[name].consume(key));
    } catch (refusal) {
      if (!(refusal instanceof RateLimiterRes)) throw refusal;
      this.heard(refusal);
      rateLimitRefusals.inc({ budget: name });
      const seconds = Math.max(1, Math.ceil(refusal.msBeforeNext / 1000));
      const message = `Too many calls. Try again in ${seconds} s.`;
      throw new ProblemError('user', 429, 'too-many-requests', message, undefined, seconds);
    }
  }

  private limiter(name: BudgetName): RateLimiterAbstract {
    const { calls: points, seconds: duration } = BUDGETS[name];
    const keyPrefix = `muster:limit:${name}`;
    if (!this.redis) return new RateLimiterMemory({ keyPrefix, points, duration });
    return new RateLimiterRedis({
      ...{ keyPrefix, points, duration },
      storeClient: this.redis,
      rejectIfRedisNotReady: true,
      // A caller who is over is refused without asking Redis again.
      inMemoryBlockOnConsumed: points,
      insuranceLimiter: new Insurance({ keyPrefix, points, duration }, this.insured),
    });
  }

  /** Learns from an answer whether Redis gave it. */
  private heard(answer: RateLimiterRes): void {
    if (!this.redis) return;
    if (this.insured.has(answer)) this.lost();
    // An answer that counts nothing is one that was remembered: it says nothing of Redis.
    else if (answer.consumedPoints > 0) this.found();
  }

  private lost(): void {
    if (this.isLost || this.isStopping) return;
    this.isLost = true;
    this.log.warn({ error: this.reason }, 'Redis does not answer; each process counts rates for itself meanwhile.');
  }

  private found(): void {
    if (!this.isLost) return;
    this.isLost = false;
    this.log.info({}, 'Redis answers again.');
  }
}

/** The budgets in memory that stand in for Redis; marks its answers. */
class Insurance extends RateLimiterMemory {
  constructor(
    options: ConstructorParameters<typeof RateLimiterMemory>[0],
    private readonly marked: WeakSet<RateLimiterRes>,
  ) {
    super(options);
  }

  override async consume(...args: Parameters<RateLimiterMemory['consume']>): Promise<RateLimiterRes> {
    try {
      const answer = await super.consume(...args);
      this.marked.add(answer);
      return answer;
    } catch (refusal) {
      if (refusal instanceof RateLimiterRes) this.marked.add(refusal);
      throw refusal;
    }
  }
}

/** Never queues: what Redis does not answer at once is counted in memory. */
const connection = (url: string) =>
  new Redis(url, {
    lazyConnect: true,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    commandTimeout: COMMAND_TIMEOUT,
    socketTimeout: SOCKET_TIMEOUT,
    connectTimeout: CONNECT_TIMEOUT,
    retryStrategy: (attempt) => Math.min(attempt * 100, MAX_RECONNECT_PAUSE),
  });

/** A user, or an API key, which counts apart from its user. */
export const callerKey = ({ userId, apiKeyId }: Principal): string => (apiKeyId ? `key-${apiKeyId}` : `user-${userId}`);

/**
 * The network address whose calls count together: an IPv4 address (also one that is written as IPv6), or the /64 network of an
 * IPv6 address, which is what one subscriber has.
 */
export function addressKey(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped ?? isIP(address) === 4) return mapped ?? address;
  const [bare] = address.split('%');
  if (isIP(bare) !== 6) return 'unknown';
  // The URL parser writes an address in its one short form.
  const canonical = new URL(`http://[${bare}]`).hostname.slice(1, -1);
  const [head, tail] = canonical.split('::').map((half) => (half ? half.split(':') : []));
  const groups = tail ? [...head, ...Array<string>(8 - head.length - tail.length).fill('0'), ...tail] : head;
  // In that form a mapped address has its last two groups in hexadecimal.
  if (groups.slice(0, 6).join(':') === '0:0:0:0:0:ffff') {
    const bytes = groups.slice(6).flatMap((group) => [parseInt(group, 16) >> 8, parseInt(group, 16) & 255]);
    return bytes.join('.');
  }
  return `${groups.slice(0, 4).join(':')}::/64`;
}
