import { ProblemError } from '@muster/core/errors';
import { Permission, PERMISSIONS, Role } from '@muster/core/permissions';
import { Principal, scopeFor } from '@muster/core/principal';
import { formatTime } from '@muster/platform/database/dialect/dialect';
import { Transactions } from '@muster/platform/database/transactions';
import { buildAuth } from '@muster/testing/auth';
import { openTestDatabase, TestDatabase } from '@muster/testing/database';
import { ApiKeysRepository } from './api-keys.repository';
import { ApiKeysService } from './api-keys.service';
import { sha256 } from './auth.tokens';

const PASSWORD = 'correct horse battery';

describe('API keys', () => {
  let store: TestDatabase;
  let services: ReturnType<typeof buildAuth>;
  let admin: Principal;
  let people = 0;

  const person = (role: Role): Promise<Principal> =>
    services.users.create(
      { name: 'Ada Example', email: `ada${++people}@example.com`, password: PASSWORD, role },
      null,
      async (_, { id, teamId }) => ({ userId: id, role, teamId, sessionId: null }),
    );
  const codeOf = async (work: Promise<unknown>) =>
    work.then(
      () => 'accepted',
      (error: ProblemError) => error.code ?? error,
    );
  const make = (owner: Principal, permissions: Permission[] = ['leads:read'], expiresAt?: string) =>
    services.apiKeys.create(owner, { name: 'Till', permissions, expiresAt });
  const change = (sql: string, ...params: unknown[]) => store.transactions.run((tx) => tx.query(sql, params));
  const ids = async (principal: Principal, query = {}) =>
    (await services.apiKeys.list(principal, { limit: 100, ...query })).data.map(({ id }) => id);

  beforeAll(async () => {
    store = await openTestDatabase();
    services = buildAuth(store);
    admin = await person('admin');
  });
  afterEach(() => services.apiKeys.onModuleDestroy());
  afterAll(() => store.close());

  it('are 256 random bits, of which only the hash is stored', async () => {
    const { apiKey, key } = await make(admin);
    expect(key).toMatch(/^muster_[\w-]{43}$/);
    expect(Buffer.from(key.slice(7), 'base64url')).toHaveLength(32);
    expect(apiKey).toMatchObject({ prefix: key.slice(0, 15), keyHash: sha256(key), userId: admin.userId });
    for (const table of ['api_keys', 'audit_log', 'outbox']) {
      expect(JSON.stringify(await store.database.query(`SELECT * FROM ${table}`))).not.toContain(key.slice(15));
    }
  });

  it('act for their owner, within what both may do', async () => {
    const owner = await person('manager');
    const { apiKey, key } = await make(owner, ['leads:read', 'users:read']);
    const principal = await services.auth.authenticate(key);
    expect(principal).toMatchObject({ ...owner, sessionId: null, apiKeyId: apiKey.id });
    const held = (Object.keys(PERMISSIONS) as Permission[]).filter((permission) => scopeFor(principal, permission));
    expect(held).toEqual(['account:read', 'users:read', 'leads:read']);
    expect(scopeFor(principal, 'leads:read')).toBe('team');
    await services.users.update(admin, owner.userId, { role: 'agent' });
    const demoted = await services.auth.authenticate(key);
    expect([scopeFor(demoted, 'leads:read'), scopeFor(demoted, 'users:read')]).toEqual(['own', null]);
  });

  it('never hold what is for people only, whatever is stored', async () => {
    const { apiKey, key } = await make(admin);
    const stored = JSON.stringify(['leads:read', 'account:write', 'api-keys:write', 'no-such:permission']);
    await change('UPDATE api_keys SET permissions = ? WHERE id = ?', stored, apiKey.id);
    expect([...(await services.auth.authenticate(key)).permissions!]).toEqual(['leads:read', 'account:read']);
  });

  it('are granted what their maker holds, and nothing for people only', async () => {
    const agent = await person('agent');
    const refusals = async (permissions: Permission[]) =>
      make(agent, permissions).then(
        () => [],
        (error: ProblemError) => [error.status, ...error.errors!.map(({ field, code }) => `${field} ${code}`)],
      );
    expect(await refusals(['leads:write', 'account:read'])).toEqual([]);
    expect(await refusals(['audit:read', 'leads:read'])).toEqual([422, 'permissions permission-not-held']);
    for (const permission of ['account:write', 'api-keys:read', 'api-keys:write'] as const) {
      expect(await refusals([permission])).toEqual([422, 'permissions permission-not-grantable']);
    }
  });

  it('are refused when unknown, revoked, expired, or their owner is gone, all in one way', async () => {
    const refusal = async (key: string) => services.auth.authenticate(key).catch((error: ProblemError) => error);
    const use = async (key: string) => codeOf(services.auth.authenticate(key));
    const [revoked, expired] = [await make(admin), await make(admin)];
    await services.apiKeys.revoke(admin, revoked.apiKey.id);
    const past = formatTime(new Date(Date.now() - 1));
    expect(await use(expired.key)).toBe('accepted');
    await change('UPDATE api_keys SET expires_at = ? WHERE id = ?', past, expired.apiKey.id);
    const owner = await person('agent');
    const { key } = await make(owner);
    await services.users.update(admin, owner.userId, { active: false });
    expect(await use(key)).toBe('api-key-invalid');
    await services.users.update(admin, owner.userId, { active: true });
    expect(await use(key)).toBe('accepted');
    await services.users.remove(admin, owner.userId);
    const unknown = `muster_${'a'.repeat(43)}`;
    const bad = [key, revoked.key, expired.key, unknown, 'muster_', `${key}a`, key.toUpperCase(), key.slice(0, -1)];
    const answers = await Promise.all(bad.map(refusal));
    const one = { status: 401, code: 'api-key-invalid', message: 'The API key is not valid.' };
    expect(answers).toMatchObject(bad.map((text) => (text.startsWith('muster_') ? one : { status: 401 })));
  });

  it('expire in the future: at a time, or at the end of a day', async () => {
    expect(await codeOf(make(admin, ['leads:read'], new Date(Date.now() - 1000).toISOString()))).toBe(
      'validation-failed',
    );
    const { apiKey } = await make(admin, ['leads:read'], '2999-01-31');
    expect((await services.apiKeys.get(admin, apiKey.id)).expiresAt).toEqual(new Date('2999-01-31T23:59:59.999Z'));
  });

  it('are seen and revoked by their owner and by admins, once', async () => {
    const [owner, other] = [await person('manager'), await person('agent')];
    const [mine, theirs] = [await make(owner), await make(other)];
    expect(await ids(owner)).toEqual([mine.apiKey.id]);
    expect(await ids(owner, { userId: other.userId })).toEqual([]);
    expect(await ids(admin, { userId: other.userId })).toEqual([theirs.apiKey.id]);
    expect(await ids(admin)).toEqual(expect.arrayContaining([mine.apiKey.id, theirs.apiKey.id]));
    for (const id of [theirs.apiKey.id, 999_999]) {
      expect(await codeOf(services.apiKeys.get(owner, id))).toBe('not-found');
      expect(await codeOf(services.apiKeys.revoke(owner, id))).toBe('not-found');
    }
    expect(await codeOf(services.apiKeys.revoke(owner, mine.apiKey.id, '"v7"'))).toBe('stale');
    const revokes = await Promise.all(
      [owner, admin, owner].map((by) => codeOf(services.apiKeys.revoke(by, mine.apiKey.id))),
    );
    expect(revokes.sort()).toEqual(['accepted', 'not-found', 'not-found']);
    expect(await codeOf(services.apiKeys.get(owner, mine.apiKey.id))).toBe('not-found');
    await services.users.remove(admin, other.userId);
    expect(await ids(admin, { userId: other.userId })).toEqual([]);
  });

  it('are listed by keyset, newest first', async () => {
    const owner = await person('agent');
    const made: number[] = [];
    for (let n = 0; n < 5; n++) made.unshift((await make(owner)).apiKey.id);
    const seen: number[] = [];
    let cursor: string | undefined;
    do {
      const { data, meta } = await services.apiKeys.list(owner, { limit: 2, cursor });
      expect(meta.total).toBe(5);
      seen.push(...data.map(({ id }) => id));
      cursor = meta.nextCursor ?? undefined;
    } while (cursor);
    expect(seen).toEqual(made);
  });

  it('are at most fifty live ones of a user, however many are made at once', async () => {
    const owner = await person('agent');
    const codes = await Promise.all(Array.from({ length: 60 }, () => codeOf(make(owner))));
    expect(codes.filter((code) => code === 'accepted')).toHaveLength(50);
    expect(codes.filter((code) => code === 'api-keys-limit')).toHaveLength(10);
    const [one, another] = await ids(owner);
    await services.apiKeys.revoke(owner, one);
    await change('UPDATE api_keys SET expires_at = ? WHERE id = ?', formatTime(new Date(Date.now() - 1)), another);
    expect(await Promise.all([make(owner), make(owner), make(owner)].map(codeOf)).then((all) => all.sort())).toEqual([
      'accepted',
      'accepted',
      'api-keys-limit',
    ]);
  });

  it('say when they were last used, to the minute', async () => {
    const { apiKey, key } = await make(admin);
    const lastUse = async () => {
      await services.apiKeys.onModuleDestroy();
      return (await services.apiKeys.get(admin, apiKey.id)).lastUsedAt?.getTime() ?? null;
    };
    expect(await lastUse()).toBeNull();
    const start = Date.now();
    await Promise.all(Array.from({ length: 10 }, () => services.auth.authenticate(key)));
    const first = await lastUse();
    expect(first).toBeGreaterThanOrEqual(start);
    const setTo = (ago: number) =>
      change('UPDATE api_keys SET last_used_at = ? WHERE id = ?', formatTime(new Date(start - ago)), apiKey.id);
    await setTo(50_000);
    await services.auth.authenticate(key);
    expect(await lastUse()).toBe(start - 50_000);
    await setTo(61_000);
    await services.auth.authenticate(key);
    expect(await lastUse()).toBeGreaterThanOrEqual(start);
  });

  it('let a request in whose use cannot be noted, and note none twice in a minute', async () => {
    const { apiKey, key } = await make(admin);
    let attempts = 0;
    class Broken extends Transactions {
      override bookkeep<T>(): Promise<T> {
        attempts++;
        return Promise.reject(new Error('The disk is full.'));
      }
    }
    const repository = new ApiKeysRepository(store.database);
    const unused = null as never;
    const broken = new ApiKeysService(new Broken(store.database), repository, unused, unused, unused);
    expect((await broken.authenticate(key)).userId).toBe(admin.userId);
    await expect(broken.onModuleDestroy()).resolves.toBeUndefined();
    expect(attempts).toBe(1);
    await change('UPDATE api_keys SET last_used_at = ? WHERE id = ?', formatTime(new Date()), apiKey.id);
    await broken.authenticate(key);
    expect(attempts).toBe(1);
  });

  it('are audited and told when made and revoked', async () => {
    const owner = await person('agent');
    const { apiKey } = await make(owner);
    await services.apiKeys.revoke(admin, apiKey.id);
    const rows = await store.database.query<{ action: string; actor_id: number }>(
      `SELECT action, actor_id FROM audit_log WHERE subject_id = ? AND subject_type = 'api-key' ORDER BY id`,
      [apiKey.id],
    );
    expect(rows.map(({ action, actor_id }) => [action, Number(actor_id)])).toEqual([
      ['api-key.created', owner.userId],
      ['api-key.revoked', admin.userId],
    ]);
    const events = await store.database.query<{ name: string; payload: string }>(
      `SELECT name, payload FROM outbox WHERE name LIKE 'api-key.%' ORDER BY id`,
    );
    const payloads = events.map(({ name, payload }) => ({ name, ...(JSON.parse(payload) as { apiKeyId: number }) }));
    expect(payloads.filter(({ apiKeyId }) => apiKeyId === apiKey.id)).toEqual([
      { name: 'api-key.created', apiKeyId: apiKey.id, userId: owner.userId },
      { name: 'api-key.revoked', apiKeyId: apiKey.id, userId: owner.userId, by: admin.userId },
    ]);
  });
});
