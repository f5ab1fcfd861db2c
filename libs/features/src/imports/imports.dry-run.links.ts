import { grown } from './imports.value-table';

/** Bits that mark things, for each thing: the more, the fewer are mistaken for one another. */
const BITS_EACH = 32;
/** At most, in bytes. */
const MOST_MARKS = 32 * 1024 ** 2;

/** Finds the rows that have something in common with another row: two numbers for each thing of a row. */
export class Links {
  private rows: Uint32Array;
  private things: Float64Array;
  private count = 0;

  constructor(expected: number) {
    this.rows = new Uint32Array(Math.max(2 * expected, 16));
    this.things = new Float64Array(this.rows.length);
  }

  add(row: number, thing: number): void {
    if (this.count === this.rows.length) {
      this.rows = grown(this.rows);
      this.things = grown(this.things);
    }
    this.rows[this.count] = row;
    this.things[this.count++] = thing;
  }

  /** Rising. */
  linked(): Uint32Array {
    const likely = this.likely();
    const sorted = Float64Array.from(likely, (at) => this.things[at]).sort();
    const shared = new Set<number>();
    for (let at = 1; at < sorted.length; at++) if (sorted[at] === sorted[at - 1]) shared.add(sorted[at]);
    const linked = new Set<number>();
    for (const at of likely) if (shared.has(this.things[at])) linked.add(this.rows[at]);
    return Uint32Array.from(linked).sort();
  }

  /** Where things are that another one may equal: all that does, and some more. Spares sorting those that stand alone. */
  private likely(): Uint32Array {
    let bytes = 16;
    while (8 * bytes < BITS_EACH * this.count && bytes < MOST_MARKS) bytes *= 2;
    const [once, again] = [new Uint8Array(bytes), new Uint8Array(bytes)];
    const mask = 8 * bytes - 1;
    let found = 0;
    for (let at = 0; at < this.count; at++) {
      const place = this.things[at] & mask;
      const bit = 1 << (place & 7);
      if (once[place >>> 3] & bit) again[place >>> 3] |= bit;
      once[place >>> 3] |= bit;
    }
    const isLikely = (at: number) => {
      const place = this.things[at] & mask;
      return (again[place >>> 3] & (1 << (place & 7))) !== 0;
    };
    for (let at = 0; at < this.count; at++) if (isLikely(at)) found++;
    const likely = new Uint32Array(found);
    for (let at = 0, next = 0; at < this.count; at++) if (isLikely(at)) likely[next++] = at;
    return likely;
  }
}
