import { Answer, Server } from '@muster/testing/server';

const PASSWORD = 'correct horse battery';
const REFRESH = '__Host-muster-refresh';
const CSRF = '__Host-muster-csrf';
const CONSOLE = 'https://console.example.com';

const outcome = ({ status, body }: Answer) => [status, body.code ?? null];

/** The cookies that an answer sets: their values and attributes, by name. */
const cookiesOf = ({ headers }: Answer) =>
  Object.fromEntries(
    headers.getSetCookie().map((line) => {
      const [pair, ...attributes] = line.split('; ');
      const [name, ...value] = pair.split('=');
      return [name, { value: decodeURIComponent(value.join('=')), attributes: attributes.sort() }];
    }),
  );

describe('sessions by cookie', () => {
  let server: Server;
  let people = 0;
  beforeAll(async () => {
    server = await Server.start({ CORS_ORIGINS: CONSOLE });
  }, 90_000);
  afterAll(() => server.stop());

  const post = (path: string, body?: unknown, headers: Record<string, string> = {}, token: string | null = null) =>
    server.request('POST', path, body, token, headers);
  const register = async (headers = {}) => {
    const person = { name: 'Ada Example', email: `web${++people}@example.com`, password: PASSWORD };
    return post('/auth/register', { ...person, session: 'cookie' }, headers);
  };
  /** A browser: what it holds after an answer. */
  const browserOf = (answer: Answer) => {
    const cookies = cookiesOf(answer);
    return { refresh: cookies[REFRESH].value, csrf: cookies[CSRF].value, ...answer.body };
  };
  const cookie = (refresh: string) => ({ cookie: `theme=dark; ${REFRESH}=${refresh}` });
  const refresh = (token: string, csrf: string | null, headers: Record<string, string> = {}) =>
    post('/auth/refresh', undefined, {
      ...cookie(token),
      ...(csrf === null ? {} : { 'x-csrf-token': csrf }),
      ...headers,
    });
  const me = (token: string) => server.request('GET', '/auth/me', undefined, token);
  const CLEARED = expect.arrayContaining(['Expires=Thu, 01 Jan 1970 00:00:00 GMT', 'Path=/', 'Secure']);

  it('keep the refresh token from scripts, and from the answer', async () => {
    const { user } = (await register()).body;
    const answer = await post('/auth/login', { email: user.email, password: PASSWORD, session: 'cookie' });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    const { [REFRESH]: token, [CSRF]: csrf, ...others } = cookiesOf(answer);
    expect(others).toEqual({});
    const common = ['Max-Age=2592000', 'Path=/', 'SameSite=Strict', 'Secure'];
    expect(token).toEqual({ value: expect.stringMatching(/^[\w-]{43}$/), attributes: ['HttpOnly', ...common] });
    expect(csrf).toEqual({ value: answer.body.csrfToken, attributes: common });
    expect(answer.body).toEqual({
      accessToken: expect.any(String),
      csrfToken: expect.stringMatching(/^[\w-]{43}$/),
      expiresIn: 900,
      user: expect.objectContaining({ id: user.id }),
    });
    expect((await me(answer.body.accessToken)).status).toBe(200);
  });

  it('are not begun unless asked for, nor by any other word', async () => {
    const { user } = (await register()).body;
    const person = { email: user.email, password: PASSWORD };
    for (const body of [person, { ...person, session: 'token' }]) {
      const answer = await post('/auth/login', body);
      expect(answer.body.refreshToken).toEqual(expect.any(String));
      expect(answer.body.csrfToken).toBeUndefined();
      expect(cookiesOf(answer)).toEqual({});
    }
    for (const session of ['Cookie', '', null, true, ['cookie']]) {
      expect(outcome(await post('/auth/login', { ...person, session }))).toEqual([422, 'validation-failed']);
    }
  });

  it('refresh with the CSRF token, which stays the same', async () => {
    const first = browserOf(await register());
    const answer = await refresh(first.refresh, first.csrf);
    expect(answer.status).toBe(200);
    expect(answer.body.refreshToken).toBeUndefined();
    const second = browserOf(answer);
    expect(second.refresh).not.toBe(first.refresh);
    expect([second.csrf, second.csrfToken]).toEqual([first.csrf, first.csrf]);
    expect((await me(second.accessToken)).status).toBe(200);
    expect((await refresh(second.refresh, first.csrf)).status).toBe(200);
  });

  it('do not refresh without it, with another session’s, or with nonsense, and live on', async () => {
    const [mine, theirs] = [browserOf(await register()), browserOf(await register())];
    const bad = [
      null,
      '',
      'nonsense',
      theirs.csrf,
      mine.csrf.slice(0, -2),
      `${mine.csrf}, ${theirs.csrf}`,
      mine.refresh,
    ];
    for (const csrf of bad) {
      const answer = await refresh(mine.refresh, csrf);
      expect([csrf, ...outcome(answer)]).toEqual([csrf, 403, 'csrf-invalid']);
      expect(cookiesOf(answer)).toEqual({});
    }
    // As a cookie alone it proves nothing: the browser sends that by itself.
    const cookieOnly = { cookie: `${REFRESH}=${mine.refresh}; ${CSRF}=${mine.csrf}` };
    expect(outcome(await post('/auth/refresh', undefined, cookieOnly))).toEqual([403, 'csrf-invalid']);
    expect((await refresh(mine.refresh, mine.csrf)).status).toBe(200);
  });

  it('give parallel tabs the same next token', async () => {
    const first = browserOf(await register());
    const answers = await Promise.all(Array.from({ length: 10 }, () => refresh(first.refresh, first.csrf)));
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 10 }, () => 200));
    const tabs = answers.map(browserOf);
    expect(new Set(tabs.map((tab) => tab.refresh)).size).toBe(1);
    expect(new Set(tabs.map((tab) => tab.csrf))).toEqual(new Set([first.csrf]));
  });

  it('end with their cookies when the token is unknown, ended or used twice', async () => {
    const first = browserOf(await register());
    const second = browserOf(await refresh(first.refresh, first.csrf));
    expect((await refresh(second.refresh, first.csrf)).status).toBe(200);
    for (const token of [first.refresh, second.refresh, 'bm9ib2R5']) {
      const answer = await refresh(token, first.csrf);
      expect(outcome(answer)).toEqual([401, 'refresh-token-invalid']);
      expect(cookiesOf(answer)).toEqual({
        [REFRESH]: { value: '', attributes: CLEARED },
        [CSRF]: { value: '', attributes: CLEARED },
      });
    }
  });

  it('give way to a token in the body', async () => {
    const [web, other] = [browserOf(await register()), (await register()).body.user];
    const tokens = (await post('/auth/login', { email: other.email, password: PASSWORD })).body;
    const answer = await post('/auth/refresh', { refreshToken: tokens.refreshToken }, cookie(web.refresh));
    expect([answer.status, answer.body.user.id]).toEqual([200, other.id]);
    expect(answer.body.refreshToken).toEqual(expect.any(String));
    expect(cookiesOf(answer)).toEqual({});
  });

  it.each([
    ['no cookie', {}],
    ['an empty cookie', cookie('')],
  ])('do not refresh with %s', async (_, headers) => {
    const answer = await post('/auth/refresh', undefined, { 'x-csrf-token': 'a', ...headers });
    expect(outcome(answer)).toEqual([422, 'validation-failed']);
    expect(answer.body.errors).toEqual([{ field: 'refreshToken', code: 'required', message: expect.any(String) }]);
  });

  it('survive cookies that nobody gave out', async () => {
    for (const value of ['%', '%00', 'a%20b', '"quoted"', 'x'.repeat(10_000), 'ä']) {
      const sent = Buffer.from(`${REFRESH}=${value}`, 'utf8').toString('latin1');
      const answer = await post('/auth/refresh', undefined, { cookie: sent, 'x-csrf-token': 'a' });
      expect([value, ...outcome(answer)]).toEqual([value, 401, 'refresh-token-invalid']);
    }
  });

  describe('and pages of other sites', () => {
    const foreign: Record<string, string>[] = [
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { origin: 'nonsense' },
      { origin: `${CONSOLE}.evil.example` },
      { origin: 'https://evil.example', 'sec-fetch-site': 'same-origin' },
      { 'sec-fetch-site': 'cross-site' },
    ];
    const own = (): Record<string, string>[] => [
      { origin: CONSOLE, 'sec-fetch-site': 'cross-site' },
      { origin: server.url, 'sec-fetch-site': 'same-origin' },
      { origin: server.url.replace('http:', 'https:') },
      { 'sec-fetch-site': 'none' },
      {},
    ];

    it('may not sign in, refresh or sign out', async () => {
      const mine = browserOf(await register());
      const person = { email: mine.user.email, password: PASSWORD, session: 'cookie' };
      for (const headers of foreign) {
        const answers = [
          await register(headers),
          await post('/auth/login', person, headers),
          await refresh(mine.refresh, mine.csrf, headers),
          await post('/auth/logout', undefined, { ...cookie(mine.refresh), ...headers }, mine.accessToken),
        ];
        for (const answer of answers) {
          expect([headers, ...outcome(answer)]).toEqual([headers, 403, 'csrf-origin']);
          expect(cookiesOf(answer)).toEqual({});
        }
      }
      expect((await me(mine.accessToken)).status).toBe(200);
      expect((await refresh(mine.refresh, mine.csrf)).status).toBe(200);
    });

    it('are told from our own', async () => {
      for (const headers of own()) {
        const mine = browserOf(await register(headers));
        const next = browserOf(await refresh(mine.refresh, mine.csrf, headers));
        const out = await post('/auth/logout', undefined, { ...cookie(next.refresh), ...headers }, next.accessToken);
        expect([headers, out.status]).toEqual([headers, 204]);
      }
    });

    it('may use tokens in the body: nothing in them comes from the browser by itself', async () => {
      const { user } = (await register()).body;
      const headers = foreign[0];
      const { body } = await post('/auth/login', { email: user.email, password: PASSWORD }, headers);
      expect((await post('/auth/refresh', { refreshToken: body.refreshToken }, headers)).status).toBe(200);
    });
  });

  it('end by signing out, with their cookies', async () => {
    const mine = browserOf(await register());
    expect((await post('/auth/logout', undefined, cookie(mine.refresh))).status).toBe(401);
    const answer = await post('/auth/logout', undefined, cookie(mine.refresh), mine.accessToken);
    expect(answer.status).toBe(204);
    expect(cookiesOf(answer)).toEqual({
      [REFRESH]: { value: '', attributes: CLEARED },
      [CSRF]: { value: '', attributes: CLEARED },
    });
    expect((await me(mine.accessToken)).status).toBe(401);
    expect(outcome(await refresh(mine.refresh, mine.csrf))).toEqual([401, 'refresh-token-invalid']);
  });

  it('do not let a cookie in anywhere else', async () => {
    const mine = browserOf(await register());
    for (const path of ['/auth/me', '/leads', '/auth/sessions']) {
      const answer = await server.request('GET', path, undefined, null, cookie(mine.refresh));
      expect(outcome(answer)).toEqual([401, 'unauthenticated']);
    }
  });
});
