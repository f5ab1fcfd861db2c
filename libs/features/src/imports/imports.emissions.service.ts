import { Injectable } from '@nestjs/common';
import { conflict, notFound } from '@muster/core/errors';
import { Principal } from '@muster/core/principal';
import { Transactions, Tx } from '@muster/platform/database/transactions';
import { currentRequestId } from '@muster/platform/observability/request-context';
import { Outbox } from '@muster/platform/outbox/outbox';
import { AuditService } from '../audit/audit.service';
import { EmissionKind, EMITTED_OUTCOMES, EmittedOutcome, ImportEmission } from './imports.emissions.entity';
import { EmissionsRepository } from './imports.emissions.repository';
import { Import } from './imports.entity';
import { importReplayRequested } from './imports.events';
import { ImportLedger } from './imports.ledger';
import { visibleImports } from './imports.policy';
import { ImportsRepository } from './imports.repository';
import { EmissionView } from './imports.undo.dto';

/** Orders the events of an import's records, which the workers say little by little: see `imports.emit.worker.ts`. */
@Injectable()
export class ImportsEmissionsService {
  constructor(
    private readonly transactions: Transactions,
    private readonly repository: ImportsRepository,
    private readonly emissions: EmissionsRepository,
    private readonly ledger: ImportLedger,
    private readonly outbox: Outbox,
    private readonly audit: AuditService,
  ) {}

  /** Orders the events of the rows that did something, where the import's policy asks for them. @param total how many rows */
  async order(tx: Tx, work: Import, kind: EmissionKind, total: number, createdBy = work.createdBy): Promise<void> {
    if (work.options.events === 'each' && total > 0) {
      await this.insert(tx, work, kind, [...EMITTED_OUTCOMES], total, createdBy);
    }
  }

  private async insert(
    tx: Tx,
    { id: importId }: Import,
    kind: EmissionKind,
    outcomes: EmittedOutcome[],
    total: number,
    createdBy: number,
  ): Promise<void> {
    const [requestId, createdAt] = [currentRequestId(), new Date()];
    await this.emissions.insert(tx, { importId, kind, outcomes, total, requestId, createdBy, createdAt });
  }

  /**
   * Says the events of an ended import's records once more, whatever its policy was.
   * @throws 404; 409 `import-not-ended`, `import-undone`, `replay-running`
   */
  async replay(
    principal: Principal,
    id: number,
    outcomes: EmittedOutcome[] = [...EMITTED_OUTCOMES],
  ): Promise<{ id: number; total: number }> {
    if (!(await this.repository.findVisible(id, visibleImports(principal, 'imports:write')))) throw notFound();
    return this.transactions.run(async (tx) => {
      const work = (await this.repository.hold(tx, id))!;
      requireReplayable(work);
      if (await this.emissions.isRunning(tx, id)) {
        throw conflict('replay-running', 'Events of this import are being said; ask again when they have been.');
      }
      const counts = (await this.ledger.countsIn(tx, [id])).get(id)!;
      const total = outcomes.reduce((sum, outcome) => sum + counts[outcome], 0);
      await this.insert(tx, work, 'replay', outcomes, total, principal.userId);
      await this.audit.record(tx, principal, {
        action: 'import.replay-requested',
        subjectId: id,
        after: { outcomes, total },
      });
      const said = { importId: id, target: work.target, outcomes, actorId: principal.userId };
      await this.outbox.add(tx, importReplayRequested, said);
      return { id, total };
    });
  }

  /** How far the last emission of each import is. */
  async views(importIds: readonly number[]): Promise<Map<number, EmissionView>> {
    const last = await this.emissions.last(importIds);
    return new Map([...last].map(([importId, emission]) => [importId, toView(emission)]));
  }
}

const toView = ({ kind, emitted, total, finishedAt }: ImportEmission): EmissionView => ({
  ...{ kind, status: finishedAt ? 'done' : 'running', emitted, total },
});

function requireReplayable({ status }: Import): void {
  if (['completed', 'cancelled', 'failed'].includes(status)) return;
  if (status === 'undoing' || status === 'undone') {
    throw conflict('import-undone', 'The import was undone: its records are no longer what it made of them.');
  }
  throw conflict('import-not-ended', `The import is ${status}; its events can be said again when it has ended.`);
}
