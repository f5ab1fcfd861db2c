import { checkTags, formatTags, parseTags, tagReader } from './tags';

describe('tags', () => {
  it.each([
    ['vip, newsletter', ['vip', 'newsletter']],
    ['vip;newsletter|2024', ['vip', 'newsletter', '2024']],
    [' a ,, a , A , b ', ['a', 'b']],
    ['"a, b"; c', ['a, b', 'c']],
    ['c; "say ""hi"""', ['c', 'say "hi"']],
    ['5" disk, x', ['5" disk', 'x']],
    ['"open, b', ['"open', 'b']],
    ['', []],
  ])('reads %j', (cell, value) => {
    expect(parseTags(cell)).toEqual({ value });
  });

  it('come back from a cell', () => {
    const tags = ['plain', 'a, b', 'a; b', 'a|b', 'say "hi"', '"', '""', "it's", '5" disk', 'ü'];
    expect(parseTags(formatTags(tags))).toEqual({ value: tags });
  });

  it('hold their limits', () => {
    expect(parseTags('x'.repeat(51))).toMatchObject({ code: 'too-long' });
    expect(checkTags(['😀'.repeat(50)])).toEqual({ value: ['😀'.repeat(50)] });
    const many = Array.from({ length: 21 }, (_, i) => `t${i}`);
    expect(checkTags(many)).toMatchObject({ code: 'too-long', message: 'has more than 20 tags' });
    expect(checkTags(many.slice(1))).toHaveProperty('value.length', 20);
    expect(checkTags(many, 30)).toHaveProperty('value.length', 21);
    expect(parseTags('"'.repeat(1_000_000))).toMatchObject({ code: 'too-long' });
  });
});

describe('tagReader', () => {
  it('reads as parseTags does, and gives equal cells one list', () => {
    const read = tagReader(2);
    for (const cell of ['a; b', '"x, y"', 'a,b,c', '']) expect(read(cell)).toEqual(parseTags(cell, 2));
    expect(read('a; b')).toBe(read('a; b'));
  });

  it('reads on when it remembers enough', () => {
    const read = tagReader();
    for (let n = 0; n < 2_500; n++) expect(read(`tag ${n}`)).toEqual({ value: [`tag ${n}`] });
  });
});
