/** Room for texts at first, for each: longer than most e-mail addresses. */
const BYTES_EACH = 32;
/** A place holds the number of a text, and above it some bits of its hash: most texts that are not there are known by them. */
const NUMBER_BITS = 20;
const NUMBER = 2 ** NUMBER_BITS - 1;

/**
 * Finds texts by their bytes in UTF-8: some twenty bytes for each beside its own, no object that would have to be collected, and no text
 * made of bytes that come from elsewhere.
 */
export class ValueTable {
  /** The hash of the text that was put in last. */
  hash = 0;
  private readonly places: Uint32Array;
  /** Where each text ends, by its number; the next one begins there. */
  private readonly ends: Uint32Array;
  private bytes: Buffer;
  private last = 0;

  /**
   * @param capacity how many numbers are given, at most 1,048,575
   * @param field texts have other hashes in another field
   */
  constructor(
    capacity: number,
    private readonly field: number,
  ) {
    if (capacity > NUMBER) throw new RangeError(`A table does not take ${capacity} texts.`);
    this.places = new Uint32Array(2 ** Math.ceil(Math.log2(2 * capacity + 2)));
    this.ends = new Uint32Array(capacity + 1);
    this.bytes = Buffer.alloc(BYTES_EACH * capacity);
  }

  /** What the texts take, in bytes. */
  get length(): number {
    return this.ends[this.last];
  }

  /**
   * Puts in a text.
   * @param number what it is named by: from 1, higher than those before
   * @returns the number under which the same text is there already, else the given one
   */
  add(number: number, text: string): number {
    const start = this.ends[this.last];
    while (this.last < number) this.ends[++this.last] = start;
    if (start + 3 * text.length > this.bytes.length) this.grow(start + 3 * text.length);
    // The text may be a part of a longer one, whose characters are slow to come by one by one.
    const end = start + this.bytes.write(text, start);
    this.hash = hashOf(this.bytes, start, end, this.field);
    const place = this.placeOf(this.hash, this.bytes, start, end);
    if (this.places[place] !== 0) return this.places[place] & NUMBER;
    this.places[place] = ((this.hash & ~NUMBER) | number) >>> 0;
    this.ends[number] = end;
    return number;
  }

  /** The number of a text; 0 when it is not there. */
  find(bytes: Uint8Array, start: number, end: number): number {
    return this.places[this.placeOf(hashOf(bytes, start, end, this.field), bytes, start, end)] & NUMBER;
  }

  /** All, rising: in the order of the index that they are looked up in. */
  texts(): string[] {
    const texts: string[] = [];
    for (let number = 1; number <= this.last; number++) {
      const [start, end] = [this.ends[number - 1], this.ends[number]];
      if (end > start) texts.push(this.bytes.toString('utf8', start, end));
    }
    return texts.sort();
  }

  /** The place of a text, or the free one where it belongs. */
  private placeOf(hash: number, bytes: Uint8Array, start: number, end: number): number {
    const mask = this.places.length - 1;
    const tag = (hash & ~NUMBER) >>> NUMBER_BITS;
    for (let place = hash & mask; ; place = (place + 1) & mask) {
      const held = this.places[place];
      if (held === 0 || (held >>> NUMBER_BITS === tag && this.is(held & NUMBER, bytes, start, end))) return place;
    }
  }

  private is(number: number, bytes: Uint8Array, start: number, end: number): boolean {
    const own = this.ends[number - 1];
    if (this.ends[number] - own !== end - start) return false;
    for (let at = start; at < end; at++) if (this.bytes[own + at - start] !== bytes[at]) return false;
    return true;
  }

  private grow(atLeast: number): void {
    const larger = Buffer.alloc(Math.max(2 * this.bytes.length, atLeast));
    this.bytes.copy(larger);
    this.bytes = larger;
  }
}

/** A number of 53 bits for some bytes, never 0. @param seed with another one the same bytes have another number */
export function hashOf(bytes: Uint8Array, start: number, end: number, seed: number): number {
  let high = 0xdeadbeef ^ seed;
  let low = 0x41c6ce57 ^ Math.floor(seed / 4_294_967_296);
  for (let at = start; at < end; at++) {
    high = Math.imul(high ^ bytes[at], 2654435761);
    low = Math.imul(low ^ bytes[at], 1597334677);
  }
  high = Math.imul(high ^ (high >>> 16), 2246822507) ^ Math.imul(low ^ (low >>> 13), 3266489909);
  low = Math.imul(low ^ (low >>> 16), 2246822507) ^ Math.imul(high ^ (high >>> 13), 3266489909);
  return (2_097_151 & low) * 4_294_967_296 + (high >>> 0) || 1;
}

/** A copy of at least twice the length. */
export function grown<T extends Uint8Array | Uint32Array | Float64Array>(array: T): T {
  const larger = new (array.constructor as new (length: number) => T)(2 * array.length);
  larger.set(array);
  return larger;
}
