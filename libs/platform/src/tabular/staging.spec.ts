import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encode } from 'iconv-lite';
import { closeDuckDb } from './duckdb';
import { DELIMITERS } from './dialect';
import { StagedTable } from './staged-table';
import { stageCsv, type StageCsvOptions } from './staging';

let directory: string;
let source: string;
let parquet: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "staging's-"));
  source = join(directory, 'source.csv');
  parquet = join(directory, 'staged.parquet');
});
afterAll(async () => {
  await closeDuckDb();
  await rm(directory, { recursive: true });
});

/** Stages a file and reads all of it back. */
async function stage(content: string | Buffer, options: StageCsvOptions = {}) {
  await writeFile(source, content);
  const staged = await stageCsv(source, parquet, options);
  const table = await StagedTable.open(parquet, staged.columns.length);
  try {
    const rows = await table.readRows(1, Infinity, [...staged.columns.keys()]);
    expect(rows.map(({ row }) => row)).toEqual(rows.map((_, index) => index + 1));
    expect(rows).toHaveLength(staged.totalRows);
    expect(rows.filter(({ issue }) => issue !== null)).toHaveLength(staged.issueRows);
    return { ...staged, cells: rows.map(({ cells }) => cells), issues: rows.map(({ issue }) => issue) };
  } finally {
    await table.close();
  }
}

describe('stageCsv', () => {
  it.each<[name: string, text: string, columns: string[], cells: (string | null)[][]]>([
    [
      'comma in quotes',
      'first,address\nJohn,"120 any st., Anytown"\n',
      ['first', 'address'],
      [['John', '120 any st., Anytown']],
    ],
    [
      'empty',
      'a,b,c\n1,"",""\n2,3,4\n',
      ['a', 'b', 'c'],
      [
        ['1', null, null],
        ['2', '3', '4'],
      ],
    ],
    [
      'escaped quotes',
      'a,b\n1,"ha ""ha"" ha"\n3,4\n',
      ['a', 'b'],
      [
        ['1', 'ha "ha" ha'],
        ['3', '4'],
      ],
    ],
    [
      'json',
      'key,val\n1,"{""type"": ""Point"", ""coordinates"": [102.0, 0.5]}"\n',
      ['key', 'val'],
      [['1', '{"type": "Point", "coordinates": [102.0, 0.5]}']],
    ],
    [
      'newlines',
      'a,b\n1,"Once upon \na time"\n7,8\n',
      ['a', 'b'],
      [
        ['1', 'Once upon \na time'],
        ['7', '8'],
      ],
    ],
    [
      'newlines with CRLF',
      'a,b\r\n1,"Once upon \r\na time"\r\n7,8',
      ['a', 'b'],
      [
        ['1', 'Once upon \r\na time'],
        ['7', '8'],
      ],
    ],
    [
      'quotes and newlines',
      'a,b\n1,"ha \n""ha"" \nha"\n3,4\n',
      ['a', 'b'],
      [
        ['1', 'ha \n"ha" \nha'],
        ['3', '4'],
      ],
    ],
    [
      'utf8',
      'a,b\n1,ʤ\n2,😀\n',
      ['a', 'b'],
      [
        ['1', 'ʤ'],
        ['2', '😀'],
      ],
    ],
    ['backslashes', 'a,b\n"x\\",y\\n\n', ['a', 'b'], [['x\\', 'y\\n']]],
    ['separators inside', 'a\n1\x1f2\x1e\n', ['a'], [['1\x1f2\x1e']]],
    [
      'words that mean nothing here',
      'a,b\nNULL,NaN\n# x,\\N\n',
      ['a', 'b'],
      [
        ['NULL', 'NaN'],
        ['# x', '\\N'],
      ],
    ],
    ['spaces', 'a,b\n  ,"  x  "\n', ['a', 'b'], [['  ', '  x  ']]],
    ['header only', 'a,b\n', ['a', 'b'], []],
    ['one column', 'a\n1\n', ['a'], [['1']]],
  ])('%s', async (_, text, columns, cells) => {
    const staged = await stage(text);
    expect(staged).toMatchObject({ columns, cells, warnings: [], issueRows: 0 });
  });

  it.each(['utf-8', 'utf-16le', 'utf-16be', 'windows-1252', 'cp850'] as const)('reads %s', async (encoding) => {
    for (const addBOM of encoding.startsWith('utf') ? [true, false] : [false]) {
      const text = 'sep=;\r\nName;Ort\r\nJosé García;"Köln\r\nMülheim"\r\nZoë;Málaga\r\n';
      const staged = await stage(encode(text, encoding, { addBOM }));
      expect(staged).toMatchObject({
        encoding,
        delimiter: ';',
        columns: ['Name', 'Ort'],
        cells: [
          ['José García', 'Köln\r\nMülheim'],
          ['Zoë', 'Málaga'],
        ],
        issueRows: 0,
      });
    }
  });

  it('keeps every row with an issue', async () => {
    const long = 'x'.repeat(2000);
    const staged = await stage(
      Buffer.concat([
        Buffer.from(`a,b\nü,é\n1,2,3\n"x"y,2\n${long},2\n1\n`),
        Buffer.from([0x31, 0xe9, 0x2c, 0x32, 0x0a]),
        Buffer.from('last,row\n'),
      ]),
      { maxCellBytes: 1999 },
    );
    expect(staged.issues).toEqual([
      null,
      'column-count',
      'quote-malformed',
      'too-long',
      null,
      'encoding-invalid',
      null,
    ]);
    expect(staged.cells[3][0]).toBe('x'.repeat(1024));
    expect(staged.cells[5]).toEqual(['1\ufffd', '2']);
    expect(staged.issueRows).toBe(4);
  });

  it('flags characters that an encoding does not have', async () => {
    const staged = await stage(Buffer.from('a\nok\nx\x81\n', 'latin1'), { encoding: 'windows-1252' });
    expect(staged.issues).toEqual([null, 'encoding-invalid']);
  });

  it('obeys the overrides', async () => {
    expect(await stage('a;b\n1,2;3\n', { delimiter: ',' })).toMatchObject({
      columns: ['a;b'],
      issues: ['column-count'],
    });
    const staged = await stage(Buffer.from('a\n\x84\n', 'latin1'), { encoding: 'cp437' });
    expect(staged).toMatchObject({ encoding: 'cp437', cells: [['ä']] });
  });

  it('warns of headers that it had to change', async () => {
    const staged = await stage('Email,,Email\n1,2,3\n');
    expect(staged.columns).toEqual(['Email', 'column_2', 'Email (2)']);
    expect(staged.warnings.map(({ code, column }) => [code, column])).toEqual([
      ['header-empty', 'column_2'],
      ['header-duplicate', 'Email (2)'],
    ]);
  });

  it.each([
    ['import-empty', '\n\n', {}],
    ['unclosed-quote', 'a\n"1\n', {}],
    ['too-many-rows', 'a\n1\n2\n3\n', { maxRows: 2 }],
    ['too-many-columns', 'a,b,c\n', { maxColumns: 2 }],
  ])('leaves nothing behind after %s', async (code, text, options) => {
    await rm(parquet, { force: true });
    await expect(stage(text, options)).rejects.toMatchObject({ code });
    expect(await readdir(directory)).toEqual(['source.csv']);
  });

  it('stops when it is told to, and says how far it is', async () => {
    await rm(parquet, { force: true });
    const abort = new AbortController();
    const seen: number[] = [];
    const onProgress = (read: number, total: number) => {
      seen.push(read / total);
      if (read > total / 2) abort.abort();
    };
    const staging = stage('a,b\n' + '1,2\n'.repeat(50_000), { chunkBytes: 10_000, signal: abort.signal, onProgress });
    await expect(staging).rejects.toMatchObject({ name: 'AbortError' });
    expect(seen.length).toBeGreaterThan(5);
    expect(seen).toEqual([...seen].sort((left, right) => left - right));
    expect(await readdir(directory)).toEqual(['source.csv']);
  });

  it('stages cells of a megabyte', async () => {
    const cell = 'z'.repeat(1 << 20);
    const staged = await stage('a,b\n' + `${cell},"${cell}"\n`.repeat(12));
    expect(staged.totalRows).toBe(12);
    // In bulk only the begin of such a cell is read; one by one all of it.
    expect(staged.cells.every((cells) => cells[0] === cell.slice(0, 20_000))).toBe(true);
    const table = await StagedTable.open(parquet, 2);
    const whole = await table.readRowSet([1, 12], [0, 1]);
    await table.close();
    expect(whole.map(({ cells }) => cells.every((value) => value === cell))).toEqual([true, true]);
  });

  it('reads cells that look like rows, wherever the loader cuts the file', async () => {
    const trap = '\n1,,,a,b\n2,,,"x",y\n';
    const cell = (row: number) => `${row}${trap.repeat(1 + (row % 40))}`;
    const count = 25_000;
    const rows = Array.from({ length: count }, (_, row) => `"${cell(row).replaceAll('"', '""')}",${row}\n`);
    const staged = await stage('a,b\n' + rows.join(''));
    expect(staged.totalRows).toBe(count);
    expect(staged.cells.findIndex((cells, row) => cells[0] !== cell(row) || cells[1] !== String(row))).toBe(-1);
  });

  it('gives back what was written, whatever it was', async () => {
    const seed = 20_261_121;
    const random = generator(seed);
    const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)];
    const pieces = [
      'a',
      'Zoë',
      ' ',
      '"',
      '""',
      ',',
      ';',
      '\t',
      '|',
      '\n',
      '\r',
      '\r\n',
      '漢',
      '😀',
      "'",
      '\\',
      '0',
      '\x1f',
      'x'.repeat(300),
    ];
    for (let round = 0; round < 25; round++) {
      const delimiter = pick(DELIMITERS);
      const lineEnd = pick(['\n', '\r\n', '\r']);
      const width = 2 + Math.floor(random() * 6);
      const table = Array.from({ length: Math.floor(random() * 400) }, () =>
        Array.from({ length: width }, () =>
          Array.from({ length: Math.floor(random() * 5) }, () => pick(pieces)).join(''),
        ),
      );
      const quoted = (cell: string) =>
        /["\r\n]/.test(cell) || cell.includes(delimiter) || random() < 0.2 ? `"${cell.replaceAll('"', '""')}"` : cell;
      const header = Array.from({ length: width }, (_, index) => `h${index}`);
      const text = [header, ...table].map((cells) => cells.map(quoted).join(delimiter) + lineEnd).join('');
      const encoding = pick(['utf-8', 'utf-16le', 'utf-16be'] as const);
      const options = { delimiter, encoding, chunkBytes: pick([undefined, 64, 1000, 4096]) };
      const staged = await stage(encode(text, encoding), options);
      const expected = table.map((cells) => cells.map((cell) => cell || null));
      expect({ seed, round, cells: staged.cells, issues: staged.issueRows }).toEqual({
        seed,
        round,
        cells: expected,
        issues: 0,
      });
    }
  });
});

/** Mulberry32. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
