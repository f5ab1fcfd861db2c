import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { FieldSet } from '@muster/core/contact/custom-fields';
import { closeDuckDb } from '@muster/platform/tabular/duckdb';
import { Outbox } from '@muster/platform/outbox/outbox';
import { stageCsv } from '@muster/platform/tabular/staging';
import { StagedTable } from '@muster/platform/tabular/staged-table';
import { buildAudit } from '@muster/testing/audit';
import { buildAuth } from '@muster/testing/auth';
import { openTestDatabase, TestDatabase } from '@muster/testing/database';
import { lendDirectory, Lent } from '@muster/testing/profile';
import { CustomFieldIndex } from '../custom-fields/custom-fields.index.repository';
import { CustomFieldsRepository } from '../custom-fields/custom-fields.repository';
import { CustomFieldsService } from '../custom-fields/custom-fields.service';
import { Memberships } from '../contacts/memberships/contacts.memberships.service';
import { GroupsRepository } from '../groups/groups.repository';
import { GroupsService } from '../groups/groups.service';
import { EmissionsRepository } from './imports.emissions.repository';
import { ImportsEmissionsService } from './imports.emissions.service';
import { ImportsApplyService } from './imports.apply.service';
import { Import } from './imports.entity';
import { ImportsFinishService } from './imports.finish.service';
import { ImportLedger } from './imports.ledger';
import { ImportNames } from './imports.names.service';
import { ImportPlan, planChunks } from './imports.plans';
import { RowRanges } from './imports.ranges';
import { ClaimedChunk, ImportsRepository } from './imports.repository';
import { ChunkLost, ImportsRunService } from './imports.run.service';
import { checkerOf, TARGET_TABLES } from './imports.targets';

describe('running an import', () => {
  let store: TestDatabase;
  let directory: Lent<string>;
  let repository: ImportsRepository;
  let ledger: ImportLedger;
  let runner: ImportsRunService;
  let finisher: ImportsFinishService;
  const open: StagedTable[] = [];

  beforeAll(async () => {
    store = await openTestDatabase();
    directory = lendDirectory();
    repository = new ImportsRepository(store.database);
    ledger = new ImportLedger(store.database);
    const outbox = new Outbox();
    const customFields = new CustomFieldsService(
      new CustomFieldsRepository(store.database),
      new CustomFieldIndex(store.database),
    );
    const { auth } = buildAuth(store);
    const audit = buildAudit(store);
    const memberships = new Memberships(store.database);
    const groupRows = new GroupsRepository(store.database);
    const groups = new GroupsService(store.transactions, groupRows, memberships, audit, outbox);
    runner = new ImportsRunService(
      store.database,
      store.transactions,
      repository,
      ledger,
      outbox,
      customFields,
      memberships,
      new ImportsApplyService(store.database, customFields, auth),
      new ImportNames(auth, groups),
    );
    const emissionRows = new EmissionsRepository(store.database);
    const emissions = new ImportsEmissionsService(store.transactions, repository, emissionRows, ledger, outbox, audit);
    finisher = new ImportsFinishService(store.transactions, repository, ledger, outbox, audit, emissions);
  });
  afterAll(async () => {
    for (const staged of open) await staged.close();
    await closeDuckDb();
    await store.close();
    await directory.remove();
  });

  /** An import of name,email,phone rows that is planned and waits for workers. */
  async function planned(rows: string[], batchRows: number): Promise<ImportPlan> {
    const values: Omit<Import, 'id'> = {
      target: 'leads',
      status: 'importing',
      fileName: 'f.csv',
      fileSize: 1,
      fileHash: 'x',
      fileKey: 'k',
      stagedKey: 's',
      options: { duplicates: 'reject', defaultRegion: 'US', tags: [], keepUnmapped: false },
      autoStart: true,
      mapping: {},
      analysis: null,
      totalRows: rows.length,
      recordBase: null,
      error: null,
      attempts: 0,
      token: 0,
      leasedUntil: null,
      waitingCode: null,
      waitingUntil: null,
      filesExpiredAt: null,
      requestId: null,
      createdBy: 1,
      createdAt: new Date(),
      startedAt: new Date(),
      finishedAt: null,
    };
    const csv = join(directory.value, `${Math.random()}.csv`);
    writeFileSync(csv, `name,email,phone\n${rows.join('\n')}\n`);
    await stageCsv(csv, `${csv}.parquet`);
    const staged = await StagedTable.open(`${csv}.parquet`, 3);
    open.push(staged);
    const sharing = await staged.laterSharers([
      { columns: [1], fold: 'text' },
      { columns: [2], fold: 'digits' },
    ]);
    const id = await store.transactions.run(async (tx) => {
      const recordBase = await store.recordIds.reserve(tx, 'leads', rows.length);
      const importId = await repository.insert(tx, { ...values, recordBase });
      await repository.insertChunks(tx, planChunks(importId, rows.length, batchRows, sharing));
      return importId;
    });
    const work = (await repository.find(id))!;
    const targets = ['name', 'email', 'phone'];
    const reading = (fields: FieldSet) => TARGET_TABLES.leads.reading(work, targets, [], fields);
    return {
      work,
      target: TARGET_TABLES.leads,
      staged,
      columns: [0, 1, 2],
      targets,
      reading,
      checker: (fields) => checkerOf(reading(fields)),
      bound: null,
      sharing,
      excluded: RowRanges.none,
    };
  }

  const claim = (plan: ImportPlan, lease = 60_000): Promise<ClaimedChunk | null> =>
    store.transactions.run((tx) => repository.claimChunk(tx, plan.work.id, lease, store.database.dialect.skipLocked));
  const count = async (sql: string, params: unknown[]) =>
    Number((await store.database.query<{ n: number }>(sql, params))[0].n);
  const leadsOf = ({ work }: ImportPlan) =>
    count('SELECT COUNT(*) AS n FROM leads WHERE origin_import_id = ?', [work.id]);
  const eventsOf = ({ work }: ImportPlan) =>
    count(`SELECT COUNT(*) AS n FROM outbox WHERE name = 'import.batch-committed' AND payload LIKE ?`, [
      `{"importId":${work.id},%`,
    ]);
  const people = (tag: string, total: number) =>
    Array.from({ length: total }, (_, n) => `P ${n},p${n}@${tag}.example.com,`);

  async function runAll(plan: ImportPlan): Promise<void> {
    for (let chunk = await claim(plan); chunk; chunk = await claim(plan)) await runner.run(chunk, plan);
  }

  it('writes nothing for a worker that lost its claim, and the rows once for the one that has it', async () => {
    const plan = await planned(people('fence', 30), 10);
    const frozen = (await claim(plan, -1))!;
    const other = (await claim(plan))!;
    expect(other).toMatchObject({ seq: frozen.seq, token: frozen.token + 1 });
    await expect(runner.run(frozen, plan)).rejects.toThrow(ChunkLost);
    expect(await leadsOf(plan)).toBe(0);
    await runner.run(other, plan);
    await expect(runner.run(frozen, plan)).rejects.toThrow(ChunkLost);
    await expect(runner.run(other, plan)).rejects.toThrow(ChunkLost);
    expect([await leadsOf(plan), await eventsOf(plan)]).toEqual([10, 1]);
  });

  it('lets a cancel through while a chunk writes its rows, and takes those back', async () => {
    const { dialect } = store.database;
    const isServer = dialect.flavor !== 'sqlite';
    await runAll(await planned(people('taken', 1), 10));
    const plan = await planned(people('halt', 30), 10);
    await runner.run((await claim(plan))!, plan);
    const chunk = (await claim(plan))!;
    let release = () => {};
    let holds = () => {};
    const [released, held] = [new Promise<void>((go) => (release = go)), new Promise<void>((go) => (holds = go))];
    // Somebody gives a lead the e-mail of one of the chunk's rows, and is long about it.
    const change = `UPDATE leads SET email = ? WHERE email = 'p0@taken.example.com'`;
    const blocker = store.transactions.run(async (tx) => {
      await tx.query(change, [`p${chunk.firstRow}@halt.example.com`]);
      holds();
      await released;
    });
    await held;
    const running = runner.run(chunk, plan).catch((error: unknown) => error);
    // Where there is but one writer, chunk and cancel wait for the blocker, one behind the other.
    while (isServer && !(await isWaiting())) await setImmediate();
    const cancelled = finisher.end(plan.work.id, 'cancelled', null);
    if (isServer) expect(await cancelled).toBe(true);
    release();
    await blocker;
    const [end] = [await running, await cancelled];
    if (isServer) expect(end).toBeInstanceOf(ChunkLost);
    const counts = (await ledger.counts([plan.work.id])).get(plan.work.id)!;
    expect(counts.created + counts.rejected + counts.skipped).toBe(30);
    expect(counts.created).toBe(await leadsOf(plan));
    if (isServer) expect([counts.created, counts.skipped]).toEqual([10, 20]);
  });

  /** Whether some transaction of the server waits for another's lock. */
  const isWaiting = async () => {
    const [row] = await store.database.query<{ Value: string }>(
      `SHOW GLOBAL STATUS LIKE 'Innodb_row_lock_current_waits'`,
    );
    return Number(row.Value) > 0;
  };

  it('takes back records, ledger, checkpoint and event together when the transaction fails at its end', async () => {
    const plan = await planned(people('atomic', 10), 10);
    const chunk = (await claim(plan, -1))!;
    // An entry for one of the rows makes the ledger's own insert fail.
    const blocker = {
      importId: plan.work.id,
      firstRow: 1,
      lastRow: 1,
      outcome: 'excluded' as const,
      recordId: null,
      errors: null,
    };
    await store.transactions.run((tx) => ledger.add(tx, [blocker]));
    await expect(runner.run(chunk, plan)).rejects.toThrow();
    expect([await leadsOf(plan), await eventsOf(plan)]).toEqual([0, 0]);
    await store.transactions.run((tx) => tx.query('DELETE FROM import_ledger WHERE import_id = ?', [plan.work.id]));
    await runAll(plan);
    expect([await leadsOf(plan), await eventsOf(plan)]).toEqual([10, 1]);
  });

  it('does not hand out the rows that share before all the others are done', async () => {
    const rows = people('order', 30);
    rows[14] = rows[2].toUpperCase();
    const plan = await planned(rows, 10);
    const claims = [await claim(plan), await claim(plan), await claim(plan)];
    expect(claims.map((chunk) => chunk!.kind)).toEqual(['distinct', 'distinct', 'distinct']);
    expect(await claim(plan)).toBeNull();
    for (const chunk of claims.reverse()) await runner.run(chunk!, plan);
    expect(await claim(plan)).toMatchObject({ kind: 'sharing', firstRow: 15, lastRow: 15 });
  });

  it('resolves chains of shared e-mails and phones as if row followed row', async () => {
    const rows = [
      'Ann,a@chain.example.com,212-555-0100',
      'Bob,A@chain.example.com,212-555-0101', // rejected: shares with A
      'Cem,c@chain.example.com,(212) 555 0101', // free: B was never stored
      'Dan,bad,212-555-0102', // rejected: invalid
      'Eve,e@chain.example.com,+1 212 555 0102', // free: D was never stored
      'Fay,c@chain.example.com,212-555-0100', // rejected twice over
    ];
    for (const batchRows of [2, 100]) {
      const salted = rows.map((row) =>
        row.replaceAll('chain', `chain${batchRows}`).replaceAll('555', batchRows === 2 ? '555' : '556'),
      );
      const plan = await planned(salted, batchRows);
      await runAll(plan);
      const outcomes = await ledger.rowsAt(plan.work.id, undefined, 0, 100);
      expect(
        outcomes.map(({ row, outcome, errors }) => [
          row,
          outcome,
          (errors ?? []).map(({ field, code }) => `${field} ${code}`),
        ]),
      ).toEqual([
        [1, 'created', []],
        [2, 'rejected', ['email duplicate-in-file']],
        [3, 'created', []],
        [4, 'rejected', ['email email-invalid']],
        [5, 'created', []],
        [6, 'rejected', ['email duplicate-in-file', 'phone duplicate-in-file']],
      ]);
    }
  });

  it('gives every row one outcome when two imports of the same people race', async () => {
    const [left, right] = await Promise.all([planned(people('race', 400), 50), planned(people('race', 400), 50)]);
    await Promise.all([runAll(left), runAll(right), runAll(left), runAll(right)]);
    const [a, b] = await Promise.all([leadsOf(left), leadsOf(right)]);
    expect(a + b).toBe(400);
    for (const [plan, created] of [
      [left, a],
      [right, b],
    ] as const) {
      const counts = (await ledger.counts([plan.work.id])).get(plan.work.id)!;
      expect(counts).toMatchObject({ created, rejected: 400 - created });
      expect(await finisher.completeIfDone(plan.work.id)).toBe(true);
    }
  });

  it('checks rows again when the custom fields changed while it read them, and keeps their index', async () => {
    const plan = await planned(people('fields', 3), 10);
    const { staged } = plan;
    let reads = 0;
    const rowsOf: StagedTable['rowsOf'] = async (...range) => {
      if (++reads === 1) await defineTier();
      return staged.rowsOf(...range);
    };
    await runAll({ ...plan, staged: { rowsOf } as StagedTable });
    expect(reads).toBe(2);
    const leads = await store.database.query<{ custom_fields: string }>(
      'SELECT custom_fields FROM leads WHERE origin_import_id = ?',
      [plan.work.id],
    );
    expect(leads.map((lead) => lead.custom_fields)).toEqual(Array(3).fill('{"tier":"Iron"}'));
    expect(await count('SELECT COUNT(*) AS n FROM custom_field_values WHERE sort_key = ?', ['iron'])).toBe(3);
    await store.transactions.run(async (tx) => {
      for (const table of ['custom_fields', 'custom_field_values']) await tx.query(`DELETE FROM ${table}`);
      await tx.query('UPDATE custom_field_sets SET revision = revision + 1');
    });
  });

  /** A filterable text field of leads with a default value. */
  const defineTier = () =>
    store.transactions.run(async (tx) => {
      await tx.query('UPDATE custom_field_sets SET revision = revision + 1');
      const now = new Date();
      await tx.manager.getRepository('custom_fields').insert({
        ...{ noun: 'leads', fieldKey: 'tier', label: 'Tier', type: 'text', required: true, defaultValue: 'Iron' },
        ...{ options: null, validation: null, filterable: true, description: null, state: 'ready', doneTo: 0 },
        ...{ changedBy: null, changedByKey: null, changedIn: null, createdAt: now, updatedAt: now, version: 1 },
      });
    });

  it('accounts for every row of an import that is ended early, and lets no worker write after that', async () => {
    const plan = await planned(people('cancel', 50), 10);
    const [, second, third] = [await claim(plan), (await claim(plan))!, (await claim(plan))!];
    await runner.run(second, plan);
    expect(await finisher.end(plan.work.id, 'cancelled', null)).toBe(true);
    await expect(runner.run(third, plan)).rejects.toThrow(ChunkLost);
    expect(await finisher.end(plan.work.id, 'cancelled', null)).toBe(false);
    const counts = (await ledger.counts([plan.work.id])).get(plan.work.id)!;
    expect(counts).toMatchObject({ created: 10, skipped: 40 });
    const rows = await ledger.rowsAt(plan.work.id, 'skipped', 0, 100);
    expect(rows.map(({ row }) => row)).toEqual(
      [...Array(50).keys()].map((n) => n + 1).filter((row) => row <= 10 || row > 20),
    );
    expect(rows[0].errors![0].code).toBe('cancelled');
    expect(await leadsOf(plan)).toBe(10);
  });
});
