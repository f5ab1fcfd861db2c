import { openTestDatabase, TestDatabase } from '@muster/testing/database';
import { BulkValue } from './dialect/dialect';

describe('the store', () => {
  let store: TestDatabase;
  beforeAll(async () => {
    store = await openTestDatabase();
  });
  afterAll(() => store.close());

  it('has exactly the tables that the definitions say', async () => {
    const drift = await store.database.writer.driver.createSchemaBuilder().log();
    expect(drift.upQueries.map(({ query }) => query)).toEqual([]);
  });

  it('migrates a second time without doing anything', async () => {
    expect(await store.database.migrate()).toEqual([]);
  });

  describe('transactions', () => {
    const insert = 'INSERT INTO inbox (consumer, event_id, handled_at) VALUES (?, ?, ?)';
    const count = async (consumer: string) =>
      Number(
        (await store.database.query<{ n: number }>('SELECT COUNT(*) AS n FROM inbox WHERE consumer = ?', [consumer]))[0]
          .n,
      );

    it('takes everything back when the work throws', async () => {
      const work = store.transactions.run(async (tx) => {
        await tx.query(insert, ['rollback', 'a', '2026-01-01 00:00:00.000']);
        throw new Error('stop');
      });
      await expect(work).rejects.toThrow('stop');
      expect(await count('rollback')).toBe(0);
    });

    it('keeps parallel transactions apart: one that fails takes nothing of the others with it', async () => {
      const works = Array.from({ length: 20 }, (_, n) =>
        store.transactions.run(async (tx) => {
          await tx.query(insert, ['parallel', String(n), '2026-01-01 00:00:00.000']);
          await new Promise((resolve) => setImmediate(resolve));
          if (n % 3 === 0) throw new Error('every third fails');
        }),
      );
      const results = await Promise.allSettled(works);
      expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(13);
      expect(await count('parallel')).toBe(13);
    });

    it('shows nothing to readers before the commit', async () => {
      await store.transactions.run(async (tx) => {
        await tx.query(insert, ['dirty', 'a', '2026-01-01 00:00:00.000']);
        expect(await count('dirty')).toBe(0);
      });
      expect(await count('dirty')).toBe(1);
    });

    it('refuses to begin inside another', async () => {
      const work = store.transactions.run(() => store.transactions.run(async () => undefined));
      await expect(work).rejects.toThrow('inside a transaction');
    });

    it.each(['itself', 'another connection'])('runs again when its connection is killed by %s', async (killer) => {
      if (store.database.dialect.flavor === 'sqlite') return; // has no connections that could be killed
      let attempts = 0;
      await store.transactions.run(async (tx) => {
        await tx.query(insert, ['killed', killer, '2026-01-01 00:00:00.000']);
        if (++attempts > 1) return;
        const { rows } = await tx.query<{ id: number }>('SELECT CONNECTION_ID() AS id');
        if (killer === 'itself') await tx.query(`KILL CONNECTION ${rows[0].id}`);
        else await store.database.query(`KILL CONNECTION ${rows[0].id}`);
        await tx.query('SELECT 1');
      });
      expect(attempts).toBe(2);
    });

    it('counts what an update matched, changed or not', async () => {
      await store.transactions.run(async (tx) => {
        await tx.query(insert, ['matched', 'a', '2026-01-01 00:00:00.000']);
        const same = await tx.query('UPDATE inbox SET consumer = ? WHERE consumer = ?', ['matched', 'matched']);
        expect(same.affected).toBe(1);
      });
    });
  });

  describe('record ids', () => {
    it('are never given twice', async () => {
      const ids = await Promise.all(Array.from({ length: 300 }, () => store.recordIds.next('leads')));
      const base = await store.transactions.run((tx) => store.recordIds.reserve(tx, 'leads', 1000));
      const after = await store.recordIds.next('leads');
      expect(new Set([...ids, base, after]).size).toBe(302);
      expect(Math.max(...ids)).toBeLessThan(base);
    });
  });

  describe('bulk insert', () => {
    const columns = [
      'id',
      'name',
      'email',
      'status',
      'source',
      'tags',
      'custom_fields',
      'metadata',
      'do_not_contact',
      'created_at',
      'updated_at',
      'version',
    ];
    const row = (id: number, name: string, email: string | null): BulkValue[] => [
      id,
      name,
      email,
      'new',
      'import',
      '[]',
      '{}',
      '{}',
      false,
      new Date(0),
      new Date(0),
      1,
    ];
    const load = (rows: BulkValue[][]) => {
      const buffer = store.database.dialect.bulkBuffer();
      for (const values of rows) buffer.add(values);
      return store.transactions.run((tx) => store.database.dialect.bulkInsert(tx.runner, 'leads', columns, buffer));
    };

    it('keeps every character, and null apart from text', async () => {
      const nasty = ['tab\tnew\nline\\N', '\\', '日本 🙂', 'quote \' " `', '\\N', 'ends with \\', '\0nul', 'cr\r'];
      await load(nasty.map((name, index) => row(9_000_001 + index, name, null)));
      const rows = await store.database.query<{ name: string; email: string | null }>(
        'SELECT name, email FROM leads WHERE id > 9000000 ORDER BY id',
      );
      expect(rows.map(({ name }) => name)).toEqual(nasty);
      expect(rows.every(({ email }) => email === null)).toBe(true);
    });

    it('leaves out rows whose unique value is taken, byte for byte, and says how many it put in', async () => {
      expect(await load([row(8_000_001, 'first', 'josé@example.com')])).toBe(1);
      expect(
        await load([row(8_000_002, 'same', 'josé@example.com'), row(8_000_003, 'other', 'jose@example.com')]),
      ).toBe(1);
      expect(await load([row(8_000_001, 'same id', null)])).toBe(0);
    });

    it('does the same on a server that refuses LOAD DATA LOCAL', async () => {
      if (store.database.dialect.flavor === 'sqlite') return; // it has one way only
      Object.assign(store.database.dialect, { localLoad: false });
      try {
        const rows = Array.from({ length: 2_500 }, (_, n) =>
          row(6_000_001 + n, `tab\t${n} \\N`, `p${n}@insert.example.com`),
        );
        expect(await load(rows)).toBe(2_500);
        expect(await load([...rows.slice(0, 3), row(6_100_000, 'new', null)])).toBe(1);
        await expect(load([row(6_200_000, 'x'.repeat(101), null)])).rejects.toThrow('bend');
      } finally {
        Object.assign(store.database.dialect, { localLoad: true });
      }
    });

    it('refuses what the store would cut short', async () => {
      if (store.database.dialect.flavor === 'sqlite') return; // it has no lengths; the application checks them
      await expect(load([row(7_000_001, 'x'.repeat(101), null)])).rejects.toThrow('bend');
    });
  });
});
