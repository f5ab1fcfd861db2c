import { Answer, Server } from '@muster/testing/server';

const PASSWORD = 'correct horse battery';

describe('auth', () => {
  let server: Server;
  beforeAll(async () => {
    server = await Server.start();
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

  it.each(['role', 'id', 'teamId', 'active', 'passwordHash', 'emailKey', 'version', 'createdAt', '__proto__'])(
    'registers nobody who sets %s',
    async (property) => {
      const email = `mass${++people}@example.com`;
      const person = JSON.stringify({ name: 'Eve Example', email, password: PASSWORD });
      const answer = await call('POST', '/auth/register', person.replace('}', `,"${property}":1}`));
      expect(outcome(answer)).toEqual(property === '__proto__' ? [400, 'malformed'] : [422, 'validation-failed']);
      expect((await call('POST', '/auth/login', { email, password: PASSWORD })).status).toBe(401);
    },
  );

  it.each([
    ['one of a megabyte', 'x'.repeat(1_000_000), 422],
    ['one of more than the body may hold', 'x'.repeat(1_100_000), 413],
    ['a NUL', 'correct horse\u0000battery', 422],
    ['half a character', 'correct horse battery \uD83E', 422],
    ['nine emoji', '🦆'.repeat(9), 422],
    ['129 emoji', '🦆'.repeat(129), 422],
    ['a number', 1_234_567_890, 422],
    ['a list', ['correct horse battery'], 422],
  ])('takes no password with %s', async (_, password, status) => {
    const { user, accessToken } = (await register()).body;
    const person = { name: 'Eve Example', email: `pass${++people}@example.com`, password };
    const answers = [
      await call('POST', '/auth/register', person),
      await call('PATCH', '/auth/password', { currentPassword: PASSWORD, newPassword: password }, accessToken),
      await server.request('PATCH', `/users/${user.id}`, { password }),
    ];
    expect(answers.map((answer) => answer.status)).toEqual([status, status, status]);
    // Nothing of it counted as a wrong password.
    expect((await call('POST', '/auth/login', { email: user.email, password: PASSWORD })).status).toBe(200);
  });

  it('checks no password that can be nobody’s', async () => {
    const { email } = (await register()).body.user;
    for (const password of ['', '🦆'.repeat(129), 'x'.repeat(1_000_000), 'a\u0000b', '\uD83E']) {
      // Six of them: a counted one would lock the account.
      for (let n = 0; n < 6; n++) {
        expect(outcome(await call('POST', '/auth/login', { email, password }))).toEqual([422, 'validation-failed']);
      }
    }
    expect((await call('POST', '/auth/login', { email, password: PASSWORD })).status).toBe(200);
  });

  it('counts the characters of a password as people do, however they are typed', async () => {
    const email = `duck${++people}@example.com`;
    const password = 'Ünïcôdé🦆🦆🦆';
    const person = { name: 'Eve Example', email, password: password.normalize('NFD') };
    expect((await call('POST', '/auth/register', person)).status).toBe(201);
    for (const form of ['NFC', 'NFD', 'NFKC'] as const) {
      const answer = await call('POST', '/auth/login', { email, password: password.normalize(form) });
      expect([form, answer.status]).toEqual([form, 200]);
    }
  });

  it('tells nobody but the owner that an account is suspended', async () => {
    const { user } = (await register()).body;
    await server.request('PATCH', `/users/${user.id}`, { active: false });
    const attempt = async (email: string, password: string) => {
      const { status, body } = await call('POST', '/auth/login', { email, password });
      return { status, ...body, requestId: null };
    };
    expect(await attempt(user.email, 'wrong password')).toEqual(await attempt('who@example.com', 'wrong password'));
    expect((await attempt(user.email, PASSWORD)).code).toBe('account-suspended');
  });

  it('lets an admin end a lockout', async () => {
    const { user, accessToken } = (await register()).body;
    const login = (password: string) => call('POST', '/auth/login', { email: user.email, password });
    for (let n = 0; n < 6; n++) await login('wrong password');
    expect((await login(PASSWORD)).status).toBe(423);
    const path = `/users/${user.id}/unlock`;
    expect((await call('POST', path, undefined, accessToken)).status).toBe(403);
    expect((await server.request('POST', '/users/999999/unlock')).status).toBe(404);
    expect((await server.request('POST', path)).status).toBe(204);
    expect((await login(PASSWORD)).status).toBe(200);
  });

  it('registers nobody when registration is closed', async () => {
    const closed = await Server.start({ AUTH_REGISTRATION: 'closed' });
    try {
      const person = { name: 'Eve Example', email: 'eve@example.com', password: PASSWORD };
      const answer = await closed.request('POST', '/auth/register', person, null);
      expect(outcome(answer)).toEqual([403, 'registration-closed']);
    } finally {
      await closed.stop();
    }
  }, 90_000);

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

  it('says how to sign in to who has not', async () => {
    expect(outcome(await me(null))).toEqual([401, 'unauthenticated']);
    expect((await me(null)).headers.get('www-authenticate')).toBe('Bearer');
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

  it('changes passwords, which ends the other sessions only', async () => {
    const { accessToken, user } = (await register()).body;
    const elsewhere = (await call('POST', '/auth/login', { email: user.email, password: PASSWORD })).body;
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
    expect(outcome(await me(elsewhere.accessToken))).toEqual([401, 'session-ended']);
    expect((await call('POST', '/auth/refresh', { refreshToken: elsewhere.refreshToken })).status).toBe(401);
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
