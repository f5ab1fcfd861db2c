import { MAX_GROUPS, parseGroupNames } from './group-names';

describe('parseGroupNames', () => {
  it.each([
    ['Fair', ['fair']],
    [' Fair  2026 ;fair 2026; Paris, spring ', ['fair 2026', 'paris, spring']],
    ['"A; B";C\nD', ['a; b', 'c', 'd']],
    ['"say ""hi"""', ['say "hi"']],
    [' ; ', []],
  ])('reads %j', (cell, keys) => {
    expect(parseGroupNames(cell)).toEqual({ value: keys });
  });

  it('takes no more than a record should have', () => {
    const names = Array.from({ length: MAX_GROUPS + 1 }, (_, n) => `g${n}`);
    expect(parseGroupNames(names.join(';'))).toMatchObject({ code: 'too-long' });
    expect(parseGroupNames(names.slice(1).join(';'))).toEqual({ value: names.slice(1) });
  });
});
