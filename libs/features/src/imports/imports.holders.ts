import { CompiledField } from '@muster/core/contact/custom-fields';
import { holds, Principal } from '@muster/core/principal';
import { Database } from '@muster/platform/database/database';
import { SqlCondition } from '@muster/platform/database/record-table';
import { marks } from '@muster/platform/database/sql';
import { changeableColumns, Columns } from './imports.changes';
import { Import } from './imports.entity';
import { matchKey, MatchRule } from './imports.match';
import { writableRecords } from './imports.policy';
import { Holder } from './imports.resolver';
import { RowSource } from './imports.targets';

/** How many values one look-up names. Few lengths only: each makes a statement of its own, and those are kept. */
const LENGTHS = [20, 200, 2_000];
const AT_ONCE = LENGTHS.at(-1)!;

/** Rows of a SELECT: of what is committed, or as a transaction sees it. */
export type Select = <T>(sql: string, params: unknown[]) => Promise<T[]>;

/** What a row is looked up by. */
export interface Sought {
  email: string | null;
  phone: string | null;
  key: string | null;
}

/** What some rows are looked up by, and what was found. */
export interface Found {
  /** The records that hold what a row holds; several where a value of a custom field is that of several. */
  ids: Set<number>;
  email: Map<string, number>;
  phone: Map<string, number>;
  key: Map<string, number[]>;
}

/** The import whose rows are looked up. */
export interface Lookup {
  plan: Pick<RowSource, 'work' | 'target'>;
  rule: MatchRule;
  /** Who imports; null when they are gone or suspended. */
  importer: Principal | null;
}

/** Finds the records that rows meet: in sets, a few statements for thousands of rows. */
export class HolderReader {
  constructor(private readonly database: Database) {}

  /** Who holds the e-mails, phones and custom values of some rows. */
  async find(
    select: Select,
    { plan, rule }: { plan: { target: { table: string } }; rule: MatchRule },
    rows: readonly Sought[],
  ): Promise<Found> {
    const found: Found = { ids: new Set(), email: new Map(), phone: new Map(), key: new Map() };
    const unique = async (field: 'email' | 'phone') => {
      await inSets<{ id: number; held: string }>(
        select,
        (marks) => `SELECT id, ${field} AS held FROM ${plan.target.table} WHERE ${field} IN (${marks})`,
        [],
        valuesOf(rows, field),
        ({ id, held }) => found[field].set(held, Number(id)),
      );
      for (const id of found[field].values()) found.ids.add(id);
    };
    // Beside each other, where the store has a connection for each.
    await Promise.all([unique('email'), unique('phone')]);
    if (!rule.field) return found;
    await findKeyed(select, rule.field, valuesOf(rows, 'key'), (key, id) => {
      const ids = found.key.get(key);
      if (ids) ids.push(id);
      else found.key.set(key, [id]);
      found.ids.add(id);
    });
    return found;
  }

  /**
   * Those records, for the resolver.
   * @param lock holds them until the transaction ends
   */
  async read(select: Select, lookup: Lookup, found: Found, lock: boolean): Promise<Map<number, Holder>> {
    const { rule, plan } = lookup;
    if (rule.policy !== 'update' && rule.on !== 'key') return light(plan.work, found);
    const { importer } = lookup;
    const { work, target } = plan;
    const writable = writableBy(importer, work);
    const columns = changeableColumns(target);
    const holders = new Map<number, Holder>();
    const until = lock ? this.database.dialect.forUpdate : '';
    await inSets<Columns & { id: number; version: number; writable: number }>(
      select,
      (marks) =>
        `SELECT id, version, CASE WHEN ${writable.sql} THEN 1 ELSE 0 END AS writable, ${columns.join(', ')}
         FROM ${target.table} WHERE id IN (${marks}) ORDER BY id${until}`,
      writable.params,
      [...found.ids].sort((a, b) => a - b),
      ({ id, version, writable: may, ...values }) => {
        holders.set(Number(id), {
          ...{ id: Number(id), row: rowOf(work, Number(id)), version: Number(version), writable: Number(may) === 1 },
          ...{ own: 0, key: matchKey(rule, values.custom_fields as string), values },
        });
      },
    );
    return holders;
  }

  /** How often an import has changed records, where it has. */
  async changesOf(select: Select, importId: number, ids: readonly number[]): Promise<Map<number, number>> {
    const counts = new Map<number, number>();
    await inSets<{ record_id: number; n: number }>(
      select,
      (marks) =>
        `SELECT record_id, COUNT(*) AS n FROM import_changes WHERE import_id = ? AND record_id IN (${marks}) GROUP BY record_id`,
      [importId],
      ids,
      ({ record_id, n }) => counts.set(Number(record_id), Number(n)),
    );
    return counts;
  }
}

/**
 * Asks for a few thousand values at a time.
 * @param sqlOf makes the statement from the placeholders of the values, which come last
 * @param before the parameters that come before them
 */
export async function inSets<T>(
  select: Select,
  sqlOf: (marks: string) => string,
  before: readonly unknown[],
  values: readonly (string | number)[],
  take: (row: T) => void,
): Promise<void> {
  for (let start = 0; start < values.length; start += AT_ONCE) {
    const some = values.slice(start, start + AT_ONCE);
    const length = LENGTHS.find((each) => each >= some.length)!;
    const filled = [...some, ...Array.from({ length: length - some.length }, () => some[0])];
    for (const row of await select<T>(sqlOf(marks(filled)), [...before, ...filled])) take(row);
  }
}

/** The records that have these values in a custom field. */
export const findKeyed = (
  select: Select,
  field: CompiledField,
  keys: readonly string[],
  take: (key: string, id: number) => void,
): Promise<void> =>
  inSets<{ id: number; held: string }>(
    select,
    (marks) =>
      `SELECT record_id AS id, sort_key AS held FROM custom_field_values WHERE field_id = ? AND sort_key IN (${marks})`,
    [field.id],
    keys,
    ({ id, held }) => take(held, Number(id)),
  );

/** The rows' different values, in the order of the index that they are looked up in. */
function valuesOf(rows: readonly Sought[], field: 'email' | 'phone' | 'key'): string[] {
  const values: string[] = [];
  for (const { [field]: value } of rows) if (value !== null) values.push(value);
  return values.sort().filter((value, at) => at === 0 || value !== values[at - 1]);
}

/** The records of an import have ids of a range of their own. */
const rowOf = ({ recordBase, totalRows }: Import, id: number): number | null =>
  recordBase !== null && id >= recordBase && id < recordBase + totalRows! ? id - recordBase + 1 : null;

/** The records that an importer may change. */
export function writableBy(importer: Principal | null, { target }: Import): SqlCondition {
  return importer && holds(importer, `${target}:write`)
    ? writableRecords(importer, target)
    : { sql: '1 = 0', params: [] };
}

/** Where no record changes, what was looked up is all that counts. */
function light(work: Import, found: Found): Map<number, Holder> {
  const holders = new Map<number, Holder>();
  for (const field of ['email', 'phone'] as const) {
    for (const [value, id] of found[field]) {
      let holder = holders.get(id);
      if (!holder) {
        holder = { id, row: rowOf(work, id), version: 0, writable: false, own: 0, key: null, values: {} };
        holders.set(id, holder);
      }
      holder.values[field] = value;
    }
  }
  return holders;
}
