import { Module, OnApplicationBootstrap, OnModuleDestroy } from '@nestjs/common';
import { APP_GUARD, DiscoveryModule } from '@nestjs/core';
import { type Config } from '@muster/platform/config/config';
import { CONFIG } from '@muster/platform/config/config.module';
import { tokenSecrets } from '@muster/platform/config/secrets';
import { Loop } from '@muster/platform/observability/loop';
import { AuditModule } from '../audit/audit.module';
import { AccessGuard } from './access.guard';
import { AdminBootstrap } from './auth.admin';
import { ApiKeysController } from './api-keys.controller';
import { ApiKeysRepository } from './api-keys.repository';
import { ApiKeysService } from './api-keys.service';
import { AuthController } from './auth.controller';
import { SessionCookies } from './auth.cookies';
import { Passwords } from './auth.passwords';
import { AuthRepository } from './auth.repository';
import { AuthService } from './auth.service';
import { Tokens } from './auth.tokens';
import { TeamsController } from './teams.controller';
import { TeamsService } from './teams.service';
import { UsersController } from './users.controller';
import { UsersRepository } from './users.repository';
import { UsersService } from './users.service';

/** How often expired sessions are removed, in milliseconds. */
const PRUNE_INTERVAL = 3_600_000;

@Module({
  imports: [AuditModule],
  providers: [
    AdminBootstrap,
    ApiKeysRepository,
    ApiKeysService,
    AuthRepository,
    AuthService,
    Passwords,
    SessionCookies,
    TeamsService,
    UsersRepository,
    UsersService,
    {
      provide: Tokens,
      inject: [CONFIG],
      useFactory: async ({ auth, dataDir }: Config) => new Tokens(await tokenSecrets(auth.jwtSecrets, dataDir)),
    },
  ],
  exports: [AdminBootstrap, ApiKeysService, AuthService, SessionCookies, TeamsService, UsersService],
})
export class AuthModule {}

/** The routes, and the guard of every route of the process. */
@Module({
  imports: [AuthModule, DiscoveryModule],
  controllers: [AuthController, ApiKeysController, UsersController, TeamsController],
  providers: [{ provide: APP_GUARD, useClass: AccessGuard }],
})
export class AuthHttpModule implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly pruning: Loop;

  constructor(auth: AuthService) {
    this.pruning = new Loop('sessions', PRUNE_INTERVAL, async () => {
      await auth.prune();
      return false;
    });
  }

  onApplicationBootstrap(): void {
    this.pruning.start();
  }

  async onModuleDestroy(): Promise<void> {
    await this.pruning.stop();
  }
}
