import { Injectable } from '@nestjs/common';
import { conflict, invalid, notFound } from '@muster/core/errors';
import { Principal } from '@muster/core/principal';
import { Transactions, Tx } from '@muster/platform/database/transactions';
import { Outbox } from '@muster/platform/outbox/outbox';
import { AuditService } from '../audit/audit.service';
import { CustomFieldsService, LoadedFields } from '../custom-fields/custom-fields.service';
import { ImportMappingsService } from './import-mappings.service';
import { ImportAccepted } from './imports.dto';
import { DryRunsRepository } from './imports.dry-run.repository';
import { Import, ImportOptions } from './imports.entity';
import { importMappingChanged, importStarted } from './imports.events';
import { ImportLedger } from './imports.ledger';
import { incomplete, mappingErrors, mappingInvalid, missingTargets, wholeMapping } from './imports.mapping';
import { isMatchable, matchKeyOf } from './imports.match';
import { readRunOptions } from './imports.options';
import { ImportsOptionsService } from './imports.options.service';
import { hashOf, hashOfOptions } from './imports.planning.hash';
import { ImportPlans } from './imports.plans';
import { visibleImports } from './imports.policy';
import { RowRanges } from './imports.ranges';
import { ImportsRepository } from './imports.repository';
import { MappingInput, MappingView, PlanInput, StartImportInput } from './imports.steps.dto';

/** The steps between analysis and import, for who does not leave them to the program. */
@Injectable()
export class ImportsStepsService {
  constructor(
    private readonly transactions: Transactions,
    private readonly repository: ImportsRepository,
    private readonly dryRuns: DryRunsRepository,
    private readonly ledger: ImportLedger,
    private readonly plans: ImportPlans,
    private readonly mappings: ImportMappingsService,
    private readonly options: ImportsOptionsService,
    private readonly customFields: CustomFieldsService,
    private readonly audit: AuditService,
    private readonly outbox: Outbox,
  ) {}

  /**
   * Replaces the mapping of an import that waits in `ready`; columns that it does not name are left out.
   * @throws 404; 409 `import-not-ready`; 422 `mapping-invalid`, `mapping-incomplete`
   */
  async setMapping(principal: Principal, id: number, { mapping: given, save }: MappingInput): Promise<MappingView> {
    const work = await this.readyImport(principal, id);
    if (save !== undefined) this.mappings.checkName(save, 'save');
    const fields = await this.customFields.current(work.target);
    const columns = work.analysis!.columns.map(({ name }) => name);
    const errors = mappingErrors(work.target, columns, given, fields);
    if (errors.length > 0) throw mappingInvalid(errors);
    const mapping = wholeMapping(columns, given);
    const missing = missingTargets(work.target, mapping, fields, work.options);
    if (missing.length > 0) throw incomplete(missing);
    const { length: duplicateRows } = await this.plans.sharingOf({ ...work, mapping });
    await this.transactions.run(async (tx) => {
      const current = await this.hold(tx, id);
      const analysis = { ...current.analysis!, missing, duplicateRows };
      await this.repository.moveStatus(tx, id, ['ready'], 'ready', { mapping, analysis });
      await this.audit.record(tx, principal, {
        action: 'import.mapping-changed',
        subjectId: id,
        before: { mapping: current.mapping },
        after: { mapping },
      });
      await this.outbox.add(tx, importMappingChanged, { importId: id, target: work.target });
      if (save !== undefined) await this.mappings.save(tx, principal, save, work.target, mapping);
    });
    return { mapping, missing, duplicateRows };
  }

  /**
   * Starts an import that waits in `ready`. Rows that are left out have their outcome at once; everything else is the workers'.
   * @throws 404; 409 `import-not-ready`, `field-indexing`, `plan-not-ready`, `plan-mismatch`, `plan-outdated`; 403 `assign-forbidden`;
   *   422 `mapping-incomplete`, `validation-failed`, `user-unknown`, `group-unknown`, `match-field-invalid`, `plan-unknown`
   */
  async start(principal: Principal, id: number, body: StartImportInput): Promise<ImportAccepted> {
    const asked = await this.read(principal, id, body);
    const { excluded } = asked;
    await this.transactions.run(async (tx) => {
      const agreed = await this.agree(tx, id, asked);
      const { status, target, fileName, mapping, totalRows } = agreed.work;
      const { ifPlan } = body;
      if (ifPlan !== undefined) await this.holdToPlan(id, ifPlan, mapping, agreed.options, excluded);
      const options = { ...agreed.options, ...(ifPlan === undefined ? {} : { ifPlan }) };
      await this.repository.moveStatus(tx, id, ['ready'], 'importing', { options, startedAt: new Date() });
      const outcome = { importId: id, outcome: 'excluded' as const, recordId: null, errors: null };
      await this.ledger.add(
        tx,
        excluded.ranges.map(({ first, last }) => ({ ...outcome, firstRow: first, lastRow: last })),
      );
      await this.audit.record(tx, principal, {
        action: 'import.started',
        subjectId: id,
        before: { status },
        after: { status: 'importing', target, fileName, mapping, totalRows, options, excludedRows: excluded.count },
      });
      await this.outbox.add(tx, importStarted, { importId: id, target });
    });
    return { id, status: 'importing' };
  }

  /** Checks what is asked of an import, as far as that can be done outside the transaction. */
  async read(principal: Principal, id: number, body: PlanInput): Promise<AskedRun> {
    const work = await this.readyImport(principal, id);
    const wanted = readRunOptions(body);
    await this.options.check(principal, work.target, wanted);
    const excluded = RowRanges.parse(body.excludedRows ?? [], work.totalRows!);
    if ('code' in excluded) {
      throw invalid('validation-failed', `${excluded.field} ${excluded.message}.`, [excluded]);
    }
    return { wanted, excluded };
  }

  /** Holds an import, and what is asked of it to the mapping and the custom fields as they are. */
  async agree(tx: Tx, id: number, { wanted }: AskedRun): Promise<{ work: Import; options: ImportOptions }> {
    const { target } = (await this.repository.find(id))!;
    const fields = await this.customFields.load(tx, target);
    const work = await this.hold(tx, id);
    const options = { ...work.options, ...wanted };
    const missing = missingTargets(target, work.mapping!, fields, options);
    if (missing.length > 0) throw incomplete(missing);
    checkMatch(options.matchOn, fields);
    return { work, options };
  }

  private async holdToPlan(
    id: number,
    planId: number,
    mapping: Import['mapping'],
    options: ImportOptions,
    excluded: RowRanges,
  ): Promise<void> {
    const plan = await this.dryRuns.find(planId, id);
    if (!plan) {
      const message = 'There is no such plan of this import.';
      throw invalid('plan-unknown', message, [{ field: 'ifPlan', code: 'plan-unknown', message }]);
    }
    if (plan.mappingHash !== hashOf(mapping)) {
      throw conflict('plan-outdated', 'The mapping has changed since the plan was made.');
    }
    if (plan.status !== 'ready') throw conflict('plan-not-ready', `The plan is ${plan.status}.`);
    if (plan.optionsHash !== hashOfOptions(options, excluded)) {
      throw conflict('plan-mismatch', 'The plan was made with other options, or other rows left out.');
    }
  }

  private async readyImport(principal: Principal, id: number): Promise<Import> {
    const work = await this.repository.findVisible(id, visibleImports(principal, 'imports:write'));
    if (!work) throw notFound();
    return requireReady(work);
  }

  private async hold(tx: Tx, id: number): Promise<Import> {
    const work = await this.repository.hold(tx, id);
    if (!work) throw notFound();
    return requireReady(work);
  }
}

/** What is asked of an import that is planned or started. */
export interface AskedRun {
  wanted: Partial<ImportOptions>;
  excluded: RowRanges;
}

/** Rows can be matched by a custom field that is indexed. @throws 422 `match-field-invalid`; 409 `field-indexing` */
function checkMatch(matchOn: string | undefined, fields: LoadedFields): void {
  const key = matchKeyOf(matchOn);
  if (key === null) return;
  if (!isMatchable(fields.byKey.get(key))) {
    const message = 'names no custom field that is a text or a number and filterable';
    throw invalid('match-field-invalid', `matchOn ${message}.`, [
      { field: 'matchOn', code: 'match-field-invalid', message },
    ]);
  }
  if (fields.indexing.has(key))
    throw conflict('field-indexing', `The index of "${key}" is being built; ask again later.`);
}

/** @throws 409 `import-not-ready` */
export function requireReady(work: Import): Import {
  if (work.status === 'ready') return work;
  const why = work.status === 'analyzing' ? 'is not analyzed yet' : `is ${work.status}`;
  throw conflict('import-not-ready', `The import ${why}; this is done while it is ready.`);
}
