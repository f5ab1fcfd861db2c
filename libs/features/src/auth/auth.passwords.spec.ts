import * as argon2 from '@node-rs/argon2';
import { ProblemError } from '@muster/core/errors';
import { isPassword, Passwords } from './auth.passwords';

jest.mock('@node-rs/argon2', () => {
  const actual = jest.requireActual<typeof argon2>('@node-rs/argon2');
  return { ...actual, verify: jest.fn(actual.verify) };
});
const { parseOptions } = argon2;
const verify = jest.mocked(argon2.verify);

describe('passwords', () => {
  const passwords = new Passwords();

  it('are hashed with Argon2id, 19 MiB, two passes, one lane', async () => {
    const hash = await passwords.hash('correct horse battery');
    expect(hash).toMatch(/^\$argon2id\$/);
    expect(parseOptions(hash)).toMatchObject({ memoryCost: 19_456, timeCost: 2, parallelism: 1 });
    expect(await passwords.fits(hash, 'correct horse battery')).toBe(true);
    expect(await passwords.fits(hash, 'correct horse batterz')).toBe(false);
  });

  it('fit however a keyboard composes their letters', async () => {
    const hash = await passwords.hash('café au lait\u00a0!'.normalize('NFD'));
    expect(await passwords.fits(hash, 'café au lait !'.normalize('NFC'))).toBe(true);
  });

  it('fit nobody, after as much work as for somebody', async () => {
    const hash = await passwords.hash('correct horse battery');
    verify.mockClear();
    expect(await passwords.fits(hash, 'wrong password')).toBe(false);
    expect(await passwords.fits(null, 'wrong password')).toBe(false);
    expect(verify).toHaveBeenCalledTimes(2);
    const [known, unknown] = verify.mock.calls.map(([of]) => of as string);
    expect(known).toBe(hash);
    expect(parseOptions(unknown)).toEqual(parseOptions(hash));
    const parts = (of: string) => of.split('$').map((part) => part.length);
    expect(parts(unknown)).toEqual(parts(hash));
  });

  it.each([
    ['ten letters', 'abcdefghij', true],
    ['nine letters', 'abcdefghi', false],
    ['ten emoji, each one character', '🦆'.repeat(10), true],
    ['nine emoji, eighteen units', '🦆'.repeat(9), false],
    ['128 emoji', '🦆'.repeat(128), true],
    ['129 emoji', '🦆'.repeat(129), false],
    ['nine letters whose accents are typed apart', 'e\u0301'.repeat(9), false],
    ['128 letters whose accents are typed apart', 'e\u0301'.repeat(128), true],
    ['a ligature that stands for three letters', '\uFB03cdefghi', true],
    ['a NUL', 'abcdefghij\0klm', false],
    ['a line break', 'abcdefghij\nklm', false],
    ['half an emoji', 'abcdefghij\uD83E', false],
    ['a megabyte', 'x'.repeat(1024 * 1024), false],
    ['a number', 1_234_567_890, false],
    ['nothing', undefined, false],
  ])('can be made of %s: %#', (_, text, accepted) => {
    expect(isPassword(text, 10)).toBe(accepted);
  });

  it('are checked in turn, and refused when too many wait', async () => {
    const work = Array.from({ length: 110 }, () => passwords.fits(null, 'wrong password'));
    const results = await Promise.allSettled(work);
    const refused = results.filter(({ status }) => status === 'rejected') as PromiseRejectedResult[];
    expect(refused).toHaveLength(8);
    expect((refused[0].reason as ProblemError).status).toBe(503);
    expect((refused[0].reason as ProblemError).retryAfter).toBeGreaterThan(0);
    await expect(passwords.fits(null, 'after the rush')).resolves.toBe(false);
  });
});
