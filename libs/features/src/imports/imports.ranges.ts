import { FieldError } from '@muster/core/errors';

/** Rows from `first` to `last`, both included. */
export interface RowRange {
  first: number;
  last: number;
}

const RANGE = /^([1-9]\d{0,14})(?:-([1-9]\d{0,14}))?$/;

/** A set of row numbers, kept as ranges that rise and do not touch. */
export class RowRanges {
  private constructor(readonly ranges: readonly RowRange[]) {}

  static readonly none = new RowRanges([]);

  /** @param ranges in any order; they may overlap */
  static of(ranges: Iterable<RowRange>): RowRanges {
    const joined: RowRange[] = [];
    for (const { first, last } of [...ranges].sort((a, b) => a.first - b.first)) {
      const before = joined.at(-1);
      if (before && first <= before.last + 1) before.last = Math.max(before.last, last);
      else joined.push({ first, last });
    }
    return new RowRanges(joined);
  }

  /**
   * Reads what a client lists: numbers, and texts such as `7` and `5-9`.
   * @returns the error of the first entry that is none, or names a row beyond `totalRows`
   */
  static parse(entries: readonly (number | string)[], totalRows: number): RowRanges | FieldError {
    const ranges: RowRange[] = [];
    for (const [index, entry] of entries.entries()) {
      const field = `excludedRows.${index}`;
      const match = RANGE.exec(String(entry));
      const first = Number(match?.[1]);
      const last = Number(match?.[2] ?? first);
      if (!match || last < first) {
        return { field, code: 'row-range-invalid', message: 'must be a row number or a range such as "5-9"' };
      }
      if (last > totalRows) {
        return { field, code: 'row-unknown', message: `is beyond the last row, ${totalRows}` };
      }
      ranges.push({ first, last });
    }
    return RowRanges.of(ranges);
  }

  /** How many rows these are. */
  get count(): number {
    return this.ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0);
  }

  has(row: number): boolean {
    let low = 0;
    let high = this.ranges.length - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const { first, last } = this.ranges[middle];
      if (row < first) high = middle - 1;
      else if (row > last) low = middle + 1;
      else return true;
    }
    return false;
  }
}
