import { openTestDatabase, TestDatabase } from '@muster/testing/database';
import { ListLeadsQuery } from './leads.dto';
import { Lead } from './leads.entity';
import { LeadsRepository } from './leads.repository';

const ALL = { sql: '1 = 1', params: [] };
const FIRST = Date.UTC(2026, 0, 1);

describe('the leads repository', () => {
  let store: TestDatabase;
  let repository: LeadsRepository;
  let lastId = 0;

  const add = async (values: Partial<Lead> = {}): Promise<number> => {
    const id = ++lastId;
    const lead: Lead = {
      id,
      name: `Lead ${id}`,
      email: `lead${id}@example.com`,
      phone: null,
      status: 'new',
      source: 'test',
      company: null,
      assignedTo: null,
      tags: [],
      customFields: {},
      metadata: {},
      imageUrl: null,
      doNotContact: false,
      convertedTo: null,
      originImportId: null,
      originRow: null,
      createdBy: 1,
      createdAt: new Date(FIRST),
      updatedAt: new Date(FIRST),
      version: 1,
      ...values,
    };
    await store.transactions.run((tx) => repository.records.insert(tx, lead));
    return id;
  };
  const clear = () =>
    store.transactions.run((tx) => tx.query('DELETE FROM leads').then(() => tx.query('DELETE FROM search_terms')));
  const ids = async (query: ListLeadsQuery) => {
    const { data } = await repository.list(ALL, { sort: 'createdAt', limit: 100, ...query });
    return data.map(({ id }) => id);
  };

  beforeAll(async () => {
    store = await openTestDatabase();
    repository = new LeadsRepository(store.database);
  });
  afterAll(() => store.close());
  beforeEach(clear);

  it('gives a record back as it was put in', async () => {
    const given: Partial<Lead> = {
      name: 'Zoë 🙂',
      tags: ['a"b', 'ü'],
      metadata: { n: 1.5, deep: [null, true] },
      doNotContact: true,
      createdAt: new Date(FIRST + 123),
      assignedTo: 7,
    };
    const id = await add(given);
    expect(await repository.records.find(id, ALL)).toMatchObject({ ...given, id, company: null, version: 1 });
    expect(await repository.records.find(id, { sql: 'name = ?', params: ['x'] })).toBeNull();
  });

  describe('pages by cursor', () => {
    const visit = async (sort: ListLeadsQuery['sort'], between: () => Promise<unknown>) => {
      const seen: number[] = [];
      let cursor: string | undefined;
      for (let page = 1; page < 100; page++) {
        const { data, meta } = await repository.list(ALL, { sort, limit: 7, cursor });
        expect(meta.page).toBe(page);
        seen.push(...data.map(({ id }) => id));
        if (meta.nextCursor === null) return seen;
        cursor = meta.nextCursor;
        await between();
      }
      throw new Error('The list never ended.');
    };

    it.each(['-createdAt', 'createdAt', 'name', '-name'] as const)(
      'visit every row once while rows come and go, sorted by %s',
      async (sort) => {
        const rows: { id: number; createdAt: number; name: string }[] = [];
        for (let n = 0; n < 60; n++) {
          // Few different values: most neighbours differ by their id only.
          const values = { createdAt: FIRST + Math.floor(n / 25) * 1000, name: `Name ${n % 4}` };
          rows.push({ ...values, id: await add({ ...values, createdAt: new Date(values.createdAt) }) });
        }
        const key = sort.replace('-', '') as 'createdAt' | 'name';
        const compare = (a: (typeof rows)[number], b: (typeof rows)[number]) =>
          a[key] === b[key] ? a.id - b.id : a[key] < b[key] ? -1 : 1;
        const expected = rows.toSorted(compare).map(({ id }) => id);
        if (sort.startsWith('-')) expected.reverse();
        const ahead = sort.startsWith('-')
          ? { createdAt: new Date(FIRST + 9e6), name: 'Zzz' }
          : { createdAt: new Date(FIRST - 9e6), name: 'Aaa' };
        expect(await visit(sort, () => add(ahead))).toEqual(expected);
      },
    );

    it('end without a cursor when the last page is full', async () => {
      for (let n = 0; n < 14; n++) await add();
      expect(await visit('-createdAt', async () => undefined)).toHaveLength(14);
    });

    it.each(['', 'x', 'bm90LWpzb24', Buffer.from('["-createdAt","2026",1,2]').toString('base64url')])(
      'refuse %p',
      async (cursor) => {
        const page = repository.list(ALL, { sort: '-createdAt', cursor });
        await expect(page).rejects.toMatchObject({ status: 422, code: 'cursor-invalid' });
      },
    );

    it('refuse the cursor of another sort', async () => {
      for (let n = 0; n < 3; n++) await add();
      const { meta } = await repository.list(ALL, { sort: '-createdAt', limit: 1 });
      const page = repository.list(ALL, { sort: 'createdAt', cursor: meta.nextCursor! });
      await expect(page).rejects.toMatchObject({ code: 'cursor-invalid' });
    });
  });

  it('counts what the filters leave, on every page and beyond the last', async () => {
    for (let n = 0; n < 11; n++) await add({ status: n % 3 === 0 ? 'lost' : 'new' });
    const meta = async (page: number, limit: number) => {
      const result = await repository.list(ALL, { status: 'new', page, limit });
      return { ...result.meta, rows: result.data.length, nextCursor: result.meta.nextCursor !== null };
    };
    expect(await meta(1, 3)).toEqual({ page: 1, limit: 3, total: 7, rows: 3, nextCursor: true });
    expect(await meta(3, 3)).toEqual({ page: 3, limit: 3, total: 7, rows: 1, nextCursor: false });
    expect(await meta(9, 3)).toEqual({ page: 9, limit: 3, total: 7, rows: 0, nextCursor: false });
    expect(await meta(1, 7)).toEqual({ page: 1, limit: 7, total: 7, rows: 7, nextCursor: false });
  });

  describe('filters', () => {
    it('find a whole tag, quotes and all', async () => {
      const quoted = await add({ tags: ['a"b', 'vip'] });
      const plain = await add({ tags: ['b', 'vip gold'] });
      await add({ tags: [] });
      const tagged = (tag: string) => ids({ tag });
      expect(await tagged('vip')).toEqual([quoted]);
      expect(await tagged('b')).toEqual([plain]);
      expect(await tagged('a"b')).toEqual([quoted]);
      expect(await tagged('VIP')).toEqual([]);
      expect(await tagged('%')).toEqual([]);
    });

    it('search words of names, e-mails and companies whatever the case', async () => {
      const anna = await add({ name: 'Anna Čapek', company: '100% Öl_Werke' });
      const bob = await add({ name: 'Bob', email: 'bob.anna@example.com' });
      const search = (q: string) => ids({ q });
      expect(await search('ANNA')).toEqual([anna, bob]);
      expect(await search('čapek')).toEqual([anna]);
      expect(await search('CAPEK an')).toEqual([anna]);
      expect(await search('öl_w')).toEqual([anna]);
      expect(await search('100%')).toEqual([anna]);
      expect(await search('%')).toEqual([]);
      expect(await search('_n')).toEqual([]);
      expect(await search("' OR 1=1 --")).toEqual([]);
      expect(await search('  ')).toEqual([anna, bob]);
    });

    it('search phone numbers by their digits, however they are written', async () => {
      const lead = await add({ phone: '+12015550123' });
      await add({ phone: '+442079460958' });
      const search = (q: string) => ids({ q });
      expect(await search('(201) 555-0123')).toEqual([lead]);
      expect(await search('+1 201')).toEqual([lead]);
      expect(await search('550123')).toEqual([lead]);
    });

    it('hold both ends of a time', async () => {
      const day = await add({ createdAt: new Date('2026-03-10T00:00:00.000Z') });
      const evening = await add({ createdAt: new Date('2026-03-10T23:59:59.999Z') });
      const next = await add({ createdAt: new Date('2026-03-11T00:00:00.000Z') });
      const between = (createdFrom?: string, createdTo?: string) => ids({ createdFrom, createdTo });
      expect(await between('2026-03-10', '2026-03-10')).toEqual([day, evening]);
      expect(await between('2026-03-10T00:00:00.001Z')).toEqual([evening, next]);
      expect(await between(undefined, '2026-03-11T01:00:00+01:00')).toEqual([day, evening, next]);
    });
  });
});
