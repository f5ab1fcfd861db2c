import { cutText, nameColumns } from './header';

describe('nameColumns', () => {
  it.each([
    [['a', 'b'], ['a', 'b'], []],
    [[' First\r\n  name ', '\ufeffid'], ['First name', 'id'], []],
    [
      ['a', '', '  '],
      ['a', 'column_2', 'column_3'],
      ['header-empty', 'header-empty'],
    ],
    [
      ['Email', 'Email', 'email', 'Email'],
      ['Email', 'Email (2)', 'email', 'Email (3)'],
      ['header-duplicate', 'header-duplicate'],
    ],
    [['Email', 'Email', 'Email (2)'], ['Email', 'Email (3)', 'Email (2)'], ['header-duplicate']],
    [
      ['column_2', ''],
      ['column_2', 'column_2 (2)'],
      ['header-empty', 'header-duplicate'],
    ],
    [['x'.repeat(300)], ['x'.repeat(200)], ['header-cut']],
  ])('%j', (header, columns, codes) => {
    const named = nameColumns(header);
    expect(named.columns).toEqual(columns);
    expect(named.warnings.map(({ code }) => code)).toEqual(codes);
  });

  it('parts no surrogate pair', () => {
    expect(cutText('a😀', 2)).toBe('a');
    expect(cutText('a😀', 3)).toBe('a😀');
    expect(cutText('abc', 2)).toBe('ab');
  });
});
