import { isDeepStrictEqual } from 'node:util';
import { RecordTable } from '@muster/platform/database/record-table';
import { Tx } from '@muster/platform/database/transactions';
import { Actor } from '../audit/audit.service';
import { LoadedFields } from '../custom-fields/custom-fields.service';
import { ContactBody, ContactKind, ContactRecord } from './contacts.kind';
import { fittingValues } from './merge/contacts.merge';
import { MergesRepository } from './merge/contacts.merge.repository';
import { ContactTools } from './contacts.tools.service';

type Values = Record<string, unknown>;

/**
 * Writes of many records of one noun that the program makes, each a part of a transaction. What follows records follows here too; scope,
 * audit and events are the caller's.
 */
export class ContactBulk<R extends ContactRecord> {
  private readonly merges: MergesRepository;

  constructor(
    private readonly kind: ContactKind<R, ContactBody>,
    private readonly records: RecordTable<R>,
    private readonly tools: ContactTools,
  ) {
    this.merges = new MergesRepository(records.database);
  }

  /** Reads records in order to change them, by rising id; those that are gone are left out. */
  lock(tx: Tx, ids: readonly number[]): Promise<R[]> {
    return this.records.lockAll(tx, ids);
  }

  /** Deletes locked records, with all that is kept about them. */
  async remove(tx: Tx, by: Actor, records: readonly R[]): Promise<void> {
    if (records.length === 0) return;
    const { noun } = this.kind;
    await this.records.removeAll(tx, records);
    await this.tools.customFields.unmirror(
      tx,
      noun,
      records.map(({ id }) => id),
    );
    await this.tools.followers.removed(tx, by, noun, records);
  }

  /**
   * Gives a locked record values that it had. Those of a custom field that is gone or changed since are left out.
   * @param values by field; one of the custom fields or of the metadata alone as `customFields.<key>`, null where it had none
   * @param set loaded before the record was locked
   * @returns the record as it is now; null when another record holds its e-mail or phone, and nothing is written
   */
  async putBack(tx: Tx, by: Actor, current: R, values: Values, set: LoadedFields): Promise<R | null> {
    const next = this.withValues(current, values, set);
    const changed = (Object.keys(next) as (keyof R & string)[]).filter(
      (field) => !isDeepStrictEqual(next[field], current[field]),
    );
    if (changed.length === 0) return current;
    Object.assign(next, { updatedAt: new Date(), version: current.version + 1 });
    const stored = Object.fromEntries(
      [...changed, 'updatedAt', 'version'].map((field) => [field, next[field as keyof R]]),
    );
    try {
      await this.records.update(tx, current.id, stored as Partial<R>);
    } catch (error) {
      // The store refuses the statement alone, not the transaction.
      if (this.records.database.dialect.isDuplicate(error)) return null;
      throw error;
    }
    if (changed.includes('customFields')) {
      await this.tools.customFields.mirror(tx, set, [{ recordId: current.id, values: next.customFields }]);
    }
    await this.tools.followers.changed(tx, by, { noun: this.kind.noun, before: current, after: next });
    return next;
  }

  private withValues(current: R, values: Values, set: LoadedFields): R {
    const next = { ...current } as Values;
    for (const [field, value] of Object.entries(values)) {
      const [whole, key] = splitOnce(field);
      if (!(whole in current)) continue;
      if (key === undefined) next[whole] = value;
      else if (value === null) next[whole] = without(next[whole] as Values, key);
      else next[whole] = { ...(next[whole] as Values), [key]: value };
    }
    const unfit = fittingValues(set, next.customFields as Values).left.filter((key) => !(key in current.customFields));
    next.customFields = without(next.customFields as Values, ...unfit);
    return next as R;
  }

  /** Which of these records became part of others. */
  mergedAway(tx: Tx, ids: readonly number[]): Promise<Set<number>> {
    return this.merges.among(tx, this.kind.noun, 'source_id', ids);
  }

  /** Which of these records others became part of. */
  mergedInto(tx: Tx, ids: readonly number[]): Promise<Set<number>> {
    return this.merges.among(tx, this.kind.noun, 'target_id', ids);
  }
}

function splitOnce(field: string): [whole: string, key?: string] {
  const dot = field.indexOf('.');
  return dot < 0 ? [field] : [field.slice(0, dot), field.slice(dot + 1)];
}

const without = (values: Values, ...keys: string[]): Values =>
  Object.fromEntries(Object.entries(values).filter(([key]) => !keys.includes(key)));
