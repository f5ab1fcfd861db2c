import { openTestDatabase, TestDatabase } from '@muster/testing/database';
import { IdempotencyStore } from './idempotency.store';

const HOUR = 3_600_000;

describe('the table of idempotency keys', () => {
  let store: TestDatabase;
  let keys: IdempotencyStore;
  let now: number;
  beforeAll(async () => {
    store = await openTestDatabase();
    keys = new IdempotencyStore(store.database, store.transactions, () => now);
  });
  afterAll(() => store.close());
  beforeEach(async () => {
    now = Date.now();
    await store.transactions.run((tx) => tx.query('DELETE FROM idempotency_keys'));
  });
  afterEach(() => jest.restoreAllMocks());

  const stored = async () =>
    (await store.database.query<{ key_hash: string }>('SELECT key_hash FROM idempotency_keys')).map(
      (row) => row.key_hash,
    );

  it('lends a key to one of many', async () => {
    const claims = await Promise.all(Array.from({ length: 30 }, () => keys.claim('wanted', 'same')));
    expect(claims.map(({ kind }) => kind).sort()).toEqual(['claimed', ...Array<string>(29).fill('running')]);
  });

  it('lends a key whose lease is over to one of many', async () => {
    await keys.claim('left', 'same');
    now += 5 * 60_000;
    const claims = await Promise.all(Array.from({ length: 30 }, () => keys.claim('left', 'same')));
    expect(claims.filter(({ kind }) => kind === 'claimed')).toHaveLength(1);
  });

  it('keeps a key for a day, and removes it then', async () => {
    for (let n = 0; n < 510; n++) await keys.claim(`old ${n}`, 'same');
    now += 20 * HOUR;
    await keys.claim('young', 'same');
    expect([await keys.prune(), (await stored()).length]).toEqual([false, 511]);
    now += 4 * HOUR;
    expect([await keys.prune(), await keys.prune(), await keys.prune()]).toEqual([true, false, false]);
    expect(await stored()).toEqual(['young']);
  });

  it('does not remove an expired key that is lent again meanwhile', async () => {
    await keys.claim('again', 'first');
    now += 24 * HOUR;
    const query = store.database.query.bind(store.database);
    jest.spyOn(store.database, 'query').mockImplementationOnce(async (sql, params) => {
      const expired = await query(sql, params);
      expect((await keys.claim('again', 'second')).kind).toBe('claimed');
      return expired;
    });
    await keys.prune();
    expect(await stored()).toEqual(['again']);
  });
});
