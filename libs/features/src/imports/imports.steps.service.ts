import { Injectable } from '@nestjs/common';
import { conflict, invalid, notFound } from '@muster/core/errors';
import { Principal } from '@muster/core/principal';
import { Transactions, Tx } from '@muster/platform/database/transactions';
import { Outbox } from '@muster/platform/outbox/outbox';
import { AuditService } from '../audit/audit.service';
import { CustomFieldsService } from '../custom-fields/custom-fields.service';
import { ImportMappingsService } from './import-mappings.service';
import { ImportAccepted } from './imports.dto';
import { Import } from './imports.entity';
import { importMappingChanged, importStarted } from './imports.events';
import { ImportLedger } from './imports.ledger';
import { incomplete, mappingErrors, mappingInvalid, missingTargets, wholeMapping } from './imports.mapping';
import { readRunOptions } from './imports.options';
import { ImportsOptionsService } from './imports.options.service';
import { ImportPlans } from './imports.plans';
import { visibleImports } from './imports.policy';
import { RowRanges } from './imports.ranges';
import { ImportsRepository } from './imports.repository';
import { MappingInput, MappingView, StartImportInput } from './imports.steps.dto';

/** The steps between analysis and import, for who does not leave them to the program. */
@Injectable()
export class ImportsStepsService {
  constructor(
    private readonly transactions: Transactions,
    private readonly repository: ImportsRepository,
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
    const missing = missingTargets(work.target, mapping, fields);
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
   * @throws 404; 409 `import-not-ready`; 403 `assign-forbidden`; 422 `mapping-incomplete`, `validation-failed`, `user-unknown`,
   *   `group-unknown`
   */
  async start(principal: Principal, id: number, body: StartImportInput): Promise<ImportAccepted> {
    const work = await this.readyImport(principal, id);
    const wanted = readRunOptions(body);
    await this.options.check(principal, work.target, wanted);
    const excluded = RowRanges.parse(body.excludedRows ?? [], work.totalRows!);
    if ('code' in excluded) {
      throw invalid('validation-failed', `${excluded.field} ${excluded.message}.`, [excluded]);
    }
    await this.transactions.run(async (tx) => {
      const fields = await this.customFields.load(tx, work.target);
      const { status, target, fileName, mapping, totalRows, options: before } = await this.hold(tx, id);
      const missing = missingTargets(target, mapping!, fields);
      if (missing.length > 0) throw incomplete(missing);
      const options = { ...before, ...wanted };
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

/** @throws 409 `import-not-ready` */
export function requireReady(work: Import): Import {
  if (work.status === 'ready') return work;
  const why = work.status === 'analyzing' ? 'is not analyzed yet' : `is ${work.status}`;
  throw conflict('import-not-ready', `The import ${why}; this is done while it is ready.`);
}
