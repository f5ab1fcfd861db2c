import { Injectable } from '@nestjs/common';
import { FieldError } from '@muster/core/errors';
import { Transactions, Tx } from '@muster/platform/database/transactions';
import { failPoint } from '@muster/platform/observability/fail-points';
import { Outbox } from '@muster/platform/outbox/outbox';
import { ContactBulk, ContactRecord } from '../contacts/contacts.service';
import { CustomFieldsService } from '../custom-fields/custom-fields.service';
import { CustomersService } from '../customers/customers.service';
import { LeadsConvertService } from '../leads/leads.convert.service';
import { LeadsService } from '../leads/leads.service';
import { Import, ImportChange } from './imports.entity';
import { importUndoCommitted } from './imports.events';
import { ImportLedger, RowOutcome, toEntries } from './imports.ledger';
import { RowRange } from './imports.ranges';
import { ClaimedChunk, ImportsRepository } from './imports.repository';
import { ChunkLost } from './imports.run.service';
import { ImportUndo, UndoReason, UndoResult } from './imports.undo.entity';
import { UndoLedger, UndoRepository } from './imports.undo.repository';
import { walkBack } from './imports.undo';

type Undone = RowOutcome<UndoResult>;

/** What is known of some records when their rows are taken back. */
interface Known {
  records: Map<number, ContactRecord>;
  changes: Map<number, ImportChange[]>;
  restores: Map<number, Map<number, number>>;
}

/** Takes back one chunk of an import: records, what follows them, the undo's ledger, checkpoint and event in one transaction. */
@Injectable()
export class ImportsUndoRunService {
  constructor(
    private readonly transactions: Transactions,
    private readonly repository: ImportsRepository,
    private readonly ledger: ImportLedger,
    private readonly undos: UndoRepository,
    private readonly undoLedger: UndoLedger,
    private readonly customFields: CustomFieldsService,
    private readonly leads: LeadsService,
    private readonly customers: CustomersService,
    private readonly conversions: LeadsConvertService,
    private readonly outbox: Outbox,
  ) {}

  /** @throws {ChunkLost} when the chunk is no longer ours */
  async run(chunk: ClaimedChunk): Promise<void> {
    const work = (await this.repository.find(chunk.importId))!;
    const undo = (await this.undos.find(chunk.importId))!;
    await this.transactions.run(async (tx) => {
      const fields = await this.customFields.load(tx, work.target);
      if (!(await this.repository.fence(tx, chunk))) throw new ChunkLost();
      const undone =
        chunk.kind === 'delete'
          ? await this.deleteAll(tx, chunk, work, undo)
          : await this.restoreAll(tx, chunk, work, undo, fields);
      undone.sort((a, b) => a.row - b.row);
      await this.undoLedger.add(tx, toEntries(work.id, undone));
      const { importId, seq, firstRow, lastRow } = chunk;
      const counts = countsOf(undone);
      await this.outbox.add(tx, importUndoCommitted, { importId, target: work.target, seq, firstRow, lastRow, counts });
      failPoint('undo.before-commit');
    });
    failPoint('undo.after-commit');
  }

  private bulkOf({ target }: Import): ContactBulk<ContactRecord> {
    return (target === 'leads' ? this.leads : this.customers).bulk;
  }

  /** Reads the records and holds them until the transaction ends. */
  private async known(tx: Tx, work: Import, ids: readonly number[]): Promise<Known> {
    const records = new Map((await this.bulkOf(work).lock(tx, ids)).map((record) => [record.id, record]));
    return {
      records,
      changes: await this.undos.changesOf(tx, work.id, ids),
      restores: await this.undos.restoresOf(tx, work.target, ids),
    };
  }

  private async deleteAll(tx: Tx, chunk: ClaimedChunk, work: Import, undo: ImportUndo): Promise<Undone[]> {
    const rows = await this.ledger.rowsIn(tx, work.id, chunk.firstRow, chunk.lastRow, 'created');
    const ids = rows.map(({ recordId }) => recordId!);
    const known = await this.known(tx, work, ids);
    const linked = work.target === 'customers' ? await this.conversions.madeOfLeads(tx, ids) : new Set<number>();
    const untouched: ContactRecord[] = [];
    const touched: ContactRecord[] = [];
    for (const record of known.records.values()) {
      const isUntouched = isAsMade(record, work, known) && !linked.has(record.id);
      (isUntouched ? untouched : touched).push(record);
    }
    const bulk = this.bulkOf(work);
    const deleted = new Set(untouched.map(({ id }) => id));
    const whyKept = await this.whyKept(tx, work, touched, linked);
    const whyGone = await this.whyGone(tx, work, ids, known);
    await bulk.remove(tx, actorOf(undo), untouched);
    return rows.flatMap(({ row, recordId }) => {
      const id = recordId!;
      // What later rows changed in the record shares its fate.
      const all = [row, ...(known.changes.get(id) ?? []).map(({ fileRow }) => fileRow)];
      if (deleted.has(id)) return all.map((each) => told(each, 'deleted', id));
      if (known.records.has(id)) return all.map((each) => told(each, 'kept', id, whyKept(id)));
      return all.map((each) => told(each, 'gone', id, whyGone(id)));
    });
  }

  private async restoreAll(
    tx: Tx,
    chunk: ClaimedChunk,
    work: Import,
    undo: ImportUndo,
    fields: Awaited<ReturnType<CustomFieldsService['load']>>,
  ): Promise<Undone[]> {
    const ids = await this.undos.changedLast(tx, work.id, chunk.firstRow, chunk.lastRow, madeBy(work));
    const known = await this.known(tx, work, ids);
    const whyKept = await this.whyKept(tx, work, [...known.records.values()], new Set());
    const whyGone = await this.whyGone(tx, work, ids, known);
    const undone: Undone[] = [];
    const restores: Parameters<UndoRepository['addRestores']>[1][number][] = [];
    // From the end of the file, so that an e-mail or phone that went from one record to another goes back the same way.
    const latestFirst = [...known.changes.values()].sort((a, b) => b.at(-1)!.fileRow - a.at(-1)!.fileRow);
    const back = latestFirst.flatMap((changes) => {
      const current = known.records.get(changes[0].recordId);
      if (!current) return [];
      const { from, version } = walkBack(changes, current.version, known.restores.get(current.id));
      const taken = changes.slice(from).toReversed();
      const values = Object.assign({}, ...taken.map(({ before }) => before)) as Record<string, unknown>;
      return [{ changes, current, from, version, values }];
    });
    const now = await this.bulkOf(work).putBack(tx, actorOf(undo), back, fields);
    for (const { changes, current, from, version } of back) {
      const { id } = current;
      const next = now.get(id);
      for (const [place, { fileRow }] of changes.entries()) {
        if (place < from) undone.push(told(fileRow, 'kept', id, whyKept(id)));
        else if (!next) undone.push(told(fileRow, 'kept', id, 'duplicate-existing'));
        else undone.push(told(fileRow, 'restored', id));
      }
      if (next && next.version !== current.version) {
        restores.push({ noun: work.target, recordId: id, version: next.version, sameAs: version });
      }
    }
    for (const [id, changes] of known.changes) {
      if (!known.records.has(id)) undone.push(...changes.map(({ fileRow }) => told(fileRow, 'gone', id, whyGone(id))));
    }
    await this.undos.addRestores(tx, restores);
    return undone;
  }

  private async whyKept(
    tx: Tx,
    work: Import,
    records: readonly ContactRecord[],
    linked: ReadonlySet<number>,
  ): Promise<(id: number) => UndoReason> {
    const merged = await this.bulkOf(work).mergedInto(
      tx,
      records.map(({ id }) => id),
    );
    const isConverted = ({ id, ...record }: ContactRecord) =>
      linked.has(id) || ('convertedTo' in record && record.convertedTo !== null);
    const converted = new Set(records.filter(isConverted).map(({ id }) => id));
    return (id) => (converted.has(id) ? 'converted' : merged.has(id) ? 'merged' : 'changed-since-import');
  }

  private async whyGone(
    tx: Tx,
    work: Import,
    ids: readonly number[],
    { records }: Known,
  ): Promise<(id: number) => UndoReason> {
    const merged = await this.bulkOf(work).mergedAway(
      tx,
      ids.filter((id) => !records.has(id)),
    );
    return (id) => (merged.has(id) ? 'merged' : 'deleted');
  }
}

/** Whether a record was made by the import, and is as the import left it. */
function isAsMade({ id, version, originImportId }: ContactRecord, work: Import, { changes, restores }: Known): boolean {
  if (originImportId !== work.id) return false;
  const back = walkBack(changes.get(id) ?? [], version, restores.get(id));
  return back.from === 0 && back.version === 1;
}

/** The records that the import's rows made or would have made: their ids are its own. */
const madeBy = ({ recordBase, totalRows }: Import): RowRange => ({
  first: recordBase ?? 0,
  last: (recordBase ?? 0) + (totalRows ?? 0) - 1,
});

const actorOf = ({ startedBy }: ImportUndo) => ({ userId: startedBy, apiKeyId: null });

const MESSAGES: Record<UndoReason, string> = {
  'changed-since-import': 'the record was changed since',
  converted: 'the lead was converted, or leads were converted to the customer',
  merged: 'the record was merged with another',
  deleted: 'the record was deleted since',
  'duplicate-existing': 'another record has the e-mail or phone that would come back',
};

function told(row: number, outcome: UndoResult, recordId: number, reason?: UndoReason): Undone {
  const errors: FieldError[] | null = reason ? [{ field: '', code: reason, message: MESSAGES[reason] }] : null;
  return { row, outcome, recordId, errors };
}

function countsOf(undone: readonly Undone[]): Record<UndoResult, number> {
  const counts: Record<UndoResult, number> = { deleted: 0, restored: 0, kept: 0, gone: 0 };
  for (const { outcome } of undone) counts[outcome]++;
  return counts;
}
