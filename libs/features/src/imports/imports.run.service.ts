import { Injectable } from '@nestjs/common';
import { FieldError } from '@muster/core/errors';
import { Database } from '@muster/platform/database/database';
import { Transactions, Tx } from '@muster/platform/database/transactions';
import { marks } from '@muster/platform/database/sql';
import { failPoint } from '@muster/platform/observability/fail-points';
import { importBatchDuration, importRows } from '@muster/platform/observability/metrics';
import { StagedRows } from '@muster/platform/tabular/staged-rows';
import { Outbox } from '@muster/platform/outbox/outbox';
import { Memberships } from '../contacts/memberships/contacts.memberships.service';
import { queueForSearch } from '../contacts/search/contacts.search.service';
import { CustomFieldsService, LoadedFields } from '../custom-fields/custom-fields.service';
import { ImportsApplyService } from './imports.apply.service';
import { ImportBatch, RowDraft } from './imports.batch';
import { areSameFields } from './imports.custom-fields';
import { Import, LedgerEntry, OUTCOMES } from './imports.entity';
import { importBatchCommitted } from './imports.events';
import { countsOf, ImportLedger, RowOutcome, toEntries } from './imports.ledger';
import { resolvesRows } from './imports.match';
import { Names, namesReader } from './imports.names';
import { ImportNames } from './imports.names.service';
import { belongs, ImportPlan } from './imports.plans';
import { ClaimedChunk, ImportsRepository } from './imports.repository';
import { Raced } from './imports.resolver';

/** How many keys one look-up names. */
const KEYS_AT_ONCE = 500;
/** How often a chunk is begun again because other writers free its e-mails and phones meanwhile. */
const RACES = 5;

/** The claim on a chunk was lost: another worker has it, or the import has ended. Nothing was written. */
export class ChunkLost extends Error {}

/** The custom fields are not those under which the rows were checked. They are checked again. */
class FieldsChanged extends Error {}

/** A chunk whose rows are read: what is left is to write them. */
interface ChunkWrite {
  /** The custom fields under which the rows were checked. */
  fields: LoadedFields;
  /** The rows that name a group, by group. */
  grouped: ReadonlyMap<number, number[]>;
  outcomes: (tx: Tx) => Promise<Iterable<RowOutcome>>;
}

/** A stored record that holds an e-mail or phone. */
interface Holder {
  id: number;
  email: string | null;
  phone: string | null;
  importId: number | null;
  row: number | null;
}

/** Imports one chunk: reads and checks its rows, then writes records, ledger, checkpoint and event in one transaction. */
@Injectable()
export class ImportsRunService {
  constructor(
    private readonly database: Database,
    private readonly transactions: Transactions,
    private readonly repository: ImportsRepository,
    private readonly ledger: ImportLedger,
    private readonly outbox: Outbox,
    private readonly customFields: CustomFieldsService,
    private readonly memberships: Memberships,
    private readonly applier: ImportsApplyService,
    private readonly names: ImportNames,
  ) {}

  /** @throws {ChunkLost} when the chunk is no longer ours */
  async run(chunk: ClaimedChunk, plan: ImportPlan): Promise<void> {
    let write = await this.read(chunk, plan);
    const stop = importBatchDuration.startTimer({ target: plan.work.target });
    for (let race = 1; ; race++) {
      try {
        await this.transactions.run((tx) => this.commit(tx, chunk, plan, write));
        failPoint('chunk.after-commit');
        stop();
        return;
      } catch (error) {
        if (!(error instanceof Raced || error instanceof FieldsChanged) || race === RACES) throw error;
        if (error instanceof FieldsChanged) write = await this.read(chunk, plan);
      }
    }
  }

  /** Reads and checks the rows of a chunk. */
  private async read(chunk: ClaimedChunk, plan: ImportPlan): Promise<ChunkWrite> {
    const fields = await this.customFields.current(plan.work.target);
    const staged = await this.staged(chunk, plan);
    const names = await this.names.of(plan.work, plan.targets, staged);
    const grouped = rowsByGroup(plan, staged, names);
    if (resolvesRows(plan.work.options)) {
      const rows = this.applier.read(plan, staged, fields, names);
      return { fields, grouped, outcomes: (tx) => this.applier.apply(tx, plan, rows) };
    }
    const mine = belongs(chunk.kind, plan.sharing);
    const batch = new ImportBatch(plan.target, this.database.dialect.bulkBuffer(), fields);
    const check = plan.checker(fields);
    for (const row of staged) {
      if (mine(row.row) && !plan.excluded.has(row.row)) batch.add(row, check, names);
    }
    return { fields, grouped, outcomes: (tx) => this.insert(tx, chunk, plan, batch) };
  }

  private staged({ firstRow, lastRow }: ClaimedChunk, { staged, columns }: ImportPlan): Promise<StagedRows> {
    return staged.rowsOf(firstRow, lastRow, columns);
  }

  private async commit(tx: Tx, chunk: ClaimedChunk, plan: ImportPlan, write: ChunkWrite): Promise<void> {
    const fields = await this.customFields.load(tx, plan.work.target);
    if (!areSameFields(fields, write.fields)) throw new FieldsChanged();
    if (!(await this.repository.holds(tx, chunk))) throw new ChunkLost();
    const outcomes = await write.outcomes(tx);
    failPoint('chunk.rows-written');
    // Late, because whoever cancels the import waits from here on: before, the chunk is theirs, and what it wrote is taken back.
    if (!(await this.repository.fence(tx, chunk))) throw new ChunkLost();
    const entries = toEntries(chunk.importId, outcomes);
    const counts = countsOf(entries);
    await this.ledger.add(tx, entries);
    const created = createdIds(plan.work, entries);
    await queueForSearch(tx, this.database, plan.target.table, created);
    await this.addToGroups(tx, plan, created, write.grouped);
    const { importId, seq, firstRow, lastRow } = chunk;
    await this.outbox.add(tx, importBatchCommitted, {
      importId,
      target: plan.work.target,
      seq,
      firstRow,
      lastRow,
      counts,
    });
    tx.afterCommit(() => {
      for (const outcome of OUTCOMES) importRows.inc({ target: plan.work.target, outcome }, counts[outcome]);
    });
    failPoint('chunk.before-commit');
  }

  /**
   * Sends all rows to the store, which takes them one after another and leaves out those whose e-mail or phone is taken: by a
   * stored record, or by an earlier row. Only when it left some out do we ask which, and why.
   */
  private async insert(
    tx: Tx,
    chunk: ClaimedChunk,
    plan: ImportPlan,
    batch: ImportBatch,
  ): Promise<Iterable<RowOutcome>> {
    const conflicts = new Map<number, Conflict>();
    const { table, columns } = plan.target;
    const { count } = batch.buffer;
    const inserted = await this.database.dialect.bulkInsert(tx.runner, table, columns, batch.buffer);
    if (inserted < count) {
      const stored = await this.storedRows(tx, plan, chunk);
      const left = batch.drafts((row) => !stored.has(row));
      if (left.length !== count - inserted) {
        throw new Error('The store says it left out other rows than it did.');
      }
      const holders = new Holders(plan.work, await this.holdersOf(tx, plan, left));
      for (const draft of left) {
        const conflict = holders.conflict(draft);
        if (!conflict) throw new Raced(); // whoever held it has gone since
        conflicts.set(draft.row, conflict);
      }
    }
    await this.mirror(tx, plan, batch, conflicts);
    return outcomesOf(plan.work, batch, conflicts);
  }

  /** Holds the groups until the commit, so it comes late. A group that is gone meanwhile takes no one. */
  private async addToGroups(
    tx: Tx,
    { work, target }: ImportPlan,
    created: IdRange[],
    grouped: ReadonlyMap<number, number[]>,
  ): Promise<void> {
    const { groupId } = work.options;
    if (groupId === undefined && grouped.size === 0) return;
    const ids = new Set(
      created.flatMap(({ firstId, lastId }) =>
        Array.from({ length: lastId - firstId + 1 }, (_, index) => firstId + index),
      ),
    );
    const members = new Map<number, Iterable<number>>();
    for (const [id, rows] of grouped) {
      members.set(
        id,
        rows.map((row) => recordIdOf(work, row)).filter((recordId) => ids.has(recordId)),
      );
    }
    if (groupId !== undefined) members.set(groupId, ids);
    await this.memberships.addMade(tx, target.table, members, work.createdBy);
  }

  private async mirror(
    tx: Tx,
    { work }: ImportPlan,
    batch: ImportBatch,
    conflicts: Map<number, unknown>,
  ): Promise<void> {
    if (!batch.fields.fields.some(({ filterable }) => filterable)) return;
    const created = batch.customFields((row) => !conflicts.has(row));
    const records = created.map(({ row, values }) => ({ recordId: recordIdOf(work, row), values }));
    await this.customFields.mirror(tx, batch.fields, records, true);
  }

  private async storedRows(
    tx: Tx,
    { target, work }: ImportPlan,
    { firstRow, lastRow }: ClaimedChunk,
  ): Promise<Set<number>> {
    const { rows } = await tx.query<{ origin_row: number }>(
      `SELECT origin_row FROM ${target.table} WHERE id BETWEEN ? AND ? AND origin_import_id = ?`,
      [recordIdOf(work, firstRow), recordIdOf(work, lastRow), work.id],
    );
    return new Set(rows.map((row) => Number(row.origin_row)));
  }

  private async holdersOf(tx: Tx, { target }: ImportPlan, drafts: RowDraft[]): Promise<Holder[]> {
    const holders: Holder[] = [];
    for (const key of ['email', 'phone'] as const) {
      const values = [...new Set(drafts.flatMap((draft) => draft[key] ?? []))];
      for (let start = 0; start < values.length; start += KEYS_AT_ONCE) {
        const slice = values.slice(start, start + KEYS_AT_ONCE);
        const { rows } = await tx.query<{
          id: number;
          email: string | null;
          phone: string | null;
          origin_import_id: number | null;
          origin_row: number | null;
        }>(
          `SELECT id, email, phone, origin_import_id, origin_row FROM ${target.table} WHERE ${key} IN (${marks(slice)})`,
          slice,
        );
        for (const { id, email, phone, origin_import_id, origin_row } of rows) {
          holders.push({
            id: Number(id),
            email,
            phone,
            importId: origin_import_id === null ? null : Number(origin_import_id),
            row: origin_row === null ? null : Number(origin_row),
          });
        }
      }
    }
    return holders;
  }
}

/** Rows that are refused for another reason are here too. */
function rowsByGroup({ targets }: ImportPlan, staged: StagedRows, names: Names): Map<number, number[]> {
  const grouped = new Map<number, number[]>();
  if (names.groups.size === 0) return grouped;
  const read = namesReader(targets);
  for (const { row, cells } of staged) {
    for (const id of read(cells, names, []).groups) {
      const rows = grouped.get(id);
      if (rows) rows.push(row);
      else grouped.set(id, [row]);
    }
  }
  return grouped;
}

const recordIdOf = (work: Import, row: number) => work.recordBase! + row - 1;

interface IdRange {
  firstId: number;
  lastId: number;
}

/** The records that a chunk made, as ranges of ids. */
const createdIds = (work: Import, entries: LedgerEntry[]): IdRange[] =>
  entries
    .filter(({ outcome }) => outcome === 'created')
    .map(({ firstRow, lastRow }) => ({ firstId: recordIdOf(work, firstRow), lastId: recordIdOf(work, lastRow) }));

/** Why a row cannot be created: the record in its way, and what it has in common. */
interface Conflict {
  holder: Holder;
  errors: FieldError[];
}

const LABELS = { email: 'e-mail', phone: 'phone' } as const;

/** Who holds which e-mail and phone. */
class Holders {
  private readonly by = { email: new Map<string, Holder>(), phone: new Map<string, Holder>() };

  constructor(
    private readonly work: Import,
    holders: Holder[],
  ) {
    for (const holder of holders) {
      if (holder.email !== null) this.by.email.set(holder.email, holder);
      if (holder.phone !== null) this.by.phone.set(holder.phone, holder);
    }
  }

  /** Why a row was left out. A later row of the file may hold the other of its two values, and is no reason. */
  conflict(draft: RowDraft): Conflict | null {
    return (
      this.among(draft, ({ importId, row }) => importId !== this.work.id || row! < draft.row) ??
      this.among(draft, () => true)
    );
  }

  private among(draft: RowDraft, counts: (holder: Holder) => boolean): Conflict | null {
    const errors: FieldError[] = [];
    let first: Holder | undefined;
    for (const field of ['email', 'phone'] as const) {
      const value = draft[field];
      const holder = value === null ? undefined : this.by[field].get(value);
      if (!holder || !counts(holder)) continue;
      first ??= holder;
      errors.push(
        holder.importId === this.work.id
          ? {
              field,
              code: 'duplicate-in-file',
              message: `row ${holder.row} of this file has the same ${LABELS[field]}`,
            }
          : { field, code: 'duplicate-existing', message: `there is a record with this ${LABELS[field]} already` },
      );
    }
    return first ? { holder: first, errors } : null;
  }
}

function* outcomesOf(work: Import, batch: ImportBatch, conflicts: Map<number, Conflict>): Generator<RowOutcome> {
  for (const [row, errors] of batch.results()) {
    const conflict = conflicts.get(row);
    if (errors) {
      yield { row, outcome: 'rejected', recordId: null, errors };
    } else if (!conflict) {
      yield { row, outcome: 'created', recordId: recordIdOf(work, row), errors: null };
    } else if (work.options.duplicates === 'skip') {
      yield { row, outcome: 'skipped', recordId: conflict.holder.id, errors: conflict.errors };
    } else {
      yield { row, outcome: 'rejected', recordId: null, errors: conflict.errors };
    }
  }
}
