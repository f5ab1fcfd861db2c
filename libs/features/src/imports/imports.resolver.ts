import { customPath, FieldSet } from '@muster/core/contact/custom-fields';
import { readCell } from '@muster/core/contact/row';
import { FieldError } from '@muster/core/errors';
import { BulkValue } from '@muster/platform/database/dialect/dialect';
import { StagedRow } from '@muster/platform/tabular/staged-table';
import { Columns, Updater } from './imports.changes';
import { Outcome } from './imports.entity';
import { matchKey, MatchRule } from './imports.match';
import { Names } from './imports.names';
import { Cell, RowSource, TargetTable } from './imports.targets';

/** A row that was read, with what it may be matched by. */
export interface CheckedRow {
  row: number;
  cells: Cell[];
  /** By the columns of the bulk load. */
  values: BulkValue[];
  errors: FieldError[];
  email: string | null;
  phone: string | null;
  /** Of the rule's custom field; null also where only its default value would count. */
  key: string | null;
}

/** A record that rows may meet: stored, or made by an earlier row. */
export interface Holder {
  id: number;
  /** The row of this import that makes or made it; null for a record of other origin. */
  row: number | null;
  version: number;
  /** Whether the importer may change it. */
  writable: boolean;
  /** How often this import has changed it. */
  own: number;
  /** What it is found by under a rule that matches by a custom field. */
  key: string | null;
  /** What it holds. Where nothing is updated, only the e-mail and phone that were looked up. */
  values: Columns;
}

/** What is to become of a row. */
export interface Resolution {
  row: number;
  outcome: Exclude<Outcome, 'excluded'>;
  /** The record that the row matches, whatever follows from it. */
  holder: Holder | null;
  errors: FieldError[] | null;
  /** Under `updated`: the columns that change. */
  changes: Columns | null;
}

/** What the store held when it was asked has gone, or come, since. The transaction is run again. */
export class Raced extends Error {}

/** Makes what reads the rows of a file for the resolver. */
export function rowReader(
  { reading, target, targets }: Pick<RowSource, 'reading' | 'target' | 'targets'>,
  rule: MatchRule,
  fields: FieldSet,
): (staged: StagedRow, names?: Names) => CheckedRow {
  const read = reading(fields);
  const at = (column: string) => target.columns.indexOf(column);
  const [emailAt, phoneAt, customAt] = [at('email'), at('phone'), at('custom_fields')];
  const keyAt = rule.field ? targets.flatMap((name, cell) => (name === `cf.${rule.field!.key}` ? [cell] : [])) : [];
  return ({ row, issue, detail, cells }, names) => {
    if (issue) {
      const errors = [{ field: '', code: issue, message: detail ?? issue }];
      return { row, cells, values: [], errors, email: null, phone: null, key: null };
    }
    const { values, errors } = read(row, cells, names);
    const email = values[emailAt] as string | null;
    const phone = values[phoneAt] as string | null;
    const hasKey = keyAt.length > 0 && readCell(cells, keyAt) !== null;
    return {
      row,
      cells,
      values,
      errors,
      email,
      phone,
      key: hasKey ? matchKey(rule, values[customAt] as string) : null,
    };
  };
}

/** The record that a row makes, for the rows that follow. */
export function madeHolder(
  id: number,
  { row, values }: CheckedRow,
  { columns }: TargetTable,
  rule: MatchRule,
  writable: boolean,
): Holder {
  const held: Columns = {};
  columns.forEach((column, at) => {
    const value = values[at];
    held[column] = typeof value === 'boolean' ? Number(value) : (value as string | number | null);
  });
  const key = matchKey(rule, held.custom_fields as string);
  return { id, row, version: 1, writable, own: 0, key, values: held };
}

const LABELS = { email: 'e-mail', phone: 'phone', key: 'value' } as const;
type Identity = keyof typeof LABELS;
/** How many of the records that one value finds an error names. */
const MAX_NAMED = 5;

/**
 * Decides over rows in the order of the file. It knows the records that hold what the rows hold, and keeps up with what rows make of
 * them.
 */
export class Resolver {
  private readonly unique = { email: new Map<string, Holder>(), phone: new Map<string, Holder>() };
  private readonly keyed = new Map<string, Set<Holder>>();

  constructor(
    private readonly rule: MatchRule,
    private readonly update: Updater,
  ) {}

  add(holder: Holder): void {
    this.index(holder, true);
  }

  /** What becomes of a row. Nothing is changed by that: see {@link accept}. */
  resolve(row: CheckedRow): Resolution {
    const { rule } = this;
    const isUpdate = rule.policy === 'update';
    const fatal = row.errors.length > 0 && !(isUpdate && row.errors.every(({ code }) => code === 'required'));
    if (fatal) return reject(row, row.errors);
    if (rule.refusal) return reject(row, [rule.refusal]);
    const found = this.match(row);
    if (Array.isArray(found)) return reject(row, found);
    const { by, holder } = found;
    if (!holder) {
      const taken = [...this.taken(row, 'email'), ...this.taken(row, 'phone')];
      if (row.errors.length > 0) return reject(row, row.errors);
      if (taken.length > 0) return reject(row, taken);
      return { row: row.row, outcome: 'created', holder: null, errors: null, changes: null };
    }
    if (isUpdate) return this.updateOf(row, holder, by);
    const errors =
      by === 'key'
        ? [this.existing('key', holder)]
        : rule.on === null
          ? [...this.taken(row, 'email'), ...this.taken(row, 'phone')]
          : this.taken(row, by);
    if (rule.policy === 'skip') return { row: row.row, outcome: 'skipped', holder, errors, changes: null };
    return { ...reject(row, errors), holder };
  }

  /**
   * Lets a resolution count for the rows that follow.
   * @param made under `created`: the record that the row makes
   */
  accept({ outcome, holder, changes }: Resolution, made: Holder | null): void {
    if (outcome === 'created') return this.add(made!);
    if (outcome !== 'updated') return;
    this.index(holder!, false);
    Object.assign(holder!.values, changes);
    holder!.key = matchKey(this.rule, holder!.values.custom_fields as string);
    holder!.version++;
    holder!.own++;
    this.index(holder!, true);
  }

  private updateOf(row: CheckedRow, holder: Holder, by: Identity): Resolution {
    // Nothing of a record that the importer cannot change is told, not even which it is.
    if (!holder.writable) return reject(row, [this.existing(by, holder)]);
    const { next, errors } = this.update(row.cells, row.values, holder.values);
    if (errors.length > 0) return { ...reject(row, errors), holder };
    const taken = (['email', 'phone'] as const).flatMap((field) => {
      const value = next[field];
      const other = typeof value === 'string' ? this.unique[field].get(value) : undefined;
      return other && other !== holder ? [this.existing(field, other)] : [];
    });
    if (taken.length > 0) return { ...reject(row, taken), holder };
    const isChanged = Object.keys(next).length > 0;
    return {
      row: row.row,
      outcome: isChanged ? 'updated' : 'unchanged',
      holder,
      errors: null,
      changes: isChanged ? next : null,
    };
  }

  /** The record that a row matches; or why that cannot be told. */
  private match(row: CheckedRow): { by: Identity; holder: Holder | null } | FieldError[] {
    const { on, policy, field } = this.rule;
    if (on === 'key') {
      const holders = [...((row.key !== null && this.keyed.get(row.key)) || [])];
      if (holders.length < 2) return { by: 'key', holder: holders[0] ?? null };
      const message = `${holders.length} records have this value`;
      const named = holders.toSorted((a, b) => a.id - b.id).slice(0, MAX_NAMED);
      return named.map((holder) => ambiguous(customPath(field!.key), message, holder));
    }
    const email = this.holderOf(row, 'email');
    const phone = this.holderOf(row, 'phone');
    if (on !== null) return { by: on, holder: on === 'email' ? email : phone };
    if (policy === 'update' && email && phone && email !== phone) {
      const message = 'the e-mail is that of one record, the phone that of another';
      return [ambiguous('email', message, email), ambiguous('phone', message, phone)];
    }
    return email ? { by: 'email', holder: email } : { by: 'phone', holder: phone };
  }

  private holderOf(row: CheckedRow, field: 'email' | 'phone'): Holder | null {
    const value = row[field];
    return value === null ? null : (this.unique[field].get(value) ?? null);
  }

  private taken(row: CheckedRow, field: 'email' | 'phone'): FieldError[] {
    const holder = this.holderOf(row, field);
    return holder ? [this.existing(field, holder)] : [];
  }

  private existing(by: Identity, { row }: Holder): FieldError {
    const field = by === 'key' ? customPath(this.rule.field!.key) : by;
    if (row === null) {
      return { field, code: 'duplicate-existing', message: `there is a record with this ${LABELS[by]} already` };
    }
    return { field, code: 'duplicate-in-file', message: `row ${row} of this file has the same ${LABELS[by]}` };
  }

  private index(holder: Holder, isHeld: boolean): void {
    for (const field of ['email', 'phone'] as const) {
      const map = this.unique[field];
      const value = holder.values[field];
      if (typeof value !== 'string') continue;
      if (isHeld) map.set(value, holder);
      else if (map.get(value) === holder) map.delete(value);
    }
    if (holder.key === null) return;
    let holders = this.keyed.get(holder.key);
    if (!holders) this.keyed.set(holder.key, (holders = new Set()));
    if (isHeld) holders.add(holder);
    else holders.delete(holder);
  }
}

const reject = ({ row }: CheckedRow, errors: FieldError[]): Resolution => ({
  ...{ row, outcome: 'rejected', holder: null, errors, changes: null },
});

const ambiguous = (field: string, message: string, { id, writable }: Holder): FieldError => ({
  ...{ field, code: 'match-ambiguous', message },
  ...(writable ? { existingId: id } : {}),
});
