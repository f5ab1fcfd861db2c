import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { FieldError, notFound } from '@muster/core/errors';
import { Principal } from '@muster/core/principal';
import { Transactions } from '@muster/platform/database/transactions';
import { currentRequestId } from '@muster/platform/observability/request-context';
import { Outbox } from '@muster/platform/outbox/outbox';
import { AuditService } from '../audit/audit.service';
import { DryRunsRepository } from './imports.dry-run.repository';
import { ImportDryRun, ImportTarget } from './imports.entity';
import { importPlanRequested } from './imports.events';
import { ImportLedger } from './imports.ledger';
import { hashOf, hashOfOptions } from './imports.planning.hash';
import { readableRecords } from './imports.policy';
import { ImportsService } from './imports.service';
import { PlanInput, PlanRequestInput, PlanView } from './imports.steps.dto';
import { ImportsStepsService } from './imports.steps.service';

/** How often a plan is looked for, in milliseconds. */
const LOOK = 50;

/** Asks for dry runs of imports, and tells what they found. */
@Injectable()
export class ImportsPlanningService {
  constructor(
    private readonly transactions: Transactions,
    private readonly dryRuns: DryRunsRepository,
    private readonly imports: ImportsService,
    private readonly steps: ImportsStepsService,
    private readonly ledger: ImportLedger,
    private readonly audit: AuditService,
    private readonly outbox: Outbox,
  ) {}

  /**
   * Asks for a dry run of an import that waits in `ready`, and waits a while for its end.
   * @throws 404; 409 `import-not-ready`, `field-indexing`; 403 `assign-forbidden`; 422 as {@link ImportsStepsService.start}
   */
  async plan(
    principal: Principal,
    id: number,
    { waitSeconds = 10, ...body }: Partial<PlanRequestInput>,
  ): Promise<PlanView> {
    const { planId, target } = await this.request(principal, id, body);
    for (const deadline = Date.now() + 1_000 * waitSeconds; ;) {
      const dryRun = (await this.dryRuns.find(planId, id))!;
      if (dryRun.status !== 'running' || Date.now() >= deadline) return this.view(principal, target, dryRun);
      await sleep(LOOK);
    }
  }

  /** The newest plan of an import. @throws 404 also when none was asked for */
  async current(principal: Principal, id: number): Promise<PlanView> {
    const { target } = await this.imports.get(principal, id);
    const dryRun = await this.dryRuns.latest(id);
    if (!dryRun) throw notFound();
    return this.view(principal, target, dryRun);
  }

  private async request(
    principal: Principal,
    id: number,
    body: PlanInput,
  ): Promise<{ planId: number; target: ImportTarget }> {
    const asked = await this.steps.read(principal, id, body);
    return this.transactions.run(async (tx) => {
      const { work, options } = await this.steps.agree(tx, id, asked);
      const { target, mapping } = work;
      const planId = await this.dryRuns.insert(tx, {
        ...{ importId: id, status: 'running', options, excluded: asked.excluded.ranges.map((r) => [r.first, r.last]) },
        ...{
          mappingHash: hashOf(mapping),
          optionsHash: hashOfOptions(options, asked.excluded),
          result: null,
          error: null,
        },
        ...{ attempts: 0, token: 0, leasedUntil: null, requestId: currentRequestId(), createdBy: principal.userId },
        ...{ createdAt: new Date(), finishedAt: null },
      });
      const after = { planId, target, mapping, options, excludedRows: asked.excluded.count };
      await this.audit.record(tx, principal, { action: 'import.plan-requested', subjectId: id, before: null, after });
      await this.outbox.add(tx, importPlanRequested, { importId: id, target, planId });
      return { planId, target };
    });
  }

  /** Shows nothing of records that the caller may not read. */
  private async view(principal: Principal, target: ImportTarget, dryRun: ImportDryRun): Promise<PlanView> {
    const { result, error, status, createdAt, finishedAt } = dryRun;
    const samples = result?.samples ?? [];
    const rejected = result?.rejected ?? [];
    const named = rejected.flatMap(({ errors }) => errors.flatMap(({ existingId }) => existingId ?? []));
    const ids = [...new Set([...samples.map(({ recordId }) => recordId), ...named])];
    const readable = await this.ledger.recordsAmong(target, ids, readableRecords(principal, target));
    const shown = ({ existingId, ...rest }: FieldError) =>
      existingId !== undefined && readable.has(existingId) ? { ...rest, existingId } : rest;
    return {
      ...{ planId: dryRun.id, status, counts: result?.counts ?? null },
      samples: samples.filter(({ recordId }) => readable.has(recordId)),
      rejected: rejected.map(({ row, errors }) => ({ row, errors: errors.map(shown) })),
      ...(error ? { error: { code: error.code, detail: error.detail } } : {}),
      ...{ createdAt, finishedAt },
    };
  }
}
