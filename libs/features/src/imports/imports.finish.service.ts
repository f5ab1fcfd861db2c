import { Injectable } from '@nestjs/common';
import { FieldError } from '@muster/core/errors';
import { Transactions, Tx } from '@muster/platform/database/transactions';
import { failPoint } from '@muster/platform/observability/fail-points';
import { logOf } from '@muster/platform/observability/logger';
import { Outbox } from '@muster/platform/outbox/outbox';
import { Actor, AuditService } from '../audit/audit.service';
import { ImportsEmissionsService } from './imports.emissions.service';
import { Import, ImportFailure } from './imports.entity';
import { importCompleted, importEnded } from './imports.events';
import { ImportLedger, OutcomeCounts } from './imports.ledger';
import { ImportsRepository } from './imports.repository';

/** Ends imports: complete when every chunk is done, early when they fail or are cancelled. */
@Injectable()
export class ImportsFinishService {
  private readonly log = logOf('imports');

  constructor(
    private readonly transactions: Transactions,
    private readonly repository: ImportsRepository,
    private readonly ledger: ImportLedger,
    private readonly outbox: Outbox,
    private readonly audit: AuditService,
    private readonly emissions: ImportsEmissionsService,
  ) {}

  /** Completes an import that has no chunk left. Safe to call at any time, by anyone. @returns whether it is complete now */
  async completeIfDone(importId: number): Promise<boolean> {
    const work = await this.repository.find(importId);
    if (work?.status !== 'importing' || work.recordBase === null) return work?.status === 'completed';
    const done = await this.transactions.run((tx) => this.complete(tx, importId));
    if (done) this.log.info({ importId }, 'Completed.');
    return done;
  }

  async complete(tx: Tx, importId: number): Promise<boolean> {
    if (await this.repository.hasPending(tx, importId)) return false;
    if (!(await this.repository.moveStatus(tx, importId, ['importing'], 'completed', { finishedAt: new Date() })))
      return true;
    failPoint('import.completing');
    const counts = (await this.ledger.countsIn(tx, [importId])).get(importId)!;
    await this.sayCompleted(tx, (await this.repository.hold(tx, importId))!, counts);
    return true;
  }

  /** Says that an import is complete, to the audit log and to who listens. */
  async sayCompleted(tx: Tx, work: Import, counts: OutcomeCounts): Promise<void> {
    const { id, target, fileName, options } = work;
    await this.audit.record(tx, null, {
      action: 'import.completed',
      subjectId: id,
      before: { status: 'importing' },
      after: { status: 'completed', target, fileName, counts },
    });
    if (options.events !== 'silent') await this.outbox.add(tx, importCompleted, { importId: id, target, counts });
    await this.emissions.order(tx, work, 'import', counts.created + counts.updated);
  }

  /**
   * Ends an import early. Rows that it did not reach are `skipped` in the ledger, with a code that says why.
   * @param actor who does it; null for the program itself
   * @returns false when it had ended already
   */
  async end(
    importId: number,
    status: 'failed' | 'cancelled',
    error: ImportFailure | null,
    actor: Actor = null,
  ): Promise<boolean> {
    const code = status === 'cancelled' ? 'cancelled' : 'import-failed';
    const reason: FieldError = { field: '', code, message: `the import was ${status} before this row` };
    return this.transactions.run(async (tx) => {
      await this.repository.dropChunks(tx, importId);
      const work = await this.repository.hold(tx, importId);
      if (!work) return false;
      if (!(await this.repository.end(tx, importId, status, error))) return false;
      if (work.totalRows !== null) await this.ledger.fillGaps(tx, importId, work.totalRows, 'skipped', [reason]);
      const counts = (await this.ledger.countsIn(tx, [importId])).get(importId)!;
      const { target, fileName, options } = work;
      await this.emissions.order(tx, work, 'import', counts.created + counts.updated);
      await this.audit.record(tx, actor, {
        action: `import.${status}`,
        subjectId: importId,
        before: { status: work.status },
        after: { status, target, fileName, counts, ...(error ? { error } : {}) },
      });
      if (options.events === 'silent') return true;
      await this.outbox.add(tx, importEnded, { importId, target, status, code: error?.code ?? code });
      return true;
    });
  }
}
