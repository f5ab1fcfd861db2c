import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Principal } from '@muster/core/principal';
import { SearchBacklog, SearchIndex } from '../contacts/contacts.search.repository';
import { closeDuckDb } from '@muster/platform/tabular/duckdb';
import { Outbox } from '@muster/platform/outbox/outbox';
import { StagedTable } from '@muster/platform/tabular/staged-table';
import { stageCsv } from '@muster/platform/tabular/staging';
import { lendDirectory, Lent } from '@muster/testing/profile';
import { openTestServices, TestServices } from '@muster/testing/services';
import { AuthService } from '../auth/auth.service';
import { Memberships } from '../contacts/contacts.memberships.service';
import { storedKeys } from '../contacts/contacts.duplicates.repository';
import { CustomFieldsService } from '../custom-fields/custom-fields.service';
import { LeadsModule } from '../leads/leads.module';
import { LeadsService } from '../leads/leads.service';
import { ImportsApplyService } from './imports.apply.service';
import { DryRun } from './imports.dry-run';
import { Analysis, Import, ImportOptions } from './imports.entity';
import { Forecast } from './imports.forecast';
import { HolderReader } from './imports.holders';
import { ImportLedger, RowOutcome } from './imports.ledger';
import { matchRule, resolvesRows } from './imports.match';
import { identityKeys, ImportPlan, mappedColumns, planChunks, rowReading } from './imports.plans';
import { RowRanges } from './imports.ranges';
import { ImportsRepository } from './imports.repository';
import { ChunkLost, ImportsRunService } from './imports.run.service';

type Json = any;

const HEADER = [
  'name',
  'firstName',
  'lastName',
  'email',
  'phone',
  'status',
  'company',
  'tags',
  'doNotContact',
  'ref',
  'note',
];
const MAPPING = Object.fromEntries(
  HEADER.map((name) => [name, name === 'ref' ? 'cf.ref' : name === 'note' ? null : name]),
);

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

describe('rows that meet records', () => {
  let services: TestServices;
  let leads: LeadsService;
  let repository: ImportsRepository;
  let ledger: ImportLedger;
  let runner: ImportsRunService;
  let directory: Lent<string>;
  let team: number;
  let manager: Principal;
  let stranger: Principal;
  const open: StagedTable[] = [];

  beforeAll(async () => {
    services = await openTestServices(LeadsModule);
    leads = services.get(LeadsService);
    const { database, transactions } = services;
    repository = new ImportsRepository(database);
    ledger = new ImportLedger(database);
    const customFields = services.get(CustomFieldsService);
    runner = new ImportsRunService(
      ...([database, transactions, repository, ledger, new Outbox(), customFields] as const),
      ...([
        new Memberships(database),
        new ImportsApplyService(database, customFields, services.get(AuthService)),
      ] as const),
    );
    directory = lendDirectory();
    team = await services.addTeam();
    manager = await services.addUser('manager', team);
    stranger = await services.addUser('agent', await services.addTeam());
    await transactions.run(async (tx) => {
      await tx.query('UPDATE custom_field_sets SET revision = revision + 1');
      const now = new Date();
      await tx.manager.getRepository('custom_fields').insert({
        ...{ noun: 'leads', fieldKey: 'ref', label: 'Ref', type: 'text', required: false, defaultValue: null },
        ...{ options: null, validation: null, filterable: true, description: null, state: 'ready', doneTo: 0 },
        ...{ changedBy: null, changedByKey: null, changedIn: null, createdAt: now, updatedAt: now, version: 1 },
      });
    });
  });
  afterAll(async () => {
    for (const staged of open) await staged.close();
    await closeDuckDb();
    await services.close();
    await directory.remove();
  });
  beforeEach(clear);

  async function clear(): Promise<void> {
    const tables = ['leads', 'search_terms', 'search_backlog', 'duplicate_keys', 'custom_field_values', 'imports'];
    await services.transactions.run(async (tx) => {
      for (const table of [...tables, 'import_chunks', 'import_ledger', 'import_changes'])
        await tx.query(`DELETE FROM ${table}`);
    });
  }

  interface Options extends Partial<ImportOptions> {
    batchRows?: number;
    mapping?: Record<string, string | null>;
    forecast?: Forecast;
    runners?: number;
  }

  async function stage(
    rows: Json[][],
    { mapping = MAPPING, batchRows: _, forecast = undefined, runners: __, ...options }: Options,
  ) {
    const csv = join(directory.value, `${Math.random()}.csv`);
    const quoted = (cell: Json) => `"${String(cell ?? '').replaceAll('"', '""')}"`;
    writeFileSync(
      csv,
      [HEADER, ...rows].map((row) => HEADER.map((_name, at) => quoted(row[at])).join(',')).join('\n') + '\n',
    );
    await stageCsv(csv, `${csv}.parquet`);
    const staged = await StagedTable.open(`${csv}.parquet`, HEADER.length);
    open.push(staged);
    const analysis = { columns: HEADER.map((name) => ({ name })) } as Analysis;
    const now = new Date();
    const work: Omit<Import, 'id'> = {
      ...{
        target: 'leads',
        status: 'importing',
        fileName: 'f.csv',
        fileSize: 1,
        fileHash: 'x',
        fileKey: 'k',
        stagedKey: 's',
      },
      options: {
        duplicates: 'update',
        defaultRegion: 'US',
        tags: [],
        keepUnmapped: true,
        ...(forecast ? { ifPlan: 1 } : {}),
        ...options,
      },
      ...{
        autoStart: true,
        mapping,
        analysis,
        totalRows: rows.length,
        recordBase: null,
        error: null,
        attempts: 0,
        token: 0,
      },
      ...{
        leasedUntil: null,
        requestId: null,
        createdBy: manager.userId,
        createdAt: now,
        startedAt: now,
        finishedAt: null,
      },
    };
    return { staged, work };
  }

  /** Imports rows. @returns what became of each */
  async function run(rows: Json[][], options: Options = {}): Promise<RowOutcome[]> {
    return (await runAll(rows, options)).outcomes;
  }

  async function runAll(rows: Json[][], options: Options) {
    const { staged, work } = await stage(rows, options);
    const keys = identityKeys(mappedColumns(work.analysis!, work.mapping!));
    const sharing = await staged.laterSharers(keys);
    const ordered = resolvesRows(work.options);
    const id = await services.transactions.run(async (tx) => {
      const recordBase = await services.recordIds.reserve(tx, 'leads', rows.length);
      const importId = await repository.insert(tx, { ...work, recordBase });
      const chunks = planChunks(importId, rows.length, options.batchRows ?? 1000, ordered ? null : sharing);
      await repository.insertChunks(tx, chunks);
      return importId;
    });
    const stored = { ...(await repository.find(id))!, analysis: work.analysis };
    const bound = options.forecast ?? null;
    const plan: ImportPlan = { ...rowReading(stored), staged, sharing, excluded: RowRanges.none, bound };
    const pending = async () =>
      Number(
        (
          await services.database.query<Json>(
            `SELECT COUNT(*) AS n FROM import_chunks WHERE import_id = ? AND status = 'pending'`,
            [id],
          )
        )[0].n,
      );
    const lane = async () => {
      while ((await pending()) > 0) {
        const { skipLocked } = services.database.dialect;
        const chunk = await services.transactions.run((tx) => repository.claimChunk(tx, id, 60_000, skipLocked));
        if (!chunk) await new Promise((resolve) => setImmediate(resolve));
        else await runner.run(chunk, plan);
      }
    };
    await Promise.all(Array.from({ length: options.runners ?? 1 }, lane));
    return { id, work: stored, plan, outcomes: await ledger.rowsAt(id, undefined, 0, 10_000) };
  }

  async function dryRun(rows: Json[][], options: Options = {}) {
    const { staged, work } = await stage(rows, options);
    const fields = await services.get(CustomFieldsService).current('leads');
    const source = rowReading({ ...work, id: 0, recordBase: 1 } as Import);
    const rule = matchRule(work.options, fields);
    const importer = await services.get(AuthService).principalOf(manager.userId);
    const lookup = { plan: { ...source, work: { ...source.work, recordBase: null } }, rule, importer };
    const select = <T>(sql: string, params: unknown[]) => services.database.query<T>(sql, params);
    const dry = new DryRun(new HolderReader(services.database), select, source, staged, lookup, fields, RowRanges.none);
    return dry.run(new AbortController().signal);
  }

  const add = async (values: Json, by = manager) => (await leads.create(by, { source: 'web', ...values } as never)).id;
  const lead = async (id: number): Promise<Json> => {
    const [row] = await services.database.query<Json>('SELECT * FROM leads WHERE id = ?', [id]);
    return (
      row && {
        ...row,
        tags: JSON.parse(row.tags),
        custom_fields: JSON.parse(row.custom_fields),
        metadata: JSON.parse(row.metadata),
      }
    );
  };
  const changes = async () =>
    (await services.database.query<Json>('SELECT * FROM import_changes ORDER BY import_id, file_row')).map((row) => ({
      ...{ row: Number(row.file_row), recordId: Number(row.record_id), versionAfter: Number(row.version_after) },
      before: JSON.parse(row.before) as Json,
    }));
  const shown = (outcomes: RowOutcome[]) =>
    outcomes.map(({ outcome, errors }) =>
      [outcome, ...(errors ?? []).map(({ field, code }) => `${field} ${code}`)].join(' '),
    );
  const row = (values: Record<string, string>) => HEADER.map((name) => values[name] ?? '');

  it('change mapped fields that are not blank, and say what was there before', async () => {
    const id = await add({
      ...{ name: 'Ann Old', email: 'ann@example.com', phone: '+12015550101 x7', company: 'Acme', status: 'contacted' },
      ...{ tags: ['Vip'], customFields: { ref: 'r1' }, metadata: { note: 'kept', other: 1 }, doNotContact: true },
    });
    const outcomes = await run([
      row({
        email: 'ANN@example.com',
        firstName: 'Anna',
        phone: '',
        tags: 'vip; new',
        doNotContact: 'no',
        note: 'fresh',
      }),
      row({ name: 'Anna Old', email: 'ann@example.com' }),
    ]);
    expect(shown(outcomes)).toEqual(['updated', 'unchanged']);
    expect(outcomes.map(({ recordId }) => recordId)).toEqual([id, id]);
    const now = await lead(id);
    expect(now).toMatchObject({ name: 'Anna Old', phone: '+12015550101', company: 'Acme', status: 'contacted' });
    expect(now).toMatchObject({ tags: ['Vip', 'new'], custom_fields: { ref: 'r1' } });
    expect(now.metadata).toEqual({ note: 'fresh', other: 1, phoneExtension: '7' });
    expect([Number(now.do_not_contact), Number(now.version)]).toEqual([1, 2]);
    const before = { name: 'Ann Old', tags: ['Vip'], metadata: { note: 'kept', other: 1, phoneExtension: '7' } };
    expect(await changes()).toEqual([{ row: 1, recordId: id, versionAfter: 2, before }]);
  });

  it('clear what is blank only when they are told to', async () => {
    const values = { name: 'Ann Old', email: 'ann@example.com', phone: '+12015550101', company: 'Acme' };
    const id = await add({ ...values, tags: ['a'], customFields: { ref: 'r' } });
    const blank = [row({ email: 'ann@example.com' })];
    expect(shown(await run(blank))).toEqual(['unchanged']);
    expect(shown(await run(blank, { blankClears: true }))).toEqual(['updated']);
    expect(await lead(id)).toMatchObject({
      name: 'Ann Old',
      phone: null,
      company: null,
      tags: ['a'],
      custom_fields: {},
    });
    expect(shown(await run([row({ phone: '+12015550101' })], { matchOn: 'phone' }))).toEqual([
      'rejected name required',
    ]);
  });

  it('leave alone what the importer may not change, and tell nothing of it', async () => {
    const id = await add({ name: 'Ann Old', email: 'ann@example.com' }, stranger);
    const [outcome] = await run([row({ name: 'X Y', email: 'ann@example.com' })]);
    expect(outcome).toMatchObject({ outcome: 'rejected', recordId: null, errors: [{ code: 'duplicate-existing' }] });
    expect(JSON.stringify(outcome)).not.toContain(String(id));
    expect((await lead(id)).name).toBe('Ann Old');
  });

  it('are ambiguous when they match two records, and name those that may be named', async () => {
    const [ann, bob] = [
      await add({ name: 'Ann', email: 'a@example.com' }),
      await add({ name: 'Bob', phone: '+12015550102' }, stranger),
    ];
    const both = [row({ name: 'New', email: 'a@example.com', phone: '+12015550102' })];
    const [outcome] = await run(both);
    expect(outcome.errors!.map(({ field, code, existingId }) => [field, code, existingId])).toEqual([
      ['email', 'match-ambiguous', ann],
      ['phone', 'match-ambiguous', undefined],
    ]);
    expect(shown(await run(both, { matchOn: 'email' }))).toEqual(['rejected phone duplicate-existing']);
    expect([(await lead(ann)).name, (await lead(bob)).name]).toEqual(['Ann', 'Bob']);
  });

  it('are matched by a custom field, which several records may share', async () => {
    const id = await add({ name: 'Ann', email: 'a@example.com', customFields: { ref: 'X1' } });
    const rows = [
      row({ ref: 'x1', email: 'new@example.com', company: 'Acme' }),
      row({ ref: 'y2', name: 'Bob', email: 'b@example.com' }),
      row({ ref: 'Y2', name: 'Bobby' }),
      row({ ref: '', name: 'Cem', email: 'b@example.com' }),
    ];
    const outcomes = await run(rows, { matchOn: 'cf.ref' });
    expect(shown(outcomes)).toEqual(['updated', 'created', 'updated', 'rejected email duplicate-in-file']);
    expect(await lead(id)).toMatchObject({ name: 'Ann', email: 'new@example.com', company: 'Acme' });
    await add({ name: 'Dan', email: 'd@example.com', customFields: { ref: 'x1' } });
    expect(shown(await run(rows.slice(0, 1), { matchOn: 'cf.ref' }))).toEqual([
      'rejected customFields.ref match-ambiguous customFields.ref match-ambiguous',
    ]);
    expect(shown(await run(rows.slice(1, 2), { matchOn: 'cf.ref', duplicates: 'skip' }))).toEqual([
      'skipped customFields.ref duplicate-existing',
    ]);
  });

  it('keep what is found by: terms of searches, keys of near duplicates, the index of custom fields', async () => {
    const id = await add({ name: 'Ann Old', email: 'ann@example.com', company: 'Acme', customFields: { ref: 'r1' } });
    await run([row({ name: 'Zoë New', email: 'ann@example.com', phone: '(201) 555-0109', ref: 'r2' })]);
    await expectKept([id]);
  });

  async function expectKept(ids: number[]): Promise<void> {
    const index = new SearchIndex(services.database, 'leads');
    for (const id of ids) {
      const now = await lead(id);
      const terms = await services.database.query<Json>('SELECT term FROM search_terms WHERE record_id = ?', [id]);
      expect(terms.map(({ term }) => term).sort()).toEqual([...new Set(index.termsOf(now))].sort());
      const keys = await services.database.query<Json>(
        'SELECT kind, key_hash FROM duplicate_keys WHERE record_id = ?',
        [id],
      );
      const pairs = (of: Json[]) => of.map(([kind, hash]) => `${kind} ${hash}`).sort();
      expect(pairs(keys.map(({ kind, key_hash }) => [kind, key_hash]))).toEqual(pairs(storedKeys(now)));
      const values = await services.database.query<Json>(
        'SELECT sort_key FROM custom_field_values WHERE record_id = ?',
        [id],
      );
      expect(values.map(({ sort_key }) => sort_key)).toEqual([(now.custom_fields.ref ?? '').toLowerCase()]);
    }
  }

  it('loses no edit that a person makes meanwhile', async () => {
    const ids = [];
    for (let n = 0; n < 30; n++) ids.push(await add({ name: `P ${n}x`, email: `p${n}@example.com` }));
    const rows = ids.map((_, n) => row({ email: `p${n}@example.com`, tags: 'imported' }));
    const edits = ids.map((id) => leads.patch(manager, id, { company: 'Edited' } as never));
    await Promise.all([run(rows, { batchRows: 3 }), ...edits]);
    for (const id of ids) {
      expect(await lead(id)).toMatchObject({ company: 'Edited', tags: ['imported'] });
      expect(Number((await lead(id)).version)).toBe(3);
    }
  });

  it('give up a value before another takes it', async () => {
    const ann = await add({ name: 'Ann', email: 'a@example.com', phone: '+12015550101' });
    const bob = await add({ name: 'Bob', email: 'b@example.com', phone: '+12015550102' });
    const rows = [
      row({ phone: '+12015550101', email: 'c@example.com' }),
      row({ phone: '+12015550102', email: 'a@example.com' }),
      row({ phone: '+12015550103', email: 'b@example.com', name: 'Cem' }),
    ];
    expect(shown(await run(rows, { matchOn: 'phone' }))).toEqual(['updated', 'updated', 'created']);
    expect([(await lead(ann)).email, (await lead(bob)).email]).toEqual(['c@example.com', 'a@example.com']);
  });

  it('are left alone when their record is not as the plan found it', async () => {
    const [ann, bob] = [
      await add({ name: 'Ann', email: 'a@example.com' }),
      await add({ name: 'Bob', email: 'b@example.com' }),
    ];
    const rows = [
      row({ name: 'Anna', email: 'a@example.com' }),
      row({ company: 'Acme', email: 'a@example.com' }),
      row({ name: 'Bobby', email: 'b@example.com' }),
      row({ company: 'Acme', email: 'b@example.com' }),
      row({ name: 'Cem', email: 'c@example.com' }),
      row({ name: 'Dan', email: 'd@example.com' }),
      row({ name: 'Danny', email: 'd@example.com' }),
    ];
    const { forecast, result } = await dryRun(rows);
    expect(result.counts).toMatchObject({ updated: 5, created: 2 });
    expect(result.samples.map(({ row, changes }) => [row, changes])).toEqual([
      [1, { name: { old: 'Ann', new: 'Anna' } }],
      [2, { company: { old: null, new: 'Acme' } }],
      [3, { name: { old: 'Bob', new: 'Bobby' } }],
      [4, { company: { old: null, new: 'Acme' } }],
    ]);
    await leads.patch(manager, bob, { source: 'phone' } as never);
    await add({ name: 'Dora', email: 'd@example.com' });
    for (const batchRows of [1, 1000]) {
      const bound = Forecast.read(Buffer.concat(forecast.bytes));
      const outcomes = await run(rows, { forecast: bound, batchRows });
      if (batchRows === 1000) continue; // everything has changed by then
      const changed = 'skipped  changed-since-plan';
      expect(shown(outcomes)).toEqual(['updated', 'updated', changed, changed, 'created', changed, changed]);
    }
    expect([(await lead(ann)).name, (await lead(bob)).name]).toEqual(['Anna', 'Bob']);
  });

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
      const made = await leads
        .create(n % 5 === 4 ? stranger : manager, { source: 'web', ...values } as never)
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
    const records = await services.database.query<Json>('SELECT * FROM leads');
    return {
      outcomes: outcomes.map(({ recordId, ...rest }) => `${scrub(rest)} ${nameOf(recordId)}`),
      records: records
        .map(
          ({ id, created_at: _1, updated_at: _2, origin_import_id: _3, ...rest }) =>
            `${nameOf(Number(id))} ${JSON.stringify(rest)}`,
        )
        .sort(),
      changes: (await changes()).map(({ recordId, ...rest }) => ({ ...rest, record: nameOf(recordId) })),
    };
  }

  const WAYS: Options[] = (['reject', 'skip', 'update'] as const).flatMap((duplicates) =>
    [undefined, 'email', 'phone', 'cf.ref'].map((matchOn) => ({ duplicates, ...(matchOn ? { matchOn } : {}) })),
  );

  it.each([...WAYS, { duplicates: 'update' as const, blankClears: true, tags: ['fair'] }])(
    'fare alike whatever the size of chunks and the number of workers, and as the plan says: %j',
    async (options) => {
      for (const seed of [1, 2]) {
        const rows = dirtyRows(randomOf(seed), 90);
        const pictures = [];
        let expected: Json;
        for (const how of [
          { batchRows: 1, runners: 2 },
          { batchRows: 7, runners: 2 },
          { batchRows: 1000 },
          { bound: true, batchRows: 11 },
        ]) {
          await clear();
          const names = await addStored();
          const { forecast, result } = await dryRun(rows, options);
          const done = await runAll(rows, { ...options, ...how, ...('bound' in how ? { forecast } : {}) });
          const counts = (await ledger.counts([done.id])).get(done.id);
          expect(counts).toEqual(result.counts);
          expected ??= result.counts;
          expect(result.counts).toEqual(expected);
          pictures.push(await picture(done, names));
          if (how.batchRows === 7 && options.duplicates === 'update') {
            while ((await new SearchBacklog(services.database).age()) !== null) {
              await services.transactions.run((tx) => new SearchBacklog(services.database).advance(tx, 1000));
            }
            const all = await services.database.query<Json>('SELECT id FROM leads');
            await expectKept(all.map(({ id }) => Number(id)));
          }
        }
        for (const other of pictures.slice(1)) expect(other).toEqual(pictures[0]);
      }
    },
    60_000,
  );

  it('are written once when the chunk is lost to another worker', async () => {
    const id = await add({ name: 'Ann', email: 'a@example.com' });
    const { plan, work } = await runAll([row({ email: 'a@example.com', company: 'Acme' })], {});
    const stale = { importId: work.id, seq: 1, kind: 'all' as const, firstRow: 1, lastRow: 1, token: 1 };
    await expect(runner.run(stale, plan)).rejects.toThrow(ChunkLost);
    expect(Number((await lead(id)).version)).toBe(2);
  });
});
