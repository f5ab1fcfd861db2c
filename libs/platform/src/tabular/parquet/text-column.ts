import { encodeIndices, encodePresence } from './encodings';

/** The texts of a column in one row group, as the bodies of Parquet's pages. */
export interface TextPages {
  /** The distinct texts, where `data` holds their numbers. */
  dictionary: Uint8Array | null;
  dictionarySize: number;
  data: Uint8Array;
  /** How many rows have no text. */
  nulls: number;
}

/** A column with more different texts in a row group, or with a longer one, is written without a dictionary from then on. */
const MAX_WORDS = 2048;
const MAX_WORD_BYTES = 256;
/** So is one whose texts are not found by their hash soon: somebody may have made the file so. */
const MAX_PROBES = 256;
/** A power of two, several times as many. */
const SLOTS = 8192;
const FIRST_BYTES = 4096;
const ROOM_FOR_LENGTHS = 16;
/** Copying longer texts byte by byte is slower than a call. */
const SHORT = 64;

/**
 * Gathers the texts of a column for one row group after another. As long as they repeat, each is kept once and numbered:
 * that makes small files, and DuckDB groups such a column by the numbers.
 */
export class TextColumn {
  private rows = 0;
  private readonly present: Uint8Array;
  private filled = 0;
  /** The texts one after another, before each its length in four bytes; with a dictionary the different ones only. */
  private texts: Buffer<ArrayBuffer>;
  private used: number;
  /** Free at the beginning of `texts`, for what stands before them in a page. */
  private readonly room: number;
  /** Not in use: large buffers that come and go make the garbage collection look at everything again and again. */
  private spare: Buffer<ArrayBuffer> | null = null;
  /** Of each text its number in the dictionary. */
  private indices: Uint16Array | null;
  /** Where the texts of the dictionary begin. */
  private starts: Uint32Array | null = new Uint32Array(MAX_WORDS);
  private words = 0;
  /** By the hash of a text: its number and one. */
  private slots: Uint16Array | null = new Uint16Array(SLOTS);

  constructor(maxRows: number) {
    this.room = Math.ceil(maxRows / 8) + ROOM_FOR_LENGTHS;
    this.texts = Buffer.allocUnsafeSlow(this.room + FIRST_BYTES);
    this.used = this.room;
    this.present = new Uint8Array(maxRows);
    this.indices = new Uint16Array(maxRows);
  }

  /** Adds the text of the next row; an empty one is none. */
  put(source: Uint8Array, from: number, to: number): void {
    const row = this.rows++;
    if (from === to) return;
    this.present[row] = 1;
    if (this.indices === null || !this.putWord(source, from, to)) this.append(source, from, to);
    this.filled++;
  }

  /** What was added since the last time. What it holds is for `giveBack` when it is not needed any more. */
  take(): TextPages {
    const { rows, filled, words, room, texts } = this;
    const nulls = rows - filled;
    const presence = encodePresence(this.present, rows, nulls);
    const length = Buffer.allocUnsafe(4);
    length.writeUInt32LE(presence.length);
    let pages: TextPages;
    if (this.indices !== null && words > 0) {
      const data = Buffer.concat([length, presence, encodeIndices(this.indices, filled, words)]);
      pages = { dictionary: Buffer.from(texts.subarray(room, this.used)), dictionarySize: words, data, nulls };
    } else {
      const start = room - presence.length - 4;
      texts.set(length, start);
      texts.set(presence, start + 4);
      pages = { dictionary: null, dictionarySize: 0, data: texts.subarray(start, this.used), nulls };
      this.texts = this.spare ?? Buffer.allocUnsafeSlow(texts.length);
      this.spare = null;
    }
    this.present.fill(0, 0, rows);
    this.slots?.fill(0);
    this.rows = this.filled = this.words = 0;
    this.used = room;
    return pages;
  }

  /** Takes the memory of pages back that are written. */
  giveBack({ dictionary, data }: TextPages): void {
    if (dictionary === null) this.spare = Buffer.from(data.buffer as ArrayBuffer);
  }

  /** Gives its memory back at once, not when garbage is collected: others need it next. Nothing can be added after it. */
  release(): void {
    for (const texts of [this.texts, this.spare]) if (texts && texts.length > 0) texts.buffer.transfer(0);
    this.spare = null;
  }

  private append(source: Uint8Array, from: number, to: number): void {
    const length = to - from;
    let at = this.used;
    this.used = at + 4 + length;
    if (this.used > this.texts.length) this.grow();
    const { texts } = this;
    texts[at++] = length;
    texts[at++] = length >>> 8;
    texts[at++] = length >>> 16;
    texts[at++] = length >>> 24;
    if (length > SHORT) texts.set(source.subarray(from, to), at);
    else for (let i = from; i < to; i++) texts[at++] = source[i];
  }

  private grow(): void {
    const larger = Buffer.allocUnsafeSlow(Math.ceil(this.used * 1.25));
    larger.set(this.texts);
    this.texts = larger;
  }

  /** Adds the text by its number. @returns false when the column has no dictionary any more */
  private putWord(source: Uint8Array, from: number, to: number): boolean {
    const length = to - from;
    if (length > MAX_WORD_BYTES) return this.leaveDictionary();
    const slots = this.slots!;
    const starts = this.starts!;
    const { texts } = this;
    let hash = length;
    for (let i = from; i < to; i++) hash = Math.imul(hash ^ source[i], 0x01000193);
    let slot = (hash ^ (hash >>> 15)) & (SLOTS - 1);
    let probes = 0;
    for (let number = slots[slot]; number !== 0; number = slots[slot]) {
      let at = starts[number - 1];
      // Words have less than 64 KiB.
      if ((texts[at] | (texts[at + 1] << 8)) === length) {
        at += 4;
        let i = from;
        while (i < to && texts[at] === source[i]) {
          i++;
          at++;
        }
        if (i === to) {
          this.indices![this.filled] = number - 1;
          return true;
        }
      }
      if (++probes === MAX_PROBES) return this.leaveDictionary();
      slot = (slot + 1) & (SLOTS - 1);
    }
    if (this.words === MAX_WORDS) return this.leaveDictionary();
    starts[this.words] = this.used;
    this.indices![this.filled] = this.words;
    slots[slot] = ++this.words;
    this.append(source, from, to);
    return true;
  }

  /** Writes out in full what was numbered. */
  private leaveDictionary(): false {
    const { filled, words, used } = this;
    const dictionary = this.texts;
    const indices = this.indices!;
    const starts = this.starts!;
    this.indices = this.starts = this.slots = null;
    this.texts = Buffer.allocUnsafeSlow(used * 2);
    this.used = this.room;
    for (let i = 0; i < filled; i++) {
      const number = indices[i];
      this.append(dictionary, starts[number] + 4, number + 1 < words ? starts[number + 1] : used);
    }
    this.words = 0;
    return false;
  }
}
