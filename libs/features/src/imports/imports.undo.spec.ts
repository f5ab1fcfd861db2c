import { planUndo, walkBack } from './imports.undo';

const changes = (...versions: number[]) => versions.map((versionAfter) => ({ versionAfter }));

describe('walking back', () => {
  it('takes back all changes of a record that nobody else changed', () => {
    expect(walkBack(changes(2, 3, 4), 4)).toEqual({ from: 0, version: 1 });
    expect(walkBack([], 1)).toEqual({ from: 0, version: 1 });
  });

  it('stops at what somebody else changed', () => {
    expect(walkBack(changes(2, 3), 4)).toEqual({ from: 2, version: 4 });
    expect(walkBack(changes(2, 4, 5), 5)).toEqual({ from: 1, version: 3 });
  });

  it('takes rows together that came in one write', () => {
    expect(walkBack(changes(2, 3, 3), 3)).toEqual({ from: 0, version: 1 });
  });

  it('sees through changes that were undone', () => {
    // Version 3 was undone as 4: that is 2 again.
    expect(walkBack(changes(2), 4, new Map([[4, 2]]))).toEqual({ from: 0, version: 1 });
    // Twice over, and between two changes of the import itself.
    const restores = new Map([...[[4, 2] as const], [7, 4]] as [number, number][]);
    expect(walkBack(changes(2, 8), 8, restores)).toEqual({ from: 0, version: 1 });
  });
});

describe('planning an undo', () => {
  it('deletes first, in any order, and restores after that, from the end of the file', () => {
    const chunks = planUndo(7, 3, { first: 2, last: 5_002 }, { first: 10, last: 3_009 });
    expect(chunks.map(({ seq, kind, firstRow, lastRow }) => [seq, kind, firstRow, lastRow])).toEqual([
      [4, 'delete', 2, 5_001],
      [5, 'delete', 5_002, 5_002],
      [6, 'restore', 1_010, 3_009],
      [7, 'restore', 10, 1_009],
    ]);
    expect(planUndo(7, 3, null, null)).toEqual([]);
  });
});
