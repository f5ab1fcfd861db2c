import { randomBytes } from 'node:crypto';
import { AdminBootstrap } from '@muster/features/auth/auth.admin';
import { ApiKeysRepository } from '@muster/features/auth/api-keys.repository';
import { ApiKeysService } from '@muster/features/auth/api-keys.service';
import { Passwords } from '@muster/features/auth/auth.passwords';
import { AuthRepository } from '@muster/features/auth/auth.repository';
import { AuthService } from '@muster/features/auth/auth.service';
import { Tokens } from '@muster/features/auth/auth.tokens';
import { TeamsService } from '@muster/features/auth/teams.service';
import { UsersRepository } from '@muster/features/auth/users.repository';
import { UsersService } from '@muster/features/auth/users.service';
import { readConfig } from '@muster/platform/config/config';
import { Outbox } from '@muster/platform/outbox/outbox';
import { buildAudit } from './audit';
import { TestDatabase } from './database';

/** The services of users and sessions on a test store, as one process has them. */
export function buildAuth(
  { database, transactions }: TestDatabase,
  env: Record<string, string> = {},
  passwords = new Passwords(),
  tokens = new Tokens([randomBytes(48).toString('base64')]),
) {
  const config = readConfig(env);
  const outbox = new Outbox();
  const audit = buildAudit({ database });
  const sessions = new AuthRepository(database);
  const repository = new UsersRepository(database);
  const users = new UsersService(database, transactions, repository, sessions, passwords, outbox, audit, config);
  const teams = new TeamsService(database, transactions, repository, audit, outbox);
  const apiKeys = new ApiKeysService(transactions, new ApiKeysRepository(database), repository, outbox, audit);
  const auth = new AuthService(
    database,
    transactions,
    sessions,
    repository,
    users,
    passwords,
    tokens,
    apiKeys,
    outbox,
    audit,
    config,
  );
  return { auth, apiKeys, users, teams, tokens, admins: new AdminBootstrap(users, repository, config) };
}
