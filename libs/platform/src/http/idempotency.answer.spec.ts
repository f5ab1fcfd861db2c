import { fateOf, seal, unseal } from './idempotency.answer';
import { fingerprintOf } from './idempotency.fingerprint';

describe('a fingerprint', () => {
  it('is the same whatever the order of properties', () => {
    expect(fingerprintOf({ a: 1, b: { c: [1, 2], d: null } })).toBe(fingerprintOf({ b: { d: null, c: [1, 2] }, a: 1 }));
  });

  it.each<[unknown, unknown]>([
    [{ a: 1 }, { a: '1' }],
    [{ a: [1, 2] }, { a: [2, 1] }],
    [{ a: null }, {}],
    [undefined, null],
    [
      [undefined, 1],
      [null, 1],
    ],
    [{ 'a":1,"b': 2 }, { a: 1, b: 2 }],
    [['a', 'b'], ['a,b']],
  ])('tells %j from %j', (one, other) => {
    expect(fingerprintOf(one)).not.toBe(fingerprintOf(other));
  });

  it('refuses what is nested too deep to be read', () => {
    const deep: unknown = JSON.parse('['.repeat(200_000) + ']'.repeat(200_000));
    expect(() => fingerprintOf(deep)).toThrow(expect.objectContaining({ status: 400, code: 'malformed' }) as Error);
  });
});

describe('a sealed answer', () => {
  const answer = { status: 201, headers: { etag: '"v1"' }, body: Buffer.from('{"token":"secret 🙂"}\n\0') };
  const sealed = seal(answer, 'key', 'row');

  it('opens with its key, row and status', () => {
    expect(unseal(sealed, 201, 'key', 'row')).toEqual(answer);
    expect(unseal(seal({ ...answer, body: Buffer.alloc(0) }, 'key', 'row'), 201, 'key', 'row').body).toHaveLength(0);
  });

  it('never looks the same twice, and shows nothing', () => {
    expect(seal(answer, 'key', 'row')).not.toBe(sealed);
    expect(Buffer.from(sealed, 'base64').toString('latin1')).not.toContain('secret');
  });

  it.each<[string, () => unknown]>([
    ['another key', () => unseal(sealed, 201, 'kex', 'row')],
    ['another row', () => unseal(sealed, 201, 'key', 'rox')],
    ['another status', () => unseal(sealed, 200, 'key', 'row')],
    [
      'a change',
      () =>
        unseal(
          sealed.replace(/^./, (first) => (first === 'A' ? 'B' : 'A')),
          201,
          'key',
          'row',
        ),
    ],
    ['a cut', () => unseal(sealed.slice(0, 8), 201, 'key', 'row')],
  ])('does not open with %s', (_, open) => {
    expect(open).toThrow();
  });
});

it.each<[number, boolean, string]>([
  [200, false, 'keep'],
  [204, true, 'keep'],
  [404, false, 'keep'],
  [409, false, 'keep'],
  [422, true, 'keep'],
  [401, true, 'forget'],
  [423, false, 'forget'],
  [403, false, 'give-up'],
  [412, false, 'give-up'],
  [429, false, 'give-up'],
  [429, true, 'keep'],
  [500, false, 'give-up'],
  [503, true, 'give-up'],
])('of an answer %d (with an effect: %s) the fate is %s', (status, hadEffect, fate) => {
  expect(fateOf(status, hadEffect)).toBe(fate);
});
