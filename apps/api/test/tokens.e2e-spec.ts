import { createHmac, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { Answer, Server } from '@muster/testing/server';

const PASSWORD = 'correct horse battery';
const SECRET = randomBytes(48).toString('hex');

const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
const decode = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString()) as Record<string, any>;
const now = () => Math.floor(Date.now() / 1000);

type Parts = { head: Record<string, any>; payload: Record<string, any> };

const partsOf = (token: string): Parts => {
  const [head, payload] = token.split('.').slice(0, 2).map(decode);
  return { head, payload };
};

/** A token by HMAC; with the server's own secret unless told, as one could be made by mistake elsewhere. */
function craft(head: object, payload: object, secret = SECRET, hash = 'sha256'): string {
  const text = `${encode(head)}.${encode(payload)}`;
  return `${text}.${createHmac(hash, secret).update(text).digest('base64url')}`;
}

const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const PUBLIC_PEM = publicKey.export({ type: 'spki', format: 'pem' }).toString();

function craftRsa(head: object, payload: object): string {
  const text = `${encode({ ...head, alg: 'RS256' })}.${encode(payload)}`;
  return `${text}.${sign('sha256', Buffer.from(text), privateKey).toString('base64url')}`;
}

const outcome = ({ status, body }: Answer) => [status, body.code ?? null];

describe('tokens', () => {
  let server: Server;
  let mine: { accessToken: string; refreshToken: string; user: { id: number; email: string } };
  let people = 0;
  const call = (method: string, path: string, body?: unknown, token: string | null = null) =>
    server.request(method, path, body, token);
  const register = async () => {
    const person = { name: 'Ada Example', email: `tok${++people}@example.com`, password: PASSWORD };
    const { status, body } = await call('POST', '/auth/register', person);
    expect(status).toBe(201);
    return body as typeof mine;
  };
  const login = async (email: string) => (await call('POST', '/auth/login', { email, password: PASSWORD })).body;
  const refresh = (refreshToken: string) => call('POST', '/auth/refresh', { refreshToken });
  const me = (token: string) => call('GET', '/auth/me', undefined, token);

  /** A call with header lines exactly as given. */
  async function raw(path: string, headers: string[]): Promise<{ status: number; body: string }> {
    const { hostname, port } = new URL(server.url);
    const sent = httpRequest({ hostname, port, path: `/api/v1${path}`, agent: false });
    const lines = ['host', `${hostname}:${port}`, ...headers];
    for (let n = 0; n < lines.length; n += 2) {
      const before = sent.getHeader(lines[n]);
      sent.setHeader(
        lines[n],
        before === undefined || lines[n] === 'host' ? lines[n + 1] : [String(before), lines[n + 1]],
      );
    }
    sent.end();
    const [response] = (await once(sent, 'response')) as [import('node:http').IncomingMessage];
    let body = '';
    for await (const chunk of response) body += String(chunk);
    return { status: response.statusCode!, body };
  }

  beforeAll(async () => {
    server = await Server.start({ JWT_SECRETS: SECRET });
    mine = await register();
  }, 90_000);
  afterAll(() => server.stop());

  it('are accepted when they are as the server makes them', async () => {
    const { head, payload } = partsOf(mine.accessToken);
    expect((await me(craft(head, payload))).status).toBe(200);
  });

  const elsewhere = randomBytes(48).toString('hex');
  it.each<[string, (parts: Parts) => string]>([
    ['no algorithm', ({ head, payload }) => `${encode({ ...head, alg: 'none' })}.${encode(payload)}.`],
    [
      'no algorithm, spelled otherwise',
      ({ head, payload }) => `${encode({ ...head, alg: 'nOnE' })}.${encode(payload)}.`,
    ],
    ['no algorithm, but our signature', ({ head, payload }) => craft({ ...head, alg: 'none' }, payload)],
    ['no signature', ({ head, payload }) => `${encode(head)}.${encode(payload)}.`],
    ['HS512 by our secret', ({ head, payload }) => craft({ ...head, alg: 'HS512' }, payload, SECRET, 'sha512')],
    ['HS384 by our secret', ({ head, payload }) => craft({ ...head, alg: 'HS384' }, payload, SECRET, 'sha384')],
    ['a header of RS256 over our secret', ({ head, payload }) => craft({ ...head, alg: 'RS256' }, payload)],
    ['RS256 by a key of theirs', ({ head, payload }) => craftRsa(head, payload)],
    ['a public key as the secret', ({ head, payload }) => craft(head, payload, PUBLIC_PEM)],
    ['an empty secret', ({ head, payload }) => craft(head, payload, '')],
    ['the secret of another installation', ({ head, payload }) => craft(head, payload, elsewhere)],
    ['a kid that is a path', ({ head, payload }) => craft({ ...head, kid: '../../../../dev/null' }, payload, '')],
    ['a kid that is SQL', ({ head, payload }) => craft({ ...head, kid: "x' UNION SELECT 'k' -- " }, payload, 'k')],
    ['a kid that is a list', ({ head, payload }) => craft({ ...head, kid: ['a', 'b'] }, payload, 'a')],
    ['a kid that is an object', ({ head, payload }) => craft({ ...head, kid: { __proto__: 1 } }, payload, '1')],
    ['a jku', ({ head, payload }) => craftRsa({ ...head, jku: 'http://127.0.0.1:1/keys' }, payload)],
    ['an x5u', ({ head, payload }) => craftRsa({ ...head, x5u: 'http://127.0.0.1:1/cert' }, payload)],
    ['a jwk', ({ head, payload }) => craftRsa({ ...head, jwk: publicKey.export({ format: 'jwk' }) }, payload)],
    [
      'a symmetric jwk',
      ({ head, payload }) =>
        craft({ ...head, jwk: { kty: 'oct', k: Buffer.from('k').toString('base64url') } }, payload, 'k'),
    ],
    ['a plain type', ({ head, payload }) => craft({ ...head, typ: 'JWT' }, payload)],
    ['no type', ({ head: { typ: _, ...head }, payload }) => craft(head, payload)],
    ['another audience', ({ head, payload }) => craft(head, { ...payload, aud: 'elsewhere' })],
    ['no audience', ({ head, payload: { aud: _, ...payload } }) => craft(head, payload)],
    ['another issuer', ({ head, payload }) => craft(head, { ...payload, iss: 'elsewhere' })],
    ['no issuer', ({ head, payload: { iss: _, ...payload } }) => craft(head, payload)],
    ['a future begin', ({ head, payload }) => craft(head, { ...payload, nbf: now() + 600 })],
    ['an end in the past', ({ head, payload }) => craft(head, { ...payload, iat: now() - 901, exp: now() - 1 })],
    ['too long a life', ({ head, payload }) => craft(head, { ...payload, iat: now() - 1000, exp: now() + 90_000 })],
    [
      'another user on this session',
      ({ head, payload }) => craft(head, { ...payload, sub: `${Number(payload.sub) + 1}` }),
    ],
    ['a subject that is SQL', ({ head, payload }) => craft(head, { ...payload, sub: '1 OR 1=1' })],
    ['an unknown session', ({ head, payload }) => craft(head, { ...payload, sid: 999_999 })],
    ['a session that is a list', ({ head, payload }) => craft(head, { ...payload, sid: [payload.sid] })],
    ['a payload that is no object', ({ head }) => craft(head, [])],
    ['its end cut off', () => mine.accessToken.slice(0, -1)],
    ['its signature alone missing', () => mine.accessToken.slice(0, mine.accessToken.lastIndexOf('.'))],
    ['its first half', () => mine.accessToken.slice(0, mine.accessToken.length / 2)],
    [
      'another character inside',
      () => mine.accessToken.replace(/\.(.)/, (_, c: string) => `.${c === 'e' ? 'f' : 'e'}`),
    ],
    ['nonsense', () => 'nonsense'],
    ['dots only', () => '..'],
    ['the refresh token in its place', () => mine.refreshToken],
  ])('are refused with %s', async (_, make) => {
    const answer = await me(make(partsOf(mine.accessToken)));
    expect([answer.status, answer.body.code]).toEqual([401, expect.stringMatching(/^(token-|session-ended)/)]);
    expect(answer.headers.get('www-authenticate')).toBe('Bearer');
  });

  it('are refused when their session is deleted', async () => {
    const { accessToken } = await register();
    const { sid } = partsOf(accessToken).payload;
    expect((await call('DELETE', `/auth/sessions/${sid}`, undefined, accessToken)).status).toBe(204);
    expect(outcome(await me(accessToken))).toEqual([401, 'session-ended']);
  });

  it('of access do not refresh', async () => {
    expect(outcome(await refresh(mine.accessToken))).toEqual([401, 'refresh-token-invalid']);
  });

  it.each<[string, unknown]>([
    ['nothing', {}],
    ['null', { refreshToken: null }],
    ['an empty text', { refreshToken: '' }],
    ['a list', { refreshToken: ['a'] }],
    ['more than a token can be', { refreshToken: 'x'.repeat(4097) }],
  ])('are not refreshed by %s', async (_, body) => {
    expect(outcome(await call('POST', '/auth/refresh', body))).toEqual([422, 'validation-failed']);
  });

  it.each([
    ['another scheme', 'Basic YWRtaW46YWRtaW4='],
    ['no scheme', 'x'],
    ['no token', 'Bearer '],
    ['two tokens', 'Bearer a b'],
    ['a comma', 'Bearer a, Bearer b'],
    ['characters that no token has', 'Bearer a;b'],
    ['15 KB', `Bearer ${'x'.repeat(15_000)}`],
  ])('are refused in a header with %s', async (_, authorization) => {
    const { status, body } = await raw('/auth/me', ['authorization', authorization]);
    expect([status, (JSON.parse(body) as { code: string }).code]).toEqual([401, 'token-invalid']);
  });

  it('are refused in a header of 100 KB, and the server lives on', async () => {
    const { status } = await raw('/auth/me', ['authorization', `Bearer ${'x'.repeat(100_000)}`]);
    expect(status).toBe(431);
    expect((await me(mine.accessToken)).status).toBe(200);
  });

  it('are refused in two headers, whichever is right', async () => {
    const [right, wrong] = [`Bearer ${mine.accessToken}`, 'Bearer nonsense'];
    for (const [first, second] of [
      [right, wrong],
      [wrong, right],
      [right, right],
    ]) {
      const { status, body } = await raw('/auth/me', ['authorization', first, 'authorization', second]);
      expect([status, (JSON.parse(body) as { code: string }).code]).toEqual([400, 'authorization-repeated']);
    }
  });

  it('are the same after 50 refreshes at once, and the chain goes on', async () => {
    const { refreshToken } = await register();
    const answers = await Promise.all(Array.from({ length: 50 }, () => refresh(refreshToken)));
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 50 }, () => 200));
    const children = new Set(answers.map(({ body }) => body.refreshToken));
    expect(children.size).toBe(1);
    const { body } = answers[0];
    const sessions = await call('GET', '/auth/sessions', undefined, body.accessToken);
    expect(sessions.body.meta.total).toBe(1);
    expect((await refresh(body.refreshToken)).status).toBe(200);
  });

  it('are all dead after a logout amid 50 refreshes', async () => {
    const { accessToken, refreshToken } = await register();
    const attempts = Array.from({ length: 50 }, (_, n) =>
      n === 25 ? call('POST', '/auth/logout', undefined, accessToken) : refresh(refreshToken),
    );
    const answers = await Promise.all(attempts);
    expect(answers[25].status).toBe(204);
    const refreshed = answers.filter((_, n) => n !== 25);
    for (const answer of refreshed) {
      expect([
        [200, null],
        [401, 'refresh-token-invalid'],
      ]).toContainEqual(outcome(answer));
    }
    const given = refreshed.filter(({ status }) => status === 200).map(({ body }) => body);
    for (const body of given.slice(0, 3)) {
      expect((await refresh(body.refreshToken)).status).toBe(401);
      expect(outcome(await me(body.accessToken))).toEqual([401, 'session-ended']);
    }
    expect((await refresh(refreshToken)).status).toBe(401);
  });

  it('of another device live on when one is used twice', async () => {
    const phone = await register();
    const laptop = await login(phone.user.email);
    const second = (await refresh(phone.refreshToken)).body;
    const third = (await refresh(second.refreshToken)).body;
    expect(outcome(await refresh(phone.refreshToken))).toEqual([401, 'refresh-token-invalid']);
    expect((await refresh(third.refreshToken)).status).toBe(401);
    expect((await me(third.accessToken)).status).toBe(401);
    expect((await me(laptop.accessToken)).status).toBe(200);
    expect((await refresh(laptop.refreshToken)).status).toBe(200);
  });

  it('say nothing of the role: a change of it works at once', async () => {
    const { accessToken, user } = await register();
    const users = () => call('GET', '/users', undefined, accessToken);
    const set = (body: object) => server.request('PATCH', `/users/${user.id}`, body);
    for (const [role, status] of [
      ['manager', 200],
      ['agent', 403],
      ['admin', 200],
      ['agent', 403],
    ] as const) {
      expect((await set({ role })).status).toBe(200);
      expect([role, (await users()).status]).toEqual([role, status]);
    }
    expect((await server.request('DELETE', `/users/${user.id}`)).status).toBe(204);
    expect(outcome(await users())).toEqual([401, 'session-ended']);
  });
});

describe('an exchange of secrets', () => {
  it('signs nobody out while the old one is kept, and ends access tokens alone when it is dropped', async () => {
    const [older, newer] = [randomBytes(48).toString('hex'), randomBytes(48).toString('hex')];
    const server = await Server.start({ JWT_SECRETS: older });
    try {
      const restart = async (secrets: string) => {
        await Promise.all([server.api, ...server.workers].map((process) => process.end()));
        server.workers = [];
        server.env.JWT_SECRETS = secrets;
        await server.startProcesses();
      };
      const me = (token: string) => server.request('GET', '/auth/me', undefined, token);
      const refresh = (refreshToken: string) => server.request('POST', '/auth/refresh', { refreshToken }, null);
      const email = 'ada@example.com';
      const person = { name: 'Ada Example', email, password: PASSWORD };
      const first = (await server.request('POST', '/auth/register', person, null)).body;
      const idle = (await server.request('POST', '/auth/login', { email, password: PASSWORD }, null)).body;

      await restart(`${newer},${older}`);
      expect((await me(first.accessToken)).status).toBe(200);
      const second = (await refresh(first.refreshToken)).body;
      const { head, payload } = partsOf(second.accessToken);
      expect(craft(head, payload, newer)).toBe(second.accessToken);
      expect((await refresh(first.refreshToken)).body.refreshToken).toBe(second.refreshToken);

      await restart(newer);
      expect(outcome(await me(first.accessToken))).toEqual([401, 'token-invalid']);
      expect(outcome(await me(idle.accessToken))).toEqual([401, 'token-invalid']);
      expect((await me(second.accessToken)).status).toBe(200);
      for (const { refreshToken } of [second, idle]) {
        const answer = await refresh(refreshToken);
        expect(answer.status).toBe(200);
        expect((await me(answer.body.accessToken)).status).toBe(200);
      }
    } finally {
      await server.stop();
    }
  }, 120_000);
});
