import { randomBytes } from 'node:crypto';
import { Injectable, OnModuleDestroy } from '@nestjs/common';
import { conflict, FieldError, notFound, unauthorized, validationFailed } from '@muster/core/errors';
import { Page } from '@muster/core/page';
import { Permission } from '@muster/core/permissions';
import { holds, Principal } from '@muster/core/principal';
import { Transactions } from '@muster/platform/database/transactions';
import { requireMatch } from '@muster/platform/http/etag';
import { parseInstant } from '@muster/platform/http/instant';
import { errorFields, logOf } from '@muster/platform/observability/logger';
import { Outbox } from '@muster/platform/outbox/outbox';
import { AuditService } from '../audit/audit.service';
import { ApiKeyBody, ListApiKeysQuery, toApiKeyView } from './api-keys.dto';
import { ApiKeysRepository, UsableKey } from './api-keys.repository';
import { ApiKey } from './auth.entity';
import { apiKeyCreated, apiKeyRevoked } from './auth.events';
import { GRANTABLE, visibleWhere } from './auth.policy';
import { sha256 } from './auth.tokens';
import { UsersRepository } from './users.repository';

/** What every key begins with, so that people and scanners for leaked secrets know one. */
export const KEY_MARK = 'muster_';
const KEY = /^muster_[\w-]{43}$/;
const PREFIX_LENGTH = 15;

/** Live keys of one user. */
const MAX_KEYS = 50;
/** How exactly the last use is known, in milliseconds. */
const USE_INTERVAL = 60_000;

const OWNER = { assignee: null, creator: 'user_id' };

/** Keys with which programs act for users. */
@Injectable()
export class ApiKeysService implements OnModuleDestroy {
  private readonly log = logOf('api-keys');
  /** Notes of uses that are being written, by key. */
  private readonly noting = new Map<number, Promise<void>>();

  constructor(
    private readonly transactions: Transactions,
    private readonly repository: ApiKeysRepository,
    private readonly users: UsersRepository,
    private readonly outbox: Outbox,
    private readonly audit: AuditService,
  ) {}

  list(principal: Principal, query: ListApiKeysQuery): Promise<Page<ApiKey>> {
    return this.repository.list(visibleWhere(OWNER, principal, 'api-keys:read'), query);
  }

  async get(principal: Principal, id: number): Promise<ApiKey> {
    const apiKey = await this.repository.find(id, visibleWhere(OWNER, principal, 'api-keys:read'));
    if (!apiKey) throw notFound();
    return apiKey;
  }

  /**
   * Makes a key of the caller.
   * @returns also the key itself, which nobody can read again: only its hash is stored
   * @throws 409 `api-keys-limit`; 422 for permissions that the caller does not hold or that no key may have
   */
  async create(principal: Principal, body: ApiKeyBody): Promise<{ apiKey: ApiKey; key: string }> {
    const now = new Date();
    const expiresAt = body.expiresAt ? parseInstant(body.expiresAt)!.last : null;
    const errors = body.permissions.flatMap((permission) => refusal(principal, permission));
    if (expiresAt && expiresAt <= now) {
      errors.push({ field: 'expiresAt', code: 'not-in-future', message: 'must be in the future' });
    }
    if (errors.length > 0) throw validationFailed(errors);
    const key = KEY_MARK + randomBytes(32).toString('base64url');
    const apiKey = await this.transactions.run(async (tx) => {
      // Held, so that keys made at once are all counted.
      if (!(await this.users.hold(tx, principal.userId))) throw notFound();
      if ((await this.repository.countLive(tx, principal.userId)) >= MAX_KEYS) {
        throw conflict('api-keys-limit', `A user may have ${MAX_KEYS} API keys: revoke one first.`);
      }
      const made = await this.repository.insert(tx, {
        userId: principal.userId,
        name: body.name,
        prefix: key.slice(0, PREFIX_LENGTH),
        keyHash: sha256(key),
        permissions: body.permissions,
        createdAt: now,
        expiresAt,
        lastUsedAt: null,
        revokedAt: null,
        version: 1,
      });
      const after = toApiKeyView(made);
      await this.audit.record(tx, principal, { action: 'api-key.created', subjectId: made.id, after });
      await this.outbox.add(tx, apiKeyCreated, { apiKeyId: made.id, userId: made.userId });
      return made;
    });
    return { apiKey, key };
  }

  /** Revokes a key: it is refused from the next request on. */
  async revoke(principal: Principal, id: number, ifMatch?: string): Promise<void> {
    const visible = visibleWhere(OWNER, principal, 'api-keys:write');
    await this.transactions.run(async (tx) => {
      const apiKey = await this.repository.lock(tx, id, visible);
      if (!apiKey) throw notFound();
      requireMatch(ifMatch, apiKey.version);
      await this.repository.revoke(tx, apiKey);
      const before = toApiKeyView(apiKey);
      await this.audit.record(tx, principal, { action: 'api-key.revoked', subjectId: id, before });
      await this.outbox.add(tx, apiKeyRevoked, { apiKeyId: id, userId: apiKey.userId, by: principal.userId });
    });
  }

  /**
   * Who acts with a key: its owner, as the store knows them now, held to the key's permissions.
   * @throws 401 `api-key-invalid`, for whatever reason
   */
  async authenticate(key: string): Promise<Principal> {
    const usable = KEY.test(key) ? await this.repository.usable(sha256(key)) : null;
    if (!usable) throw unauthorized('api-key-invalid', 'The API key is not valid.');
    this.noteUse(usable);
    const { id, userId, role, teamId, permissions } = usable;
    const allowed = permissions.filter((permission) => GRANTABLE.includes(permission));
    return { userId, role, teamId, sessionId: null, apiKeyId: id, permissions: new Set([...allowed, 'account:read']) };
  }

  /** Waits for the notes of uses that are being written. */
  async onModuleDestroy(): Promise<void> {
    await Promise.all(this.noting.values());
  }

  /** Writes the time of a use beside the request, which neither waits for it nor fails with it. */
  private noteUse({ id, lastUsedAt }: UsableKey): void {
    const now = new Date();
    const unlessAfter = new Date(now.getTime() - USE_INTERVAL);
    if ((lastUsedAt && lastUsedAt > unlessAfter) || this.noting.has(id)) return;
    const noted = this.transactions
      .bookkeep((tx) => this.repository.noteUse(tx, id, now, unlessAfter))
      .catch((error: unknown) => this.log.warn(errorFields(error), 'The use of an API key could not be noted.'))
      .finally(() => this.noting.delete(id));
    this.noting.set(id, noted);
  }
}

/** Why a key of this principal may not have the permission; empty when it may. */
function refusal(principal: Principal, permission: Permission): FieldError[] {
  const refused = (code: string, message: string) => [{ field: 'permissions', code, message }];
  if (!GRANTABLE.includes(permission)) return refused('permission-not-grantable', `${permission} is not for API keys`);
  return holds(principal, permission) ? [] : refused('permission-not-held', `you do not hold ${permission} yourself`);
}
