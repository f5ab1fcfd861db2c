import { readJson, repeatedName } from './json-body';

describe('repeatedName', () => {
  it.each([
    ['{"a":1,"a":2}', 'a'],
    ['{"a":{"b":1},"c":[{"b":1,"b" : 2}]}', 'b'],
    ['{"a":{"x":1},"a":2}', 'a'],
    ['{"a":1,"\\u0061":2}', 'a'],
    ['{"":1,"":2}', ''],
    ['{"a\\"":1,"a\\"":2}', 'a"'],
    ['{"a":"{\\"a\\":1","a"\n\t:2}', 'a'],
  ])('finds %s', (text, name) => expect(repeatedName(text)).toBe(name));

  it.each([
    '{}',
    '[]',
    '1',
    '"a"',
    '{"a":1,"b":1}',
    '{"a":{"a":{"a":1}}}',
    '[{"a":1},{"a":1}]',
    '{"a":"a","b":"a"}',
    '["a","a"]',
  ])('lets %s pass', (text) => expect(repeatedName(text)).toBeNull());
});

describe('readJson', () => {
  const read = (text: string) => JSON.parse(text) as unknown;

  it('reads UTF-8, with or without a byte order mark', () => {
    const bytes = Buffer.from('{"name":"Zoë 🚀"}');
    expect(readJson(bytes, read)).toEqual({ name: 'Zoë 🚀' });
    expect(readJson(Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), bytes]), read)).toEqual({ name: 'Zoë 🚀' });
  });

  it.each([
    ['a lone continuation byte', Buffer.from([0x22, 0x80, 0x22])],
    ['an overlong form', Buffer.from([0x22, 0xc0, 0xaf, 0x22])],
    ['half a surrogate pair', Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22])],
    ['Latin-1', Buffer.from('"Zoë"', 'latin1')],
    ['UTF-16', Buffer.from('\ufeff"a"', 'utf16le')],
  ])('refuses %s', (_, bytes) => {
    expect(() => readJson(bytes, read)).toThrow(expect.objectContaining({ status: 400, code: 'malformed' }));
  });
});
