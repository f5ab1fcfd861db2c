import { setImmediate } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { Database } from '@muster/platform/database/database';
import { Transactions } from '@muster/platform/database/transactions';
import { failPoint } from '@muster/platform/observability/fail-points';
import { AuthService } from '../auth/auth.service';
import { CustomFieldsService } from '../custom-fields/custom-fields.service';
import { ImportRefused } from './imports.analyze.service';
import { DryRun } from './imports.dry-run';
import { ClaimedDryRun, DryRunsRepository } from './imports.dry-run.repository';
import { Forecasts } from './imports.forecast';
import { matchRule } from './imports.match';
import { ImportNames } from './imports.names.service';
import { ImportPlans, rowReading } from './imports.plans';
import { hashOf } from './imports.planning.hash';
import { RowRanges } from './imports.ranges';
import { ImportsRepository } from './imports.repository';

/** Does the dry runs that were asked for. */
@Injectable()
export class ImportsDryRunService {
  constructor(
    private readonly database: Database,
    private readonly transactions: Transactions,
    private readonly repository: ImportsRepository,
    private readonly dryRuns: DryRunsRepository,
    private readonly plans: ImportPlans,
    private readonly forecasts: Forecasts,
    private readonly customFields: CustomFieldsService,
    private readonly auth: AuthService,
    private readonly names: ImportNames,
  ) {}

  /** Writes nothing but the plan itself. @throws {ImportRefused} when there is nothing left to plan */
  async run(claim: ClaimedDryRun, signal: AbortSignal): Promise<void> {
    const { options, excluded, mappingHash } = (await this.dryRuns.find(claim.id, claim.importId))!;
    const work = { ...(await this.repository.find(claim.importId))!, options };
    if (hashOf(work.mapping) !== mappingHash) {
      throw new ImportRefused('plan-outdated', 'The mapping has changed since the plan was asked for.');
    }
    // Any base will do to read rows; that there is none says that no stored record is of this import.
    const source = rowReading({ ...work, recordBase: 1 });
    const fields = await this.customFields.current(work.target);
    const importer = await this.auth.principalOf(work.createdBy);
    const rule = matchRule(options, fields);
    const lookup = { plan: { work: { ...work, recordBase: null }, target: source.target }, rule, importer };
    const select = async <T>(sql: string, params: unknown[]) => {
      const rows = await this.database.query<T>(sql, params);
      await setImmediate(); // others have their turn, also where the store is in this process
      return rows;
    };
    const left = RowRanges.of(excluded.map(([first, last]) => ({ first, last })));
    const staged = await this.plans.stagedTable(work);
    try {
      const dryRun = new DryRun(this.database, select, source, staged, lookup, fields, left, this.names);
      const { forecast, result } = await dryRun.run(signal);
      await this.forecasts.store(work, claim.id, forecast);
      failPoint('plan.before-settle');
      await this.transactions.run((tx) => this.dryRuns.settle(tx, claim, { status: 'ready', result }));
    } finally {
      await staged.close();
    }
  }
}
