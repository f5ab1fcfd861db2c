import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FlagsBuilder, PreviewFlags } from './imports.preview.flags';

const HEAD = { fingerprint: 'f', computedAt: 1 };

describe('flags of a preview', () => {
  it('finds the rows of a filter by their position', () => {
    const builder = new FlagsBuilder(1_003);
    const invalid: number[] = [];
    for (let row = 1; row <= 1_003; row++) {
      if (row % 7 === 0 || row > 1_000) {
        builder.addInvalid(row);
        invalid.push(row);
      } else builder.addValid(row, [null, null], [row % 100 === 0 ? row * 10 : null, null]);
    }
    const flags = builder.build(HEAD, new Uint32Array());
    const valid = Array.from({ length: 1_003 }, (_, index) => index + 1).filter((row) => !invalid.includes(row));
    expect([flags.count('invalid'), flags.count('valid')]).toEqual([invalid.length, valid.length]);
    for (const [offset, limit] of [
      [0, 10],
      [5, 100],
      [100, 50],
      [invalid.length - 3, 10],
      [5_000, 10],
    ]) {
      expect(flags.rowsAt('invalid', offset, limit)).toEqual(invalid.slice(offset, offset + limit));
      expect(flags.rowsAt('valid', offset, limit)).toEqual(valid.slice(offset, offset + limit));
    }
    const duplicates = valid.filter((row) => row % 100 === 0);
    expect(flags.rowsAt('duplicates', 0, 100)).toEqual(duplicates);
    expect(flags.holderOf(100)).toEqual({ of: 'store', recordId: 1_000 });
    expect([flags.isInvalid(7), flags.isInvalid(8), flags.holderOf(8)]).toEqual([true, false, null]);
  });

  it('lets the first row that makes a record hold its values, and no other', () => {
    const builder = new FlagsBuilder(7);
    builder.addValid(1, ['a', '1'], [null, null]);
    builder.addValid(2, ['a', '2'], [null, null]); // shares with row 1
    builder.addValid(3, ['c', '2'], [null, null]); // free: row 2 makes no record
    builder.addInvalid(4);
    builder.addValid(5, ['c', '1'], [null, 77]); // the e-mail comes first
    builder.addValid(6, ['f', '6'], [66, null]);
    builder.addValid(7, [null, '6'], [null, null]); // free: row 6 makes no record
    const flags = builder.build(HEAD, Uint32Array.of(2, 3, 5, 7));
    expect([1, 2, 3, 4, 5, 6, 7].map((row) => flags.holderOf(row))).toEqual([
      null,
      { of: 'file', row: 1 },
      null,
      null,
      { of: 'file', row: 3 },
      { of: 'store', recordId: 66 },
      null,
    ]);
  });

  it('tells rows apart in the ways that it is given, by the first first', () => {
    const builder = new FlagsBuilder(5, 3);
    builder.addValid(1, ['k', 'a', null], [null, null, null]);
    builder.addValid(2, ['k', 'b', null], [null, 22, null]); // shares the key with row 1
    builder.addValid(3, ['l', 'c', null], [null, 33, null]);
    builder.addValid(4, ['l', 'd', null], [null, null, null]); // free: row 3 makes no record
    builder.addValid(5, [null, 'a', null], [null, null, null]);
    const sharing = builder.sharingAlso(Uint32Array.of(5), 0);
    expect([...sharing]).toEqual([1, 2, 3, 4, 5]);
    const flags = builder.build(HEAD, sharing);
    expect([1, 2, 3, 4, 5].map((row) => flags.holderOf(row))).toEqual([
      null,
      { of: 'file', row: 1 },
      { of: 'store', recordId: 33 },
      null,
      { of: 'file', row: 1 },
    ]);
  });

  it('reads back what it wrote', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'flags-'));
    try {
      const builder = new FlagsBuilder(11);
      builder.addInvalid(11);
      builder.addValid(3, ['x', null], [9_007_199_254_740_991, null]);
      builder.addValid(4, ['y', null], [null, null]);
      builder.addValid(5, ['y', null], [null, null]);
      const flags = builder.build(HEAD, Uint32Array.of(5));
      await flags.write(join(directory, 'flags'));
      const read = await PreviewFlags.read(join(directory, 'flags'));
      expect(read.head).toEqual({ ...HEAD, totalRows: 11 });
      expect(read.rowsAt('invalid', 0, 10)).toEqual([11]);
      expect(read.rowsAt('duplicates', 0, 10)).toEqual([3, 5]);
      expect(read.holderOf(3)).toEqual({ of: 'store', recordId: 9_007_199_254_740_991 });
      expect(read.holderOf(5)).toEqual({ of: 'file', row: 4 });
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
