import { Global, Module } from '@nestjs/common';
import { RateLimits } from './rate-limits';

/** One count of calls for the process: for the server's hooks, the access guard and the health checks. */
@Global()
@Module({ providers: [RateLimits], exports: [RateLimits] })
export class RateLimitsModule {}
