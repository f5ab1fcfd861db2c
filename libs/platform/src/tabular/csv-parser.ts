import { isUtf8 } from 'node:buffer';
import { TabularError } from './tabular-error';
import { CsvRow, isBlank, type FinishedRow } from './csv-row';
import type { RowSink } from './parquet/parquet-writer';

/** What a parser must know of its text, and its limits. */
export interface CsvParserOptions {
  /** The ASCII code of the delimiter. */
  delimiter: number;
  /** Whether every byte is known to be UTF-8; otherwise each row is checked. */
  validUtf8: boolean;
  maxRows: number;
  maxColumns: number;
  /** A longer cell is cut to its first 1,024 bytes and its row is `too-long`. */
  maxCellBytes: number;
  /** The physical line of the first byte. */
  firstLine?: number;
  /** Bytes that are looked at together; longer rows work too. */
  windowBytes?: number;
}

const QUOTE = 0x22;
const LF = 0x0a;
const CR = 0x0d;
const NUL = 0x00;
const DOS_END_OF_FILE = 0x1a;

const WINDOW_BYTES = 512 * 1024;

/** Which bytes end the run of ordinary ones, outside and inside quotes. */
function stops(...bytes: number[]): Uint8Array {
  const table = new Uint8Array(256);
  for (const byte of bytes) table[byte] = 1;
  return table;
}
const QUOTED_STOPS = stops(QUOTE, LF, CR, NUL);

const INCOMPLETE = -1;
const IRREGULAR = -2;

/**
 * A streaming CSV parser over UTF-8 bytes. Rows end with LF, CRLF or CR, also mixed; quotes follow RFC 4180; lines of
 * nothing but white space are no rows; a short row's missing cells are blank.
 *
 * A regular row is only scanned for where its cells begin and end. Everything else (stray quotes, surplus cells, broken or NUL
 * bytes, long cells, rows that do not fit the window) is read again by `CsvRow`, cell by cell. The first row is the header:
 * `onHeader` gets its cells and gives the writer of the rows that follow.
 *
 * Throws `TabularError`: `unclosed-quote`, `header-too-long`, `too-many-columns`, `too-many-rows`, and from `finish`
 * `import-empty` when there was no row at all.
 */
export class CsvParser {
  private readonly window: Buffer;
  private start = 0;
  private end = 0;
  private readonly plainStops: Uint8Array;
  private writer: RowSink | null = null;
  /** Of each cell of the row that `regularRow` looks at the first byte and the one after the last. */
  private bounds = new Int32Array(0);
  private readonly row: CsvRow;
  /** The row under work is read cell by cell. */
  private slow = false;
  /** The last row ended with a CR at the end of the window: a LF that follows belongs to it. */
  private afterCr = false;
  private line: number;
  /** Line ends in the cells of the row that `regularRow` accepted. */
  private linesInside = 0;

  constructor(
    private readonly options: CsvParserOptions,
    private readonly onHeader: (header: FinishedRow) => RowSink,
  ) {
    // One byte more holds a line end that stops every scan at the end of the window.
    this.window = Buffer.allocUnsafe((options.windowBytes ?? WINDOW_BYTES) + 1);
    this.plainStops = stops(options.delimiter, QUOTE, LF, CR, NUL);
    this.line = options.firstLine ?? 1;
    this.row = new CsvRow(options);
  }

  /** Takes the next bytes; they may be cut anywhere. */
  push(chunk: Uint8Array): void {
    let taken = 0;
    while (taken < chunk.length) {
      if (this.start > 0) {
        this.window.copyWithin(0, this.start, this.end);
        this.end -= this.start;
        this.start = 0;
      }
      const room = Math.min(this.window.length - 1 - this.end, chunk.length - taken);
      this.window.set(chunk.subarray(taken, taken + room), this.end);
      this.end += room;
      taken += room;
      this.parse();
    }
  }

  /** Ends the text: a last row needs no line end. */
  finish(): void {
    const ctrlZ = this.end - this.start === 1 && this.window[this.start] === DOS_END_OF_FILE;
    if (!this.slow && this.start < this.end && !ctrlZ) this.beginSlow();
    if (this.slow) {
      this.start += this.row.push(this.window, this.start, this.end);
      if (this.row.openQuoteLine > 0) {
        throw new TabularError(
          'unclosed-quote',
          `The quote that opens in line ${this.row.openQuoteLine} is never closed.`,
          this.row.openQuoteLine,
        );
      }
      this.endSlow();
    }
    if (this.writer === null) throw new TabularError('import-empty', 'The file holds no header and no rows.');
  }

  private parse(): void {
    this.window[this.end] = LF;
    while (this.start < this.end) {
      if (this.slow) {
        this.start += this.row.push(this.window, this.start, this.end);
        if (!this.row.ended) return;
        this.endSlow();
        this.endLine();
        continue;
      }
      if (this.afterCr) {
        this.afterCr = false;
        if (this.window[this.start] === LF) {
          this.start++;
          continue;
        }
      }
      const next = this.writer === null ? IRREGULAR : this.regularRow(this.writer);
      if (next >= 0) {
        this.start = next;
        this.line += this.linesInside;
        this.endLine();
      } else if (next === IRREGULAR || (this.start === 0 && this.end === this.window.length - 1)) {
        this.beginSlow();
      } else {
        return;
      }
    }
  }

  /** Passes the line end at `start`. */
  private endLine(): void {
    this.afterCr = this.window[this.start] === CR;
    this.start++;
    this.line++;
  }

  /**
   * Hands on the row at `start` if it is regular and complete.
   *
   * @returns where its line end is, or `INCOMPLETE`, or `IRREGULAR`
   */
  private regularRow(writer: RowSink): number {
    const { window, start, end, plainStops, bounds } = this;
    const { delimiter, maxCellBytes } = this.options;
    const last = writer.columnCount * 2;
    let i = start;
    let at = 0;
    let lines = 0;
    let doubled = false;
    let byte: number;
    for (;;) {
      const cellStart = i;
      byte = window[i];
      if (byte === QUOTE) {
        let escaped = false;
        for (;;) {
          do byte = window[++i];
          while (QUOTED_STOPS[byte] === 0);
          if (byte === QUOTE) {
            byte = window[++i];
            if (byte !== QUOTE) break;
            doubled = escaped = true;
            continue;
          }
          if (i >= end) return INCOMPLETE;
          if (byte === NUL) return IRREGULAR;
          if (byte === CR || window[i - 1] !== CR) lines++;
        }
        bounds[at++] = cellStart + 1;
        bounds[at++] = escaped ? 1 - i : i - 1;
      } else {
        while (plainStops[byte] === 0) byte = window[++i];
        bounds[at++] = cellStart;
        bounds[at++] = i;
      }
      if (i >= end) return INCOMPLETE;
      if (i - cellStart > maxCellBytes) return IRREGULAR;
      if (byte === delimiter) {
        if (at === last) return IRREGULAR;
        i++;
      } else if (byte === LF || byte === CR) {
        break;
      } else {
        return IRREGULAR;
      }
    }
    this.linesInside = lines;
    if (at === 2 && isBlank(window, start, i)) return i;
    if (!this.options.validUtf8 && !isUtf8(window.subarray(start, i))) return IRREGULAR;
    if (doubled) this.joinQuotes(at);
    bounds.fill(0, at);
    writer.rowOf(window, bounds);
    if (writer.rows > this.options.maxRows) throw this.tooManyRows();
    return i;
  }

  /** Makes one of each two quotes in the cells whose end `bounds` has below zero, in place: the row is not looked at again. */
  private joinQuotes(end: number): void {
    const { window, bounds } = this;
    for (let cell = 1; cell < end; cell += 2) {
      if (bounds[cell] >= 0) continue;
      let to = bounds[cell - 1];
      for (let from = to; from < -bounds[cell]; from++) {
        const byte = window[from];
        window[to++] = byte;
        if (byte === QUOTE) from++;
      }
      bounds[cell] = to;
    }
  }

  private beginSlow(): void {
    this.slow = true;
    this.row.begin(this.line, this.writer?.columnCount ?? null);
  }

  private endSlow(): void {
    this.slow = false;
    this.line = this.row.line;
    const row = this.row.finish();
    if (row === null) return;
    if (this.writer === null) {
      this.writer = this.onHeader(row);
      this.bounds = new Int32Array(this.writer.columnCount * 2);
      return;
    }
    this.writer.row(row.cells, row.issue, row.detail);
    if (this.writer.rows > this.options.maxRows) throw this.tooManyRows();
  }

  private tooManyRows(): TabularError {
    return new TabularError('too-many-rows', `The file holds more than ${this.options.maxRows} rows.`, this.line);
  }
}
