import { HEADER, openTestImports, row, TestImportOptions, TestImports } from '@muster/testing/imports';

const mappingOf = (mapped: string[]) =>
  Object.fromEntries(HEADER.map((name) => [name, mapped.includes(name) ? name : null]));
const PLAIN = mappingOf(['name', 'email', 'phone', 'status', 'company', 'doNotContact']);

describe('a plan of rows that stand alone', () => {
  let imports: TestImports;
  beforeAll(async () => {
    imports = await openTestImports();
  });
  beforeEach(() => imports.clear());
  afterAll(() => imports.close());

  const phoneOf = (n: number) => `+1201555${String(1000 + n)}`;
  const emailOf = (n: number) => (n % 10 === 3 ? `日本${n}@example.com` : `p${n}@example.com`);

  /** Leads of the manager; every eighth is of a stranger. */
  async function addStored(count: number): Promise<void> {
    for (let n = 0; n < count; n++) {
      const values = {
        ...{ name: `Stored ${n}`, company: n % 2 ? `Zoë ${n}` : null, status: 'contacted', doNotContact: n % 5 === 0 },
        ...(n % 7 === 6 ? {} : { email: emailOf(n) }),
        ...(n % 7 === 5 ? {} : { phone: phoneOf(n) }),
        ...(n % 3 ? { customFields: { ref: `r${n}` } } : {}),
      };
      await imports.add(values, n % 8 === 7 ? imports.stranger : imports.manager);
    }
  }

  /** Rows that share nothing with each other: in every way equal to a stored lead, different, new, or wrong. */
  const rowsOf = (count: number) =>
    Array.from({ length: count }, (_, n) => {
      const kind = n % 9;
      return row({
        name: kind === 4 ? '' : kind === 5 ? `Other ${n}` : `Stored ${n}`,
        email: kind === 1 ? '' : kind === 2 ? `new${n}@example.com` : kind === 8 ? 'nobody' : emailOf(n).toUpperCase(),
        phone: kind === 0 ? '' : kind === 6 ? `${phoneOf(n)} x5` : kind === 7 ? phoneOf(count + n) : phoneOf(n),
        status: kind % 2 ? 'contacted' : '',
        company: n % 4 === 1 ? `Zoë ${n}` : n % 4 === 3 ? `Blue ${n}` : '',
        doNotContact: n % 6 === 0 ? 'yes' : 'no',
        tags: n % 5 === 0 ? 'a; b' : '',
        ref: n % 4 ? `R${n}` : '',
        note: n % 11 === 0 ? 'kept' : '',
      });
    });

  const OPTIONS: TestImportOptions[] = [
    ...(['reject', 'skip', 'update'] as const).flatMap((duplicates) => [
      { duplicates, mapping: PLAIN, keepUnmapped: false },
      { duplicates },
      { duplicates, matchOn: 'phone' },
      { duplicates, matchOn: 'cf.ref' },
    ]),
    { duplicates: 'update', mapping: mappingOf(['email', 'company']), keepUnmapped: false },
    { duplicates: 'update', mapping: PLAIN, keepUnmapped: false, blankClears: true },
    { duplicates: 'update', mapping: PLAIN, keepUnmapped: false, tags: ['fair'] },
    { duplicates: 'update', mapping: PLAIN, keepUnmapped: false, matchOn: 'email' },
  ];

  it.each(OPTIONS)('is the same however records are found, and what the import does: %j', async (options) => {
    await addStored(80);
    const rows = rowsOf(150);
    const [walked, lookedUp] = [
      await imports.dryRun(rows, options, 'walk'),
      await imports.dryRun(rows, options, 'look-up'),
    ];
    expect([lookedUp.result, lookedUp.forecast]).toEqual([walked.result, walked.forecast]);
    for (const { row, changes } of walked.result.samples) {
      expect([row, Object.keys(changes).length]).not.toEqual([row, 0]);
    }
    const done = await imports.runAll(rows, { ...options, batchRows: 40, forecast: walked.forecast });
    expect((await imports.ledger.counts([done.id])).get(done.id)).toEqual(walked.result.counts);
  });

  it('is right where a stored text has characters that part records', async () => {
    await addStored(3);
    await imports.services.transactions.run(async (tx) => {
      await tx.query('UPDATE leads SET company = ? WHERE email = ?', ['One\x1fTwo\x1e', emailOf(1)]);
    });
    const rows = [0, 1, 2].map((n) => row({ name: `Stored ${n}`, email: emailOf(n), company: n === 2 ? '' : 'One' }));
    const { result } = await imports.dryRun(rows, { mapping: PLAIN, keepUnmapped: false }, 'walk');
    expect(result.counts).toMatchObject({ updated: 2, unchanged: 1 });
    expect(result.samples.map(({ changes }) => changes)).toEqual([
      { company: { old: null, new: 'One' } },
      { company: { old: 'One\x1fTwo\x1e', new: 'One' } },
    ]);
  });

  it('ends when it is told to', async () => {
    await addStored(1);
    const ended = new AbortController();
    ended.abort(new Error('stopped'));
    for (const way of ['walk', 'look-up'] as const) {
      await expect(imports.dryRun(rowsOf(3), { signal: ended.signal }, way)).rejects.toThrow('stopped');
    }
  });

  it('leaves out what is excluded, and tells rows apart that meet one record from two sides', async () => {
    await addStored(4);
    const rows = [
      row({ name: 'Stored 0', email: emailOf(0), company: 'One' }),
      row({ name: 'Stored 1', email: emailOf(1), company: 'Two' }),
      row({ name: 'Stored 0', phone: phoneOf(0), company: 'One' }),
      row({ name: 'Stored 2', email: emailOf(2), phone: phoneOf(3) }),
    ];
    const options = { mapping: PLAIN, keepUnmapped: false, excluded: [{ first: 2, last: 2 }] };
    for (const way of ['walk', 'look-up'] as const) {
      const { counts, samples, rejected } = (await imports.dryRun(rows, options, way)).result;
      expect(counts).toMatchObject({ updated: 1, unchanged: 1, excluded: 1, rejected: 1, created: 0 });
      expect(samples).toMatchObject([{ row: 1, changes: { company: { old: null, new: 'One' } } }]);
      expect(rejected.map(({ row, errors }) => [row, errors.map(({ code }) => code)])).toEqual([
        [4, ['match-ambiguous', 'match-ambiguous']],
      ]);
    }
  });
});
