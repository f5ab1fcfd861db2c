import type { FileHandle } from 'node:fs/promises';

/** What is wrong with the form of a row; the row is kept and carries it. */
export type RowIssue = 'too-long' | 'encoding-invalid' | 'quote-malformed' | 'column-count';

const BLOCK_BYTES = 1 << 20;
const QUOTE = 0x22;
const LF = 0x0a;
const CR = 0x0d;

/**
 * Writes the one dialect that the loader reads: UTF-8 lines `_row,_issue,_detail,c1,…,cn`, each ended by one line feed, a
 * cell in quotes where it needs them and every quote inside doubled. Rows are numbered from 1 as they come.
 *
 * Filled blocks stay in memory until `flush`.
 */
export class CanonicalWriter {
  rows = 0;
  issueRows = 0;
  /** Bytes of the longest line. */
  longestLine = 0;
  bytesWritten = 0;
  /** Whether some cell holds a line end, so that the lines of the file are not its rows. */
  multiline = false;

  /** The block under work; a caller may write rows into it by hand, between `begin` and `end`. */
  block: Buffer = Buffer.allocUnsafeSlow(BLOCK_BYTES);
  private used = 0;
  private full: Buffer[] = [];
  private spare: Buffer[] = [];
  private readonly digits = new Uint8Array(16).fill(0x30);
  private firstDigit = 16;
  private writing = false;

  constructor(
    private readonly file: FileHandle,
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

  /** Writes what is complete to the file. @param all the block under work too */
  async flush(all = false): Promise<void> {
    for (const block of this.full) {
      await this.file.writeFile(block);
      this.bytesWritten += block.length;
      if (block.buffer.byteLength === BLOCK_BYTES) this.spare = [Buffer.from(block.buffer)];
    }
    this.full = [];
    if (all && this.used > 0) {
      await this.file.writeFile(this.block.subarray(0, this.used));
      this.bytesWritten += this.used;
      this.used = 0;
    }
  }

  private cell(cell: Uint8Array, start: number): number {
    const { block } = this;
    let at = start;
    block[at++] = QUOTE;
    let quote = false;
    for (const byte of cell) {
      if (byte === QUOTE) {
        block[at++] = QUOTE;
        quote = true;
      } else if (byte === LF || byte === CR) {
        this.multiline = quote = true;
      } else if (byte === this.delimiter) {
        quote = true;
      }
      block[at++] = byte;
    }
    if (quote) {
      block[at++] = QUOTE;
      return at;
    }
    block.copyWithin(start, start + 1, at);
    return at - 1;
  }

  private rotate(needed: number): void {
    this.full.push(this.block.subarray(0, this.used));
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
