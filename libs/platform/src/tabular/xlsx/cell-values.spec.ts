import { builtinFormat, dateText, isoText, numberText, numericText, parseFormat } from './cell-values';

describe('dateText', () => {
  it.each<[serial: number, kind: 'date' | 'time' | 'datetime' | 'elapsed', text: string | null]>([
    [1, 'date', '1900-01-01'],
    [59, 'date', '1900-02-28'],
    [60, 'date', '1900-02-29'],
    [61, 'date', '1900-03-01'],
    [45_306, 'date', '2024-01-15'],
    [45_306, 'datetime', '2024-01-15 00:00:00'],
    [45_306.604_166_666_7, 'date', '2024-01-15 14:30:00'],
    [45_306.604_166_666_7, 'datetime', '2024-01-15 14:30:00'],
    [45_306.604_166_666_7, 'time', '2024-01-15 14:30:00'],
    [45_306.999_999_999, 'date', '2024-01-16'],
    [2_958_465, 'date', '9999-12-31'],
    [2_958_466, 'date', null],
    [0, 'date', '00:00:00'],
    [0.5, 'datetime', '12:00:00'],
    [0.75, 'time', '18:00:00'],
    [1.5, 'elapsed', '36:00:00'],
    [0.000_5, 'elapsed', '00:00:43'],
    [-1, 'date', null],
    [-0.25, 'time', null],
    [NaN, 'date', null],
  ])('%d as a %s of the 1900 system', (serial, kind, text) => {
    expect(dateText(serial, kind, false)).toBe(text);
  });

  it.each<[serial: number, kind: 'date' | 'time' | 'datetime', text: string | null]>([
    [0, 'date', '1904-01-01'],
    [0, 'datetime', '1904-01-01 00:00:00'],
    [0.5, 'time', '12:00:00'],
    [0.5, 'date', '1904-01-01 12:00:00'],
    [60, 'date', '1904-03-01'],
    [43_844, 'date', '2024-01-15'],
    [2_957_003, 'date', '9999-12-31'],
    [2_957_004, 'date', null],
    [-1, 'date', null],
  ])('%d as a %s of the 1904 system', (serial, kind, text) => {
    expect(dateText(serial, kind, true)).toBe(text);
  });
});

describe('parseFormat', () => {
  it.each([
    ['General', 'number'],
    ['0.00', 'number'],
    ['0%', 'number'],
    ['0.00E+00', 'number'],
    ['@', 'number'],
    ['#,##0 "days"', 'number'],
    ['[Red]#,##0;[Blue]-#,##0', 'number'],
    ['[$USD-409] #,##0', 'number'],
    ['0\\d', 'number'],
    ['_(* #,##0_);_(* "-"_)', 'number'],
    ['yyyy-mm-dd', 'date'],
    ['d/m/yy', 'date'],
    ['mmm', 'date'],
    ['m', 'date'],
    ['[$-409]mmmm d\\, yyyy;@', 'date'],
    ['dd"T"mm', 'date'],
    ['ge.m.d', 'date'],
    ['h:mm AM/PM', 'time'],
    ['mm:ss.0', 'time'],
    ['hh:mm:ss', 'time'],
    ['m/d/yy h:mm', 'datetime'],
    ['yyyy-mm-dd\\Thh:mm:ss', 'datetime'],
    ['[h]:mm', 'elapsed'],
    ['[mm]:ss', 'elapsed'],
  ])('%s is a %s', (code, kind) => {
    expect(parseFormat(code).kind).toBe(kind);
  });

  it('knows the builtin formats', () => {
    const kinds = (...ids: number[]) => new Set(ids.map((id) => builtinFormat(id).kind));
    expect(kinds(0, 1, 9, 10, 11, 13, 37, 40, 44, 48, 49)).toEqual(new Set(['number']));
    expect(kinds(14, 15, 16, 17, 27, 31, 36, 50, 58)).toEqual(new Set(['date']));
    expect(kinds(18, 21, 32, 35, 45, 47)).toEqual(new Set(['time']));
    expect([...kinds(22), ...kinds(46)]).toEqual(['datetime', 'elapsed']);
  });
});

describe('numbers', () => {
  it.each([
    ['49301234567', '49301234567'],
    ['4.9301234567E10', '49301234567'],
    ['12345678901234567890', '12345678901234567890'],
    ['007', '7'],
    ['-0', '0'],
    ['-0.0', '0'],
    ['0.1', '0.1'],
    ['0.30000000000000004', '0.3'],
    ['19.989999999999998', '19.99'],
    ['1.10', '1.1'],
    ['-12.5', '-12.5'],
    ['1E+20', '100000000000000000000'],
    ['1.5E-3', '0.0015'],
    ['1E400', '1E400'],
    ['0x10', '0x10'],
    ['abc', 'abc'],
  ])('%s is %s', (raw, text) => {
    expect(numberText(raw)).toBe(text);
  });

  it('are dates only where the format says so, and filled with zeros where it says that', () => {
    expect(numericText('45306', parseFormat('dd.mm.yyyy'), false)).toBe('2024-01-15');
    expect(numericText('45306', parseFormat('0.0'), false)).toBe('45306');
    expect(numericText('-3', parseFormat('dd.mm.yyyy'), false)).toBe('-3');
    expect(numericText('soon', parseFormat('dd.mm.yyyy'), false)).toBe('soon');
    expect(numericText('8014', parseFormat('00000'), false)).toBe('08014');
    expect(numericText('8014.5', parseFormat('00000'), false)).toBe('8014.5');
    expect(numericText('123456', parseFormat('00000'), false)).toBe('123456');
    expect(numericText('0.25', parseFormat('0%'), false)).toBe('0.25');
  });
});

it.each([
  ['2024-01-15', '2024-01-15'],
  ['2024-01-15T00:00:00Z', '2024-01-15'],
  ['2024-01-15T14:30:05.123', '2024-01-15 14:30:05'],
  ['T14:30', '14:30:00'],
  ['yesterday', 'yesterday'],
])('the ISO date %s is %s', (raw, text) => {
  expect(isoText(raw)).toBe(text);
});
