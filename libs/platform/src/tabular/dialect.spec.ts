import { detectDialect } from './dialect';

const detect = (text: string, whole = true) => detectDialect(Buffer.from(text), whole);

describe('detectDialect', () => {
  it.each([
    ['comma', 'a,b\n1,2\n', ','],
    ['semicolon', 'a;b\n1;2\n', ';'],
    ['tab', 'a\tb\n1\t2\n', '\t'],
    ['pipe', 'a|b\n1|2\n', '|'],
    ['decimal commas', 'a;b;c\n1,5;2,5;3,5\n1,5;2,5;3,5\n', ';'],
    ['commas in the header too', 'last, first;age;city\nx, y;1;Rome\nz;2;Bonn\n', ';'],
    ['delimiters in quotes', 'a,b\n"1;2;3","x;y"\n"1;2;3","p;q"\n', ','],
    ['one comma in a semicolon file', 'name;note\nA;x, y\nB;z\n', ';'],
    ['ragged rows', 'a,b,c\n1\n1,2\n1,2,3,4\n', ','],
    ['one column', 'name\nAda\nBob\n', ','],
    ['one column with commas in its values', 'address\n"Main St, 5"\n', ','],
    ['header only', 'a;b;c', ';'],
    ['line ends in quotes', 'a;"b\nc,d,e"\n1;2\n', ';'],
    ['CR', 'a;b\r1;2\r', ';'],
    ['nothing', '', ','],
  ])('%s', (_, text, delimiter) => {
    expect(detect(text)).toEqual({ delimiter, hintLength: 0 });
  });

  it('does not count a row that the sample cuts', () => {
    expect(detect('a;b|c\n1;2|3\n1;2;', false).delimiter).toBe(';');
  });

  it('takes the hint of the first line, and an override before it', () => {
    expect(detect('sep=;\r\na,b;c\n')).toEqual({ delimiter: ';', hintLength: 7 });
    expect(detect('SEP=\t\na;b\n')).toEqual({ delimiter: '\t', hintLength: 6 });
    expect(detect('"sep=|"\na;b\n')).toEqual({ delimiter: '|', hintLength: 8 });
    expect(detect('sep=;x\n').hintLength).toBe(0);
    expect(detectDialect(Buffer.from('sep=;\na;b\n'), true, ',')).toEqual({ delimiter: ',', hintLength: 6 });
    expect(detectDialect(Buffer.from('a,b\n'), true, '|')).toEqual({ delimiter: '|', hintLength: 0 });
  });
});
