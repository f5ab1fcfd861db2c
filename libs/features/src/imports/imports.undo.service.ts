import { Injectable } from '@nestjs/common';
import { conflict, notFound } from '@muster/core/errors';
import { Page } from '@muster/core/page';
import { Principal } from '@muster/core/principal';
import { Transactions, Tx } from '@muster/platform/database/transactions';
import { logOf } from '@muster/platform/observability/logger';
import { currentRequestId } from '@muster/platform/observability/request-context';
import { Outbox } from '@muster/platform/outbox/outbox';
import { AuditService } from '../audit/audit.service';
import { ImportAccepted } from './imports.dto';
import { ImportsEmissionsService } from './imports.emissions.service';
import { Import, ImportStatus } from './imports.entity';
import { importUndone, importUndoStarted } from './imports.events';
import { ImportLedger, RowOutcome } from './imports.ledger';
import { readableRecords, visibleImports } from './imports.policy';
import { ImportsRepository } from './imports.repository';
import { readCursor } from './imports.rows.service';
import { UndoResult } from './imports.undo.entity';
import { UndoLedger, UndoRepository } from './imports.undo.repository';
import { planUndo } from './imports.undo';
import { ListUndoRowsQuery, UndoReasonView, UndoRowView, UndoView } from './imports.undo.dto';

const ENDED: readonly ImportStatus[] = ['completed', 'cancelled', 'failed'];

/**
 * Takes imports back, and tells what became of it. Who may undo an import undoes all that it did, as the import itself was one act:
 * also where a record has left their scope by nothing but a move of people between teams. What was given to somebody else since is
 * changed, and stays.
 */
@Injectable()
export class ImportsUndoService {
  private readonly log = logOf('imports');

  constructor(
    private readonly transactions: Transactions,
    private readonly repository: ImportsRepository,
    private readonly ledger: ImportLedger,
    private readonly undos: UndoRepository,
    private readonly undoLedger: UndoLedger,
    private readonly emissions: ImportsEmissionsService,
    private readonly outbox: Outbox,
    private readonly audit: AuditService,
  ) {}

  /**
   * Lets the workers take an import back. Asked for again while they do, it changes nothing.
   * @throws 404; 409 `import-not-ended`, `import-undone`
   */
  async start(principal: Principal, id: number): Promise<ImportAccepted> {
    if (!(await this.repository.findVisible(id, visibleImports(principal, 'imports:write')))) throw notFound();
    await this.transactions.run(async (tx) => {
      const work = (await this.repository.hold(tx, id))!;
      if (work.status === 'undoing') return;
      if (work.status === 'undone') throw conflict('import-undone', 'The import was undone already.');
      if (!ENDED.includes(work.status)) {
        throw conflict('import-not-ended', `The import is ${work.status}; it can be undone when it has ended.`);
      }
      await this.begin(tx, principal, work);
    });
    return { id, status: 'undoing' };
  }

  private async begin(tx: Tx, principal: Principal, { id, target, status, fileName }: Import): Promise<void> {
    await this.repository.moveStatus(tx, id, [status], 'undoing', { requestId: currentRequestId() });
    if (await this.undos.find(id, tx)) {
      // It failed: the chunks that it has not done are still there.
      await this.undos.setStatus(tx, id, 'running', null);
    } else {
      const after = await this.repository.lastChunk(tx, id);
      const created = await this.ledger.extent(tx, id, 'created');
      const updated = await this.ledger.extent(tx, id, 'updated');
      await this.repository.insertChunks(tx, planUndo(id, after, created, updated));
      const counts = (await this.ledger.countsIn(tx, [id])).get(id)!;
      await this.undos.insert(tx, {
        ...{ importId: id, status: 'running', statusBefore: status, total: counts.created + counts.updated },
        ...{ startedBy: principal.userId, startedAt: new Date() },
      });
    }
    await this.audit.record(tx, principal, {
      action: 'import.undo-started',
      subjectId: id,
      before: { status },
      after: { status: 'undoing', target, fileName },
    });
    await this.outbox.add(tx, importUndoStarted, { importId: id, target, actorId: principal.userId });
  }

  /** Completes an undo that has no chunk left. Safe to call at any time, by anyone. @returns whether it is complete now */
  async completeIfDone(importId: number): Promise<boolean> {
    const done = await this.transactions.run((tx) => this.complete(tx, importId));
    if (done) this.log.info({ importId }, 'Undone.');
    return done;
  }

  async complete(tx: Tx, importId: number): Promise<boolean> {
    if (await this.repository.hasPending(tx, importId)) return false;
    if (!(await this.repository.moveStatus(tx, importId, ['undoing'], 'undone'))) return true;
    await this.undos.setStatus(tx, importId, 'done', new Date());
    const work = (await this.repository.hold(tx, importId))!;
    const undo = (await this.undos.find(importId, tx))!;
    const counts = (await this.undoLedger.countsIn(tx, [importId])).get(importId)!;
    const { target, fileName, options } = work;
    await this.audit.record(tx, null, {
      action: 'import.undone',
      subjectId: importId,
      before: { status: 'undoing' },
      after: { status: 'undone', target, fileName, counts },
    });
    if (options.events !== 'silent') await this.outbox.add(tx, importUndone, { importId, target, counts });
    await this.emissions.order(tx, work, 'undo', counts.deleted + counts.restored, undo.startedBy);
    return true;
  }

  /** Gives up an undo that fails for a reason of our own: the import is what it was before, and its undo may be started again. */
  async fail(importId: number): Promise<void> {
    await this.transactions.run(async (tx) => {
      const undo = (await this.undos.find(importId, tx))!;
      if (!(await this.repository.moveStatus(tx, importId, ['undoing'], undo.statusBefore))) return;
      await this.undos.setStatus(tx, importId, 'failed', new Date());
      await this.audit.record(tx, null, {
        action: 'import.undo-failed',
        subjectId: importId,
        before: { status: 'undoing' },
        after: { status: undo.statusBefore },
      });
    });
  }

  /** @throws 404 */
  async view(principal: Principal, id: number): Promise<UndoView> {
    await this.get(principal, id);
    const undo = await this.undos.find(id);
    const counts = (await this.undoLedger.counts([id])).get(id)!;
    const processed = Object.values(counts).reduce((sum, count) => sum + count, 0);
    return {
      status: undo?.status ?? 'none',
      counts,
      progress: { processed, total: undo?.total ?? 0 },
      startedBy: undo?.startedBy ?? null,
      startedAt: undo?.startedAt ?? null,
      finishedAt: undo?.finishedAt ?? null,
    };
  }

  /** What became of each row that had done something. @throws 404; 422 `cursor-invalid` */
  async rows(principal: Principal, id: number, query: ListUndoRowsQuery): Promise<Page<UndoRowView>> {
    const work = await this.get(principal, id);
    const { result, page, limit, cursor } = query;
    // One more than the page tells whether there is another.
    const rows =
      cursor === undefined
        ? await this.undoLedger.rowsAt(id, result, (page - 1) * limit, limit + 1)
        : await this.undoLedger.rowsAfter(id, result, readCursor(cursor), limit + 1);
    const shown = rows.slice(0, limit);
    const counts = (await this.undoLedger.counts([id])).get(id)!;
    const total = result ? counts[result] : Object.values(counts).reduce((sum, count) => sum + count, 0);
    const nextCursor = rows.length > limit ? String(shown.at(-1)!.row) : null;
    return { data: await this.rowViews(principal, work, shown), meta: { page, limit, total, nextCursor } };
  }

  /** Names the records that the import made; of the others those that the caller may read. */
  private async rowViews(principal: Principal, work: Import, rows: RowOutcome<UndoResult>[]): Promise<UndoRowView[]> {
    const isOwn = (id: number) =>
      work.recordBase !== null && id >= work.recordBase && id < work.recordBase + work.totalRows!;
    const others = rows.flatMap(({ recordId }) => (recordId === null || isOwn(recordId) ? [] : [recordId]));
    const told = await this.ledger.recordsAmong(work.target, others, readableRecords(principal, work.target));
    return rows.map(({ row, outcome, recordId, errors }) => ({
      ...{ row, result: outcome },
      ...(recordId !== null && (isOwn(recordId) || told.has(recordId)) ? { recordId } : {}),
      ...(errors?.[0] ? { reason: { code: errors[0].code, message: errors[0].message } as UndoReasonView } : {}),
    }));
  }

  private async get(principal: Principal, id: number): Promise<Import> {
    const work = await this.repository.findVisible(id, visibleImports(principal, 'imports:read'));
    if (!work) throw notFound();
    return work;
  }
}
