import { differences, withoutSecrets } from './audit.values';

describe('the values of an audit entry', () => {
  it('are those that differ, without bookkeeping', () => {
    const before = {
      name: 'Ada',
      tags: ['a'],
      metadata: { a: { b: 1 } },
      phone: null,
      updatedAt: new Date(1),
      version: 1,
    };
    const after = { ...before, tags: ['a', 'b'], metadata: { a: { b: 2 } }, updatedAt: new Date(2), version: 2 };
    expect(differences(before, after)).toEqual({
      before: { tags: ['a'], metadata: { a: { b: 1 } } },
      after: { tags: ['a', 'b'], metadata: { a: { b: 2 } } },
    });
    expect(differences(before, { ...before, tags: ['a'], createdAt: undefined })).toEqual({ before: {}, after: {} });
  });

  it('leave out what one side does not have', () => {
    expect(differences({ status: 'ready' }, { status: 'importing', rows: 3 })).toEqual({
      before: { status: 'ready' },
      after: { status: 'importing', rows: 3 },
    });
  });

  it.each([
    ...['password', 'passwordHash', 'newPassword', 'PASSWORD', 'Passwort', 'user_pwd', 'passphrase', 'accessToken'],
    ...['refresh_token', 'token', 'apitoken', 'clientSecret', 'secretKey', 'api_key', 'apiKey', 'X-API-Key', 'keyHash'],
    ...['privateKey', 'credentials', 'Authorization', 'Set-Cookie', 'tokenHash', 'bearer'],
  ])('hold no %s', (name) => {
    expect(withoutSecrets({ [name]: 'x1' })).toEqual({ [name]: '[redacted]' });
    expect(withoutSecrets({ [name]: 123 })).toEqual({ [name]: '[redacted]' });
    expect(withoutSecrets({ [name]: { deep: ['x1'] } })).toEqual({ [name]: '[redacted]' });
  });

  it.each(['fileHash', 'hash', 'secretary', 'apiKeyId', 'key', 'keyboard', 'pass', 'status', 'email', 'hashtag'])(
    'keep %s',
    (name) => {
      expect(withoutSecrets({ [name]: 'x1' })).toEqual({ [name]: 'x1' });
    },
  );

  it('are searched to any depth, in lists too, and not changed in place', () => {
    const at = new Date(0);
    const values = { metadata: { list: [[{ token: 'x1', kept: 1 }]], a: { b: { c: { password: 'x1' } } } }, at };
    const copy = structuredClone(values);
    expect(withoutSecrets(values)).toEqual({
      metadata: { list: [[{ token: '[redacted]', kept: 1 }]], a: { b: { c: { password: '[redacted]' } } } },
      at,
    });
    expect(values).toEqual(copy);
  });

  it('keep what tells nothing: truth values, null', () => {
    const values = { passwordChanged: true, hasToken: false, secret: null };
    expect(withoutSecrets(values)).toEqual(values);
  });

  it('keep names that objects already have', () => {
    const values = JSON.parse('{"metadata":{"__proto__":{"token":"x1"},"constructor":1}}') as object;
    expect(JSON.stringify(withoutSecrets(values))).toBe(
      '{"metadata":{"__proto__":{"token":"[redacted]"},"constructor":1}}',
    );
  });
});
