import { parseOptions } from '@node-rs/argon2';
import { ProblemError } from '@muster/core/errors';
import { Passwords } from './auth.passwords';

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
    const median = async (of: string | null) => {
      const times: number[] = [];
      for (let n = 0; n < 9; n++) {
        const start = performance.now();
        expect(await passwords.fits(of, 'wrong password')).toBe(false);
        times.push(performance.now() - start);
      }
      return times.sort((a, b) => a - b)[4];
    };
    const [known, unknown] = [await median(hash), await median(null)];
    expect(unknown / known).toBeGreaterThan(0.4);
    expect(unknown / known).toBeLessThan(2.5);
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
