import { createHmac } from 'node:crypto';
import { ProblemError } from '@muster/core/errors';
import { sha256, Tokens } from './auth.tokens';

const SECRET = 'an invented secret for tests, 40 letters';
const OTHER = 'another invented secret, just as long...';

const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');

function craft(header: object, payload: object, secret = SECRET, hash = 'sha256'): string {
  const text = `${encode(header)}.${encode(payload)}`;
  return `${text}.${createHmac(hash, secret).update(text).digest('base64url')}`;
}

function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    return (error as ProblemError).code;
  }
  return 'accepted';
}

describe('access tokens', () => {
  const tokens = new Tokens([SECRET]);
  const now = Math.floor(Date.now() / 1000);
  const header = { alg: 'HS256', typ: 'at+jwt' };
  const payload = { iss: 'muster', aud: 'muster-api', sub: '7', sid: 3, iat: now, exp: now + 900 };

  it('name the user and the session', () => {
    expect(tokens.verifyAccess(tokens.signAccess({ userId: 7, sessionId: 3 }))).toEqual({ userId: 7, sessionId: 3 });
    expect(tokens.verifyAccess(craft(header, payload))).toEqual({ userId: 7, sessionId: 3 });
  });

  it('say what they are for, and last 15 minutes', () => {
    const [head, body] = tokens
      .signAccess({ userId: 7, sessionId: 3 })
      .split('.')
      .slice(0, 2)
      .map((part) => JSON.parse(Buffer.from(part, 'base64url').toString()) as Record<string, number>);
    expect(head).toEqual({ alg: 'HS256', typ: 'at+jwt' });
    expect(body).toMatchObject({ iss: 'muster', aud: 'muster-api', sub: '7', sid: 3 });
    expect(body.exp - body.iat).toBe(900);
  });

  it.each([
    ['no algorithm', `${encode({ alg: 'none', typ: 'at+jwt' })}.${encode(payload)}.`],
    ['another algorithm', craft({ alg: 'HS512', typ: 'at+jwt' }, payload, SECRET, 'sha512')],
    ['another type', craft({ alg: 'HS256', typ: 'JWT' }, payload)],
    ['no type', craft({ alg: 'HS256' }, payload)],
    ['another secret', craft(header, payload, OTHER)],
    ['another audience', craft(header, { ...payload, aud: 'else' })],
    ['another issuer', craft(header, { ...payload, iss: 'else' })],
    ['no subject', craft(header, { ...payload, sub: undefined })],
    ['a subject that is no id', craft(header, { ...payload, sub: '7.5' })],
    ['a session that is no id', craft(header, { ...payload, sid: '3' })],
    ['no end', craft(header, { ...payload, exp: undefined })],
    ['times that are no numbers', craft(header, { ...payload, exp: String(now + 900) })],
    ['a fourth part', `${craft(header, payload)}.`],
    ['a signature that is written another way', `${craft(header, payload)}=`],
    ['no times', craft(header, { ...payload, iat: undefined, exp: undefined })],
    ['a future begin', craft(header, { ...payload, nbf: now + 600 })],
    ['a changed body', craft(header, payload).replace(encode(payload), encode({ ...payload, sub: '8' }))],
    ['nonsense', 'abc'],
    ['nothing', ''],
  ])('are refused with %s', (_, token) => {
    expect(codeOf(() => tokens.verifyAccess(token))).toBe('token-invalid');
  });

  it('are refused when expired, or when they were made to last longer', () => {
    expect(codeOf(() => tokens.verifyAccess(craft(header, { ...payload, exp: now - 1 })))).toBe('token-expired');
    const longLived = craft(header, { ...payload, iat: now - 1000, exp: now + 90_000 });
    expect(codeOf(() => tokens.verifyAccess(longLived))).toBe('token-expired');
  });

  it('survive an exchange of secrets: all verify, the first signs', () => {
    const exchanged = new Tokens([OTHER, SECRET]);
    expect(exchanged.verifyAccess(tokens.signAccess({ userId: 7, sessionId: 3 })).userId).toBe(7);
    expect(codeOf(() => tokens.verifyAccess(exchanged.signAccess({ userId: 7, sessionId: 3 })))).toBe('token-invalid');
  });
});

describe('CSRF tokens', () => {
  const tokens = new Tokens([SECRET]);

  it('belong to one session, and stay the same', () => {
    const token = tokens.csrfOf(3);
    expect(Buffer.from(token, 'base64url')).toHaveLength(32);
    expect(tokens.csrfOf(3)).toBe(token);
    expect([3, 4].map((session) => tokens.csrfFits(session, token))).toEqual([true, false]);
  });

  it('survive an exchange of secrets', () => {
    const exchanged = new Tokens([OTHER, SECRET]);
    expect(exchanged.csrfFits(3, tokens.csrfOf(3))).toBe(true);
    expect(exchanged.csrfFits(3, exchanged.csrfOf(3))).toBe(true);
    expect(tokens.csrfFits(3, exchanged.csrfOf(3))).toBe(false);
  });

  it.each(['', 'abc', '=', '\0', 'x'.repeat(10_000)])('are not %j', (given) => {
    expect(tokens.csrfFits(3, given)).toBe(false);
  });

  it('are made with a key of their own', () => {
    const sameText = createHmac('sha256', SECRET).update('session 3').digest('base64url');
    expect(tokens.csrfFits(3, sameText)).toBe(false);
    expect(tokens.childrenOf('session 3')).not.toContain(tokens.csrfOf(3));
  });
});

describe('refresh tokens', () => {
  it('have 256 bits and are never the same', () => {
    const tokens = new Tokens([SECRET]);
    const drawn = Array.from({ length: 100 }, () => tokens.newRefresh());
    expect(new Set(drawn).size).toBe(100);
    expect(drawn.every((token) => Buffer.from(token, 'base64url').length === 32)).toBe(true);
  });

  it('lead to one next token, which depends on the secret', () => {
    const parent = 'parent';
    const [child] = new Tokens([SECRET]).childrenOf(parent);
    expect(Buffer.from(child, 'base64url')).toHaveLength(32);
    expect(new Tokens([SECRET]).childrenOf(parent)).toEqual([child]);
    expect(new Tokens([OTHER, SECRET]).childrenOf(parent)[1]).toBe(child);
    expect(new Tokens([OTHER]).childrenOf(parent)).not.toContain(child);
  });

  it('are stored as SHA-256', () => {
    expect(sha256('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  });
});
