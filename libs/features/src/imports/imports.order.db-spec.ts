import { SearchBacklog } from '../contacts/search/contacts.search.repository';
import { Import } from './imports.entity';
import { RowOutcome } from './imports.ledger';
import { HEADER, openTestImports, TestImportOptions, TestImports } from '@muster/testing/imports';

type Json = any;

/** Numbers from 0 to 1 that are the same for the same seed. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

describe('the order of rows', () => {
  let imports: TestImports;
  beforeAll(async () => {
    imports = await openTestImports();
  });
  beforeEach(() => imports.clear());
  afterAll(() => imports.close());

  /** Rows that meet each other and stored records in every way. */
  function dirtyRows(random: () => number, count: number): Json[][] {
    const any = <T>(...items: T[]): T => items[Math.floor(random() * items.length)];
    const some = <T>(share: number, make: () => T): T | '' => (random() < share ? make() : '');
    const at = () => Math.floor(random() * 14);
    return Array.from({ length: count }, () => [
      some(0.8, () => any('Ann Lee', 'Bob Ray', 'Cem Öz', 'D')),
      some(0.2, () => any('Eva', 'Finn')),
      some(0.2, () => any('Hill', 'Ito')),
      some(0.75, () => (random() < 0.05 ? 'not an address' : `${any('P', 'p')}${at()}@example.com`)),
      some(0.6, () => (random() < 0.05 ? '12' : `(201) 555-01${String(at()).padStart(2, '0')}`)),
      some(0.3, () => any('new', 'won', 'lost', 'purple')),
      some(0.4, () => any('Acme', 'Blue', 'Cedar')),
      some(0.4, () => any('a; b', 'B;c', 'd')),
      some(0.1, () => any('yes', 'no')),
      some(0.4, () => `${any('R', 'r')}${Math.floor(random() * 6)}`),
      some(0.2, () => any('n1', 'n2')),
    ]);
  }

  async function addStored(): Promise<Map<number, string>> {
    const names = new Map<number, string>();
    for (let n = 0; n < 12; n++) {
      const values = {
        name: `Stored ${n}`,
        ...(n % 3 === 2 ? {} : { email: `p${n}@example.com` }),
        ...(n % 3 === 1 ? {} : { phone: `+1201555010${(n * 7) % 10}` }),
        ...(n % 2 ? { customFields: { ref: `r${(n * 5) % 8}` } } : {}),
        tags: n % 4 ? [] : ['a'],
      };
      const made = await imports.leads
        .create(n % 5 === 4 ? imports.stranger : imports.manager, { source: 'web', ...values })
        .catch(() => null);
      if (made) names.set(made.id, `stored ${n}`);
    }
    return names;
  }

  /** What an import has made of the store, without the ids. */
  async function picture({ work, outcomes }: { work: Import; outcomes: RowOutcome[] }, names: Map<number, string>) {
    const nameOf = (id: number | null) => (id === null ? null : (names.get(id) ?? `row ${id - work.recordBase! + 1}`));
    const scrub = (value: Json) =>
      JSON.stringify(value).replace(/"existingId":(\d+)/g, (_, id) => `"existing":"${nameOf(Number(id))}"`);
    const records = await imports.services.database.query<Json>('SELECT * FROM leads');
    return {
      outcomes: outcomes.map(({ recordId, ...rest }) => `${scrub(rest)} ${nameOf(recordId)}`),
      records: records
        .map(
          ({ id, created_at: _1, updated_at: _2, origin_import_id: _3, ...rest }) =>
            `${nameOf(Number(id))} ${JSON.stringify(rest)}`,
        )
        .sort(),
      changes: (await imports.changes()).map(({ recordId, ...rest }) => ({ ...rest, record: nameOf(recordId) })),
    };
  }

  const WAYS: TestImportOptions[] = (['reject', 'skip', 'update'] as const).flatMap((duplicates) =>
    [undefined, 'email', 'phone', 'cf.ref'].map((matchOn) => ({ duplicates, ...(matchOn ? { matchOn } : {}) })),
  );

  /** Mappings of which a glance tells what changes, and one with parts of names. */
  const PLAIN: TestImportOptions[] = [
    ['name', 'email', 'phone', 'status', 'company', 'doNotContact'],
    ['name', 'email', 'company'],
    ['firstName', 'lastName', 'email', 'phone', 'company'],
  ].map((mapped) => ({
    ...{ duplicates: 'update', keepUnmapped: false },
    mapping: Object.fromEntries(HEADER.map((name) => [name, mapped.includes(name) ? name : null])),
  }));

  it.each([...WAYS, ...PLAIN, { duplicates: 'update' as const, blankClears: true, tags: ['fair'] }])(
    'fare alike whatever the size of chunks and the number of workers, and as the plan says: %j',
    async (options) => {
      for (const seed of [1, 2]) {
        const rows = dirtyRows(randomOf(seed), 45);
        const pictures = [];
        let expected: Json;
        for (const how of [
          { batchRows: 3, runners: 2 },
          { batchRows: 7, runners: 2 },
          { batchRows: 1000 },
          { bound: true, batchRows: 11 },
        ]) {
          await imports.clear();
          const names = await addStored();
          const { forecast, result } = await imports.dryRun(rows, options, 'walk');
          if (expected === undefined) {
            const lookedUp = await imports.dryRun(rows, options, 'look-up');
            expect([lookedUp.result, lookedUp.forecast]).toEqual([result, forecast]);
          }
          const done = await imports.runAll(rows, { ...options, ...how, ...('bound' in how ? { forecast } : {}) });
          const counts = (await imports.ledger.counts([done.id])).get(done.id);
          expect(counts).toEqual(result.counts);
          expected ??= result.counts;
          expect(result.counts).toEqual(expected);
          pictures.push(await picture(done, names));
          if (how.batchRows === 7 && options.duplicates === 'update') {
            while ((await new SearchBacklog(imports.services.database).age()) !== null) {
              await imports.services.transactions.run((tx) =>
                new SearchBacklog(imports.services.database).advance(tx, 1000),
              );
            }
            const all = await imports.services.database.query<Json>('SELECT id FROM leads');
            const kept = await imports.kept(all.map(({ id }) => Number(id)));
            for (const [held, due] of kept) expect(held).toEqual(due);
          }
        }
        for (const other of pictures.slice(1)) expect(other).toEqual(pictures[0]);
      }
    },
    300_000,
  );
});
