import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { closeDuckDb, configureDuckDb } from './duckdb';
import type { SharingKey } from './later-sharers';
import { StagedTable } from './staged-table';
import { stageCsv } from './staging';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'staged-table-'));
});
afterAll(async () => {
  await closeDuckDb();
  await rm(directory, { recursive: true });
});

/**
 * Runs `work` on the staged form of a CSV text: once as any process finds it, once as the one that staged it. Both must come to
 * the same.
 */
async function withTable<T>(text: string, work: (table: StagedTable) => Promise<T>): Promise<T> {
  const source = join(directory, 'source.csv');
  const parquet = join(directory, 'staged.parquet');
  await writeFile(source, text);
  const { columns, sharers } = await stageCsv(source, parquet);
  const results: T[] = [];
  for (const known of [[], sharers]) {
    const table = await StagedTable.open(parquet, columns.length, { sharers: known });
    try {
      results.push(await work(table));
    } finally {
      await table.close();
    }
  }
  expect(results[1]).toEqual(results[0]);
  return results[0];
}

const lines = (count: number) =>
  'id,word,note\n' + Array.from({ length: count }, (_, i) => `${i + 1},w${i % 7},\n`).join('');

describe('StagedTable', () => {
  it('reads ranges in any order, within row groups and across them', async () => {
    await withTable(lines(70_000), async (table) => {
      expect(table.totalRows).toBe(70_000);
      const ranges = [
        [1, 5000],
        [5001, 10_000],
        [10_001, 10_003],
        [19_000, 23_000],
        [1, 60_000],
        [69_990, 80_000],
        [3, 3],
      ];
      for (const [from, to] of ranges) {
        const rows = await table.readRows(from, to, [0, 2, 1]);
        const last = Math.min(to, 70_000);
        expect([rows.length, rows[0].row, rows.at(-1)!.row]).toEqual([last - from + 1, from, last]);
        for (const [index, { row, cells }] of rows.entries()) {
          if (
            row !== from + index ||
            cells[0] !== String(row) ||
            cells[2] !== `w${(row - 1) % 7}` ||
            cells[1] !== null
          ) {
            throw new Error(`Row ${row} of ${from}–${to} is ${JSON.stringify(cells)}.`);
          }
        }
      }
      expect(await table.readRows(70_001, 80_000, [0])).toEqual([]);
      expect(await table.readRows(5, 4, [0])).toEqual([]);
    });
  });

  it('answers calls that overlap', async () => {
    await withTable(lines(50_000), async (table) => {
      const starts = [1, 40_001, 20_001, 2001, 10_001];
      const read = await Promise.all(starts.map((from) => table.readRows(from, from + 1999, [0])));
      expect(read.map((rows) => [rows.length, rows[0].cells[0], rows[1999].row])).toEqual(
        starts.map((from) => [2000, String(from), from + 1999]),
      );
    });
  });

  it('gives the issues with their rows', async () => {
    await withTable('a,b\n1,2\n1,2,3\n5,6\n', async (table) => {
      const detail = 'expected 2 cells, found 3; surplus: "3"';
      const rows = [
        { row: 1, issue: null, detail: null, cells: ['2'] },
        { row: 2, issue: 'column-count', detail, cells: ['2'] },
        { row: 3, issue: null, detail: null, cells: ['6'] },
      ];
      expect(await table.readRows(1, 3, [1])).toEqual(rows);
      expect(await table.readRows(1, 3, [])).toEqual(rows.map((row) => ({ ...row, cells: [] })));
      expect(await table.readRowSet([3, 2, 2, 99], [1])).toEqual(rows.slice(1));
      expect(await table.readRowSet([], [1])).toEqual([]);
    });
  });

  it('reads cells that hold the separator', async () => {
    await withTable('a,b\n1\x1f1,2,3\n"\x1f",é\n', async (table) => {
      const rows = await table.readRows(1, 2, [0, 1]);
      expect(rows.map(({ cells, issue }) => [...cells, issue])).toEqual([
        ['1\x1f1', '2', 'column-count'],
        ['\x1f', 'é', null],
      ]);
    });
  });

  it('refuses columns and rows that cannot be', async () => {
    await withTable('a\n1\n', async (table) => {
      await expect(table.readRows(1, 1, [1])).rejects.toThrow(RangeError);
      await expect(table.readRowSet([1.5], [0])).rejects.toThrow(RangeError);
      await expect(table.laterSharers([{ columns: [7], fold: 'text' }])).rejects.toThrow(RangeError);
      await table.close();
      await expect(table.readRows(1, 1, [0])).rejects.toThrow('closed');
    });
  });

  it('reads a table without rows', async () => {
    await withTable('a,b\n', async (table) => {
      expect(table.totalRows).toBe(0);
      expect(await table.readRows(1, 10, [0])).toEqual([]);
      expect(await table.laterSharers([{ columns: [0], fold: 'text' }])).toEqual(new Uint32Array());
      const empty = { filled: 0, empty: 0, distinct: 0, samples: [], type: 'empty' };
      expect(await table.profile()).toEqual([empty, empty]);
    });
  });

  it('counts values exactly, blanks apart', async () => {
    const values = ['x', ' x ', '\u00a0', '  ', '', 'y', 'X', 'é', 'é\t', 'z', 'w', 'v'];
    const [profile, other] = await withTable('a,b\n' + values.map((v) => `"${v}",\n`).join(''), (table) =>
      table.profile(),
    );
    expect(profile).toEqual({ filled: 9, empty: 3, distinct: 7, samples: ['x', 'y', 'X', 'é', 'z'], type: 'text' });
    expect(other).toMatchObject({ filled: 0, empty: 12, type: 'empty' });
  });

  it('takes the space around values off whose number was known before', async () => {
    const [phone] = await withTable('a\n2125550100\n" 2125550101"\n2125550102 \n', (table) => table.profile());
    const samples = ['2125550100', '2125550101', '2125550102'];
    expect(phone).toEqual({ filled: 3, empty: 0, distinct: 3, samples, type: 'integer' });
  });

  it.each(['\t', '\u0085', '\u2009', '\ufeff', '\u3000'])('takes %j for a blank', async (blank) => {
    const [profile] = await withTable(`a\nÉlan\n"${blank}Élan"\n"Élan${blank}"\n"${blank}"\n`, (table) =>
      table.profile(),
    );
    expect(profile).toMatchObject({ filled: 3, empty: 1, distinct: 1, samples: ['Élan'] });
  });

  it('counts the values of many row groups', async () => {
    const [id, word, note] = await withTable(lines(70_000), (table) => table.profile());
    expect(id).toEqual({
      filled: 70_000,
      empty: 0,
      distinct: 70_000,
      samples: ['1', '2', '3', '4', '5'],
      type: 'integer',
    });
    expect(word).toMatchObject({ distinct: 7, type: 'text' });
    expect(note).toMatchObject({ filled: 0, empty: 70_000 });
  });

  it('counts more different values than fit into the memory', async () => {
    const rows = Array.from({ length: 300_000 }, (_, n) => `${n * 7_919} of a place with a long name, ${n % 1_000}`);
    await closeDuckDb();
    configureDuckDb({ memoryLimit: '20MB' });
    try {
      const [place] = await withTable(`place\n${rows.map((row) => `"${row}"`).join('\n')}\n`, (table) =>
        table.profile(),
      );
      expect(place).toMatchObject({ filled: 300_000, distinct: 300_000, type: 'text' });
    } finally {
      await closeDuckDb();
      configureDuckDb({ memoryLimit: '80MB' });
    }
  });

  it.each([
    ['integer', ['1', ' -20 ', '0', '+7']],
    ['text', ['1', '007']],
    ['decimal', ['1', '2.50', '-.5', '1e3']],
    ['text', ['1,5', '2']],
    ['date', ['2003-02-24', '2024-01-31T10:00:00Z']],
    ['date', ['2/24/2003 0:00', '12/1/2004 13:45']],
    ['date', ['31.12.1999']],
    ['boolean', ['Yes', 'no', 'TRUE', 'f']],
    ['email', ['a@b.de', 'Ann <ann@example.com>', 'x.y@z.org', 'e@f.gh', 'oops', 'q@r.st']],
    ['phone', ['+1 (212) 555-0100', '212-555-0101', '212.555.0102 x5', '+442079460018', '2125550103']],
    ['integer', ['2125550103', '2125550104']],
    ['text', ['Main St 5', '12']],
  ])('tells %s: %j', async (type, values) => {
    const [profile] = await withTable('a\n' + values.map((value) => `"${value}"\n`).join(''), (table) =>
      table.profile(),
    );
    expect(profile.type).toBe(type);
  });

  it('believes no type that a later value contradicts', async () => {
    const numbers = Array.from({ length: 2000 }, (_, i) => `${i}\n`).join('');
    const typeOf = async (last: string) =>
      (await withTable(`a\n${numbers}${last}\n`, (table) => table.profile()))[0].type;
    expect(await typeOf('7')).toBe('integer');
    expect(await typeOf('7.5')).toBe('decimal');
    expect(await typeOf('seven')).toBe('text');
  });
});

describe('with a signal', () => {
  const path = () => join(directory, 'aborted.parquet');
  const abort = new AbortController();
  let table: StagedTable;
  beforeAll(async () => {
    // Each value a long way around: a query of seconds.
    const source = join(directory, 'source.csv');
    const value = `Ann ${'ü<:'.repeat(60)} <mailto:`;
    await writeFile(source, 'a\n' + Array.from({ length: 100_000 }, (_, i) => `${value}${i}@x.com>\n`).join(''));
    await stageCsv(source, path());
    table = await StagedTable.open(path(), 1, { signal: abort.signal });
  });
  afterAll(() => table.close());

  it('stops a query that runs, and begins none after it', async () => {
    const reason = new Error('enough');
    const searching = table.laterSharers([{ columns: [0, 0, 0, 0], fold: 'text' }]);
    const waiting = table.profile();
    const other = await StagedTable.open(path(), 1);
    const lesser = other.laterSharers([{ columns: [0], fold: 'text' }]);
    abort.abort(reason);
    // A quarter of the work, not stopped, takes longer.
    const first = await Promise.race([lesser.then(() => 'done'), searching.catch((error: unknown) => error)]);
    expect(first).toBe(reason);
    await lesser;
    await other.close();
    await expect(waiting).rejects.toBe(reason);
    await expect(table.readRows(1, 1, [0])).rejects.toBe(reason);
  });
});

describe('laterSharers', () => {
  /** One column of values, all of them the same to the reader. */
  async function sharers(values: string[], fold: SharingKey['fold']) {
    const text = 'a,b\n' + values.map((value) => `"${value.replaceAll('"', '""')}",\n`).join('');
    return [...(await withTable(text, (table) => table.laterSharers([{ columns: [0], fold }])))];
  }

  it.each<[SharingKey['fold'], string[]]>([
    ['text', ['a.b@x.com', 'A.B@X.COM', ' a.b@x.com\u00a0', 'a.b@x.com\u200b', 'Ann B <a.b@x.com>', '<A.B@x.com>']],
    [
      'text',
      [
        'a.b@x.com',
        'mailto:a.b@x.com',
        'MAILTO:a.b@x.com?subject=hi',
        'a.b＠x.com',
        'ａ.b@x。com',
        'mailto:a.b%40x.com',
      ],
    ],
    ['text', ['josé@x.com', 'jose\u0301@x.com', 'JOSÉ@x.com']],
    ['text', ["o'neil@x.com", "O'Neil@x.com", "'o'neil@x.com"]],
    ['text', ['mailto:%ff@x.com', 'MAILTO:%FF@x.com']],
    ['digits', ['+1 212 555 0100', '212-555-0100', '(212) 555.0100', '1/212/555/0100', '0012125550100', '2125550100']],
    [
      'digits',
      ['2125550100', '212-555-0100 x12', '212-555-0100 ext. 12', '(212) 555 0100 #12', '+1 212 555 0100;ext=12'],
    ],
    [
      'digits',
      ['2125550100', 'Cell: 212 555 0100', '212 555 0100 (home)', 'tel:+1-212-555-0100', '2125550100x1234567'],
    ],
    ['digits', ['1-800-356-9377', '1-800-FLOWERS', '(800) Flowers', '+1 800 flowers ext 9']],
    [
      'digits',
      ['+4978881834875', 'Mobile: 004978881834875', '(07888) 1834875 доб. 12\u00a0', '07888 1834875 extensión 12'],
    ],
    ['digits', ['+44 (0)20 7946 0018', '020 7946 0018', '+442079460018', '0044 20 79460018']],
    ['digits', ['+358 9 123 456', '09 123 456', '9123456']],
    ['digits', ['5551234', '+354 555 1234', '555-1234']],
    ['digits', ['+20 2 2555 0100', '٠٢٢٥٥٥٠١٠٠', '０２２５５５０１００']],
  ])('%s: %j are one', async (fold, values) => {
    expect(await sharers(values, fold)).toEqual(values.slice(1).map((_, index) => index + 2));
    expect(await sharers([...values].reverse(), fold)).toEqual(values.slice(1).map((_, index) => index + 2));
  });

  it.each<[SharingKey['fold'], string[]]>([
    ['text', ['a@x.com', 'b@x.com', 'a@y.com', '', '  ', '---', '???']],
    ['text', ['a+b@x.com', 'ab@x.com', 'a-b@x.com', 'a_b@x.com']],
    ['digits', ['2125550100', '2125550101', '', 'n/a', '-', '()', '5550199']],
  ])('%s: %j are different', async (fold, values) => {
    expect(await sharers(values, fold)).toEqual([]);
  });

  it('compares all columns of a key with each other, and keys apart', async () => {
    const text =
      'mail,phone,mobile\na@x.com,2125550100,2125550100\nb@x.com,2125550101,\nA@x.com,,\nc@x.com,,212 555 0101\nd@x.com,,\n';
    const found = await withTable(text, (table) =>
      table.laterSharers([
        { columns: [0], fold: 'text' },
        { columns: [1, 2], fold: 'digits' },
      ]),
    );
    expect([...found]).toEqual([3, 4]);
    expect([...(await withTable(text, (table) => table.laterSharers([])))]).toEqual([]);
  });

  it('finds sharers that are far apart', async () => {
    const values = Array.from({ length: 60_000 }, (_, i) => `u${i % 59_990}@x.com`);
    const expected = Array.from({ length: 10 }, (_, i) => 59_991 + i);
    expect(await sharers(values, 'text')).toEqual(expected);
  });
});
