import { parseBirthDate, parseDate } from './date';

describe('parseDate', () => {
  it.each([
    ['1990-04-05', '1990-04-05'],
    ['1990-4-5', '1990-04-05'],
    ['1990/04/05', '1990-04-05'],
    ['1990-04-05T23:30:00.000Z', '1990-04-05'],
    ['1990-04-05 00:00:00', '1990-04-05'],
    ['4/5/1990', '1990-04-05'],
    ['4/5/1990 12:00 AM', '1990-04-05'],
    ['25/4/1990', '1990-04-25'],
    ['5.4.1990', '1990-04-05'],
    ['05-Apr-1990', '1990-04-05'],
    ['5 April 1990', '1990-04-05'],
    ['Apr 5, 1990', '1990-04-05'],
    ['April 5th, 1990', '1990-04-05'],
    ['Sept 1, 2001', '2001-09-01'],
    ['29-FEB-2000', '2000-02-29'],
    [' 1990-04-05 ', '1990-04-05'],
  ])('reads %s', (raw, value) => {
    expect(parseDate(raw)).toEqual({ value });
  });

  it.each([
    ['4/5/1990', { region: 'US' }, '1990-04-05'],
    ['4/5/1990', { region: 'DE' }, '1990-05-04'],
    ['4-5-1990', { region: 'GB' }, '1990-05-04'],
    ['4/25/1990', { region: 'DE' }, '1990-04-25'],
    ['4/5/1990', { region: 'DE', dayFirst: false }, '1990-04-05'],
    ['4.5.1990', { region: 'US' }, '1990-05-04'],
    ['5/5/1990', { region: 'DE' }, '1990-05-05'],
  ])('reads %s by the hint %j', (raw, hint, value) => {
    expect(parseDate(raw, hint)).toEqual({ value });
  });

  it.each([
    ...[
      '',
      'x',
      '1990-13-01',
      '1990-02-30',
      '1900-02-29',
      '2/29/2001',
      '31/4/1990',
      '13/13/1990',
      '0/1/1990',
      '1990-00-10',
    ],
    ...[
      '4/5/90',
      '33000',
      '1990-04',
      '1990-04/05',
      '0000-01-01',
      'Foo 5, 1990',
      'Marching 5, 1990',
      '1990-04-05x',
      '45/4/1990',
    ],
    ...['1990-04-05T25', '9'.repeat(1_000_000)],
  ])('refuses %.20s', (raw) => {
    expect(parseDate(raw)).toMatchObject({ code: 'date-invalid' });
  });
});

describe('parseBirthDate', () => {
  it('must lie between 1900-01-01 and today', () => {
    expect(parseBirthDate('1900-01-02', {}, '2026-06-01')).toEqual({ value: '1900-01-02' });
    expect(parseBirthDate('2026-05-31', {}, '2026-06-01')).toEqual({ value: '2026-05-31' });
    expect(parseBirthDate('2026-06-01', {}, '2026-06-01')).toMatchObject({ code: 'date-invalid' });
    expect(parseBirthDate('1900-01-01', {}, '2026-06-01')).toMatchObject({ code: 'date-invalid' });
    expect(parseBirthDate('9999-01-01')).toMatchObject({ code: 'date-invalid' });
    expect(parseBirthDate('4/31/1990')).toMatchObject({ code: 'date-invalid' });
  });
});
