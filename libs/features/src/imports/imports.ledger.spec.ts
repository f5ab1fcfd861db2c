import { countsOf, RowOutcome, toEntries } from './imports.ledger';

const created = (row: number): RowOutcome => ({ row, outcome: 'created', recordId: 100 + row, errors: null });
const rejected = (row: number, code: string): RowOutcome => ({
  row,
  outcome: 'rejected',
  recordId: null,
  errors: [{ field: 'email', code, message: code }],
});

describe('the ledger', () => {
  it('joins neighbours that fared alike, and keeps each run covering its rows exactly', () => {
    const rows = [created(1), created(2), rejected(3, 'a'), rejected(4, 'a'), rejected(5, 'b'), created(6), created(8)];
    expect(toEntries(7, rows)).toEqual([
      { importId: 7, firstRow: 1, lastRow: 2, outcome: 'created', recordId: 101, errors: null },
      { importId: 7, firstRow: 3, lastRow: 4, outcome: 'rejected', recordId: null, errors: rejected(3, 'a').errors },
      { importId: 7, firstRow: 5, lastRow: 5, outcome: 'rejected', recordId: null, errors: rejected(5, 'b').errors },
      { importId: 7, firstRow: 6, lastRow: 6, outcome: 'created', recordId: 106, errors: null },
      { importId: 7, firstRow: 8, lastRow: 8, outcome: 'created', recordId: 108, errors: null },
    ]);
  });

  it('never joins rows whose records do not follow each other', () => {
    const rows: RowOutcome[] = [
      { row: 1, outcome: 'skipped', recordId: 5, errors: null },
      { row: 2, outcome: 'skipped', recordId: 5, errors: null },
      { row: 3, outcome: 'skipped', recordId: 6, errors: null },
    ];
    expect(toEntries(1, rows).map(({ firstRow, recordId }) => [firstRow, recordId])).toEqual([
      [1, 5],
      [2, 5],
    ]);
  });

  it('counts rows, not entries', () => {
    const entries = toEntries(1, [created(1), created(2), rejected(3, 'a'), created(4)]);
    expect(countsOf(entries)).toMatchObject({ created: 3, rejected: 1, skipped: 0 });
  });
});
