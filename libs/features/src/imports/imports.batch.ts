import { FieldError } from '@muster/core/errors';
import { BulkText } from '@muster/platform/database/dialect/bulk-text';
import { decodeRow } from '@muster/platform/database/dialect/dialect';
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

/**
 * The checked rows of one chunk. Of those that may be stored only the bytes are kept, because a chunk waits for the store: what
 * the collector has to carry meanwhile costs more than to read the few values again that a conflict asks for.
 */
export class ImportBatch {
  readonly text = new BulkText();
  /** Every row of the chunk, rising, and where its line ends; a rejected row's line is empty. */
  private readonly rows: number[] = [];
  private readonly ends: number[] = [];
  private readonly errors = new Map<number, FieldError[]>();
  private readonly emailAt: number;
  private readonly phoneAt: number;

  constructor({ columns }: TargetTable) {
    this.emailAt = columns.indexOf('email');
    this.phoneAt = columns.indexOf('phone');
  }

  /** Checks a staged row. What is wrong with its form already never reaches the checker. */
  add({ row, issue, detail, cells }: StagedRow, check: RowChecker): void {
    this.rows.push(row);
    if (issue) {
      this.errors.set(row, [{ field: '', code: issue, message: detail ?? issue }]);
    } else {
      const errors = check(row, cells, this.text);
      if (errors) this.errors.set(row, errors);
    }
    this.ends.push(this.text.length);
  }

  /** How many rows may be stored. */
  get acceptable(): number {
    return this.rows.length - this.errors.size;
  }

  /** Every row with its errors, in order; null for one that may be stored. */
  *results(): Generator<[row: number, errors: FieldError[] | null]> {
    for (const row of this.rows) yield [row, this.errors.get(row) ?? null];
  }

  /** The rows that may be stored, of those that `wanted` names. */
  drafts(wanted: (row: number) => boolean): RowDraft[] {
    const drafts: RowDraft[] = [];
    for (const [index, row] of this.rows.entries()) {
      const start = index === 0 ? 0 : this.ends[index - 1];
      const end = this.ends[index];
      if (end === start || !wanted(row)) continue;
      const cells = decodeRow(this.text.slice(start, end - 1).toString());
      drafts.push({ row, email: cells[this.emailAt], phone: cells[this.phoneAt] });
    }
    return drafts;
  }
}
