import { Answer, Server } from '@muster/testing/server';

const PASSWORD = 'correct horse battery';
const outcome = ({ status, body }: Answer) => [status, body.code ?? null];

describe('API keys', () => {
  let server: Server;
  let people = 0;
  beforeAll(async () => {
    server = await Server.start();
  }, 90_000);
  afterAll(() => server.stop());

  const call = (method: string, path: string, body?: unknown, token: string | null = server.adminToken) =>
    server.request(method, path, body, token);
  const person = async (role = 'agent') => {
    const body = { name: 'Ada Example', email: `key${++people}@example.com`, password: PASSWORD, role };
    const { id } = (await call('POST', '/users', body)).body;
    return { id: id as number, email: body.email, token: await server.login(body.email, PASSWORD) };
  };
  const make = (token: string, permissions: string[] = ['leads:read', 'leads:write'], more: object = {}) =>
    call('POST', '/api-keys', { name: 'Till', permissions, ...more }, token);
  const lead = () => ({ name: 'Bo Example', email: `bo${++people}@example.com`, source: 'fair' });

  it('are shown once', async () => {
    const { id, token } = await person();
    const made = await make(token, ['leads:read'], { name: '  Till  ', expiresAt: '2999-01-31T10:00:00Z' });
    expect(made.status).toBe(201);
    const { key, ...view } = made.body;
    expect(view).toEqual({
      id: expect.any(Number),
      userId: id,
      name: 'Till',
      prefix: key.slice(0, 15),
      permissions: ['leads:read'],
      createdAt: expect.stringMatching(/Z$/),
      expiresAt: '2999-01-31T10:00:00.000Z',
      lastUsedAt: null,
    });
    expect(key).toMatch(/^muster_[\w-]{43}$/);
    expect(made.headers.get('location')).toBe(`/api/v1/api-keys/${view.id}`);
    expect(made.headers.get('cache-control')).toBe('no-store');
    const one = await call('GET', `/api-keys/${view.id}`, undefined, token);
    expect([one.body, one.headers.get('etag')]).toEqual([view, made.headers.get('etag')]);
    const list = await call('GET', '/api-keys', undefined, token);
    expect(list.body).toEqual({ data: [view], meta: { page: 1, limit: 20, total: 1, nextCursor: null } });
    expect(JSON.stringify([one.body, list.body])).not.toContain(key);
    expect(server.api.said).not.toContain(key);
  });

  it('act for their owner, and no further than they are allowed', async () => {
    const owner = await person();
    const { id, key } = (await make(owner.token)).body;
    const made = await call('POST', '/leads', lead(), key);
    expect([made.status, made.body.createdBy]).toEqual([201, owner.id]);
    const theirs = (await call('POST', '/leads', lead())).body;
    expect((await call('GET', `/leads/${theirs.id}`, undefined, key)).status).toBe(404);
    expect((await call('GET', '/auth/me', undefined, key)).body.id).toBe(owner.id);
    expect((await call('GET', '/users/me', undefined, key)).status).toBe(200);
    expect(outcome(await call('GET', '/customers', undefined, key))).toEqual([403, 'forbidden']);
    const { body } = await call('GET', `/api-keys/${id}`, undefined, owner.token);
    expect(body.lastUsedAt === null || typeof body.lastUsedAt === 'string').toBe(true);
  });

  it.each([
    ['GET', '/api-keys'],
    ['GET', '/api-keys/1'],
    ['POST', '/api-keys'],
    ['DELETE', '/api-keys/1'],
    ['POST', '/auth/logout'],
    ['PATCH', '/auth/password'],
    ['GET', '/auth/sessions'],
    ['DELETE', '/auth/sessions/1'],
  ])('never may %s %s, an admin’s with every permission included', async (method, path) => {
    const grantable = (await call('GET', '/api/openapi.json')).body.components.schemas.ApiKeyBody.properties
      .permissions;
    const { key } = (await make(server.adminToken, grantable.items.enum as string[])).body;
    expect((await call('GET', '/users', undefined, key)).status).toBe(200);
    expect(outcome(await call(method, path, method === 'GET' ? undefined : {}, key))).toEqual([403, 'forbidden']);
  });

  it.each<[string, object, string, string]>([
    ['no name', { name: ' ' }, 'name', 'is-text'],
    ['a long name', { name: 'x'.repeat(101) }, 'name', 'is-text'],
    ['no permissions', { permissions: [] }, 'permissions', 'is-permissions'],
    ['an unknown permission', { permissions: ['leads:steal'] }, 'permissions', 'is-permissions'],
    ['the name of a property', { permissions: ['constructor'] }, 'permissions', 'is-permissions'],
    ['a permission twice', { permissions: ['leads:read', 'leads:read'] }, 'permissions', 'is-permissions'],
    ['very many permissions', { permissions: Array(20_000).fill('leads:read') }, 'permissions', 'is-permissions'],
    ['a text for permissions', { permissions: 'leads:read' }, 'permissions', 'is-permissions'],
    ['lists of permissions', { permissions: [['leads:read']] }, 'permissions', 'is-permissions'],
    ['a permission not held', { permissions: ['audit:read'] }, 'permissions', 'permission-not-held'],
    ['the right to change passwords', { permissions: ['account:write'] }, 'permissions', 'permission-not-grantable'],
    ['the right to make keys', { permissions: ['api-keys:write'] }, 'permissions', 'permission-not-grantable'],
    ['an end in the past', { expiresAt: '2020-01-01' }, 'expiresAt', 'not-in-future'],
    ['an end that is no time', { expiresAt: 'soon' }, 'expiresAt', 'is-instant'],
    ['an owner', { userId: 1 }, 'userId', 'unknown-property'],
    ['a hash', { keyHash: 'x' }, 'keyHash', 'unknown-property'],
  ])('are not made with %s', async (_, wrong, field, code) => {
    const { token } = await person();
    const answer = await make(token, ['leads:read'], wrong);
    expect(outcome(answer)).toEqual([422, 'validation-failed']);
    expect(answer.body.errors).toEqual([{ field, code, message: expect.any(String) }]);
    expect((await call('GET', '/api-keys', undefined, token)).body.meta.total).toBe(0);
  });

  it('are their owner’s and the admins’ to see and revoke; others find nothing', async () => {
    const [owner, other] = [await person('manager'), await person('manager')];
    const { id, key } = (await make(owner.token)).body;
    const path = `/api-keys/${id}`;
    for (const method of ['GET', 'DELETE']) {
      const [foreign, absent] = [
        await call(method, path, undefined, other.token),
        await call(method, '/api-keys/999999', undefined, other.token),
      ];
      expect({ ...foreign.body, requestId: null }).toEqual({ ...absent.body, requestId: null });
      expect(foreign.status).toBe(404);
    }
    expect((await call('GET', `/api-keys?userId=${owner.id}`, undefined, other.token)).body.data).toEqual([]);
    expect((await call('GET', `/api-keys?userId=${owner.id}`)).body.data).toMatchObject([{ id }]);
    expect((await call('GET', '/leads', undefined, key)).status).toBe(200);
    expect((await server.request('DELETE', path, undefined, owner.token, { 'if-match': '"v9"' })).status).toBe(412);
    expect((await call('DELETE', path)).status).toBe(204);
    expect(outcome(await call('GET', '/leads', undefined, key))).toEqual([401, 'api-key-invalid']);
    for (const method of ['GET', 'DELETE']) expect((await call(method, path, undefined, owner.token)).status).toBe(404);
    expect((await call('GET', '/api-keys', undefined, owner.token)).body.data).toEqual([]);
  });

  it('follow their owner: narrowed by demotion, stopped by suspension, ended by deletion', async () => {
    const owner = await person('manager');
    const { key } = (await make(owner.token, ['users:read', 'leads:read'])).body;
    const [users, leads] = [() => call('GET', '/users', undefined, key), () => call('GET', '/leads', undefined, key)];
    const set = (body: object) => call('PATCH', `/users/${owner.id}`, body);
    expect([(await users()).status, (await leads()).status]).toEqual([200, 200]);
    await set({ role: 'agent' });
    expect([outcome(await users()), outcome(await leads())]).toEqual([
      [403, 'forbidden'],
      [200, null],
    ]);
    await set({ active: false });
    expect(outcome(await leads())).toEqual([401, 'api-key-invalid']);
    await set({ active: true });
    expect((await leads()).status).toBe(200);
    await call('DELETE', `/users/${owner.id}`);
    expect(outcome(await leads())).toEqual([401, 'api-key-invalid']);
  });

  it.each([
    ['an unknown one', `muster_${'a'.repeat(43)}`],
    ['its mark alone', 'muster_'],
    ['a short one', 'muster_abc'],
    ['a long one', `muster_${'a'.repeat(10_000)}`],
    ['other characters', `muster_${'.'.repeat(43)}`],
  ])('are refused alike: %s', async (_, key) => {
    const { status, body, headers } = await call('GET', '/leads', undefined, key);
    expect([status, body.code, body.detail]).toEqual([401, 'api-key-invalid', 'The API key is not valid.']);
    expect(headers.get('www-authenticate')).toBe('Bearer');
  });

  it('are not accepted in a query, nor in other headers', async () => {
    const { key } = (await make(server.adminToken)).body;
    for (const [path, headers] of [
      [`/leads?api_key=${key}`, {}],
      ['/leads', { 'x-api-key': key }],
      ['/leads', { cookie: `__Host-muster-refresh=${key}` }],
    ] as const) {
      expect((await server.request('GET', path, undefined, null, headers)).status).toBe(401);
    }
    expect((await call('POST', '/auth/refresh', { refreshToken: key }, null)).status).toBe(401);
  });

  it.each(['?sort=keyHash', '?userId=x', '?userId=0', '?colour=red', '?cursor=x', '?limit=101', '?page=0'])(
    'are not listed by %s',
    async (query) => {
      expect((await call('GET', `/api-keys${query}`)).status).toBe(422);
    },
  );
});
