import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FieldSet } from '@muster/core/contact/custom-fields';
import { Principal } from '@muster/core/principal';
import { closeDuckDb } from '@muster/platform/tabular/duckdb';
import { Outbox } from '@muster/platform/outbox/outbox';
import { StagedTable } from '@muster/platform/tabular/staged-table';
import { stageCsv } from '@muster/platform/tabular/staging';
import { lendDirectory, Lent } from '@muster/testing/profile';
import { openTestServices, TestServices } from '@muster/testing/services';
import { AuthService } from '../auth/auth.service';
import { CustomersModule } from '../customers/customers.module';
import { CustomersService } from '../customers/customers.service';
import { CustomFieldsService } from '../custom-fields/custom-fields.service';
import { GroupsModule } from '../groups/groups.module';
import { GroupsService } from '../groups/groups.service';
import { LeadsModule } from '../leads/leads.module';
import { LeadsService } from '../leads/leads.service';
import { Memberships } from '../contacts/memberships/contacts.memberships.service';
import { ImportsApplyService } from './imports.apply.service';
import { Import } from './imports.entity';
import { ImportLedger, RowOutcome } from './imports.ledger';
import { ImportNames } from './imports.names.service';
import { planChunks } from './imports.plans';
import { RowRanges } from './imports.ranges';
import { ImportsRepository } from './imports.repository';
import { ImportsRunService } from './imports.run.service';
import { checkerOf, TARGET_TABLES } from './imports.targets';

/** Spellings of one address or number, the stored one first, and what looks like it and is another. People and numbers are invented. */
const CASES = [
  {
    field: 'email',
    same: {
      'as it is stored': 'josé@example.com',
      'in capitals': 'JOSÉ@EXAMPLE.COM',
      'in mixed case': 'José@Example.Com',
      'with spaces around it': '  josé@example.com ',
      'with a no-break space behind it': 'josé@example.com\u00a0',
      'with a decomposed accent': 'jose\u0301@example.com',
      'with a decomposed accent, in capitals': 'JOSE\u0301@EXAMPLE.COM',
      'in full-width forms': 'ｊｏｓé＠ｅｘａｍｐｌｅ．ｃｏｍ',
      'as a link': 'mailto:josé@example.com',
      'with a name': 'José Example <josé@example.com>',
    },
    other: { 'without the accent': 'jose@example.com', 'with another accent': 'josè@example.com' },
  },
  {
    field: 'email',
    same: { 'as it is stored': 'straße@example.com', 'in capitals': 'STRAßE@example.com' },
    other: { 'with ss': 'strasse@example.com', 'with a dot': 'stra.ße@example.com' },
  },
  {
    field: 'phone',
    same: {
      'as it is stored': '+12015550180',
      national: '(201) 555-0180',
      'with dots': '201.555.0180',
      'with a trunk prefix': '1-201-555-0180',
      'with an international prefix': '011 1 201 555 0180',
      'with spaces around it': ' +1 201 555 0180 ',
      'in full-width digits': '２０１５５５０１８０',
      'with an extension': '201-555-0180 ext. 7',
    },
    other: { 'of another line': '201-555-0181', 'of another country': '+442015550180' },
  },
];
const WAYS = ['a single write', 'a change', 'a batch', 'an import'] as const;

describe.each(['leads', 'customers'] as const)('equal e-mails and phones of %s, however they are written', (noun) => {
  let services: TestServices;
  let records: LeadsService;
  let runner: ImportsRunService;
  let repository: ImportsRepository;
  let ledger: ImportLedger;
  let directory: Lent<string>;
  let manager: Principal;
  const open: StagedTable[] = [];

  beforeAll(async () => {
    services = await openTestServices(LeadsModule, CustomersModule, GroupsModule);
    records = services.get<unknown>(noun === 'leads' ? LeadsService : CustomersService) as LeadsService;
    repository = new ImportsRepository(services.database);
    ledger = new ImportLedger(services.database);
    const { database, transactions } = services;
    const customFields = services.get(CustomFieldsService);
    runner = new ImportsRunService(
      database,
      transactions,
      repository,
      ledger,
      new Outbox(),
      customFields,
      new Memberships(database),
      new ImportsApplyService(database, customFields, services.get(AuthService)),
      new ImportNames(services.get(AuthService), services.get(GroupsService)),
    );
    directory = lendDirectory();
    manager = await services.addUser('manager', await services.addTeam());
  });
  afterAll(async () => {
    for (const staged of open) await staged.close();
    await closeDuckDb();
    await services.close();
    await directory.remove();
  });
  beforeEach(() => services.transactions.run((tx) => tx.query(`DELETE FROM ${noun}`)));

  let count = 0;
  const body = (values: object = {}) =>
    ({
      ...{ name: 'Ada Example', source: 'web', fullName: 'Ada Example', email: `person${++count}@example.org` },
      ...values,
    }) as never;

  /** Imports one row for each value. */
  async function importRows(field: string, values: string[], batchRows: number): Promise<RowOutcome[]> {
    const other = field === 'email' ? 'phone' : 'email';
    const file = join(directory.value, `${++count}.csv`);
    const cells = values.map((value) => `Ada Example,"${value.replaceAll('"', '""')}",`);
    writeFileSync(file, `name,${field},${other}\n${cells.join('\n')}\n`);
    await stageCsv(file, `${file}.parquet`, { encoding: 'utf-8' });
    const staged = await StagedTable.open(`${file}.parquet`, 3);
    open.push(staged);
    const sharing = await staged.laterSharers([{ columns: [1], fold: field === 'email' ? 'text' : 'digits' }]);
    const now = new Date();
    const given: Omit<Import, 'id'> = {
      ...{ target: noun, status: 'importing', fileName: 'f.csv', fileSize: 1, fileHash: 'x', fileKey: 'k' },
      ...{ stagedKey: 's', autoStart: true, mapping: {}, analysis: null, totalRows: values.length, recordBase: null },
      options: { duplicates: 'reject', defaultRegion: 'US', tags: [], keepUnmapped: false },
      ...{
        error: null,
        attempts: 0,
        token: 0,
        leasedUntil: null,
        waitingCode: null,
        waitingUntil: null,
        filesExpiredAt: null,
        requestId: null,
        createdBy: manager.userId,
      },
      ...{ createdAt: now, startedAt: now, finishedAt: null },
    };
    const id = await services.transactions.run(async (tx) => {
      const recordBase = await services.recordIds.reserve(tx, noun, values.length);
      const importId = await repository.insert(tx, { ...given, recordBase });
      await repository.insertChunks(tx, planChunks(importId, values.length, batchRows, sharing));
      return importId;
    });
    const work = (await repository.find(id))!;
    const target = TARGET_TABLES[noun];
    const targets = [noun === 'leads' ? 'name' : 'fullName', field, other];
    const reading = (fields: FieldSet) => target.reading(work, targets, [], fields);
    const plan = {
      ...{ work, target, staged, columns: [0, 1, 2], sharing, excluded: RowRanges.none },
      ...{ targets, reading, checker: (fields: FieldSet) => checkerOf(reading(fields)), bound: null },
    };
    const { skipLocked } = services.database.dialect;
    const claim = () => services.transactions.run((tx) => repository.claimChunk(tx, id, 60_000, skipLocked));
    for (let chunk = await claim(); chunk; chunk = await claim()) await runner.run(chunk, plan);
    return ledger.rowsAt(id, undefined, 0, 100);
  }

  /** What comes of giving a record the value in one way: null, or the field that is said to be taken and by whom. */
  async function give(way: (typeof WAYS)[number], field: string, value: string): Promise<[string, number?] | null> {
    const taken = ({ errors }: { errors?: { field: string; code: string; existingId?: number }[] | null }) => {
      expect(errors).toEqual([expect.objectContaining({ field, code: 'duplicate-existing' })]);
      return [field, errors![0].existingId] as [string, number?];
    };
    const outcome = (work: Promise<unknown>) =>
      work.then(
        () => null,
        (error: { code: string }) => {
          expect(error).toMatchObject({ status: 409, code: 'duplicate' });
          return taken(error as never);
        },
      );
    if (way === 'a single write') return outcome(records.create(manager, body({ [field]: value })));
    if (way === 'an import') {
      const [row] = await importRows(field, [value], 10);
      expect(row.outcome).toBe(row.errors ? 'rejected' : 'created');
      return row.errors && [taken(row)[0]];
    }
    const { id } = await records.create(manager, body());
    if (way === 'a change') return outcome(records.patch(manager, id, { [field]: value }));
    const { results } = await records.batch(manager, { updates: [{ id, data: { [field]: value } }] }, false);
    const { problem } = results[0];
    if (problem) expect(problem).toMatchObject({ status: 409, code: 'duplicate' });
    return problem ? taken(problem) : null;
  }

  describe.each(CASES.map((each) => ({ ...each, stored: Object.values(each.same)[0] })))('$stored', (each) => {
    const { field, same, other, stored } = each;

    it.each(WAYS)('are one by %s', async (way) => {
      const holder = await records.create(manager, body({ [field]: stored }));
      expect((holder as unknown as Record<string, unknown>)[field]).toBe(stored);
      for (const [how, value] of Object.entries(same)) {
        const expected = way === 'an import' ? [field] : [field, holder.id];
        expect([how, await give(way, field, value)]).toEqual([how, expected]);
      }
      for (const [how, value] of Object.entries(other)) {
        expect([how, await give(way, field, value)]).toEqual([how, null]);
      }
    });

    it.each(Object.entries(same))('are stored in one form: %s', async (_, value) => {
      const { id } = await records.create(manager, body({ [field]: value }));
      expect((await records.get(manager, id)) as object).toMatchObject({ [field]: stored });
    });

    it.each([1, 3, 100])('leave the first row of a file in chunks of %d', async (batchRows) => {
      const rows = [...Object.values(same), ...Object.values(other)];
      const outcomes = await importRows(field, rows, batchRows);
      const first = Object.keys(same).length;
      expect(outcomes.map(({ outcome, errors }) => errors?.[0].code ?? outcome)).toEqual(
        rows.map((_, index) => (index === 0 || index >= first ? 'created' : 'duplicate-in-file')),
      );
    });
  });
});
