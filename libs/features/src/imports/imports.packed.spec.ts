import { PackedRecords } from './imports.packed';
import { hashOf, ValueTable } from './imports.value-table';

describe('packed records', () => {
  const text = '7\x1fannä@example.com\x1f\x1d\x1e12\x1fb\x1fc\x1e';
  const shown = (records: PackedRecords | null) => {
    const all: unknown[] = [];
    while (records?.next()) {
      const texts = [1, 2].map((column) =>
        Buffer.from(records.bytes).toString('utf8', records.start(column), records.end(column)),
      );
      all.push([records.number(0), ...texts]);
    }
    return all;
  };

  it('are what their text says, and the same from lists', () => {
    const due = [
      [7, 'annä@example.com', '\x1d'],
      [12, 'b', 'c'],
    ];
    expect(shown(PackedRecords.of(Buffer.from(text), 3, 2))).toEqual(due);
    const lists = [
      [7, 'annä@example.com', null],
      [12, 'b', 'c'],
    ];
    expect(shown(PackedRecords.from(lists, 3))).toEqual(due);
    expect(PackedRecords.of(new Uint8Array(), 3, 0)?.count).toBe(0);
  });

  it.each([
    ['is cut off', text.slice(0, -1), 2],
    ['is cut off behind a record', text.slice(0, text.indexOf('\x1e') + 1), 2],
    ['has a value with such a character', text.replace('b', 'b\x1f'), 2],
    ['has a value that looks like the end of a record', text.replace('b', 'b\x1e'), 2],
    ['has more records than were counted', text, 1],
  ])('are not taken from a text that %s', (_, bad, count) => {
    expect(PackedRecords.of(Buffer.from(bad), 3, count)).toBeNull();
  });
});

describe('a table of values', () => {
  it('finds what was put in by its first number, and nothing else', () => {
    const table = new ValueTable(2_000, 0);
    const texts = Array.from({ length: 1_000 }, (_, n) => (n % 3 ? `p${n}@example.com` : `日本${n}`.repeat(20)));
    const numbers = texts.map((each, n) => table.add(2 * n + 1, each));
    expect(numbers).toEqual(texts.map((_, n) => 2 * n + 1));
    expect(table.add(2_000, texts[4])).toBe(9);
    const find = (each: string) => table.find(Buffer.from(`x${each}x`), 1, Buffer.byteLength(each) + 1);
    expect(texts.map(find)).toEqual(numbers);
    expect(['', 'p1@example.co', 'p1@example.comm', 'q1@example.com'].map(find)).toEqual([0, 0, 0, 0]);
    expect(table.texts()).toEqual(texts.toSorted());
    expect(() => new ValueTable(2 ** 20, 0)).toThrow(RangeError);
  });

  it('hashes the same bytes in another way with another seed', () => {
    const bytes = Buffer.from('a@example.com');
    const hashes = [0, 1, 2 ** 40, 2 ** 40 + 1].map((seed) => hashOf(bytes, 0, bytes.length, seed));
    expect(new Set(hashes).size).toBe(4);
    expect(hashes.every((each) => Number.isSafeInteger(each) && each > 0)).toBe(true);
  });
});
