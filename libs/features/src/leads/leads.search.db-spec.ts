import { searchTerms } from '@muster/core/contact/search-terms';
import { formatTime } from '@muster/platform/database/dialect/dialect';
import { VersionedRecord } from '@muster/platform/database/record-table';
import { openTestDatabase, TestDatabase } from '@muster/testing/database';
import { indexSome, queueForSearch, RARE, SearchedTable } from '../contacts/search/contacts.search.service';
import { SearchIndex } from '../contacts/search/contacts.search.repository';
import { leadTable } from './leads.entity';

const ALL = { sql: '1 = 1', params: [] };
const NOW = formatTime(new Date(Date.UTC(2026, 0, 1)));
const COLUMNS = ['id', 'name', 'email', 'phone', 'company', 'assigned_to', 'created_by'];
const REST = {
  status: 'new',
  source: 'test',
  tags: '[]',
  custom_fields: '{}',
  metadata: '{}',
  do_not_contact: 0,
  created_at: NOW,
  updated_at: NOW,
  version: 1,
};

interface Person extends VersionedRecord {
  name: string;
  email: string | null;
  phone: string | null;
  company: string | null;
}

describe('the search of contact records', () => {
  let store: TestDatabase;
  let people: SearchedTable<Person>;
  let lastId = 0;

  beforeAll(async () => {
    store = await openTestDatabase();
    people = new SearchedTable<Person>(store.database, leadTable, 'leads');
  });
  afterAll(() => store.close());
  beforeEach(() =>
    store.transactions.run(async (tx) => {
      for (const table of ['leads', 'search_terms', 'search_backlog']) await tx.query(`DELETE FROM ${table}`);
    }),
  );

  const person = (values: Partial<Person> = {}): Person => {
    const id = ++lastId;
    const record = { id, name: `Person ${id}`, email: `p${id}@x.test`, phone: null, company: null, version: 1 };
    const rest = {
      ...{ status: 'new', source: 'test', assignedTo: null, tags: [], customFields: {}, metadata: {}, imageUrl: null },
      ...{ doNotContact: false, originImportId: null, originRow: null, createdBy: 1 },
      ...{ createdAt: new Date(0), updatedAt: new Date(0) },
    };
    return { ...rest, ...record, ...values };
  };
  const add = async (values: Partial<Person> = {}): Promise<number> => {
    const record = person(values);
    await store.transactions.run((tx) => people.insert(tx, record));
    return record.id;
  };
  /** Stores records as an import does: all at once, their terms later. */
  const load = (records: Person[]) =>
    store.transactions.run(async (tx) => {
      const buffer = store.database.dialect.bulkBuffer();
      for (const { id, name, email, phone, company } of records) {
        buffer.add([id, name, email, phone, company, null, 1, ...Object.values(REST)]);
      }
      await store.database.dialect.bulkInsert(tx.runner, 'leads', [...COLUMNS, ...Object.keys(REST)], buffer);
      const ids = records.map(({ id }) => ({ firstId: id, lastId: id }));
      await queueForSearch(tx, store.database, 'leads', ids);
    });
  const found = async (q: string): Promise<number[]> => {
    const where = (await people.search(q)) ?? ALL;
    const rows = await store.database.query<{ id: number }>(
      `SELECT id FROM leads WHERE ${where.sql} ORDER BY id`,
      where.params,
    );
    return rows.map(({ id }) => Number(id));
  };
  const advance = (records = 5_000) => store.transactions.bookkeep((tx) => indexSome(tx, store.database, records));
  const stored = async () => {
    const rows = await store.database.query<{ term: string; record_id: number }>(
      'SELECT term, record_id FROM search_terms',
    );
    return rows.map(({ term, record_id }) => `${term} ${Number(record_id)}`).sort();
  };
  const expected = async () => {
    const rows = await store.database.query<Person>('SELECT id, name, company, email, phone FROM leads');
    return rows
      .flatMap(({ id, name, company, email, phone }) =>
        searchTerms({ texts: [name, company], email, phone }).map((term) => `${term} ${Number(id)}`),
      )
      .sort();
  };

  it('needs all words, and knows neither case nor accents', async () => {
    const zoe = await add({ name: 'Zoë Müller', company: 'Straßenbau' });
    const zoltan = await add({ name: 'Zoltán Muller', phone: '+12015550123', email: 'kiss.z@mail.example.com' });
    expect(await found('zo')).toEqual([zoe, zoltan]);
    expect(await found('MÜLLER ZOE')).toEqual([zoe]);
    expect(await found('strasse')).toEqual([zoe]);
    expect(await found('muller 0123')).toEqual([zoltan]);
    expect(await found('kiss.z@mail.example.com')).toEqual([zoltan]);
    expect(await found('@example.com')).toEqual([zoltan]);
    expect(await found('zoe 0123')).toEqual([]);
    expect(await found('!')).toEqual([]);
    expect(await people.search(' ')).toBeNull();
  });

  it('follows every change', async () => {
    const id = await add({ name: 'Ada', phone: '+12015550123' });
    await store.transactions.run((tx) => people.update(tx, id, { name: 'Grace', phone: null, version: 2 }));
    expect(await found('ada')).toEqual([]);
    expect(await found('0123')).toEqual([]);
    expect(await found('grace')).toEqual([id]);
    await store.transactions.run((tx) => people.remove(tx, id));
    expect(await stored()).toEqual([]);
  });

  it('finds imported records before their terms are written, and the same after', async () => {
    const [before, ...rest] = [
      person({ name: 'Élodie Roux' }),
      person({ name: "Ann O'Hara" }),
      person({ name: 'Bob' }),
    ];
    await load([before, ...rest]);
    const searches = ['elodie', 'roux', "o'hara", 'ohara', 'hara', 'bob', 'ou', `p${before.id}@x.test`];
    const first = await Promise.all(searches.map(found));
    expect(first.map((ids) => ids.length)).toEqual([1, 1, 1, 1, 1, 1, 0, 1]);
    expect(await stored()).toEqual([]);
    while (await advance());
    expect(await Promise.all(searches.map(found))).toEqual(first);
    expect(await stored()).toEqual(await expected());
    expect(await store.database.query('SELECT id FROM search_backlog')).toEqual([]);
  });

  it('writes the terms of a range in steps, each of which is whole', async () => {
    await load(Array.from({ length: 10 }, () => person()));
    const work = store.transactions.bookkeep(async (tx) => {
      await indexSome(tx, store.database, 4);
      throw new Error('stop');
    });
    await expect(work).rejects.toThrow('stop');
    expect(await stored()).toEqual([]);
    expect(await advance(4)).toBe(true);
    expect((await stored()).length).toBeGreaterThan(0);
    expect(await found('person')).toHaveLength(10);
    while (await advance(4));
    expect(await stored()).toEqual(await expected());
  });

  it('keeps the terms exact while records change that wait for theirs', async () => {
    const seed = 20_261_121;
    let state = seed;
    const random = (n: number) => (state = (state * 48_271) % 2_147_483_647) % n;
    const names = ['Zoë', 'Ada', "O'Neil", 'Łukasz', 'Straße', 'Müller', '57', 'Ann-Marie'];
    const name = () => `${names[random(8)]} ${names[random(8)]}`;
    for (let round = 0; round < 6; round++) {
      const records = Array.from({ length: 20 }, () => person({ name: name() }));
      await load(records);
      const changes = records.map(async ({ id }, n) => {
        const turn = random(4);
        if (turn === 0) await store.transactions.run((tx) => people.remove(tx, id));
        else if (turn < 3) {
          await store.transactions.run(async (tx) => {
            if (!(await people.lock(tx, id, ALL))) return;
            await people.update(tx, id, { name: name(), phone: random(2) ? `+1201555${1000 + n}${round}` : null });
          });
        } else await advance(7);
      });
      await Promise.all(changes);
    }
    while (await advance(7));
    expect({ seed, terms: await stored() }).toEqual({ seed, terms: await expected() });
  });

  it('reads the records of several words at one moment, and none of a word that too many have', async () => {
    const rossi = [await add({ name: 'Maria Rossi' }), await add({ name: 'Mario Rossi', company: 'Mariani' })];
    const other = await add({ name: 'Marius', phone: '+12015550123' });
    const index = new SearchIndex(store.database, 'leads');
    const having = async (most: number) => {
      const lists = await index.havingEach([['mari'], ['ros'], ['quibble'], ['0123', '2015', '~3210']], most);
      return lists.map((ids) => ids && [...new Set(ids)].sort((a, b) => a - b));
    };
    expect(await having(4)).toEqual([[...rossi, other], rossi, [], [other]]);
    expect(await having(3)).toEqual([null, rossi, [], [other]]);
    expect(await having(1)).toEqual([null, null, [], null]);
    const { backlog, having: few } = await index.glance([['mari'], ['ros'], ['quibble'], ['0123', '~3210']], 3);
    expect([backlog, few]).toEqual([[], [null, rossi, [], [other]]]);
  });

  it('finds what nearly all have, alone and with other words', async () => {
    const records = Array.from({ length: RARE + 500 }, (_, n) =>
      person({ name: n % 3 === 0 ? 'Maria Rossi' : 'Maria Bianchi', company: n % 2 ? 'Nord' : 'Sud' }),
    );
    await load(records);
    while (await advance());
    const late = person({ name: 'María Rossi', company: 'Nord' });
    await load([late]);
    const which = (holds: (n: number) => boolean) => records.filter((_, n) => holds(n)).map(({ id }) => id);
    expect(await found('maria')).toEqual([...which(() => true), late.id]);
    expect(await found('maria ros nor')).toEqual([...which((n) => n % 3 === 0 && n % 2 === 1), late.id]);
    expect(await found('maria person')).toEqual([]);
  });
});
