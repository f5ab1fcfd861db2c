import { endsOf, layOut, MAX_DAYS } from './contacts.statistics.days';

const counts = (...days: [string, number][]) => new Map(days);

describe('the timeline of statistics', () => {
  it('goes from the first day that has a count to the last, without gaps', () => {
    expect(layOut(counts(['2026-03-01', 2], ['2026-02-27', 1]))).toEqual({
      unit: 'day',
      entries: [
        ...[
          { date: '2026-02-27', count: 1 },
          { date: '2026-02-28', count: 0 },
        ],
        { date: '2026-03-01', count: 2 },
      ],
    });
    expect(layOut(counts())).toEqual({ unit: 'day', entries: [] });
  });

  it('goes over the days asked for, also where there is nothing', () => {
    const { entries } = layOut(counts(), '2026-01-31T23:00:00Z', '2026-02-02');
    expect(entries.map(({ date, count }) => [date, count])).toEqual([
      ...[
        ['2026-01-31', 0],
        ['2026-02-01', 0],
        ['2026-02-02', 0],
      ],
    ]);
    expect(layOut(counts(), '2026-02-02', '2026-02-01').entries).toEqual([]);
    expect(layOut(counts(), '2026-02-02').entries).toEqual([]);
    // The day of the instant in UTC.
    expect(layOut(counts(), '2026-02-01T00:30:00+02:00', '2026-01-31').entries).toEqual([
      { date: '2026-01-31', count: 0 },
    ]);
  });

  it('goes by months when the days are too many', () => {
    const whole = layOut(counts(['2024-01-01', 1], ['2024-12-31', 1]));
    expect([whole.unit, whole.entries.length]).toEqual(['day', MAX_DAYS]);
    const { unit, entries } = layOut(
      counts(['2023-12-31', 1], ['2024-02-01', 1], ['2024-02-29', 2], ['2024-12-31', 1]),
    );
    expect([unit, entries.length]).toEqual(['month', 13]);
    expect(entries.slice(0, 3)).toEqual([
      ...[
        { date: '2023-12', count: 1 },
        { date: '2024-01', count: 0 },
      ],
      { date: '2024-02', count: 3 },
    ]);
    expect(layOut(counts(), '1000-01-01', '9999-12-31')).toEqual({ unit: 'month', entries: [] });
    expect(layOut(counts(['2026-01-01', 1]), '1000-01-01', '9999-12-31').entries).toEqual([
      { date: '2026-01', count: 1 },
    ]);
  });

  it.each([
    ['2026-02-03', undefined, undefined, '2026-02-03', '2026-02-03'],
    ['2024-02', undefined, undefined, '2024-02-01', '2024-02-29'],
    ['2026-12', undefined, undefined, '2026-12-01', '2026-12-31'],
    ['2026-02-03', '2026-02-03T10:00:00Z', '2026-02-03T11:00:00Z', '2026-02-03T10:00:00Z', '2026-02-03T11:00:00Z'],
    ['2026-02-03', '2026-02-03', '2026-02-04T11:00:00Z', '2026-02-03', '2026-02-03'],
    ['2024-02', '2024-02-10', '2024-02-20', '2024-02-10', '2024-02-20'],
  ])('lists the entry %s within %s and %s', (date, from, to, createdFrom, createdTo) => {
    expect(endsOf(date, from, to)).toEqual({ createdFrom, createdTo });
  });
});
