import { isUtf8 } from 'node:buffer';
import { cutText } from './header';
import { TabularError } from './tabular-error';
import type { RowIssue } from './parquet/parquet-writer';

/** A row that was read cell by cell. The cells are valid UTF-8; `issue` is empty for a good row. */
export interface FinishedRow {
  cells: Uint8Array[];
  issue: RowIssue | '';
  detail: string;
}

/** What is kept of a cell that is too long, in bytes. */
export const KEPT_BYTES = 1024;
/** The longest row that keeps its cells whole. */
export const MAX_ROW_BYTES = 8 << 20;
const MAX_HEADER_BYTES = 256 * 1024;
const MAX_DETAIL = 200;

const QUOTE = 0x22;
const LF = 0x0a;
const CR = 0x0d;
const NUL = 0x00;
const SPACE = 0x20;
const TAB = 0x09;

const enum State {
  CellStart,
  Plain,
  Quoted,
  /** After a quote inside quotes: the end, or the first of two. */
  QuoteSeen,
  /** After the closing quote; nothing but the delimiter or the line end should come. */
  AfterQuote,
}

/** Reads one row of any form, however long and however cut, in bounded memory. */
export class CsvRow {
  /** Whether the row's end was reached; it is the first byte that `push` left. */
  ended = false;
  /** The physical line under work. */
  line = 1;
  private quoteLine = 0;
  private columnCount: number | null = null;
  private state = State.CellStart;
  private cells: Buffer[] = [];
  private cellCount = 0;
  private surplus = '';
  private rowBytes = 0;
  private quoted = false;
  private blank = true;
  private afterCr = false;
  private problems = new Map<RowIssue, string>();

  private cell = Buffer.allocUnsafe(4096);
  private kept = 0;
  private length = 0;

  constructor(
    private readonly options: {
      delimiter: number;
      validUtf8: boolean;
      maxColumns: number;
      maxCellBytes: number;
    },
  ) {}

  /** The line of the quote that is open, 0 when none is. */
  get openQuoteLine(): number {
    return this.state === State.Quoted ? this.quoteLine : 0;
  }

  /** @param columnCount null for the header */
  begin(line: number, columnCount: number | null): void {
    this.line = line;
    this.columnCount = columnCount;
    this.state = State.CellStart;
    this.ended = this.quoted = this.afterCr = false;
    this.blank = true;
    this.cells = [];
    this.surplus = '';
    this.cellCount = this.rowBytes = this.kept = this.length = 0;
    this.problems.clear();
  }

  /** Reads on. @returns the number of bytes taken */
  push(bytes: Uint8Array, start: number, end: number): number {
    const { delimiter } = this.options;
    let i = start;
    while (i < end) {
      const byte = bytes[i];
      switch (this.state) {
        case State.CellStart:
          if (byte === QUOTE) {
            this.state = State.Quoted;
            this.quoted = true;
            this.quoteLine = this.line;
            i++;
          } else {
            this.state = State.Plain;
          }
          break;
        case State.Quoted: {
          const from = i;
          while (i < end && bytes[i] !== QUOTE) this.countLine(bytes[i++]);
          this.append(bytes, from, i);
          if (i < end) {
            this.state = State.QuoteSeen;
            i++;
          }
          break;
        }
        case State.QuoteSeen:
          if (byte === QUOTE) {
            this.append(bytes, i, i + 1);
            this.state = State.Quoted;
            this.afterCr = false;
            i++;
          } else {
            this.state = State.AfterQuote;
          }
          break;
        case State.Plain:
        case State.AfterQuote: {
          const from = i;
          let stop = byte;
          while (stop !== delimiter && stop !== LF && stop !== CR && ++i < end) stop = bytes[i];
          this.append(bytes, from, i);
          if (this.state === State.AfterQuote && !isBlank(bytes, from, i)) {
            this.note('quote-malformed', `column ${this.cellCount + 1}: there is text after the closing quote`);
          }
          if (i === end) break;
          this.endCell();
          if (stop !== delimiter) {
            this.ended = true;
            return i - start;
          }
          this.state = State.CellStart;
          this.blank = false;
          i++;
          break;
        }
      }
    }
    return i - start;
  }

  /** The row that ended here, or null for a blank line. */
  finish(): FinishedRow | null {
    if (!this.ended) this.endCell();
    if (this.blank && this.cellCount === 1 && !this.quoted) return null;
    const { columnCount } = this;
    if (columnCount !== null && this.cellCount > columnCount) {
      const surplus = `expected ${columnCount} cells, found ${this.cellCount}; surplus: ${this.surplus}`;
      this.note('column-count', surplus.length > MAX_DETAIL ? cutText(surplus, MAX_DETAIL - 1) + '…' : surplus);
    }
    const issues = [...this.problems.keys()];
    const cells = this.cells;
    this.cells = [];
    return { cells, issue: issues[0] ?? '', detail: [...this.problems.values()].join('; ') };
  }

  private countLine(byte: number): void {
    if (byte === CR || (byte === LF && !this.afterCr)) this.line++;
    this.afterCr = byte === CR;
  }

  private append(bytes: Uint8Array, from: number, to: number): void {
    if (from === to) return;
    if (this.blank && !isBlank(bytes, from, to)) this.blank = false;
    this.length += to - from;
    const room = this.limit() - this.kept;
    if (room <= 0) return;
    const taken = Math.min(room, to - from);
    if (this.kept + taken > this.cell.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.kept + taken, this.cell.length * 2));
      this.cell.copy(larger, 0, 0, this.kept);
      this.cell = larger;
    }
    this.cell.set(bytes.subarray(from, from + taken), this.kept);
    this.kept += taken;
    if (this.columnCount === null) this.checkHeader();
  }

  /** How many bytes of the cell under work are kept. */
  private limit(): number {
    if (this.columnCount === null) return MAX_HEADER_BYTES + 1;
    if (this.cellCount >= this.columnCount) return MAX_DETAIL;
    if (this.rowBytes > MAX_ROW_BYTES) return KEPT_BYTES;
    return this.options.maxCellBytes + 1;
  }

  private checkHeader(): void {
    if (this.rowBytes + this.kept > MAX_HEADER_BYTES) {
      throw new TabularError('header-too-long', `The header is longer than ${MAX_HEADER_BYTES} bytes.`, this.line);
    }
  }

  private endCell(): void {
    const { columnCount, cellCount } = this;
    this.cellCount++;
    if (columnCount === null && cellCount >= this.options.maxColumns) {
      throw new TabularError(
        'too-many-columns',
        `The file has more than ${this.options.maxColumns} columns.`,
        this.line,
      );
    }
    if (columnCount !== null && cellCount >= columnCount) {
      if (this.surplus.length <= MAX_DETAIL) {
        const text = this.cell.toString('utf8', 0, this.kept).replace(/\p{Cc}/gu, ' ');
        this.surplus += `${cellCount > columnCount ? ', ' : ''}"${text}"`;
      }
    } else {
      this.keepCell();
    }
    this.kept = this.length = 0;
  }

  private keepCell(): void {
    const { maxCellBytes, validUtf8 } = this.options;
    if (this.columnCount !== null && this.length > maxCellBytes) {
      this.note('too-long', `column ${this.cellCount} holds ${this.length} bytes; the limit is ${maxCellBytes}`);
      this.kept = cutAt(this.cell, Math.min(this.kept, KEPT_BYTES));
    } else if (this.rowBytes > MAX_ROW_BYTES && this.kept < this.length) {
      this.kept = cutAt(this.cell, this.kept);
    }
    let cell = Buffer.from(this.cell.subarray(0, this.kept));
    if (cell.includes(NUL) || (!validUtf8 && !isUtf8(cell))) {
      const what = cell.includes(NUL) ? 'a NUL character' : 'bytes that are no characters of the encoding';
      this.note('encoding-invalid', `column ${this.cellCount} holds ${what}`);
      cell = Buffer.from(cell.toString('utf8').replaceAll('\0', '\ufffd'));
    }
    this.cells.push(cell);
    const before = this.rowBytes;
    this.rowBytes += cell.length;
    if (before <= MAX_ROW_BYTES && this.rowBytes > MAX_ROW_BYTES) {
      this.note('too-long', `the row holds more than ${MAX_ROW_BYTES} bytes`);
      this.cells = this.cells.map((long) =>
        Buffer.from(long.subarray(0, cutAt(long, Math.min(long.length, KEPT_BYTES)))),
      );
    }
  }

  /** Notes the first problem of each kind. */
  private note(issue: RowIssue, detail: string): void {
    if (!this.problems.has(issue)) this.problems.set(issue, detail);
  }
}

/** Whether there is nothing but spaces and tabs. */
export function isBlank(bytes: Uint8Array, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (bytes[i] !== SPACE && bytes[i] !== TAB) return false;
  return true;
}

/** The last border of a character at or before `end`. */
export function cutAt(bytes: Uint8Array, end: number): number {
  let at = end;
  while (at > 0 && at > end - 4 && at < bytes.length && (bytes[at] & 0xc0) === 0x80) at--;
  return at;
}
