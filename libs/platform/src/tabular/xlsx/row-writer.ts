import { cutAt, KEPT_BYTES, MAX_ROW_BYTES } from '../csv-row';
import { cutText, nameColumns, type TableWarning } from '../header';
import { ParquetWriter, type RowIssue } from '../parquet/parquet-writer';
import { TabularError } from '../tabular-error';
import { malformed } from './archive';
import { columnLetters } from './cell-ref';
import type { SharedStrings } from './shared-strings';
import type { SheetRow } from './sheet-reader';

export interface RowLimits {
  maxRows: number;
  maxColumns: number;
  /** A longer cell is cut to its first 1,024 bytes and its row is `too-long`. */
  maxCellBytes: number;
  /** Of all cells together. */
  maxTextBytes: number;
}

const MAX_HEADER_BYTES = 256 * 1024;
const MAX_DETAIL = 200;
const FLUSH_BYTES = 4 << 20;
const EMPTY = new Uint8Array(0);

/**
 * Writes the rows of a sheet as those of a text file are written: the first with a value is the header, rows of nothing but
 * white space are none, and what is wrong with the form of a row is its issue.
 *
 * Throws `TabularError`: `header-too-long`, `too-many-columns`, `too-many-rows`, `file-too-large`, and `file-malformed` for a
 * cell whose shared text does not exist.
 */
export class RowWriter {
  writer: ParquetWriter | null = null;
  columns: string[] = [];
  warnings: TableWarning[] = [];
  private textBytes = 0;
  private unflushed = 0;

  constructor(
    private readonly parquetPath: string,
    private readonly strings: SharedStrings,
    private readonly limits: RowLimits,
  ) {}

  async write(row: SheetRow): Promise<void> {
    const { columns, values } = row;
    const texts: Uint8Array[] = new Array<Uint8Array>(values.length);
    let blank = true;
    for (let i = 0; i < values.length; i++) {
      const value = values[i];
      const text = typeof value === 'string' ? Buffer.from(value) : await this.shared(value, row);
      if (blank && !isBlank(text)) blank = false;
      texts[i] = text;
      this.textBytes += text.length;
      this.unflushed += text.length;
    }
    if (this.textBytes > this.limits.maxTextBytes) {
      throw new TabularError(
        'file-too-large',
        'The texts of the sheet are out of all proportion to the size of the file.',
      );
    }
    if (blank) return;
    if (this.writer === null) this.begin(columns, texts);
    else this.writeTo(this.writer, row.number, columns, texts);
    if (this.unflushed > FLUSH_BYTES) {
      this.unflushed = 0;
      await this.writer?.flush();
    }
  }

  private async shared(index: number, row: SheetRow): Promise<Uint8Array> {
    if (index >= this.strings.count) {
      throw malformed(
        `A cell in row ${row.number} refers to the shared text ${index}, which the workbook does not have.`,
      );
    }
    return this.strings.get(index) ?? (await this.strings.load(index));
  }

  private begin(columns: readonly number[], texts: readonly Uint8Array[]): void {
    const { maxColumns } = this.limits;
    const cells: string[] = [];
    let bytes = 0;
    columns.forEach((column, i) => {
      if (isBlank(texts[i])) return;
      if (column >= maxColumns) {
        throw new TabularError('too-many-columns', `The header of the sheet reaches beyond ${maxColumns} columns.`);
      }
      bytes += texts[i].length;
      cells[column] = Buffer.from(texts[i]).toString('utf8');
    });
    if (bytes > MAX_HEADER_BYTES) {
      throw new TabularError('header-too-long', `The header is longer than ${MAX_HEADER_BYTES} bytes.`);
    }
    const named = nameColumns(Array.from(cells, (cell) => cell ?? ''));
    this.columns = named.columns;
    this.warnings = named.warnings;
    this.writer = new ParquetWriter(this.parquetPath, named.columns.length);
  }

  private writeTo(writer: ParquetWriter, number: number, columns: readonly number[], texts: Uint8Array[]): void {
    const { maxRows, maxCellBytes } = this.limits;
    const cells = new Array<Uint8Array>(writer.columnCount).fill(EMPTY);
    const problems = new Map<RowIssue, string>();
    const surplus: [column: number, text: Uint8Array][] = [];
    const note = (issue: RowIssue, detail: string) => {
      if (!problems.has(issue)) problems.set(issue, detail);
    };
    let bytes = 0;
    for (let i = 0; i < columns.length; i++) {
      const column = columns[i];
      let text = texts[i];
      if (column >= cells.length) {
        if (!isBlank(text)) surplus.push([column, text]);
        continue;
      }
      if (text.length > maxCellBytes) {
        note('too-long', `column ${column + 1} holds ${text.length} bytes; the limit is ${maxCellBytes}`);
        text = cut(text);
      }
      if (text.includes(0)) {
        note('encoding-invalid', `column ${column + 1} holds a NUL character`);
        text = Buffer.from(Buffer.from(text).toString('utf8').replaceAll('\0', '\ufffd'));
      }
      bytes += text.length;
      cells[column] = text;
    }
    if (bytes > MAX_ROW_BYTES) {
      note('too-long', `the row holds more than ${MAX_ROW_BYTES} bytes`);
      cells.forEach((text, column) => (cells[column] = cut(text)));
    }
    if (surplus.length > 0) note('column-count', surplusDetail(number, cells.length, surplus));
    const [issue = ''] = problems.keys();
    writer.row(cells, issue, [...problems.values()].join('; '));
    if (writer.rows > maxRows) throw new TabularError('too-many-rows', `The sheet holds more than ${maxRows} rows.`);
  }
}

function surplusDetail(row: number, expected: number, surplus: [column: number, text: Uint8Array][]): string {
  surplus.sort(([one], [other]) => one - other);
  const shown = surplus.slice(0, MAX_DETAIL).map(([column, text]) => {
    const start = Buffer.from(text.subarray(0, cutAt(text, Math.min(text.length, MAX_DETAIL)))).toString('utf8');
    return `${columnLetters(column)}${row} "${start.replace(/\p{Cc}/gu, ' ')}"`;
  });
  const detail = `the header has ${expected} columns; surplus: ${shown.join(', ')}`;
  return detail.length > MAX_DETAIL ? cutText(detail, MAX_DETAIL - 1) + '…' : detail;
}

const cut = (text: Uint8Array) => text.subarray(0, cutAt(text, Math.min(text.length, KEPT_BYTES)));

function isBlank(text: Uint8Array): boolean {
  for (const byte of text) if (byte > 0x20) return false;
  return true;
}
