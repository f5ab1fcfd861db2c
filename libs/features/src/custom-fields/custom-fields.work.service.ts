import { Inject, Injectable } from '@nestjs/common';
import { CompiledField } from '@muster/core/contact/custom-fields';
import { convertCustomValue, customCellReader } from '@muster/core/contact/custom-fields-cell';
import { ContactTarget } from '@muster/core/contact/fields';
import { type Config } from '@muster/platform/config/config';
import { CONFIG } from '@muster/platform/config/config.module';
import { Database } from '@muster/platform/database/database';
import { Transactions, Tx } from '@muster/platform/database/transactions';
import { errorFields, logOf } from '@muster/platform/observability/logger';
import { withRequestId } from '@muster/platform/observability/request-context';
import { AuditService } from '../audit/audit.service';
import { CustomField } from './custom-fields.entity';
import { CustomFieldIndex, RecordValues } from './custom-fields.index.repository';
import { marks } from '@muster/platform/database/sql';
import { CustomFieldsRepository, keyText, tableOf } from './custom-fields.repository';
import { compileFields } from './custom-fields.service';

/** Records that one transaction takes on. */
const RECORDS_AT_ONCE = 1_000;
/** Transactions that a request waits for; what is left is the workers'. */
const STEPS_IN_REQUEST = 5;
/** What goes into one statement or one row of the audit log: records, and UTF-16 units of JSON. */
const RECORDS_IN_A_STATEMENT = 200;
const TEXT_IN_A_STATEMENT = 1 << 20;

/** What a step left: more of the same, nothing, or nothing that this process may do now. */
type Progress = 'more' | 'done' | 'taken';

/** One record whose value is not what it was; null is none. */
interface Change {
  recordId: number;
  values: Record<string, unknown>;
  before: unknown;
  after: unknown;
}

/**
 * Does to a noun's records what follows from a change of a field. Each step is one transaction over a range of records, which says how far
 * it came: whoever comes next goes on from there. It holds the definitions, so none changes under it, then the field, so nobody else
 * does the same, then its records.
 */
@Injectable()
export class CustomFieldsWorkService {
  private readonly log = logOf('custom-fields');

  constructor(
    private readonly database: Database,
    private readonly transactions: Transactions,
    private readonly repository: CustomFieldsRepository,
    private readonly index: CustomFieldIndex,
    private readonly audit: AuditService,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** Does what can be done while a request waits. What fails here is logged and left to the workers: the change itself is committed. */
  async begin(noun: ContactTarget, id: number): Promise<void> {
    try {
      for (let step = 0; step < STEPS_IN_REQUEST; step++) {
        if ((await this.step(noun, id, this.database.dialect.forUpdate)) !== 'more') return;
      }
    } catch (error) {
      this.log.warn({ fieldId: id, ...errorFields(error) }, 'Work on a custom field failed; a worker will do it.');
    }
  }

  /** Does one step of what waits. @returns whether to look again at once */
  async workOff(): Promise<boolean> {
    const taken: number[] = [];
    for (;;) {
      const waiting = await this.repository.waiting(taken);
      if (!waiting) return false;
      const { id, noun, changedIn } = waiting;
      const progress = await withRequestId(changedIn, () => this.step(noun, id, this.database.dialect.skipLocked));
      if (progress !== 'taken') return true;
      taken.push(id);
    }
  }

  /** @param lock how to take the field: waiting for another process, or not */
  async step(noun: ContactTarget, id: number, lock: string): Promise<Progress> {
    const outcome = await this.transactions.run(async (tx) => {
      await this.repository.share(tx, noun);
      const field = await this.repository.take(tx, id, lock);
      if (!field) return 'taken';
      if (field.state === 'ready') return 'done';
      const last = field.state === 'unindexing' ? null : await this.walk(tx, field);
      if (last !== null) {
        await this.repository.records.update(tx, id, { doneTo: last });
        return 'more';
      }
      const leaves = field.state === 'removing' || !field.filterable;
      return leaves && !(await this.index.drop(tx, id, RECORDS_AT_ONCE)) ? 'more' : field;
    });
    if (typeof outcome === 'string') return outcome;
    await this.finish(outcome);
    return 'done';
  }

  /** Ends the work, unless the field was changed again since the last step. */
  private async finish({ id, noun, state, doneTo, version }: CustomField): Promise<void> {
    await this.transactions.run(async (tx) => {
      await this.repository.hold(tx, noun);
      const field = await this.repository.take(tx, id, this.database.dialect.forUpdate);
      if (field?.state !== state || field.doneTo !== doneTo || field.version !== version) return;
      if (state === 'removing') await this.repository.records.remove(tx, id);
      else await this.repository.records.update(tx, id, { state: 'ready', doneTo: 0 });
    });
    this.log.info({ fieldId: id, noun, state }, 'Work on a custom field is done.');
  }

  /** Works on the next range of records. @returns the last record's id; null behind the last range */
  private async walk(tx: Tx, field: CustomField): Promise<number | null> {
    const table = tableOf(field.noun);
    const range = await tx.query<{ last: number | null }>(
      `SELECT MAX(id) AS last FROM (SELECT id FROM ${table} WHERE id > ? ORDER BY id LIMIT ?) ahead`,
      [field.doneTo, RECORDS_AT_ONCE],
    );
    if (range.rows[0].last === null) return null;
    const last = Number(range.rows[0].last);
    const indexes = field.filterable && field.state !== 'removing';
    const held = indexes ? '' : ' AND INSTR(custom_fields, ?) > 0';
    const { rows } = await tx.query<{ id: number; custom_fields: string }>(
      `SELECT id, custom_fields FROM ${table} WHERE id > ? AND id <= ?${held} ORDER BY id${this.database.dialect.forUpdate}`,
      [field.doneTo, last, ...(indexes ? [] : [keyText(field.fieldKey)])],
    );
    const records = rows.map((row) => ({
      recordId: Number(row.id),
      values: JSON.parse(row.custom_fields) as Record<string, unknown>,
    }));
    const [compiled] = compileFields(field.noun, [{ ...field, state: 'ready' }]).fields;
    if (field.state !== 'indexing') await this.change(tx, field, this.changesOf(field, compiled, records));
    if (indexes) await this.index.write(tx, [compiled], records, false);
    return last;
  }

  /** Brings the values to what they are to be, in `records` itself. @returns what has changed */
  private changesOf(field: CustomField, compiled: CompiledField, records: RecordValues[]): Change[] {
    const read = customCellReader(compiled, { region: this.config.defaultRegion });
    const changes: Change[] = [];
    for (const record of records) {
      if (!Object.hasOwn(record.values, field.fieldKey)) continue;
      const before = record.values[field.fieldKey];
      const after = field.state === 'removing' ? null : convertCustomValue(read, compiled, before);
      if (JSON.stringify(after) === JSON.stringify(before)) continue;
      const values = { ...record.values };
      if (after === null) delete values[field.fieldKey];
      else values[field.fieldKey] = after;
      record.values = values;
      changes.push({ recordId: record.recordId, values, before, after });
    }
    return changes;
  }

  /** Stores changed records, and what they held before in the audit log. Nobody edited them: the time of their last change stays. */
  private async change(tx: Tx, field: CustomField, changes: Change[]): Promise<void> {
    for (const part of parts(changes)) {
      const ids = part.map(({ recordId }) => recordId);
      await tx.query(
        `UPDATE ${tableOf(field.noun)} SET version = version + 1, custom_fields = CASE id ${part.map(() => 'WHEN ? THEN ?').join(' ')} END
         WHERE id IN (${marks(ids)})`,
        [...part.flatMap(({ recordId, values }) => [recordId, JSON.stringify(values)]), ...ids],
      );
      const valuesBy = (which: 'before' | 'after') =>
        Object.fromEntries(part.map((each) => [each.recordId, each[which]]));
      const { noun, fieldKey: key } = field;
      const removed = field.state === 'removing';
      await this.audit.record(
        tx,
        field.changedBy === null ? null : { userId: field.changedBy, apiKeyId: field.changedByKey },
        {
          action: removed ? 'custom-field.values-removed' : 'custom-field.values-converted',
          subjectId: field.id,
          before: { noun, key, values: valuesBy('before') },
          after: removed ? null : { noun, key, values: valuesBy('after') },
        },
      );
    }
  }
}

/** Cuts changes into parts that a statement holds. */
function parts(changes: Change[]): Change[][] {
  const result: Change[][] = [];
  let size = Infinity;
  for (const change of changes) {
    const text = JSON.stringify(change.values).length + JSON.stringify(change.before).length;
    if (size + text > TEXT_IN_A_STATEMENT || result.at(-1)!.length === RECORDS_IN_A_STATEMENT) {
      result.push([]);
      size = 0;
    }
    result.at(-1)!.push(change);
    size += text;
  }
  return result;
}
