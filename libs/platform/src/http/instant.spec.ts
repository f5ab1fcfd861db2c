import { parseInstant } from './instant';

const iso = (text: string) => {
  const read = parseInstant(text);
  return read && [read.first.toISOString(), read.last.toISOString()];
};

describe('parseInstant', () => {
  it('takes a date as its whole day in UTC', () => {
    expect(iso('2026-02-28')).toEqual(['2026-02-28T00:00:00.000Z', '2026-02-28T23:59:59.999Z']);
  });

  it('takes a time with its zone', () => {
    expect(iso('2026-02-28T10:00:00+02:00')).toEqual(['2026-02-28T08:00:00.000Z', '2026-02-28T08:00:00.000Z']);
    expect(iso('2026-02-28T10:00Z')?.[0]).toBe('2026-02-28T10:00:00.000Z');
    expect(iso('2026-02-28T10:00:00.125Z')?.[0]).toBe('2026-02-28T10:00:00.125Z');
  });

  it.each([
    '',
    'now',
    '2026',
    '2026-2-3',
    '2026-13-01',
    '2026-02-30',
    '2026-02-30T10:00Z',
    '2026-02-28T25:00Z',
    '2026-02-28T10:00',
    '0000-01-01',
    '9999-12-31T23:59-12:00',
    '2026-02-28 10:00Z',
  ])('refuses %p', (text) => expect(parseInstant(text)).toBeNull());
});
