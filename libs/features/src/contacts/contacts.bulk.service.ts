import { isDeepStrictEqual } from 'node:util';
import { RecordChange, RecordTable } from '@muster/platform/database/record-table';
import { Tx } from '@muster/platform/database/transactions';
import { Actor } from '../audit/audit.service';
import { LoadedFields } from '../custom-fields/custom-fields.service';
import { changesOf } from './contacts.changed';
import { ContactBody, ContactKind, ContactRecord } from './contacts.kind';
import { fittingValues } from './merge/contacts.merge';
import { MergesRepository } from './merge/contacts.merge.repository';
import { ContactTools } from './contacts.tools.service';

type Values = Record<string, unknown>;

/** What a locked record gets back. */
interface Given<R> {
  current: R;
  /** By field; one of the custom fields or of the metadata alone as `customFields.<key>`, null where it had none. */
  values: Values;
}

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
    await this.tools.followers.changed(
      tx,
      by,
      noun,
      records.map((before) => ({ before, after: null })),
    );
  }

  /**
   * Gives locked records values that they had. Those of a custom field that is gone or changed since are left out.
   * @param given each of another record, in the order in which e-mails and phones go back
   * @param set loaded before the records were locked
   * @returns the records as they are now, by id; null where another record holds the e-mail or phone, and nothing is written
   */
  async putBack(tx: Tx, by: Actor, given: readonly Given<R>[], set: LoadedFields): Promise<Map<number, R | null>> {
    const now = new Map<number, R | null>();
    const changes: RecordChange<R>[] = [];
    for (const { current, values } of given) {
      const next = this.withValues(current, values, set);
      now.set(current.id, next);
      if (next !== current) changes.push({ before: current, after: next });
    }
    const claims = ({ before, after }: RecordChange<R>) => before.email !== after.email || before.phone !== after.phone;
    const written = changes.filter((change) => !claims(change));
    await this.records.updateAll(tx, written);
    // The store refuses the statement alone, not the transaction, where a value is taken: such records go one by one.
    for (const change of changes.filter(claims)) {
      if (await this.tryUpdate(tx, change)) written.push(change);
      else now.set(change.after.id, null);
    }
    const mirrored = written.filter(({ before, after }) => !isDeepStrictEqual(before.customFields, after.customFields));
    await this.tools.customFields.mirror(
      tx,
      set,
      mirrored.map(({ after: { id, customFields } }) => ({ recordId: id, values: customFields })),
    );
    await this.tools.followers.changed(tx, by, this.kind.noun, written);
    return now;
  }

  private async tryUpdate(tx: Tx, { before, after }: RecordChange<R>): Promise<boolean> {
    try {
      await this.records.update(tx, after.id, changesOf(before, after));
      return true;
    } catch (error) {
      if (this.records.database.dialect.isDuplicate(error)) return false;
      throw error;
    }
  }

  /** The same object where nothing is different. */
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
    if (isDeepStrictEqual(next, current)) return current;
    return Object.assign(next, { updatedAt: new Date(), version: current.version + 1 }) as unknown as R;
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
