import { readFile, writeFile } from 'node:fs/promises';

/** What a duplicate meets: a stored record, or an earlier row of the file. */
export type Holder = { of: 'store'; recordId: number } | { of: 'file'; row: number };

/** How rows are filtered. */
export type FlagFilter = 'valid' | 'invalid' | 'duplicates';

/** What says of which state of an import the flags are. */
export interface FlagsHead {
  fingerprint: string;
  /** Milliseconds since 1970. */
  computedAt: number;
  totalRows: number;
}

const BITS = Uint8Array.from({ length: 256 }, (_, byte) => byte.toString(2).replaceAll('0', '').length);
/** The head of a file is JSON, padded to this length in bytes. */
const HEAD_BYTES = 1024;

/**
 * Which rows of a file are invalid and which are duplicates, in little room: one bit for each row, twelve bytes for each duplicate.
 */
export class PreviewFlags {
  constructor(
    readonly head: FlagsHead,
    /** Bit `row - 1` is set for a row that does not pass the checks. */
    private readonly invalidBits: Uint8Array,
    /** The rows that are duplicates, rising. */
    private readonly duplicates: Uint32Array,
    /** What each of them meets: the id of a record, or an earlier row as a negative number. */
    private readonly holders: Float64Array,
  ) {}

  private readonly invalid = this.invalidBits.reduce((sum, byte) => sum + BITS[byte], 0);

  count(filter: FlagFilter): number {
    if (filter === 'duplicates') return this.duplicates.length;
    return filter === 'invalid' ? this.invalid : this.head.totalRows - this.invalid;
  }

  isInvalid(row: number): boolean {
    return (this.invalidBits[(row - 1) >>> 3] & (1 << ((row - 1) & 7))) !== 0;
  }

  /** What a row meets; null for one that is no duplicate. */
  holderOf(row: number): Holder | null {
    const index = indexOf(this.duplicates, row);
    if (index < 0) return null;
    const holder = this.holders[index];
    return holder < 0 ? { of: 'file', row: -holder } : { of: 'store', recordId: holder };
  }

  /** Rows by position among those that the filter leaves: `offset` of them are passed over. */
  rowsAt(filter: FlagFilter, offset: number, limit: number): number[] {
    if (filter === 'duplicates') return [...this.duplicates.subarray(offset, offset + limit)];
    const flip = filter === 'valid' ? 0xff : 0;
    const rows: number[] = [];
    let passed = 0;
    for (let index = 0; index < this.invalidBits.length && rows.length < limit; index++) {
      const byte = this.invalidBits[index] ^ flip;
      if (passed + BITS[byte] <= offset) {
        passed += BITS[byte];
        continue;
      }
      for (let bit = 0; bit < 8 && rows.length < limit; bit++) {
        if (!(byte & (1 << bit))) continue;
        const row = index * 8 + bit + 1;
        if (row > this.head.totalRows) break;
        if (passed++ >= offset) rows.push(row);
      }
    }
    return rows;
  }

  async write(path: string): Promise<void> {
    const head = Buffer.alloc(HEAD_BYTES, ' ');
    head.write(JSON.stringify({ ...this.head, duplicates: this.duplicates.length }));
    await writeFile(path, [head, bytesOf(this.invalidBits), bytesOf(this.duplicates), bytesOf(this.holders)], {
      mode: 0o600,
    });
  }

  static async read(path: string): Promise<PreviewFlags> {
    const bytes = await readFile(path);
    const { duplicates, ...head } = JSON.parse(bytes.toString('utf8', 0, HEAD_BYTES)) as FlagsHead & {
      duplicates: number;
    };
    // Copies: what is read begins anywhere, and numbers must begin at a multiple of their size.
    const part = (start: number, length: number) => Uint8Array.from(bytes.subarray(start, start + length));
    const bits = Math.ceil(head.totalRows / 8);
    const rows = part(HEAD_BYTES + bits, 4 * duplicates);
    const holders = part(HEAD_BYTES + bits + 4 * duplicates, 8 * duplicates);
    return new PreviewFlags(
      head,
      part(HEAD_BYTES, bits),
      new Uint32Array(rows.buffer, 0, duplicates),
      new Float64Array(holders.buffer, 0, duplicates),
    );
  }
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Uint8Array | Uint32Array | Float64Array) =>
  Buffer.from(buffer, byteOffset, byteLength);

/** Where a value is in a list that rises; -1 where it is not. */
export function indexOf(rising: Uint32Array, value: number): number {
  let low = 0;
  let high = rising.length - 1;
  while (low <= high) {
    const middle = (low + high) >>> 1;
    if (rising[middle] === value) return middle;
    if (rising[middle] < value) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
}

/** Collects what is found out about the rows of a file, and then tells which are duplicates of earlier ones. */
export class FlagsBuilder {
  private readonly invalidBits: Uint8Array;
  /** For each way in which rows are told apart, a number for the value of each row, 0 where it has none. */
  private readonly keys: Float64Array[];
  private readonly stored = new Map<number, { fields: boolean[]; recordId: number }>();

  /** @param ways in how many ways rows are told apart, such as by e-mail and by phone; the first that meets something counts */
  constructor(
    private readonly totalRows: number,
    ways = 2,
  ) {
    this.invalidBits = new Uint8Array(Math.ceil(totalRows / 8));
    this.keys = Array.from({ length: ways }, () => new Float64Array(totalRows));
  }

  /** A row that does not pass the checks. */
  addInvalid(row: number): void {
    this.invalidBits[(row - 1) >>> 3] |= 1 << ((row - 1) & 7);
  }

  /** A row that passes the checks, with its values, and who in the store holds them. */
  addValid(row: number, values: readonly (string | null)[], holders: readonly (number | null)[]): void {
    values.forEach((value, field) => {
      if (value !== null) this.keys[field][row - 1] = keyOf(value, field);
    });
    const recordId = holders.find((holder) => holder !== null);
    if (recordId !== undefined) this.stored.set(row, { fields: holders.map((holder) => holder !== null), recordId });
  }

  /** Of some rows and those that have a value in common with another one: all, rising. @param way of which value */
  sharingAlso(rows: Uint32Array, way: number): Uint32Array {
    const keys = this.keys[way];
    const sorted = keys.toSorted();
    const shared = new Set<number>();
    for (let at = 1; at < sorted.length; at++) {
      if (sorted[at] !== 0 && sorted[at] === sorted[at - 1]) shared.add(sorted[at]);
    }
    const all = new Set(rows);
    for (let at = 0; at < keys.length; at++) if (shared.has(keys[at])) all.add(at + 1);
    return Uint32Array.from(all).sort();
  }

  /**
   * Goes through the rows as the import does, in their order: a row that is invalid or a duplicate holds nothing, so that of two rows
   * with one value the first that makes a record has it.
   * @param sharing the rows that may share a value with an earlier one, rising; no other row is a duplicate within the file
   */
  build(head: Omit<FlagsHead, 'totalRows'>, sharing: Uint32Array): PreviewFlags {
    const wanted = new KeyTable(sharing.length * this.keys.length);
    for (const row of sharing) for (const keys of this.keys) if (keys[row - 1] !== 0) wanted.put(keys[row - 1], 0);
    const duplicates: number[] = [];
    const holders: number[] = [];
    let next = 0;
    for (let row = 1; row <= this.totalRows; row++) {
      const mayShare = sharing[next] === row;
      if (mayShare) next++;
      const holder = this.holderOf(row, mayShare ? wanted : null);
      if (holder !== 0) {
        duplicates.push(row);
        holders.push(holder);
        continue;
      }
      for (const keys of this.keys) {
        const key = keys[row - 1];
        if (key !== 0 && wanted.get(key) === 0) wanted.put(key, row);
      }
    }
    const { totalRows } = this;
    return new PreviewFlags(
      { ...head, totalRows },
      this.invalidBits,
      Uint32Array.from(duplicates),
      Float64Array.from(holders),
    );
  }

  /** A record's id, an earlier row as a negative number, or 0. */
  private holderOf(row: number, wanted: KeyTable | null): number {
    const stored = this.stored.get(row);
    for (const [field, keys] of this.keys.entries()) {
      if (stored?.fields[field]) return stored.recordId;
      const earlier = wanted && keys[row - 1] !== 0 ? wanted.get(keys[row - 1]) : 0;
      if (earlier) return -earlier;
    }
    return 0;
  }
}

/** A table from numbers (not 0) to rows, without an object for each: twelve bytes a place, half of the places free. */
class KeyTable {
  private readonly mask: number;
  private readonly keys: Float64Array;
  private readonly rows: Uint32Array;

  constructor(entries: number) {
    const places = 2 ** Math.ceil(Math.log2(Math.max(entries, 1) * 2));
    this.mask = places - 1;
    this.keys = new Float64Array(places);
    this.rows = new Uint32Array(places);
  }

  put(key: number, row: number): void {
    const place = this.placeOf(key);
    this.keys[place] = key;
    this.rows[place] = row;
  }

  /** Undefined for a key that was never put. */
  get(key: number): number | undefined {
    const place = this.placeOf(key);
    return this.keys[place] === key ? this.rows[place] : undefined;
  }

  private placeOf(key: number): number {
    let place = (key % 0x7fffffff) & this.mask;
    while (this.keys[place] !== 0 && this.keys[place] !== key) place = (place + 1) & this.mask;
    return place;
  }
}

/** A number of 53 bits for a value of a field, never 0: that two of millions share one is less likely than one in a thousand. */
export function keyOf(value: string, field: number): number {
  let high = 0xdeadbeef ^ field;
  let low = 0x41c6ce57 ^ field;
  for (let index = 0; index < value.length; index++) {
    const unit = value.charCodeAt(index);
    high = Math.imul(high ^ unit, 2654435761);
    low = Math.imul(low ^ unit, 1597334677);
  }
  high = Math.imul(high ^ (high >>> 16), 2246822507) ^ Math.imul(low ^ (low >>> 13), 3266489909);
  low = Math.imul(low ^ (low >>> 16), 2246822507) ^ Math.imul(high ^ (high >>> 13), 3266489909);
  return (2_097_151 & low) * 4_294_967_296 + (high >>> 0) || 1;
}
