import { CsvParser, type CsvParserOptions } from './csv-parser';
import type { RowSink } from './parquet/parquet-writer';
import { TabularError } from './tabular-error';

/** Keeps the rows as lists of cells, the number first; issue and detail only where there are any. */
class RowList implements RowSink {
  readonly list: string[][] = [];

  constructor(readonly columnCount: number) {}

  get rows(): number {
    return this.list.length;
  }

  rowOf(source: Uint8Array, bounds: Int32Array): void {
    expect(bounds).toHaveLength(this.columnCount * 2);
    this.row(Array.from({ length: this.columnCount }, (_, i) => source.subarray(bounds[i * 2], bounds[i * 2 + 1])));
  }

  row(cells: readonly Uint8Array[], issue = '', detail = ''): void {
    const texts = Array.from({ length: this.columnCount }, (_, i) => Buffer.from(cells[i] ?? []).toString());
    this.list.push([String(this.rows + 1), ...(issue === '' ? [] : [`!${issue}`, detail]), ...texts]);
  }
}

interface Parsed {
  header: string[];
  rows: string[][];
}

/** Parses with chunks of `step` bytes, in a window of twice that size. */
function parse(text: string | Buffer, step = 1 << 16, options: Partial<CsvParserOptions> = {}): Parsed {
  const bytes = Buffer.from(text as string);
  let header: string[] = [];
  let sink: RowList | undefined;
  const parser = new CsvParser(
    {
      delimiter: 0x2c,
      validUtf8: false,
      maxRows: 1000,
      maxColumns: 10,
      maxCellBytes: 1 << 20,
      windowBytes: Math.max(4, step * 2),
      ...options,
    },
    ({ cells }) => {
      header = cells.map((cell) => Buffer.from(cell).toString());
      return (sink = new RowList(cells.length));
    },
  );
  for (let at = 0; at < bytes.length; at += step) parser.push(bytes.subarray(at, at + step));
  parser.finish();
  return { header, rows: sink!.list };
}

const rowsOf = (text: string | Buffer, options: Partial<CsvParserOptions> = {}) => parse(text, 1 << 16, options).rows;

describe('CsvParser', () => {
  const cases: [name: string, text: string, rows: string[][]][] = [
    [
      'LF',
      'a,b\n1,2\n3,4\n',
      [
        ['1', '1', '2'],
        ['2', '3', '4'],
      ],
    ],
    ['no line end at the end', 'a,b\n1,2', [['1', '1', '2']]],
    [
      'CRLF',
      'a,b\r\n1,2\r\n3,4\r\n',
      [
        ['1', '1', '2'],
        ['2', '3', '4'],
      ],
    ],
    [
      'CR',
      'a,b\r1,2\r3,4\r',
      [
        ['1', '1', '2'],
        ['2', '3', '4'],
      ],
    ],
    [
      'mixed line ends',
      'a,b\r\n1,2\n3,4\r5,6',
      [
        ['1', '1', '2'],
        ['2', '3', '4'],
        ['3', '5', '6'],
      ],
    ],
    [
      'blank lines',
      '\n \t\na,b\n\n1,2\n   \n\r\n3,4\n\n',
      [
        ['1', '1', '2'],
        ['2', '3', '4'],
      ],
    ],
    ['a line of delimiters is a row', 'a,b\n,\n', [['1', '', '']]],
    [
      'a quoted nothing is a row',
      'a,b\n""\n1,2\n',
      [
        ['1', '', ''],
        ['2', '1', '2'],
      ],
    ],
    ['a quoted space is a row', 'a\n"  "\n', [['1', '  ']]],
    [
      'short rows',
      'a,b,c\n1\n1,2\n',
      [
        ['1', '1', '', ''],
        ['2', '1', '2', ''],
      ],
    ],
    ['spaces are content', 'a,b\n 1 ,2 \n', [['1', ' 1 ', '2 ']]],
    ['a delimiter in quotes', 'a,b\n"x,y",z\n', [['1', 'x,y', 'z']]],
    [
      'line ends in quotes',
      'a,b\n"x\ny","p\r\nq\rr"\n1,2\n',
      [
        ['1', 'x\ny', 'p\r\nq\rr'],
        ['2', '1', '2'],
      ],
    ],
    ['doubled quotes', 'a,b\n"say ""hi""",""""\n', [['1', 'say "hi"', '"']]],
    ['a quote inside a cell', 'a,b\n5" pipe,6\n', [['1', '5" pipe', '6']]],
    ['a quote after a space', 'a,b\n "x",6\n', [['1', ' "x"', '6']]],
    ['space after the closing quote', 'a,b\n"x" ,6\n', [['1', 'x ', '6']]],
    [
      'text after the closing quote',
      'a,b\n"foo"bar,1\n2,"x"y"z\n',
      [
        ['1', '!quote-malformed', 'column 1: there is text after the closing quote', 'foobar', '1'],
        ['2', '!quote-malformed', 'column 2: there is text after the closing quote', '2', 'xy"z'],
      ],
    ],
    [
      'long rows',
      'a,b\n1,2,3,"x,""y"\n1,2,\n',
      [
        ['1', '!column-count', 'expected 2 cells, found 4; surplus: "3", "x,"y"', '1', '2'],
        ['2', '!column-count', 'expected 2 cells, found 3; surplus: ""', '1', '2'],
      ],
    ],
    ['Ctrl-Z at the end', 'a,b\n1,2\n\x1a', [['1', '1', '2']]],
    ['NUL', 'a,b\n1\0,2\n', [['1', '!encoding-invalid', 'column 1 holds a NUL character', '1\ufffd', '2']]],
    ['NUL in quotes', 'a\n"1\0"\n', [['1', '!encoding-invalid', 'column 1 holds a NUL character', '1\ufffd']]],
    [
      'one column',
      'a\n1\n\n2\n',
      [
        ['1', '1'],
        ['2', '2'],
      ],
    ],
    ['header only', 'a,b\n', []],
    ['characters of every length', 'a,b\né€,😀\n', [['1', 'é€', '😀']]],
  ];

  it.each(cases)('%s', (_, text, rows) => {
    expect(rowsOf(text)).toEqual(rows);
  });

  it.each(cases)('%s, cut everywhere', (_, text) => {
    const whole = parse(text);
    for (const step of [1, 2, 3, 5, 7]) expect(parse(text, step)).toEqual(whole);
  });

  it('gives the same for every cut of a nasty file', () => {
    const text = 'h1,"h\n2"\r\n"a\r\nb""c",é\r\r\n,\n"x"y,1,2\r"😀",5" \n\n"last';
    const bytes = Buffer.concat([Buffer.from(text), Buffer.from([0xff]), Buffer.from('"')]);
    const whole = parse(bytes);
    expect(whole.rows).toHaveLength(5);
    for (let step = 1; step <= bytes.length; step++) expect(parse(bytes, step)).toEqual(whole);
  });

  it('keeps a row with broken bytes, and its neighbours as they are', () => {
    const rows = rowsOf(Buffer.concat([Buffer.from('a,b\nok,é\n1,x'), Buffer.from([0xe9]), Buffer.from('\nü,2\n')]));
    expect(rows).toEqual([
      ['1', 'ok', 'é'],
      ['2', '!encoding-invalid', 'column 2 holds bytes that are no characters of the encoding', '1', 'x\ufffd'],
      ['3', 'ü', '2'],
    ]);
  });

  it('cuts a cell that is too long at the border of a character', () => {
    const long = 'x' + 'é'.repeat(2000);
    const [first, second] = rowsOf(`a,b\n${long},"${long}"\n1,2\n`, { maxCellBytes: 3000 });
    expect(first.slice(0, 3)).toEqual(['1', '!too-long', 'column 1 holds 4001 bytes; the limit is 3000']);
    expect(first[3]).toBe('x' + 'é'.repeat(511));
    expect(first[4]).toBe(first[3]);
    expect(second).toEqual(['2', '1', '2']);
    expect(rowsOf(`a,b\n${long},2\n`, { maxCellBytes: 4001 })).toEqual([['1', long, '2']]);
  });

  it('skips the rest of a cell of 20 MB', () => {
    const parsed = parse(`a,b\n1,"${'y\n'.repeat(10 << 20)}"\n3,4\n`);
    const [first, second] = parsed.rows;
    expect(first.slice(0, 3)).toEqual(['1', '!too-long', 'column 2 holds 20971520 bytes; the limit is 1048576']);
    expect(first[4]).toBe('y\n'.repeat(512));
    expect(second).toEqual(['2', '3', '4']);
    expect(JSON.stringify(parsed.rows).length).toBeLessThan(4000);
  });

  it('cuts the cells of a row of many long ones', () => {
    const cell = 'z'.repeat(1 << 20);
    const [row] = rowsOf(`${'h,'.repeat(9)}h\n${`${cell},`.repeat(9)}${cell}\n`);
    expect(row.slice(0, 3)).toEqual(['1', '!too-long', 'the row holds more than 8388608 bytes']);
    expect(row.slice(3).map((text) => text.length)).toEqual(Array<number>(10).fill(1024));
  });

  it('names only the first 200 characters of surplus cells, however many', () => {
    const [row] = rowsOf(`a\n1${',surplus'.repeat(100_000)}\n`);
    expect(row[2]).toMatch(/^expected 1 cells, found 100001; surplus: "surplus", /);
    expect(row[2]).toHaveLength(200);
  });

  it('names several problems of one row', () => {
    const [row] = rowsOf('a,b\n"x"y,2,3\n');
    expect(row[1]).toBe('!quote-malformed');
    expect(row[2]).toContain('; expected 2 cells, found 3');
  });

  it.each([
    ['in the first row', 'a,b\n"1,2\n3,4\n', 2],
    ['after a quoted line end', 'a,b\r\n"x\r\ny",2\r\n1,"open', 4],
    ['after blank lines', '\n\na\r1\r"\n', 5],
    ['in the header', 'a,"b\n1,2\n', 1],
  ])('refuses a quote that is never closed, %s', (_, text, line) => {
    for (const step of [1, 3, 1 << 16]) {
      expect(() => parse(text, step)).toThrow(expect.objectContaining({ code: 'unclosed-quote', line }) as Error);
    }
  });

  it.each([
    ['import-empty', ''],
    ['import-empty', '\n \r\n\t\n'],
    ['too-many-columns', 'a,b,c,d,e,f,g,h,i,j,k\n'],
    ['too-many-rows', 'a\n' + '1\n'.repeat(1001)],
    ['header-too-long', 'a'.repeat(300_000) + '\n'],
    ['header-too-long', '"' + 'a'.repeat(300_000)],
  ])('refuses with %s', (code, text) => {
    expect(() => parse(text)).toThrow(TabularError);
    expect(() => parse(text)).toThrow(expect.objectContaining({ code }) as Error);
  });

  it('accepts what is just within the limits', () => {
    expect(parse('a\n' + '1\n'.repeat(1000)).rows).toHaveLength(1000);
    expect(parse('a,b,c,d,e,f,g,h,i,j\n').header).toHaveLength(10);
  });

  it.each([0x3b, 0x09, 0x7c])('cuts at the delimiter %i', (delimiter) => {
    const mark = String.fromCharCode(delimiter);
    const parsed = parse(`a,b${mark}c\n"1${mark}2"${mark}x,y\n${mark}\n`, 3, { delimiter });
    expect(parsed.header).toEqual(['a,b', 'c']);
    expect(parsed.rows).toEqual([
      ['1', `1${mark}2`, 'x,y'],
      ['2', '', ''],
    ]);
  });
});
