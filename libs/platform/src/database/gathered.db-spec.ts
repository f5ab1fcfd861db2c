import { openTestDatabase, TestDatabase } from '@muster/testing/database';
import { BulkValue } from './dialect/dialect';
import { Gathered, SqlCondition } from './gathered';

const LEADS = 80;
const EVERY: SqlCondition = { sql: '1 = 1', params: [] };
const ownedBy = (user: number): SqlCondition => ({ sql: '(assigned_to = ? OR created_by = ?)', params: [user, user] });

describe('gathered look-ups', () => {
  let store: TestDatabase;
  let leads: Gathered<{ id: number; name: string; assigned_to: number }>;
  let statements: jest.SpyInstance;

  beforeAll(async () => {
    store = await openTestDatabase();
    leads = new Gathered(store.database, 'SELECT id, name, assigned_to FROM leads', 'id');
    statements = jest.spyOn(store.database, 'select');
    const columns =
      'id,name,status,source,tags,custom_fields,metadata,do_not_contact,assigned_to,created_at,updated_at,version';
    const rows = store.database.dialect.bulkBuffer();
    for (let id = 1; id <= LEADS; id++) {
      const row: BulkValue[] = [id, `Lead ${id}`, 'new', 'test', '[]', '{}', '{}', false, 100 + id];
      rows.add([...row, new Date(1_700_000_000_123), new Date(0), 1]);
    }
    await store.transactions.run((tx) =>
      store.database.dialect.bulkInsert(tx.runner, 'leads', columns.split(','), rows),
    );
  });
  beforeEach(() => statements.mockClear());
  afterAll(() => store.close());

  it('gives each caller its own row, and null for what is absent', async () => {
    const ids = Array.from({ length: LEADS + 20 }, (_, n) => n + 1);
    const rows = await Promise.all(ids.map((id) => leads.find(id, EVERY)));
    expect(rows.map((row) => row?.name ?? null)).toEqual(ids.map((id) => (id <= LEADS ? `Lead ${id}` : null)));
    expect(statements).toHaveBeenCalledTimes(4);
  });

  it('asks once for a row that many want', async () => {
    const rows = await Promise.all(Array.from({ length: 50 }, () => leads.find(7, EVERY)));
    expect(rows.every((row) => row?.name === 'Lead 7')).toBe(true);
    expect(statements).toHaveBeenCalledTimes(1);
  });

  it('asks together for callers of whom each has parameters of its own', async () => {
    const ids = Array.from({ length: 40 }, (_, n) => n + 1);
    const rows = await Promise.all(ids.map((id) => leads.find(id, ownedBy(100 + id))));
    expect(rows.map((row) => row?.id)).toEqual(ids);
    expect(statements).toHaveBeenCalledTimes(3);
  });

  it('gives nobody a row for which only the condition of another holds', async () => {
    const asked: [id: number, user: number][] = [
      // Each with parameters of its own, some for the same lead.
      [3, 106],
      [3, 103],
      [3, 107],
      // Two with the same parameters, of whom one may not.
      [5, 105],
      [6, 105],
    ];
    const rows = await Promise.all([
      ...asked.map(([id, user]) => leads.find(id, ownedBy(user))),
      leads.find(1, EVERY),
      leads.find(1, { sql: '1 = 0', params: [] }),
    ]);
    expect(rows.map((row) => row?.id ?? null)).toEqual([null, 3, null, 5, null, 1, null]);
  });

  it('gives each id all of its rows', async () => {
    const select = 'SELECT assigned_to % 7 AS id, name FROM leads';
    const many = new Gathered<{ id: number; name: string }>(store.database, select, '(assigned_to % 7)');
    const asked = [0, 3, 6, 9];
    const rows = await Promise.all(asked.map((id) => many.all(id, EVERY)));
    const expected = (id: number) =>
      Array.from({ length: LEADS }, (_, n) => n + 1).filter((lead) => (100 + lead) % 7 === id);
    expect(rows.map((some) => some.map(({ name }) => name).sort())).toEqual(
      asked.map((id) =>
        expected(id)
          .map((lead) => `Lead ${lead}`)
          .sort(),
      ),
    );
    expect(statements).toHaveBeenCalledTimes(1);
  });

  it('reads what is committed after it began', async () => {
    const rename = (name: string) =>
      store.transactions.run((tx) => tx.query('UPDATE leads SET name = ? WHERE id = ?', [name, 60]));
    for (const name of ['Once', 'Twice']) {
      const [, before] = await Promise.all([rename(name), leads.find(60, EVERY)]);
      expect(before).not.toBeNull();
      expect((await leads.find(60, EVERY))?.name).toBe(name);
    }
  });

  it('fails all that were asked together, and nothing after it', async () => {
    const bad = { sql: 'no_such_column = 1', params: [] };
    const results = await Promise.allSettled([leads.find(1, bad), leads.find(2, bad), leads.find(1, EVERY)]);
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'fulfilled']);
    expect((await leads.find(1, EVERY))?.name).toBe('Lead 1');
  });

  describe('a prepared statement', () => {
    const sql = 'SELECT * FROM leads WHERE id IN (?, ?) ORDER BY id';

    it('gives every value as the same text gives it unprepared', async () => {
      const prepared = await store.database.select(sql, [7, 8]);
      expect(prepared).toHaveLength(2);
      expect(prepared.map((row) => ({ ...row }))).toEqual(
        (await store.database.query(sql, [7, 8])).map((row) => ({ ...row })),
      );
    });

    it('goes to the server as text when that keeps no more of them', async () => {
      if (store.database.dialect.flavor === 'sqlite') return; // it has no limit
      const dialect = store.database.dialect as unknown as { pool: { execute: unknown } };
      const full = Object.assign(new Error('Can not create more statements'), { errno: 1461 });
      const execute = jest.spyOn(dialect.pool as { execute: (...args: unknown[]) => void }, 'execute');
      execute.mockImplementation((...args) => (args.at(-1) as (error: Error) => void)(full));
      try {
        expect(await store.database.select(sql, [7, 8])).toHaveLength(2);
        execute.mockImplementation((...args) => (args.at(-1) as (error: Error) => void)(new Error('other')));
        await expect(store.database.select(sql, [7, 8])).rejects.toThrow('other');
      } finally {
        execute.mockRestore();
      }
    });
  });
});
