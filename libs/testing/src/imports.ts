import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AuthService } from '@muster/features/auth/auth.service';
import { storedKeys } from '@muster/features/contacts/duplicates/contacts.duplicates.repository';
import { Memberships } from '@muster/features/contacts/memberships/contacts.memberships.service';
import { SearchIndex } from '@muster/features/contacts/search/contacts.search.repository';
import { CustomFieldsService } from '@muster/features/custom-fields/custom-fields.service';
import { ImportsApplyService } from '@muster/features/imports/imports.apply.service';
import { DryRun } from '@muster/features/imports/imports.dry-run';
import { Analysis, Import, ImportOptions } from '@muster/features/imports/imports.entity';
import { Forecast } from '@muster/features/imports/imports.forecast';
import { GroupsModule } from '@muster/features/groups/groups.module';
import { GroupsService } from '@muster/features/groups/groups.service';
import { ImportLedger, RowOutcome } from '@muster/features/imports/imports.ledger';
import { matchRule, resolvesRows } from '@muster/features/imports/imports.match';
import { ImportNames } from '@muster/features/imports/imports.names.service';
import {
  identityKeys,
  ImportPlan,
  mappedColumns,
  planChunks,
  rowReading,
} from '@muster/features/imports/imports.plans';
import { RowRanges } from '@muster/features/imports/imports.ranges';
import { Way } from '@muster/features/imports/imports.records';
import { ImportsRepository } from '@muster/features/imports/imports.repository';
import { ImportsRunService } from '@muster/features/imports/imports.run.service';
import { LeadsModule } from '@muster/features/leads/leads.module';
import { LeadsService } from '@muster/features/leads/leads.service';
import { closeDuckDb } from '@muster/platform/tabular/duckdb';
import { Outbox } from '@muster/platform/outbox/outbox';
import { StagedTable } from '@muster/platform/tabular/staged-table';
import { stageCsv } from '@muster/platform/tabular/staging';
import { listFaults } from './lists';
import { lendDirectory } from './profile';
import { openTestServices } from './services';

type Json = any;

/** The columns of every file; `ref` is a filterable custom field, `note` goes into metadata. */
export const HEADER = [
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

/** How rows are imported, beside the options of the import. */
export interface TestImportOptions extends Partial<ImportOptions> {
  batchRows?: number;
  mapping?: Record<string, string | null>;
  forecast?: Forecast;
  runners?: number;
}

/** The same for a dry run. */
export interface TestDryRunOptions extends TestImportOptions {
  excluded?: { first: number; last: number }[];
  signal?: AbortSignal;
}

export type TestImports = Awaited<ReturnType<typeof openTestImports>>;

/** Imports of leads without a server, over an empty store of the tested profile: rows are cells in the order of {@link HEADER}. */
export async function openTestImports() {
  const open: StagedTable[] = [];
  const services = await openTestServices(LeadsModule, GroupsModule);
  const leads = services.get(LeadsService);
  const { database, transactions } = services;
  const repository = new ImportsRepository(database);
  const ledger = new ImportLedger(database);
  const customFields = services.get(CustomFieldsService);
  const names = new ImportNames(services.get(AuthService), services.get(GroupsService));
  const runner = new ImportsRunService(
    ...([database, transactions, repository, ledger, new Outbox(), customFields] as const),
    ...([
      new Memberships(database),
      new ImportsApplyService(database, customFields, services.get(AuthService)),
      names,
    ] as const),
  );
  const directory = lendDirectory();
  const team = await services.addTeam();
  const manager = await services.addUser('manager', team);
  const stranger = await services.addUser('agent', await services.addTeam());
  await transactions.run(async (tx) => {
    await tx.query('UPDATE custom_field_sets SET revision = revision + 1');
    const now = new Date();
    await tx.manager.getRepository('custom_fields').insert({
      ...{ noun: 'leads', fieldKey: 'ref', label: 'Ref', type: 'text', required: false, defaultValue: null },
      ...{ options: null, validation: null, filterable: true, description: null, state: 'ready', doneTo: 0 },
      ...{ changedBy: null, changedByKey: null, changedIn: null, createdAt: now, updatedAt: now, version: 1 },
    });
  });

  async function clear(): Promise<void> {
    const kept = ['search_terms', 'search_backlog', 'duplicate_keys', 'custom_field_values', 'contact_counts'];
    const tables = ['leads', ...kept, 'contact_tags', 'group_members', 'imports'];
    await services.transactions.run(async (tx) => {
      for (const table of [...tables, 'import_chunks', 'import_ledger', 'import_changes'])
        await tx.query(`DELETE FROM ${table}`);
    });
  }

  async function stage(
    rows: Json[][],
    { mapping = MAPPING, batchRows: _, forecast = undefined, runners: __, ...options }: TestImportOptions,
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
        waitingCode: null,
        waitingUntil: null,
        filesExpiredAt: null,
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
  async function run(rows: Json[][], options: TestImportOptions = {}): Promise<RowOutcome[]> {
    return (await runAll(rows, options)).outcomes;
  }

  /** An import that waits for workers. */
  async function prepare(rows: Json[][], options: TestImportOptions) {
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
    const { skipLocked } = services.database.dialect;
    const claim = () => services.transactions.run((tx) => repository.claimChunk(tx, id, 60_000, skipLocked));
    return { id, work: stored, plan, claim };
  }

  async function runAll(rows: Json[][], options: TestImportOptions) {
    const { id, work, plan, claim } = await prepare(rows, options);
    const pending = async () =>
      Number(
        (
          await services.database.query<Json>(
            `SELECT COUNT(*) AS n FROM import_chunks WHERE import_id = ? AND status = 'pending'`,
            [id],
          )
        )[0].n,
      );
    const running = new Set<Promise<void>>();
    const lane = async () => {
      while ((await pending()) > 0) {
        const chunk = await claim();
        // The next chunk waits for one that the other lane has.
        const work = chunk ? runner.run(chunk, plan) : Promise.all(running).then(() => undefined);
        if (chunk) running.add(work);
        await work;
        running.delete(work);
      }
    };
    await Promise.all(Array.from({ length: options.runners ?? 1 }, lane));
    const faults = await listFaults(database, 'leads');
    if (faults.length > 0) throw new Error(`The lists do not follow the records: ${JSON.stringify(faults)}`);
    return { id, work, plan, outcomes: await ledger.rowsAt(id, undefined, 0, 10_000) };
  }

  /** @param way how records are found */
  async function dryRun(
    rows: Json[][],
    { excluded = [], signal = new AbortController().signal, ...options }: TestDryRunOptions = {},
    way?: Way,
  ) {
    const { staged, work } = await stage(rows, options);
    const fields = await services.get(CustomFieldsService).current('leads');
    const source = rowReading({ ...work, id: 0, recordBase: 1 });
    const rule = matchRule(work.options, fields);
    const importer = await services.get(AuthService).principalOf(manager.userId);
    const lookup = { plan: { ...source, work: { ...source.work, recordBase: null } }, rule, importer };
    const select = <T>(sql: string, params: unknown[]) => services.database.query<T>(sql, params);
    const dry = new DryRun(
      services.database,
      select,
      source,
      staged,
      lookup,
      fields,
      RowRanges.of(excluded),
      names,
      way,
    );
    return dry.run(signal);
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
      before: JSON.parse(row.before),
    }));

  /** What is kept about records elsewhere, and what should be: pairs. */
  async function kept(ids: number[]): Promise<[held: string[], due: string[]][]> {
    const held: [string[], string[]][] = [];
    const index = new SearchIndex(services.database, 'leads');
    for (const id of ids) {
      const now = await lead(id);
      const terms = await services.database.query<Json>('SELECT term FROM search_terms WHERE record_id = ?', [id]);
      held.push([terms.map(({ term }) => term).sort(), [...new Set(index.termsOf(now))].sort()]);
      const keys = await services.database.query<Json>(
        'SELECT kind, key_hash FROM duplicate_keys WHERE record_id = ?',
        [id],
      );
      const pairs = (of: Json[]) => of.map(([kind, hash]) => `${kind} ${hash}`).sort();
      held.push([pairs(keys.map(({ kind, key_hash }) => [kind, key_hash])), pairs(storedKeys(now))]);
      const values = await services.database.query<Json>(
        'SELECT sort_key FROM custom_field_values WHERE record_id = ?',
        [id],
      );
      held.push([values.map(({ sort_key }) => sort_key), [(now.custom_fields.ref ?? '').toLowerCase()]]);
    }
    return held;
  }

  async function close(): Promise<void> {
    for (const staged of open) await staged.close();
    await closeDuckDb();
    await services.close();
    await directory.remove();
  }

  return {
    ...{ services, leads, ledger, runner, manager, stranger },
    ...{ clear, run, prepare, runAll, dryRun, add, lead, changes, kept, close },
  };
}

/** The cells of a row by the names of their columns. */
export const row = (values: Record<string, string>) => HEADER.map((name) => values[name] ?? '');

/** Outcomes in short: `rejected email duplicate-existing`. */
export const shown = (outcomes: RowOutcome[]) =>
  outcomes.map(({ outcome, errors }) =>
    [outcome, ...(errors ?? []).map(({ field, code }) => `${field} ${code}`)].join(' '),
  );
