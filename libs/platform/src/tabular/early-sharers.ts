import { randomInt } from 'node:crypto';
import type { SharingKey } from './later-sharers';

/** How many values are kept, of all columns together: 12 bytes each, and some of them twice for a while. */
const MAX_VALUES = 1_200_000;
/** For how many memory is taken at once. */
const CHUNK_VALUES = 8192;
const CHUNK = CHUNK_VALUES * 3;
/** Values that are compared with each other at once: few enough to stay near the processor. */
const TOGETHER = 1024;
/** A value that is not found after so many looks ends it: somebody may have made the file so. */
const MAX_PROBES = 512;

/** By a byte of a plain e-mail address: what it is compared as. 0 stands for every other byte. */
const MAIL = new Uint8Array(256);
for (const sign of 'abcdefghijklmnopqrstuvwxyz0123456789@._+-') {
  MAIL[sign.charCodeAt(0)] = MAIL[sign.toUpperCase().charCodeAt(0)] = sign.charCodeAt(0);
}
/** What may stand between the digits of a plain number. */
const BETWEEN = new Uint8Array(256);
for (const sign of '+ ()./-') BETWEEN[sign.charCodeAt(0)] = 1;
const SPACE = 0x20;
const ZERO = 0x30;
const AT = 0x40;
const SEVEN_DIGITS = 10 ** 7;
/** More than 19 digits are no phone number. */
const MAX_DIGITS = 19;

/** Rows that share the value of one column with an earlier row, rising. */
export interface ColumnSharers {
  fold: SharingKey['fold'];
  rows: Uint32Array;
  /** How many rows have a value. */
  filled: number;
  /** Whether a value begins or ends with a space. */
  edges: boolean;
}

/** What the columns of one table may take together. */
export class SharersMemory {
  values = MAX_VALUES;
}

/**
 * Finds the rows of one column that share its value with an earlier row, while the column is written: as `findLaterSharers`
 * does, as long as every value is a plain address, or every value a plain number of eight digits or more. The first value tells
 * which. Anything else ends it, and then nothing is known.
 */
export class EarlySharers {
  private fold: SharingKey['fold'] | null = null;
  private edges = false;
  private ended = false;
  /** Of each value two numbers, which tell it from others, and its row. */
  private chunks: Int32Array[] = [];
  private last = new Int32Array(0);
  /** Numbers in the last one. */
  private used = 0;
  private readonly seed = randomInt(1, 2 ** 31);

  constructor(private readonly memory: SharersMemory) {}

  /** @param row rises from call to call */
  add(row: number, source: Uint8Array, from: number, to: number): void {
    if (this.ended || from === to) return;
    this.fold ??= source.subarray(from, to).includes(AT) ? 'text' : 'digits';
    if (this.fold === 'text') this.addMail(row, source, from, to);
    else this.addNumber(row, source, from, to);
  }

  /** What was found; null when it is not known. Nothing can be added after it. */
  take(): ColumnSharers | null {
    const filled = this.filled;
    const rows = this.ended || this.fold === null ? null : this.sharing();
    this.end();
    return rows && { fold: this.fold!, rows, filled, edges: this.edges };
  }

  private addMail(row: number, source: Uint8Array, from: number, to: number): void {
    let one = this.seed;
    let other = to - from;
    for (let i = from; i < to; i++) {
      const byte = MAIL[source[i]];
      if (byte === 0) return this.end();
      one = Math.imul(one ^ byte, 0x01000193);
      other = Math.imul(other, 0x5bd1e995) + byte;
    }
    this.keep(one, other, row);
  }

  /** The last eight digits; zeros before the number do not count. */
  private addNumber(row: number, source: Uint8Array, from: number, to: number): void {
    let number = 0;
    let digits = 0;
    for (let i = from; i < to; i++) {
      const byte = source[i];
      const digit = byte - ZERO;
      if (digit >= 0 && digit <= 9) {
        if (digits > 0 || digit > 0) digits++;
        number = (number < SEVEN_DIGITS ? number : number % SEVEN_DIGITS) * 10 + digit;
      } else if (BETWEEN[byte] === 0) return this.end();
    }
    if (digits < 8 || digits > MAX_DIGITS) return this.end();
    if (source[from] === SPACE || source[to - 1] === SPACE) this.edges = true;
    this.keep(number, 0, row);
  }

  private keep(one: number, other: number, row: number): void {
    if (this.used === this.last.length && !this.grow()) return this.end();
    const { last } = this;
    last[this.used++] = one;
    last[this.used++] = other;
    last[this.used++] = row;
  }

  private grow(): boolean {
    if (this.memory.values < CHUNK_VALUES) return false;
    this.memory.values -= CHUNK_VALUES;
    this.chunks.push((this.last = new Int32Array(CHUNK)));
    this.used = 0;
    return true;
  }

  private get filled(): number {
    return this.chunks.length === 0 ? 0 : (this.chunks.length - 1) * CHUNK_VALUES + this.used / 3;
  }

  private end(): void {
    this.ended = true;
    this.memory.values += this.chunks.length * CHUNK_VALUES;
    this.chunks = [];
    this.last = new Int32Array(0);
    this.used = 0;
  }

  private sharing(): Uint32Array | null {
    const shift = 32 - Math.ceil(Math.log2(Math.max(2, this.filled / TOGETHER)));
    const { parted, ends } = this.part(shift);
    const found: number[] = [];
    let start = 0;
    for (const end of ends) {
      if (!addSharing(parted.subarray(start, end), found)) return null;
      start = end;
    }
    return Uint32Array.from(found).sort();
  }

  /** Puts together what can be the same, in the order of rows. */
  private part(shift: number): { parted: Int32Array; ends: Uint32Array } {
    const { chunks, last, used } = this;
    const ends = new Uint32Array(2 ** (32 - shift));
    for (const chunk of chunks) {
      const end = chunk === last ? used : CHUNK;
      for (let i = 0; i < end; i += 3) ends[mix(chunk[i], chunk[i + 1]) >>> shift] += 3;
    }
    for (let part = 0, sum = 0; part < ends.length; part++) {
      const size = ends[part];
      ends[part] = sum;
      sum += size;
    }
    const parted = new Int32Array(this.filled * 3);
    for (const chunk of chunks) {
      const end = chunk === last ? used : CHUNK;
      for (let i = 0; i < end; i += 3) {
        const part = mix(chunk[i], chunk[i + 1]) >>> shift;
        const at = ends[part];
        parted[at] = chunk[i];
        parted[at + 1] = chunk[i + 1];
        parted[at + 2] = chunk[i + 2];
        ends[part] = at + 3; // where its next one belongs, and at last its end
      }
    }
    return { parted, ends };
  }
}

/** @returns false when it was given up */
function addSharing(entries: Int32Array, found: number[]): boolean {
  const places = 2 ** Math.ceil(Math.log2(Math.max(2, entries.length)));
  const table = new Int32Array(places);
  for (let i = 0; i < entries.length; i += 3) {
    let place = mix(entries[i], entries[i + 1]) & (places - 1);
    let probes = 0;
    for (let known = table[place]; known !== 0; known = table[place]) {
      if (entries[known - 1] === entries[i] && entries[known] === entries[i + 1]) break;
      if (++probes > MAX_PROBES) return false;
      place = (place + 1) & (places - 1);
    }
    if (table[place] === 0) table[place] = i + 1;
    else found.push(entries[i + 2]);
  }
  return true;
}

/** Spreads two numbers over 32 bits. */
function mix(one: number, other: number): number {
  let mixed = Math.imul(one ^ (other >>> 16) ^ (other << 7), 0x85ebca6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}
