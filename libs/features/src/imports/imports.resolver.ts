import { customPath, FieldSet } from '@muster/core/contact/custom-fields';
import { readCell } from '@muster/core/contact/row';
import { FieldError } from '@muster/core/errors';
import { BulkValue } from '@muster/platform/database/dialect/dialect';
import { StagedRow } from '@muster/platform/tabular/staged-rows';
import { Change, Columns, Updater } from './imports.changes';
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
const FIELDS = ['email', 'phone'] as const;

/** The records that hold what a row holds. */
export interface Met {
  email: Holder | null;
  phone: Holder | null;
  /** Those that the rule's custom field finds. */
  keyed: readonly Holder[];
}

/**
 * What becomes of a row that meets these records.
 * @param update what the row changes in a record
 */
export function decide(
  rule: MatchRule,
  row: Pick<CheckedRow, 'row' | 'errors'>,
  met: Met,
  update: (holder: Holder) => Change,
): Resolution {
  const isUpdate = rule.policy === 'update';
  if (isFatal(rule, row)) return reject(row, row.errors);
  if (rule.refusal) return reject(row, [rule.refusal]);
  const found = matchOf(rule, met);
  if (Array.isArray(found)) return reject(row, found);
  const { by, holder } = found;
  const taken = () => FIELDS.flatMap((field) => (met[field] ? [existing(rule, field, met[field])] : []));
  if (!holder) {
    if (row.errors.length > 0) return reject(row, row.errors);
    const errors = taken();
    if (errors.length > 0) return reject(row, errors);
    return { row: row.row, outcome: 'created', holder: null, errors: null, changes: null };
  }
  if (isUpdate) return updateOf(rule, row, met, holder, by, update);
  const errors = by === 'key' || rule.on !== null ? [existing(rule, by, holder)] : taken();
  if (rule.policy === 'skip') return { row: row.row, outcome: 'skipped', holder, errors, changes: null };
  return { ...reject(row, errors), holder };
}

/** Whether a row is rejected whatever is stored: what it lacks a record may have that it updates. */
export const isFatal = ({ policy }: MatchRule, { errors }: Pick<CheckedRow, 'errors'>): boolean =>
  errors.length > 0 && !(policy === 'update' && errors.every(({ code }) => code === 'required'));

function updateOf(
  rule: MatchRule,
  row: Pick<CheckedRow, 'row'>,
  met: Met,
  holder: Holder,
  by: Identity,
  update: (holder: Holder) => Change,
): Resolution {
  // Nothing of a record that the importer cannot change is told, not even which it is.
  if (!holder.writable) return reject(row, [existing(rule, by, holder)]);
  const { next, errors } = update(holder);
  if (errors.length > 0) return { ...reject(row, errors), holder };
  // What another record holds is not this record's yet: the row would give it to this one.
  const taken = FIELDS.flatMap((field) => {
    const other = met[field];
    return other && other !== holder ? [existing(rule, field, other)] : [];
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
function matchOf({ on, policy, field }: MatchRule, met: Met): { by: Identity; holder: Holder | null } | FieldError[] {
  const { email, phone, keyed } = met;
  if (on === 'key') {
    if (keyed.length < 2) return { by: 'key', holder: keyed[0] ?? null };
    const message = `${keyed.length} records have this value`;
    const named = keyed.toSorted((a, b) => a.id - b.id).slice(0, MAX_NAMED);
    return named.map((holder) => ambiguous(customPath(field!.key), message, holder));
  }
  if (on !== null) return { by: on, holder: met[on] };
  if (policy === 'update' && email && phone && email !== phone) {
    const message = 'the e-mail is that of one record, the phone that of another';
    return [ambiguous('email', message, email), ambiguous('phone', message, phone)];
  }
  return email ? { by: 'email', holder: email } : { by: 'phone', holder: phone };
}

function existing(rule: MatchRule, by: Identity, { row }: Holder): FieldError {
  const field = by === 'key' ? customPath(rule.field!.key) : by;
  if (row === null) {
    return { field, code: 'duplicate-existing', message: `there is a record with this ${LABELS[by]} already` };
  }
  return { field, code: 'duplicate-in-file', message: `row ${row} of this file has the same ${LABELS[by]}` };
}

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
    const met = {
      email: this.holderOf(row, 'email'),
      phone: this.holderOf(row, 'phone'),
      keyed: [...((row.key !== null && this.keyed.get(row.key)) || [])],
    };
    return decide(this.rule, row, met, ({ values }) => this.update(row.cells, row.values, values));
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

  private holderOf(row: CheckedRow, field: 'email' | 'phone'): Holder | null {
    const value = row[field];
    return value === null ? null : (this.unique[field].get(value) ?? null);
  }

  private index(holder: Holder, isHeld: boolean): void {
    for (const field of FIELDS) {
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

const reject = ({ row }: Pick<CheckedRow, 'row'>, errors: FieldError[]): Resolution => ({
  ...{ row, outcome: 'rejected', holder: null, errors, changes: null },
});

const ambiguous = (field: string, message: string, { id, writable }: Holder): FieldError => ({
  ...{ field, code: 'match-ambiguous', message },
  ...(writable ? { existingId: id } : {}),
});
