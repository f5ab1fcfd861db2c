import { open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';

/** What is wrong with the form of a row; the row is kept and carries it. */
export type RowIssue = 'too-long' | 'encoding-invalid' | 'quote-malformed' | 'column-count';

const BLOCK_BYTES = 1 << 20;
/** After so many bytes with less than so many rows in them the next file begins. */
const STRETCH_BYTES = 8 << 20;
const STRETCH_ROWS = 16_384;
const QUOTE = 0x22;
const LF = 0x0a;
const CR = 0x0d;

/**
 * Writes the one dialect that the loader reads: UTF-8 lines `_row,_issue,_detail,c1,…,cn`, each ended by one line feed, a
 * cell in quotes where it needs them and every quote inside doubled. Rows are numbered from 1 as they come.
 *
 * Rows usually go to one file. Where they are long, a file ends after 8 MiB: the loader works on 2,048 rows of a file at a
 * time, and so these are never too large. Filled blocks stay in memory until `flush`.
 */
export class CanonicalWriter {
  rows = 0;
  issueRows = 0;
  /** Bytes of the longest line. */
  longestLine = 0;
  bytesWritten = 0;
  /** The files, in the order of their rows. */
  readonly paths: string[] = [];
  /** Whether some cell holds a line end, so that the lines of the file are not its rows. */
  multiline = false;

  /** The block under work; a caller may write rows into it by hand, between `begin` and `end`. */
  block: Buffer = Buffer.allocUnsafeSlow(BLOCK_BYTES);
  private used = 0;
  private full: { block: Buffer; rows: number }[] = [];
  private spare: Buffer[] = [];
  private readonly digits = new Uint8Array(16).fill(0x30);
  private firstDigit = 16;
  private writing = false;
  private blockRows = 0;
  private file: FileHandle | null = null;
  private stretchBytes = 0;
  private stretchRows = 0;

  constructor(
    /** Where the files go. */
    private readonly directory: string,
    /** The ASCII code of the delimiter. */
    readonly delimiter: number,
    readonly columnCount: number,
  ) {}

  /**
   * Makes room for the next row and writes the number and the issue that begin it.
   *
   * @param size the most bytes that the cells may take
   * @returns where in `block` the cells belong
   */
  begin(size: number, issue = '', detail = ''): number {
    const prefix = issue === '' ? 0 : issue.length + Buffer.byteLength(detail) * 2 + 2;
    const needed = size + prefix + 32;
    if (this.block.length - this.used < needed) this.rotate(needed);
    if (!this.writing) this.count();
    const { block, digits, delimiter } = this;
    let at = this.used;
    for (let i = this.firstDigit; i < 16; i++) block[at++] = digits[i];
    block[at++] = delimiter;
    if (issue !== '') {
      at += block.write(issue, at, 'latin1');
      block[at++] = delimiter;
      block[at++] = QUOTE;
      at += block.write(detail.replaceAll('"', '""'), at, 'utf8');
      block[at++] = QUOTE;
    } else {
      block[at++] = delimiter;
    }
    block[at++] = delimiter;
    return at;
  }

  /** Ends the row that was begun; `at` is where its cells ended. A row that was begun and not ended is forgotten. */
  end(at: number): void {
    this.block[at++] = LF;
    const length = at - this.used;
    if (length > this.longestLine) this.longestLine = length;
    this.used = at;
    this.rows++;
    this.blockRows++;
    this.writing = false;
  }

  /** Writes a row of cells; missing ones are blank. */
  row(cells: readonly Uint8Array[], issue = '', detail = ''): void {
    let size = this.columnCount;
    for (const cell of cells) size += cell.length * 2 + 2;
    let at = this.begin(size, issue, detail);
    for (let i = 0; i < this.columnCount; i++) {
      if (i > 0) this.block[at++] = this.delimiter;
      if (i < cells.length) at = this.cell(cells[i], at);
    }
    if (issue !== '') this.issueRows++;
    this.end(at);
  }

  /** Writes the blocks that are full. */
  async flush(): Promise<void> {
    for (const { block, rows } of this.full) {
      await this.write(block, rows);
      if (block.buffer.byteLength === BLOCK_BYTES) this.spare = [Buffer.from(block.buffer)];
    }
    this.full = [];
  }

  /** Writes what is left and closes the file; there is at least one then. */
  async finish(): Promise<void> {
    await this.flush();
    if (this.used > 0 || this.paths.length === 0) await this.write(this.block.subarray(0, this.used), this.blockRows);
    this.used = 0;
    await this.close();
  }

  /** Closes the file as it is; harmless after `finish`. */
  async close(): Promise<void> {
    const { file } = this;
    this.file = null;
    await file?.close();
  }

  private async write(block: Buffer, rows: number): Promise<void> {
    if (this.file === null) {
      const path = join(this.directory, `${this.paths.length}.csv`);
      this.file = await open(path, 'wx');
      this.paths.push(path);
    }
    await this.file.writeFile(block);
    this.bytesWritten += block.length;
    this.stretchBytes += block.length;
    this.stretchRows += rows;
    if (this.stretchBytes < STRETCH_BYTES) return;
    if (this.stretchRows < STRETCH_ROWS) await this.close();
    this.stretchBytes = this.stretchRows = 0;
  }

  private cell(cell: Uint8Array, start: number): number {
    const { block } = this;
    const lines = cell.includes(LF) || cell.includes(CR);
    const quotes = cell.includes(QUOTE);
    if (lines) this.multiline = true;
    if (!lines && !quotes && !cell.includes(this.delimiter)) {
      block.set(cell, start);
      return start + cell.length;
    }
    let at = start;
    block[at++] = QUOTE;
    if (quotes) {
      for (let i = 0; i < cell.length; i++) {
        if (cell[i] === QUOTE) block[at++] = QUOTE;
        block[at++] = cell[i];
      }
    } else {
      block.set(cell, at);
      at += cell.length;
    }
    block[at++] = QUOTE;
    return at;
  }

  private rotate(needed: number): void {
    this.full.push({ block: this.block.subarray(0, this.used), rows: this.blockRows });
    this.blockRows = 0;
    this.block = (needed <= BLOCK_BYTES && this.spare.pop()) || Buffer.allocUnsafeSlow(Math.max(BLOCK_BYTES, needed));
    this.used = 0;
  }

  private count(): void {
    this.writing = true;
    let i = 15;
    while (this.digits[i] === 0x39) this.digits[i--] = 0x30;
    this.digits[i]++;
    if (i < this.firstDigit) this.firstDigit = i;
  }
}
