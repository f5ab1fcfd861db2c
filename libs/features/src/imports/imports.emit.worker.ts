import { createHash } from 'node:crypto';
import { Inject, Injectable, OnApplicationBootstrap, OnModuleDestroy } from '@nestjs/common';
import { type Config } from '@muster/platform/config/config';
import { CONFIG } from '@muster/platform/config/config.module';
import { Transactions, Tx } from '@muster/platform/database/transactions';
import { Loop } from '@muster/platform/observability/loop';
import { withRequestId } from '@muster/platform/observability/request-context';
import { Outbox, Saying, saying } from '@muster/platform/outbox/outbox';
import { customerAssigned, customerCreated, customerDeleted, customerUpdated } from '../customers/customers.events';
import { leadAssigned, leadCreated, leadDeleted, leadUpdated } from '../leads/leads.events';
import { ImportEmission } from './imports.emissions.entity';
import { propertyOf } from './imports.changes';
import { EmissionsRepository } from './imports.emissions.repository';
import { Import, ImportTarget, Outcome } from './imports.entity';
import { ImportLedger, RowOutcome } from './imports.ledger';
import { ImportsRepository } from './imports.repository';
import { ASSIGNEE_COLUMNS, assigneeOf } from './imports.targets';
import { UndoResult } from './imports.undo.entity';
import { fieldsIn, UndoLedger, UndoRepository } from './imports.undo.repository';

/** How many turns the emitter has in a second. */
const TURNS = 4;
/** It pauses while so many events wait to be published: what people do is said behind them. */
const BACKLOG = 2_000;

const EVENTS = {
  leads: { created: leadCreated, updated: leadUpdated, deleted: leadDeleted, assigned: leadAssigned },
  customers: {
    ...{ created: customerCreated, updated: customerUpdated },
    ...{ deleted: customerDeleted, assigned: customerAssigned },
  },
} satisfies Record<ImportTarget, object>;

type Row = RowOutcome<Outcome | UndoResult>;

/**
 * Says the events of imports' records: so many rows in a second, a few at a time, each few in one transaction with the note of how far
 * it is. Any number of workers may run; each emission is one's at a time.
 */
@Injectable()
export class ImportsEmitWorker implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly lane = new Loop('imports.emit', 1_000 / TURNS, () => this.turn());

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly transactions: Transactions,
    private readonly repository: ImportsRepository,
    private readonly emissions: EmissionsRepository,
    private readonly ledger: ImportLedger,
    private readonly undoLedger: UndoLedger,
    private readonly undos: UndoRepository,
    private readonly outbox: Outbox,
  ) {}

  onApplicationBootstrap(): void {
    this.lane.start();
  }

  async onModuleDestroy(): Promise<void> {
    await this.lane.stop();
  }

  private async turn(): Promise<boolean> {
    if (await this.emissions.anyWaiting()) await this.emitSome(Math.ceil(this.config.imports.eventsPerSecond / TURNS));
    return false; // the pause between turns is what keeps the rate
  }

  /** Says the events of the next rows of one emission. @returns whether there was one, and room for its events */
  emitSome(rows: number): Promise<boolean> {
    return this.transactions.bookkeep(async (tx) => {
      if ((await this.outbox.waiting(tx, BACKLOG)) >= BACKLOG) return false;
      const emission = await this.emissions.next(tx);
      if (!emission) return false;
      const work = (await this.repository.hold(tx, emission.importId))!;
      const some = await this.rowsOf(tx, emission, rows);
      const events = await this.eventsOf(tx, emission, work, some);
      await withRequestId(emission.requestId, () => this.outbox.addAll(tx, events));
      const now = new Date();
      await this.emissions.advance(tx, {
        ...emission,
        afterRow: some.at(-1)?.row ?? emission.afterRow,
        emitted: emission.emitted + some.length,
        servedAt: now,
        finishedAt: some.length < rows ? now : null,
      });
      return true;
    });
  }

  private rowsOf(tx: Tx, { importId, kind, outcomes, afterRow }: ImportEmission, limit: number): Promise<Row[]> {
    return kind === 'undo'
      ? this.undoLedger.rowsFrom(tx, importId, ['deleted', 'restored'], afterRow, limit)
      : this.ledger.rowsFrom(tx, importId, outcomes, afterRow, limit);
  }

  /** Whose the rows' records are: where a column says it, as the store has it now, for what the file said is not kept. */
  private async assigneesOf(
    tx: Tx,
    work: Import,
    rows: readonly Row[],
  ): Promise<(row: number, id: number) => number | null> {
    if (!Object.values(work.mapping ?? {}).includes('assignee')) return assigneeOf(work);
    const ids = [...new Set(rows.flatMap(({ recordId }) => recordId ?? []))];
    const found = await this.emissions.assigneesOf(tx, work.target, ids);
    return (_, id) => found.get(id) ?? null;
  }

  private async eventsOf(
    tx: Tx,
    { kind, importId, createdBy }: ImportEmission,
    work: Import,
    rows: readonly Row[],
  ): Promise<Saying[]> {
    const { created, updated, deleted, assigned } = EVENTS[work.target];
    const changed = rows.filter(({ outcome }) => outcome === 'updated' || outcome === 'restored');
    const before = await this.undos.beforeOf(
      tx,
      importId,
      changed.map(({ row }) => row),
    );
    const holder = propertyOf(ASSIGNEE_COLUMNS[work.target]);
    const assigneeOfRow = await this.assigneesOf(tx, work, rows);
    return rows.flatMap(({ row, outcome, recordId }) => {
      const id = recordId!;
      const actorId = kind === 'undo' ? createdBy : work.createdBy;
      const ids = (name: string) => idsOf(kind, importId, row, name);
      switch (outcome) {
        case 'created': {
          const to = assigneeOfRow(row, id);
          const made = saying(created, { id, actorId }, ids('created'));
          return to === null ? [made] : [made, saying(assigned, { id, actorId, from: null, to }, ids('assigned'))];
        }
        case 'deleted':
          // Rows that had changed a record which the import made are no deletions of their own.
          return id === work.recordBase! + row - 1 ? [saying(deleted, { id, actorId }, ids('deleted'))] : [];
        default: {
          const was = before.get(row) ?? {};
          const said = saying(updated, { id, actorId, fields: fieldsIn(was) }, ids(outcome));
          if (outcome !== 'updated' || !(holder in was)) return [said];
          const [from, to] = [was[holder] as number | null, assigneeOfRow(row, id)];
          return from === to ? [said] : [said, saying(assigned, { id, actorId, from, to }, ids('assigned'))];
        }
      }
    });
  }
}

/** The same event of the same row has one id; a replay is an event of its own that names it, also when it was never said. */
function idsOf(
  kind: ImportEmission['kind'],
  importId: number,
  row: number,
  name: string,
): Pick<Saying, 'id' | 'replayOf'> {
  const hex = createHash('sha256').update(`import/${importId}/${row}/${name}`).digest('hex');
  // A UUID of version 8 (RFC 9562): bits of our own choice.
  const id = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
  return kind === 'replay' ? { replayOf: id } : { id };
}
