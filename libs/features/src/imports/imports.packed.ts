/** No value; ends a record; parts two columns. Values are checked to have no such characters, and what has them is read in another way. */
const NOTHING = 29;
const RECORD_END = 30;
const COLUMN_END = 31;

/** Records as bytes: each column in UTF-8, numbers as their digits. Looks at one record at a time. */
export class PackedRecords {
  private at = -1;

  private constructor(
    readonly bytes: Uint8Array,
    private readonly columns: number,
    readonly count: number,
    /** Where each column of each record ends; the next begins behind the character that parts them. */
    private readonly ends: Uint32Array,
  ) {}

  /** The SQL that makes one text of a record. */
  static textOf(columns: readonly string[]): string {
    const values = columns.map((column) => `COALESCE(${column}, CHAR(${NOTHING}))`);
    return `CONCAT(CONCAT_WS(CHAR(${COLUMN_END}), ${values.join(', ')}), CHAR(${RECORD_END}))`;
  }

  /** The texts of some records, one after another; null when they are not what they should be: cut off, or with such characters inside. */
  static of(bytes: Uint8Array, columns: number, count: number): PackedRecords | null {
    const ends = new Uint32Array(columns * count);
    let column = 0;
    let next = 0;
    for (let at = 0; at < bytes.length; at++) {
      const byte = bytes[at];
      if (byte !== RECORD_END && byte !== COLUMN_END) continue;
      column = column === columns - 1 ? 0 : column + 1;
      if ((byte === RECORD_END) !== (column === 0) || next === ends.length) return null;
      ends[next++] = at;
    }
    const isWhole = next === ends.length && (count === 0 ? 0 : ends[next - 1] + 1) === bytes.length;
    return isWhole ? new PackedRecords(bytes, columns, count, ends) : null;
  }

  /** The same of records that were read in another way. */
  static from(records: readonly (string | number | null)[][], columns: number): PackedRecords {
    const ends = new Uint32Array(columns * records.length);
    const parts: Buffer[] = [];
    let next = 0;
    let length = 0;
    for (const value of records.flat()) {
      const part = Buffer.from(`${value ?? String.fromCharCode(NOTHING)} `); // what parts columns is passed over
      parts.push(part);
      length += part.length;
      ends[next++] = length - 1;
    }
    return new PackedRecords(Buffer.concat(parts), columns, records.length, ends);
  }

  /** Goes on to the next record. @returns false at the end */
  next(): boolean {
    return ++this.at < this.count;
  }

  start(column: number): number {
    const index = this.at * this.columns + column;
    return index === 0 ? 0 : this.ends[index - 1] + 1;
  }

  end(column: number): number {
    return this.ends[this.at * this.columns + column];
  }

  number(column: number): number {
    let value = 0;
    for (let at = this.start(column), end = this.end(column); at < end; at++) value = value * 10 + this.bytes[at] - 48;
    return value;
  }

  /** The number of columns that a record has. */
  get width(): number {
    return this.columns;
  }
}

/** A value as packed records have it. */
export const packedText = (value: string | number | null): string =>
  value === null ? String.fromCharCode(NOTHING) : String(value);
