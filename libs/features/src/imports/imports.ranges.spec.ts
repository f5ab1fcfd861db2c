import { RowRanges } from './imports.ranges';

describe('sets of rows', () => {
  const read = (entries: (number | string)[], total = 100) => RowRanges.parse(entries, total);

  it('joins what overlaps or touches, in any order', () => {
    const rows = read(['9-12', 3, '4', '11-20', 1]) as RowRanges;
    expect(rows.ranges).toEqual([
      { first: 1, last: 1 },
      { first: 3, last: 4 },
      { first: 9, last: 20 },
    ]);
    expect(rows.count).toBe(15);
    const inside = Array.from({ length: 22 }, (_, row) => row).filter((row) => rows.has(row));
    expect(inside).toEqual([1, 3, 4, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]);
  });

  it('is empty without entries', () => {
    expect((read([]) as RowRanges).count).toBe(0);
    expect(RowRanges.none.has(1)).toBe(false);
  });

  it.each<[number | string, string]>([
    [0, 'row-range-invalid'],
    [-1, 'row-range-invalid'],
    [1.5, 'row-range-invalid'],
    ['', 'row-range-invalid'],
    ['9-5', 'row-range-invalid'],
    ['5 - 9', 'row-range-invalid'],
    ['0-4', 'row-range-invalid'],
    ['1e1', 'row-range-invalid'],
    [101, 'row-unknown'],
    ['99-101', 'row-unknown'],
    [1e300, 'row-range-invalid'],
  ])('refuses %p', (entry, code) => {
    expect(read([1, entry])).toMatchObject({ field: 'excludedRows.1', code });
  });
});
