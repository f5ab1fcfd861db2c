import { FieldSet } from '@muster/core/contact/custom-fields';
import { FieldError } from '@muster/core/errors';
import { BulkBuffer } from '@muster/platform/database/dialect/dialect';
import { Names } from './imports.names';
import { Cell, RowChecker, TargetTable } from './imports.targets';

/** A row that may be stored, and its unique values. */
export interface RowDraft {
  row: number;
  email: string | null;
  phone: string | null;
}

/** A row of the staged table. */
interface StagedRow {
  row: number;
  issue: string | null;
  detail: string | null;
  cells: Cell[];
}

/** What is wrong with a staged row; null adds its values to the buffer. What is wrong with its form already never reaches the checker. */
export const checkRow = (
  { row, issue, detail, cells }: StagedRow,
  check: RowChecker,
  buffer: BulkBuffer,
  names?: Names,
) => (issue ? [{ field: '', code: issue, message: detail ?? issue }] : check(row, cells, buffer, names));

/** The checked rows of one chunk: the values of those that may be stored, and the errors of the others. */
export class ImportBatch {
  /** Every row of the chunk, rising. */
  private readonly rows: number[] = [];
  private readonly errors = new Map<number, FieldError[]>();
  private readonly emailAt: number;
  private readonly phoneAt: number;
  private readonly customFieldsAt: number;

  /** @param fields the custom fields under which the rows are checked */
  constructor(
    { columns }: TargetTable,
    readonly buffer: BulkBuffer,
    readonly fields: FieldSet,
  ) {
    this.emailAt = columns.indexOf('email');
    this.phoneAt = columns.indexOf('phone');
    this.customFieldsAt = columns.indexOf('custom_fields');
  }

  /** Checks a staged row. */
  add(staged: StagedRow, check: RowChecker, names?: Names): void {
    this.rows.push(staged.row);
    const errors = checkRow(staged, check, this.buffer, names);
    if (errors) this.errors.set(staged.row, errors);
  }

  /** Every row with its errors, in order; null for one that may be stored. */
  *results(): Generator<[row: number, errors: FieldError[] | null]> {
    for (const row of this.rows) yield [row, this.errors.get(row) ?? null];
  }

  /** The rows that may be stored, of those that `wanted` names. */
  drafts(wanted: (row: number) => boolean): RowDraft[] {
    return [...this.values(wanted)].map(([row, values]) => ({
      ...{ row, email: values[this.emailAt] as string | null, phone: values[this.phoneAt] as string | null },
    }));
  }

  /** What the custom fields of those rows hold. */
  customFields(wanted: (row: number) => boolean): { row: number; values: Record<string, unknown> }[] {
    return [...this.values(wanted)].map(([row, values]) => ({
      ...{ row, values: JSON.parse(values[this.customFieldsAt] as string) as Record<string, unknown> },
    }));
  }

  private *values(wanted: (row: number) => boolean): Generator<[row: number, values: (string | number | null)[]]> {
    let index = -1;
    for (const row of this.rows) {
      if (this.errors.has(row)) continue;
      index++;
      if (wanted(row)) yield [row, this.buffer.read(index)];
    }
  }
}
