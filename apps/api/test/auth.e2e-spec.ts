import { createHmac, randomBytes } from 'node:crypto';
import { Answer, Server } from '@muster/testing/server';

const SECRET = randomBytes(48).toString('hex');
const PASSWORD = 'correct horse battery';

const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
const decode = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString()) as Record<string, any>;

/** A token signed with the server's own secret, as one could be made by mistake elsewhere. */
function craft(header: object, payload: object, hash = 'sha256'): string {
  const text = `${encode(header)}.${encode(payload)}`;
  return `${text}.${createHmac(hash, SECRET).update(text).digest('base64url')}`;
}

describe('auth', () => {
  let server: Server;
  beforeAll(async () => {
    server = await Server.start({ JWT_SECRETS: SECRET });
  }, 90_000);
  afterAll(() => server.stop());

  let people = 0;
  const call = (method: string, path: string, body?: unknown, token: string | null = null) =>
    server.request(method, path, body, token);
  const register = async (): Promise<Answer> => {
    const answer = await call('POST', '/auth/register', {
      name: 'Ada Example',
      email: `ada${++people}@example.com`,
      password: PASSWORD,
    });
    expect(answer.status).toBe(201);
    return answer;
  };
  const me = (token: string | null) => call('GET', '/auth/me', undefined, token);
  const outcome = ({ status, body }: Answer) => [status, body.code ?? null];

  it('registers agents, and no one else', async () => {
    const { body } = await register();
    expect(body).toEqual({
      accessToken: expect.any(String),
      refreshToken: expect.any(String),
      expiresIn: 900,
      user: {
        id: expect.any(Number),
        name: 'Ada Example',
        email: expect.stringMatching(/^ada\d+@example\.com$/),
        role: 'agent',
        teamId: expect.any(Number),
        phone: null,
        active: true,
        createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
        updatedAt: expect.any(String),
      },
    });
    const person = { name: 'Eve Example', email: 'eve@example.com', password: PASSWORD };
    const promoted = await call('POST', '/auth/register', { ...person, role: 'admin' });
    expect(outcome(promoted)).toEqual([422, 'validation-failed']);
    expect(promoted.body.errors).toMatchObject([{ field: 'role', code: 'unknown-property' }]);
    expect(outcome(await call('POST', '/auth/register', { ...person, email: body.user.email }))).toEqual([
      409,
      'duplicate',
    ]);
    const tooLong = '☎\uFE0F'.repeat(100); // shown as 100 characters, stored as 200
    const wrongs = [
      { password: 'short' },
      { password: 'x'.repeat(129) },
      { email: 'eve' },
      { name: 'E' },
      { name: tooLong },
      { name: 'Eve\u0000Example' },
    ];
    for (const wrong of wrongs) {
      expect((await call('POST', '/auth/register', { ...person, ...wrong })).status).toBe(422);
    }
  });

  it('answers unknown and known e-mails alike, and locks both', async () => {
    const { user } = (await register()).body;
    const attempt = async (email: string) => {
      const { status, body } = await call('POST', '/auth/login', { email, password: 'wrong password' });
      return { status, ...body, requestId: null };
    };
    for (let n = 0; n < 7; n++) {
      const [known, unknown] = [await attempt(user.email), await attempt('nobody@example.com')];
      expect(known).toEqual(unknown);
      expect([known.status, known.code]).toEqual(n < 5 ? [401, 'invalid-credentials'] : [423, 'account-locked']);
    }
    const right = await call('POST', '/auth/login', { email: user.email, password: PASSWORD });
    expect(outcome(right)).toEqual([423, 'account-locked']);
    expect(Number(right.headers.get('retry-after'))).toBeGreaterThan(800);
  });

  it('refuses every token but its own access tokens', async () => {
    const { accessToken, refreshToken, user } = (await register()).body;
    const [head, payload] = accessToken.split('.').slice(0, 2).map(decode) as [object, Record<string, any>];
    const now = Math.floor(Date.now() / 1000);
    expect((await me(craft(head, payload))).status).toBe(200);
    const bad: Record<string, string> = {
      'no algorithm': `${encode({ ...head, alg: 'none' })}.${encode(payload)}.`,
      'wrong algorithm': craft({ ...head, alg: 'HS512' }, payload, 'sha512'),
      'wrong type': craft({ ...head, typ: 'JWT' }, payload),
      'wrong audience': craft(head, { ...payload, aud: 'elsewhere' }),
      'wrong issuer': craft(head, { ...payload, iss: 'elsewhere' }),
      'another user on this session': craft(head, { ...payload, sub: String(user.id + 1) }),
      'an unknown session': craft(head, { ...payload, sid: 999_999 }),
      expired: craft(head, { ...payload, iat: now - 901, exp: now - 1 }),
      'a refresh token': refreshToken,
      nonsense: 'nonsense',
    };
    for (const [name, token] of Object.entries(bad)) expect([name, (await me(token)).status]).toEqual([name, 401]);
    expect(outcome(await me(null))).toEqual([401, 'unauthenticated']);
    expect((await me(null)).headers.get('www-authenticate')).toBe('Bearer');
    expect(outcome(await call('POST', '/auth/refresh', { refreshToken: accessToken }))).toEqual([
      401,
      'refresh-token-invalid',
    ]);
  });

  it('rotates refresh tokens, under both names, and survives parallel calls', async () => {
    const first = (await register()).body;
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, n) =>
        call('POST', n % 2 ? '/auth/refresh' : '/auth/refresh-token', { refreshToken: first.refreshToken }),
      ),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 200));
    expect(new Set(answers.map(({ body }) => body.refreshToken)).size).toBe(1);
    const second = answers[0].body;
    expect(second.refreshToken).not.toBe(first.refreshToken);
    expect((await me(second.accessToken)).status).toBe(200);
    expect((await call('POST', '/auth/refresh', { refreshToken: second.refreshToken })).status).toBe(200);
    // The first one again, although the second has been used: someone else holds it.
    expect((await call('POST', '/auth/refresh', { refreshToken: first.refreshToken })).status).toBe(401);
    expect((await me(second.accessToken)).status).toBe(401);
  });

  it('ends sessions by logout, and lists them', async () => {
    const { accessToken, refreshToken, user } = (await register()).body;
    const device = { email: user.email, password: PASSWORD, device: 'Telephone' };
    const other = (await call('POST', '/auth/login', device)).body;
    const { data, meta } = (await call('GET', '/auth/sessions', undefined, accessToken)).body;
    expect(meta).toEqual({ page: 1, limit: 20, total: 2, nextCursor: null });
    expect(data.map(({ device, current }: any) => [device, current])).toEqual([
      ['Telephone', false],
      [null, true],
    ]);
    expect((await call('DELETE', `/auth/sessions/${data[0].id}`, undefined, accessToken)).status).toBe(204);
    expect((await me(other.accessToken)).status).toBe(401);
    expect((await call('DELETE', '/auth/sessions/abc', undefined, accessToken)).status).toBe(404);
    expect((await call('POST', '/auth/logout', undefined, accessToken)).status).toBe(204);
    expect((await me(accessToken)).status).toBe(401);
    expect((await call('POST', '/auth/refresh', { refreshToken })).status).toBe(401);
  });

  it('changes passwords', async () => {
    const { accessToken, user } = (await register()).body;
    const change = (body: object) => call('PATCH', '/auth/password', body, accessToken);
    expect(outcome(await change({ currentPassword: 'wrong', newPassword: 'a new passphrase' }))).toEqual([
      422,
      'current-password-wrong',
    ]);
    expect((await change({ currentPassword: PASSWORD, newPassword: 'short' })).status).toBe(422);
    expect((await change({ currentPassword: PASSWORD, newPassword: 'a new passphrase' })).status).toBe(204);
    const login = (password: string) => call('POST', '/auth/login', { email: user.email, password });
    expect((await login(PASSWORD)).status).toBe(401);
    expect((await login('a new passphrase')).status).toBe(200);
    expect((await me(accessToken)).status).toBe(200);
  });

  describe('users and teams', () => {
    const asAdmin = (method: string, path: string, body?: unknown) => server.request(method, path, body);

    it('are an admin’s business: managers read their team, agents nothing', async () => {
      const team = (await asAdmin('POST', '/teams', { name: 'Harbour' })).body;
      const boss = { name: 'Max Example', email: 'max@example.com', password: PASSWORD, role: 'manager' };
      const made = await asAdmin('POST', '/users', { ...boss, teamId: team.id, phone: '(201) 555-0123' });
      expect(made.status).toBe(201);
      expect(made.body).toMatchObject({ role: 'manager', teamId: team.id, phone: '+12015550123', active: true });
      expect(JSON.stringify(made.body)).not.toMatch(/password|argon/i);
      const manager = await server.login(boss.email, PASSWORD);
      const agent = (await register()).body;
      const list = await call('GET', '/users', undefined, manager);
      expect(list.body.data.map(({ id }: any) => id)).toEqual([made.body.id]);
      expect((await call('GET', `/users/${agent.user.id}`, undefined, manager)).status).toBe(404);
      expect((await call('PATCH', `/users/${made.body.id}`, { role: 'admin' }, manager)).status).toBe(403);
      for (const path of ['/users', '/teams', `/users/${agent.user.id}`]) {
        expect((await call('GET', path, undefined, agent.accessToken)).status).toBe(403);
      }
      expect((await call('GET', '/users/me', undefined, agent.accessToken)).body.id).toBe(agent.user.id);
    });

    it('take effect with the next request: suspension, role, deletion', async () => {
      const { accessToken, user } = (await register()).body;
      const users = () => call('GET', '/users', undefined, accessToken);
      expect((await users()).status).toBe(403);
      expect((await asAdmin('PATCH', `/users/${user.id}`, { role: 'manager' })).status).toBe(200);
      expect((await users()).status).toBe(200);
      expect((await asAdmin('PATCH', `/users/${user.id}`, { active: false })).status).toBe(200);
      expect(outcome(await users())).toEqual([401, 'session-ended']);
      const login = () => call('POST', '/auth/login', { email: user.email, password: PASSWORD });
      expect(outcome(await login())).toEqual([401, 'account-suspended']);
      expect((await asAdmin('DELETE', `/users/${user.id}`)).status).toBe(204);
      expect((await asAdmin('GET', `/users/${user.id}`)).status).toBe(404);
      expect(outcome(await login())).toEqual([401, 'invalid-credentials']);
    });

    it('keep the last admin', async () => {
      const { id } = (await me(server.adminToken)).body;
      expect(outcome(await asAdmin('DELETE', `/users/${id}`))).toEqual([409, 'last-admin']);
      expect(outcome(await asAdmin('PATCH', `/users/${id}`, { active: false }))).toEqual([409, 'last-admin']);
    });

    it('honour If-Match, and refuse what is not theirs to change', async () => {
      const { user } = (await register()).body;
      const path = `/users/${user.id}`;
      const read = await asAdmin('GET', path);
      const condition = { 'if-match': read.headers.get('etag')! };
      const write = (body: object) => server.request('PATCH', path, body, server.adminToken, condition);
      expect((await write({ name: 'New Name' })).status).toBe(200);
      expect(outcome(await write({ name: 'Newer Name' }))).toEqual([412, 'stale']);
      for (const body of [{ id: 5 }, { passwordHash: 'x' }, { name: null }, { role: 'root' }, { teamId: null }, {}]) {
        expect([body, (await asAdmin('PATCH', path, body)).status]).toEqual([body, 422]);
      }
      expect((await asAdmin('GET', '/users?colour=red')).status).toBe(422);
      expect((await asAdmin('GET', '/users?limit=101')).status).toBe(422);
      expect((await asAdmin('GET', '/users?active=true&role=admin')).body.meta.total).toBe(1);
    });

    it('have teams that are renamed, and deleted when empty', async () => {
      const made = await asAdmin('POST', '/teams', { name: ' Docks ' });
      expect(made.body).toMatchObject({ name: 'Docks', isDefault: false });
      const path = `/teams/${made.body.id}`;
      expect(outcome(await asAdmin('POST', '/teams', { name: 'Docks' }))).toEqual([409, 'duplicate']);
      expect((await asAdmin('PUT', path, { name: 'Quay' })).body.name).toBe('Quay');
      expect((await asAdmin('PATCH', path, {})).status).toBe(422);
      expect((await asAdmin('DELETE', path)).status).toBe(204);
      expect((await asAdmin('GET', path)).status).toBe(404);
    });
  });
});
