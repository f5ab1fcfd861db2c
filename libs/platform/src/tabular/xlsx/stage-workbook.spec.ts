import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sheetOf, workbook, type TestCell, type TestWorkbook } from '@muster/testing/xlsx';
import { closeDuckDb } from '../duckdb';
import { StagedTable } from '../staged-table';
import { stageWorkbook, type StageWorkbookOptions } from './stage-workbook';

let directory: string;
let source: string;
let parquet: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "workbook's-"));
  source = join(directory, 'source.xlsx');
  parquet = join(directory, 'staged.parquet');
});
afterAll(async () => {
  await closeDuckDb();
  await rm(directory, { recursive: true });
});

/** Stages a workbook and reads all of it back. */
async function stage(content: Buffer, options: StageWorkbookOptions = {}) {
  await writeFile(source, content);
  const staged = await stageWorkbook(source, parquet, options);
  expect(await readdir(directory)).toEqual(['source.xlsx', 'staged.parquet']);
  const table = await StagedTable.open(parquet, staged.columns.length);
  try {
    const rows = await table.readRows(1, Infinity, [...staged.columns.keys()]);
    expect(rows.map(({ row }) => row)).toEqual(rows.map((_, index) => index + 1));
    expect(rows).toHaveLength(staged.totalRows);
    return { ...staged, rows, cells: rows.map(({ cells }) => cells), issues: rows.map(({ issue }) => issue) };
  } finally {
    await table.close();
  }
}

/** What becomes of one cell under a header. */
async function cell(value: TestCell, rest: Partial<TestWorkbook> = {}): Promise<string | null> {
  const { cells } = await stage(
    sheetOf(
      [
        ['a', 'b'],
        ['x', value],
      ],
      rest,
    ),
  );
  return cells[0][1];
}
const raw = (markup: string): TestCell => ({ raw: markup });

describe('cells', () => {
  const shared = [
    '<si><t>plain</t></si>',
    '<si><r><t>two </t></r><r><rPr><b/></rPr><t xml:space="preserve">runs </t></r></si>',
    '<si><t>東京</t><rPh sb="0" eb="2"><t>トウキョウ</t></rPh><phoneticPr fontId="1"/></si>',
    '<si><t xml:space="preserve"> kept </t></si>',
    '<si><t> not kept\n</t></si>',
    '<si><t>line_x000D_\nend _x005F_x000D_</t></si>',
    '<si><t>&lt;&amp;&#x1F600;<![CDATA[<raw>]]></t></si>',
    '<si/>',
  ];

  it.each<[string, TestCell, string | null]>([
    ['a shared text', { shared: 0 }, 'plain'],
    ['a shared text of runs', { shared: 1 }, 'tworuns '],
    ['a shared text without its reading', { shared: 2 }, '東京'],
    ['white space that counts', { shared: 3 }, ' kept '],
    ['white space that does not', { shared: 4 }, 'not kept'],
    ['escaped characters', { shared: 5 }, 'line\r\nend _x000D_'],
    ['entities and literal text', { shared: 6 }, '<&😀<raw>'],
    ['an empty shared text', { shared: 7 }, null],
    ['an inline text', 'inline "q", ü', 'inline "q", ü'],
    ['an inline text of runs', raw('<c r="B2" t="inlineStr"><is><r><t>a</t></r><r><t>b</t></r></is></c>'), 'ab'],
    ['a whole number', 49_301_234_567, '49301234567'],
    ['a number with an exponent', raw('<c r="B2"><v>4.9301234567E10</v></c>'), '49301234567'],
    ['a fraction', 0.1, '0.1'],
    ['true', true, 'TRUE'],
    ['false', false, 'FALSE'],
    ['an error', { error: '#N/A' }, null],
    ['the text of a formula', { formula: 'A1&"x"', value: 'result' }, 'result'],
    ['the number of a formula', { formula: '1+1', value: 2 }, '2'],
    ['an empty formula', { formula: '""', value: '' }, null],
    ['a shared formula', raw('<c r="B2"><f t="shared" si="0"/><v>7</v></c>'), '7'],
    ['an array formula', raw('<c r="B2"><f t="array" ref="B2:B3">A1</f><v>8</v></c>'), '8'],
    ['a formula never computed', raw('<c r="B2"><f>NOW()</f></c>'), null],
    ['a cell with nothing but a style', raw('<c r="B2" s="1"/>'), null],
    ['a date', { serial: 45_306, format: 1 }, '2024-01-15'],
    ['a date with a time', { serial: 45_306.5, format: 2 }, '2024-01-15 12:00:00'],
    ['a time', { serial: 0.25, format: 3 }, '06:00:00'],
    ['a postal code', { serial: 8014, format: 4 }, '08014'],
    ['a percentage', { serial: 0.25, format: 5 }, '0.25'],
    ['a date of a formula', raw('<c r="B2" s="1"><f>TODAY()</f><v>45306</v></c>'), '2024-01-15'],
    ['a date in words of ISO', raw('<c r="B2" t="d"><v>2024-01-15T00:00:00Z</v></c>'), '2024-01-15'],
    ['a style that is not there', raw('<c r="B2" s="99"><v>5</v></c>'), '5'],
  ])('%s', async (_, value, text) => {
    const formats = [14, 'dd/mm/yyyy hh:mm', 'h:mm', '00000', 10];
    expect(await cell(value, { shared, formats })).toBe(text);
  });

  it('counts days from 1904 where the workbook says so', async () => {
    expect(await cell({ serial: 43_844, format: 1 }, { formats: [14], date1904: true })).toBe('2024-01-15');
  });

  it.each(['strict', 'prefix'])('reads the %s form', async (form) => {
    const rest = form === 'strict' ? { strict: true } : { prefix: 'x' };
    expect(await cell({ serial: 45_306, format: 1 }, { formats: [14], ...rest })).toBe('2024-01-15');
    expect(await cell({ shared: 1 }, { shared, ...rest })).toBe('tworuns ');
  });

  it('reads UTF-16', async () => {
    const toUtf16 = (text: string | Uint8Array) => Buffer.from(`\ufeff${String(text)}`, 'utf16le');
    const book = sheetOf([['é'], ['ü']], {
      change: (part) =>
        part.name.includes('sheet1')
          ? { ...part, content: toUtf16(String(part.content).replace('UTF-8', 'UTF-16')) }
          : part,
    });
    expect(await stage(book)).toMatchObject({ columns: ['é'], cells: [['ü']] });
  });

  it('warns of errors, and where they are', async () => {
    const staged = await stage(
      sheetOf([
        ['a', 'Rate'],
        ['x', { error: '#N/A' }],
        ['y', { error: '#DIV/0!' }],
        [{ error: '#REF!' }, 1],
      ]),
    );
    expect(staged.warnings).toEqual([
      { code: 'cell-error', column: 'a', message: expect.stringContaining('#REF! in A4') },
      { code: 'cell-error', column: 'Rate', message: expect.stringMatching(/2 cells .*#N\/A in B2/) },
    ]);
    expect(staged.cells).toEqual([
      ['x', null],
      ['y', null],
      [null, '1'],
    ]);
  });
});

describe('rows', () => {
  const inline = (place: string, text: string) =>
    `<c${place && ` r="${place}"`} t="inlineStr"><is><t>${text}</t></is></c>`;
  const sheet = (inside: string) =>
    workbook({
      sheets: [{ name: 'S', markup: `<worksheet xmlns="x"><sheetData>${inside}</sheetData></worksheet>` }],
    });

  it('skips empty rows and gaps, and begins with the first row that has a value', async () => {
    const staged = await stage(
      sheetOf([[], [null, ' '], ['a', null, 'c'], [], ['1'], [null, null, '3'], ['\t', ' '], ['', '2', '']]),
    );
    expect(staged.columns).toEqual(['a', 'column_2', 'c']);
    expect(staged.cells).toEqual([
      ['1', null, null],
      [null, null, '3'],
      [null, '2', null],
    ]);
    expect(staged.warnings).toMatchObject([{ code: 'header-empty' }]);
  });

  it('takes cells without places, and in any order', async () => {
    const staged = await stage(
      sheet(
        `<row>${inline('', 'a')}${inline('', 'b')}${inline('', 'c')}</row>` +
          `<row>${inline('C2', '3')}${inline('A2', '1')}${inline('', '2')}</row>` +
          `<row r="9">${inline('AA9', 'far')}</row>`,
      ),
    );
    expect(staged.columns).toEqual(['a', 'b', 'c']);
    expect(staged.cells).toEqual([
      ['1', '2', '3'],
      [null, null, null],
    ]);
    expect(staged.issues).toEqual([null, 'column-count']);
  });

  it('numbers duplicate headers, and marks rows that reach beyond the header', async () => {
    const staged = await stage(sheetOf([['Email', 'Email', null], ['1', '2', null, ''], ['1', '2', null, 'x'], ['3']]));
    expect(staged.columns).toEqual(['Email', 'Email (2)']);
    expect(staged.issues).toEqual([null, 'column-count', null]);
    expect(staged.rows[1].detail).toBe('the header has 2 columns; surplus: D3 "x"');
    expect(staged.cells[2]).toEqual(['3', null]);
  });

  it('shows of merged cells the first', async () => {
    const staged = await stage(
      workbook({
        sheets: [
          {
            name: 'S',
            rows: [
              ['a', 'b', 'c'],
              ['1', 'hidden', 'x'],
              ['hidden', 'hidden', 'y'],
              ['4', '5', 'z'],
              ['6', '7', 'hidden'],
            ],
            merged: ['A2:B3', 'C4:C1048576'],
          },
        ],
      }),
    );
    expect(staged.cells).toEqual([
      ['1', null, 'x'],
      [null, null, 'y'],
      ['4', '5', 'z'],
      ['6', '7', null],
    ]);
  });

  it('keeps what is wrong with a row as its issue', async () => {
    const long = 'é'.repeat(1000);
    const staged = await stage(
      sheetOf([
        ['a', 'b'],
        [long, '1'],
        ['nul _x0000_', '2'],
        ['x'.repeat(1999), '3'],
        ['x'.repeat(2001), '4'],
      ]),
      { maxCellBytes: 1999 },
    );
    expect(staged.issues).toEqual(['too-long', 'encoding-invalid', null, 'too-long']);
    expect(staged.issueRows).toBe(3);
    expect(staged.cells[0][0]).toBe('é'.repeat(512));
    expect(staged.cells[1][0]).toBe('nul \ufffd');
  });

  it('cuts rows that are too long as a whole', async () => {
    const shared = [`<si><t>${'x'.repeat(1 << 20)}</t></si>`];
    const wide = (count: number): TestCell[] => Array.from({ length: count }, () => ({ shared: 0 }));
    const header = Array.from({ length: 9 }, (_, index) => `h${index}`);
    const staged = await stage(sheetOf([header, wide(8), wide(9)], { shared }));
    expect(staged.issues).toEqual([null, 'too-long']);
    expect(staged.cells[1][8]).toBe('x'.repeat(1024));
  });

  it.each<[string, Buffer, StageWorkbookOptions]>([
    ['import-empty', sheetOf([]), {}],
    ['import-empty', sheetOf([[' ', null], [{ raw: '<c r="B2" s="0"/>' }]]), {}],
    ['too-many-rows', sheetOf([['a'], ['1'], ['2'], ['3']]), { maxRows: 2 }],
    ['too-many-columns', sheetOf([['a', 'b', 'c']]), { maxColumns: 2 }],
    ['header-too-long', sheetOf([['a'.repeat(300_000)]]), {}],
  ])('%s leaves nothing behind', async (code, content, options) => {
    await rm(parquet, { force: true });
    await expect(stage(content, options)).rejects.toMatchObject({ code });
    expect(await readdir(directory)).toEqual(['source.xlsx']);
  });

  it('a header alone is a table without rows', async () => {
    expect(await stage(sheetOf([['a', 'b']]))).toMatchObject({ columns: ['a', 'b'], totalRows: 0, cells: [] });
  });

  it('stops when it is told to', async () => {
    await rm(parquet, { force: true });
    const abort = new AbortController();
    abort.abort();
    const book = sheetOf([['a'], ...Array.from({ length: 20_000 }, (_, n) => [n])]);
    await expect(stage(book, { signal: abort.signal })).rejects.toMatchObject({ name: 'AbortError' });
    expect(await readdir(directory)).toEqual(['source.xlsx']);
  });
});

describe('sheets', () => {
  const book = workbook({
    sheets: [
      { name: 'Notes', state: 'hidden', rows: [['hidden']] },
      { name: 'Leads', rows: [['leads']] },
      { name: 'Größe', state: 'veryHidden', rows: [['deep']] },
    ],
  });

  it.each<[wanted: string | number | undefined, column: string]>([
    [undefined, 'leads'],
    ['Leads', 'leads'],
    ['leads', 'leads'],
    ['GRÖSSE'.replace('SS', 'ß'), 'deep'],
    [1, 'hidden'],
    [3, 'deep'],
  ])('%s', async (sheet, column) => {
    expect(await stage(book, { sheet })).toMatchObject({ columns: [column], sheets: ['Notes', 'Leads', 'Größe'] });
  });

  it.each(['Contacts', 0, 4, '1'])('%s is unknown, and the error names those that are', async (sheet) => {
    await expect(stage(book, { sheet })).rejects.toMatchObject({
      code: 'sheet-unknown',
      message: expect.stringContaining('"Notes", "Leads", "Größe"'),
    });
  });
});

it('gives back 20,000 rows of every kind', async () => {
  const seed = 20_261_121;
  let state = seed;
  const random = (below: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const texts = ['a', 'Zoë', ' b ', '"q"', ',', '\n', '漢字', '😀', "'", '=1+1', 'x'.repeat(300)];
  const shared = Array.from({ length: 5_000 }, (_, n) => `shared ${n} ${texts[n % 4]}`);
  const expected: (string | null)[][] = [];
  const rows: TestCell[][] = [['a', 'b', 'c', 'd', 'e', 'f']];
  for (let row = 0; row < 20_000; row++) {
    const text = Array.from({ length: random(4) }, () => texts[random(7)]).join('');
    const number = random(2) ? random(10 ** 9) * 100 + row : random(10 ** 6) / 1000;
    const index = random(shared.length);
    const day = 61 + random(60_000);
    const flag = random(2) === 1;
    rows.push([row, text, number, { shared: index }, { serial: day, format: 1 }, random(5) ? flag : null]);
    const last = (rows.at(-1) as TestCell[])[5];
    const date = new Date(Date.UTC(1899, 11, 30 + day)).toISOString().slice(0, 10);
    const blank = last === null ? null : flag ? 'TRUE' : 'FALSE';
    expected.push([String(row), text || null, String(number), shared[index], date, blank]);
  }
  const si = shared.map((text) => `<si><t xml:space="preserve">${text.replaceAll('"', '&quot;')}</t></si>`);
  const { cells, issueRows } = await stage(sheetOf(rows, { shared: si, formats: [14] }));
  const wrong = cells.findIndex((row, index) => row.some((value, column) => value !== expected[index][column]));
  expect({ seed, wrong, found: cells[wrong], issueRows }).toEqual({ seed, wrong: -1, found: undefined, issueRows: 0 });
  expect(cells).toHaveLength(20_000);
}, 30_000);
