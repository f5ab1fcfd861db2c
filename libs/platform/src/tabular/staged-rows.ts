/** One row of a staged table. Blank cells are null. */
export interface StagedRow {
  /** The number of the row in the file, from 1. */
  row: number;
  /** What is wrong with the row's form, and the sentence about it. */
  issue: string | null;
  detail: string | null;
  /** The cells of the columns that were asked for, in that order. */
  cells: (string | null)[];
}

/** Rows of a staged table, rising. */
export interface StagedRows extends Iterable<StagedRow> {
  readonly length: number;
  slice(from: number, to?: number): StagedRows;
}

/** Parts the cells in a column's text. A column with a cell that holds it is read in another way. */
export const SEPARATOR = '\x1f';

/** Wrong forms by the numbers of their rows. */
export type RowIssues = ReadonlyMap<number, Pick<StagedRow, 'issue' | 'detail'>>;

/**
 * Rows that lie in one text for each column, and are made when they are asked for: thousands of rows at once, with their cells, would
 * keep the garbage collection busy.
 */
export class JoinedRows implements StagedRows {
  private constructor(
    private readonly numbers: Uint32Array,
    private readonly texts: readonly string[],
    /** For each text where its cells begin, and behind the last one where the next would. */
    private readonly starts: readonly Uint32Array[],
    /** By the place of a row its place in the texts. */
    private readonly order: Uint32Array,
    private readonly issues: RowIssues,
    private readonly from: number,
    private readonly to: number,
  ) {}

  /**
   * @param rows the numbers of the rows, as a text like those of the columns
   * @returns null when a text has more or fewer cells: one of them holds what parts them
   */
  static of(count: number, rows: string, texts: readonly string[], issues: RowIssues): JoinedRows | null {
    const starts = texts.map((text) => startsOf(text, count));
    if (!starts.every((each) => each !== null)) return null;
    const unsorted = Uint32Array.from(rows.split(SEPARATOR), Number);
    const order = Uint32Array.from(unsorted, (_, index) => index);
    // Row groups are read in parallel, and nothing promises in which order they meet.
    if (unsorted.some((row, index) => index > 0 && row < unsorted[index - 1])) {
      order.sort((left, right) => unsorted[left] - unsorted[right]);
    }
    return new JoinedRows(unsorted.slice().sort(), texts, starts, order, issues, 0, count);
  }

  get length(): number {
    return this.to - this.from;
  }

  slice(from: number, to = this.length): JoinedRows {
    const end = Math.min(this.from + to, this.to);
    const { numbers, texts, starts, order, issues } = this;
    return new JoinedRows(numbers, texts, starts, order, issues, Math.min(this.from + from, end), end);
  }

  *[Symbol.iterator](): Generator<StagedRow> {
    for (let at = this.from; at < this.to; at++) yield this.rowAt(at);
  }

  private rowAt(at: number): StagedRow {
    const { texts, starts } = this;
    const row = this.numbers[at];
    const place = this.order[at];
    const cells = new Array<string | null>(texts.length);
    for (let column = 0; column < cells.length; column++) {
      const [start, next] = [starts[column][place], starts[column][place + 1]];
      cells[column] = next - start > 1 ? texts[column].slice(start, next - 1) : null;
    }
    const wrong = this.issues.get(row);
    return { row, issue: wrong?.issue ?? null, detail: wrong?.detail ?? null, cells };
  }
}

function startsOf(text: string, count: number): Uint32Array | null {
  const starts = new Uint32Array(count + 1);
  let at = 0;
  for (let cell = 1; cell < count; cell++) {
    at = text.indexOf(SEPARATOR, at) + 1;
    if (at === 0) return null;
    starts[cell] = at;
  }
  starts[count] = text.length + 1;
  return text.includes(SEPARATOR, at) ? null : starts;
}
