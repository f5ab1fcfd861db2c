import { open, type FileHandle } from 'node:fs/promises';
import { EarlySharers, SharersMemory, type ColumnSharers } from '../early-sharers';
import { footerOf, groupOf, MAGIC, numberChunk, textChunk } from './format';
import { TextColumn, type TextPages } from './text-column';

/** What is wrong with the form of a row; the row is kept and carries it. */
export type RowIssue = 'too-long' | 'encoding-invalid' | 'quote-malformed' | 'column-count';

/** Takes the rows of a table, in order. */
export interface RowSink {
  readonly columnCount: number;
  readonly rows: number;
  /**
   * Adds a row without an issue, whose cells lie in one buffer.
   * @param bounds for each column the first byte of its cell and the one after the last; a blank cell has none
   */
  rowOf(source: Uint8Array, bounds: Int32Array): void;
  /** Adds a row of cells; missing ones are blank. */
  row(cells: readonly Uint8Array[], issue?: string, detail?: string): void;
}

/** The most rows and, about, bytes of a row group: readers take one as a whole. */
const GROUP_ROWS = 20_480;
const GROUP_BYTES = 8 << 20;
/** The most cells of a row group: each costs a few bytes besides its text. */
const GROUP_CELLS = 2 << 20;

interface Group {
  firstRow: number;
  rows: number;
  columns: TextPages[];
}

/**
 * Writes a Parquet file with the columns `_row` (from 1, without gaps), `_issue`, `_detail` and `c1`…`cn` (UTF-8 texts; blank
 * ones are null), rows in order. Row groups that are full stay in memory until `flush`; they are compressed beside the caller.
 */
export class ParquetWriter implements RowSink {
  rows = 0;
  issueRows = 0;
  private readonly sharers: EarlySharers[];
  private readonly columns: TextColumn[];
  private readonly maxRows: number;
  private groupRows = 0;
  private groupBytes = 0;
  private full: Group[] = [];
  private writing: Promise<void> = Promise.resolve();
  private file: FileHandle | null = null;
  /** Where the next row group begins. */
  private position = MAGIC.length;
  private readonly names: string[];
  private readonly groups: Uint8Array[] = [];

  constructor(
    private readonly path: string,
    readonly columnCount: number,
  ) {
    this.names = ['_row', '_issue', '_detail', ...Array.from({ length: columnCount }, (_, index) => `c${index + 1}`)];
    this.maxRows = Math.min(GROUP_ROWS, Math.ceil(GROUP_CELLS / columnCount));
    const memory = new SharersMemory();
    this.sharers = Array.from({ length: columnCount }, () => new EarlySharers(memory));
    this.columns = Array.from({ length: columnCount + 2 }, () => new TextColumn(this.maxRows));
  }

  rowOf(source: Uint8Array, bounds: Int32Array): void {
    const { columns, columnCount, sharers } = this;
    const row = this.rows + 1;
    columns[0].put(source, 0, 0);
    columns[1].put(source, 0, 0);
    let bytes = 0;
    for (let i = 0; i < columnCount; i++) {
      const from = bounds[i * 2];
      const to = bounds[i * 2 + 1];
      bytes += to - from;
      columns[i + 2].put(source, from, to);
      sharers[i].add(row, source, from, to);
    }
    this.end(bytes);
  }

  row(cells: readonly Uint8Array[], issue = '', detail = ''): void {
    let bytes = 0;
    const put = (column: number, text: Uint8Array) => {
      bytes += text.length;
      this.columns[column].put(text, 0, text.length);
    };
    put(0, Buffer.from(issue));
    put(1, Buffer.from(detail));
    for (let i = 0; i < this.columnCount; i++) {
      const cell = cells[i] ?? NOTHING;
      put(i + 2, cell);
      this.sharers[i].add(this.rows + 1, cell, 0, cell.length);
    }
    if (issue !== '') this.issueRows++;
    this.end(bytes);
  }

  /** Hands on the row groups that are full, and waits for all but the last. */
  async flush(): Promise<void> {
    for (const group of this.full.splice(0)) {
      await this.writing;
      this.writing = this.write(group);
      this.writing.catch(() => undefined); // it is waited for later
    }
  }

  /** Writes what is left and closes the file. */
  async finish(): Promise<void> {
    if (this.groupRows > 0) this.endGroup();
    await this.flush();
    await this.writing;
    await this.append(footerOf(this.names, this.rows, this.groups));
    await this.close();
  }

  /** For each column, as far as it was found while writing; after `finish`. */
  takeSharers(): (ColumnSharers | null)[] {
    return this.sharers.map((sharers) => sharers.take());
  }

  /** Closes the file as it is; harmless after `finish`. Nothing can be added after it. */
  async close(): Promise<void> {
    await this.writing.catch(() => undefined);
    for (const column of this.columns) column.release();
    const { file } = this;
    this.file = null;
    await file?.close();
  }

  private end(bytes: number): void {
    this.rows++;
    this.groupRows++;
    this.groupBytes += bytes;
    if (this.groupRows === this.maxRows || this.groupBytes >= GROUP_BYTES) this.endGroup();
  }

  private endGroup(): void {
    const columns = this.columns.map((column) => column.take());
    this.full.push({ firstRow: this.rows - this.groupRows + 1, rows: this.groupRows, columns });
    this.groupRows = this.groupBytes = 0;
  }

  private async write({ firstRow, rows, columns }: Group): Promise<void> {
    const [numbers, ...texts] = this.names;
    const chunks = [
      numberChunk(numbers, firstRow, rows),
      ...(await Promise.all(texts.map((name, index) => textChunk(name, columns[index], rows)))),
    ];
    this.groups.push(groupOf(chunks, rows, this.position));
    await this.append(chunks.flatMap(({ parts }) => parts));
    columns.forEach((pages, index) => this.columns[index].giveBack(pages));
  }

  private async append(parts: readonly Uint8Array[]): Promise<void> {
    const bytes = Buffer.concat(this.file === null ? [MAGIC, ...parts] : parts);
    this.file ??= await open(this.path, 'w');
    await this.file.writeFile(bytes);
    this.position += parts.reduce((sum, { length }) => sum + length, 0);
  }
}

const NOTHING = new Uint8Array(0);
