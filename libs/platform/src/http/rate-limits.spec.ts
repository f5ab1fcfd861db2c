import { Principal } from '@muster/core/principal';
import { registry } from '../observability/metrics';
import { addressKey, BUDGETS, callerKey, RateLimits } from './rate-limits';

const refusals = async (budget: string) => {
  const { values } = await registry.getSingleMetric('muster_rate_limit_refusals_total')!.get();
  return values.find(({ labels }) => labels.budget === budget)?.value ?? 0;
};

describe('addressKey', () => {
  it.each([
    ['203.0.113.7', '203.0.113.7'],
    ['::ffff:203.0.113.7', '203.0.113.7'],
    ['::FFFF:203.0.113.7', '203.0.113.7'],
    ['::ffff:cb00:7107', '203.0.113.7'],
    ['0:0:0:0:0:ffff:203.0.113.7', '203.0.113.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:0DB8:0001:0002::9', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['64:ff9b::203.0.113.7', '64:ff9b:0:0::/64'],
  ])('counts %s as %s', (address, key) => {
    expect(addressKey(address)).toBe(key);
  });

  it('tells networks apart, and not addresses in one', () => {
    expect(addressKey('2001:db8:1:2::1')).toBe(addressKey('2001:db8:1:2:ffff::1'));
    expect(addressKey('2001:db8:1:2::1')).not.toBe(addressKey('2001:db8:1:3::1'));
  });

  it.each(['', 'nonsense', '999.1.1.1', '1.2.3.4, 5.6.7.8', `${'9'.repeat(5000)}`])(
    'counts what is no address together: %.20s',
    (text) => expect(addressKey(text)).toBe('unknown'),
  );
});

describe('callerKey', () => {
  const user: Principal = { userId: 7, role: 'agent', teamId: 1, sessionId: 3 };

  it('counts a user’s sessions together, and an API key apart', () => {
    expect(callerKey(user)).toBe(callerKey({ ...user, sessionId: 4 }));
    expect(callerKey({ ...user, sessionId: null, apiKeyId: 7 })).not.toBe(callerKey(user));
  });
});

describe('budgets in memory', () => {
  it('refuse the call after the last, say when to come back, and count refusals', async () => {
    const limits = new RateLimits({ rateLimits: true, redisUrl: null });
    const before = await refusals('login');
    for (let n = 0; n < BUDGETS.login.calls; n++) await limits.take('login', '203.0.113.7');
    const refusal = await limits.take('login', '203.0.113.7').catch((error: unknown) => error);
    expect(refusal).toMatchObject({ status: 429, code: 'too-many-requests', retryAfter: expect.any(Number) });
    const { retryAfter } = refusal as { retryAfter: number };
    expect(Number.isInteger(retryAfter) && retryAfter >= 1 && retryAfter <= BUDGETS.login.seconds).toBe(true);
    expect((await refusals('login')) - before).toBe(1);
  });

  it('are of one caller and one kind each', async () => {
    const limits = new RateLimits({ rateLimits: true, redisUrl: null });
    for (let n = 0; n < BUDGETS.login.calls; n++) await limits.take('login', '203.0.113.7');
    await expect(limits.take('login', '203.0.113.8')).resolves.toBeUndefined();
    await expect(limits.take('refresh', '203.0.113.7')).resolves.toBeUndefined();
  });

  it('hold nobody when rates are off', async () => {
    const limits = new RateLimits({ rateLimits: false, redisUrl: 'redis://127.0.0.1:1' });
    for (let n = 0; n <= BUDGETS.login.calls; n++) await limits.take('login', '203.0.113.7');
    expect(limits.isShared).toBe(false);
  });
});
