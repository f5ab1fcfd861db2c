import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { closeDuckDb, connectDuckDb, sqlText } from '../duckdb';
import { ParquetWriter } from './parquet-writer';

let directory: string;
let path: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'parquet-'));
  path = join(directory, 'table.parquet');
});
afterEach(() => rm(directory, { recursive: true }));
afterAll(() => closeDuckDb());

async function query(sql: string): Promise<unknown[][]> {
  const connection = await connectDuckDb();
  try {
    return await (await connection.run(sql.replaceAll('FILE', sqlText(path)))).getRows();
  } finally {
    connection.closeSync();
  }
}

type Cells = (string | null)[];

/** Writes rows as cells of their own, or every second one as parts of one buffer. */
async function write(rows: readonly Cells[], mixed = false): Promise<ParquetWriter> {
  const writer = new ParquetWriter(path, rows[0]?.length ?? 2);
  for (const [index, row] of rows.entries()) {
    const cells = row.map((cell) => Buffer.from(cell ?? ''));
    if (mixed && index % 2 === 0) {
      let at = 0;
      const bounds = Int32Array.from(cells.flatMap((cell) => [at, (at += cell.length)]));
      writer.rowOf(Buffer.concat(cells), bounds);
    } else writer.row(cells);
    if (index % 1000 === 0) await writer.flush();
  }
  await writer.finish();
  return writer;
}

async function readBack(columns: number): Promise<Cells[]> {
  const names = Array.from({ length: columns }, (_, i) => `c${i + 1}`);
  const rows = (await query(`SELECT _row::DOUBLE, ${names.join()} FROM FILE`)) as [number, ...Cells][];
  rows.sort(([left], [right]) => left - right);
  return rows.map(([row, ...cells], index) => {
    expect(row).toBe(index + 1);
    return cells;
  });
}

describe('ParquetWriter', () => {
  it('writes every number of rows around the borders of bits and blocks', async () => {
    for (const count of [1, 2, 7, 8, 9, 127, 128, 129, 130, 257, 1000, 2049, 4100]) {
      const rows = Array.from({ length: count }, (_, i) => [`w${i % 5}`, i % 3 ? `${i}` : null, null, 'one']);
      await write(rows, true);
      expect(await readBack(4)).toEqual(rows);
      await rm(path);
    }
  });

  it('writes a table without rows', async () => {
    await write([]);
    expect(await query('SELECT * FROM FILE')).toEqual([]);
  });

  it('gives up a dictionary in the middle of a group, and of a later one', async () => {
    const early = (i: number) => (i < 10_000 ? `w${i % 2000}` : `x${i}`);
    const late = (i: number) => (i < 45_000 ? `w${i % 7}` : i % 11 ? `y${i}` : null);
    const rows = Array.from({ length: 60_000 }, (_, i) => [early(i), late(i), i === 50_000 ? 'z'.repeat(300) : 'z']);
    await write(rows, true);
    expect(await readBack(3)).toEqual(rows);
    const groups = await query(
      `SELECT path_in_schema, list(encodings ORDER BY row_group_id) FROM parquet_metadata(FILE)
       WHERE path_in_schema LIKE 'c%' GROUP BY 1 ORDER BY 1`,
    );
    const dictionaries = groups.map(([, encodings]) =>
      (encodings as { items: string[] }).items.map((each) => each.includes('DICTIONARY')),
    );
    expect(dictionaries).toEqual([
      [false, false, false],
      [true, true, false],
      [true, true, false],
    ]);
  });

  it('keeps dictionaries of the most words, and of words that are much alike', async () => {
    const rows = Array.from({ length: 20_480 }, (_, i) => [
      `${i % 2048}`,
      `a${'b'.repeat(i % 200)}`,
      i % 2 ? 'ab' : 'ba',
    ]);
    await write(rows);
    expect(await readBack(3)).toEqual(rows);
  });

  it('writes texts of any length, and ends a group before it is large', async () => {
    const rows = Array.from({ length: 40 }, (_, i) => [`${i}`.repeat(i * 20_000), 'ü'.repeat(i), `${i}`]);
    await write(rows, true);
    for (let i = 0; i < 40; i++) {
      expect(await query(`SELECT c1, c2, c3 FROM FILE WHERE _row = ${i + 1}`)).toEqual([
        rows[i].map((cell) => cell || null),
      ]);
    }
    const sizes = await query('SELECT DISTINCT row_group_num_rows::DOUBLE FROM parquet_metadata(FILE)');
    expect(sizes.length).toBeGreaterThan(1);
  });

  it('says of each group which rows it has', async () => {
    await write(Array.from({ length: 50_000 }, (_, i) => [`${i}`]));
    expect(
      await query(
        `SELECT stats_min_value::DOUBLE, stats_max_value::DOUBLE FROM parquet_metadata(FILE)
         WHERE path_in_schema = '_row' ORDER BY row_group_id`,
      ),
    ).toEqual([
      [1, 20_480],
      [20_481, 40_960],
      [40_961, 50_000],
    ]);
  });

  it('keeps issues with their rows', async () => {
    const writer = new ParquetWriter(path, 1);
    writer.row([Buffer.from('a')]);
    writer.row([], 'column-count', 'surplus: "ü"');
    writer.row([Buffer.from('b')]);
    await writer.finish();
    expect(writer).toMatchObject({ rows: 3, issueRows: 1 });
    expect(await query('SELECT _issue, _detail, c1 FROM FILE ORDER BY _row')).toEqual([
      [null, null, 'a'],
      ['column-count', 'surplus: "ü"', null],
      [null, null, 'b'],
    ]);
  });

  it('takes 500 columns', async () => {
    const rows = Array.from({ length: 5000 }, (_, row) =>
      Array.from({ length: 500 }, (_, i) => (row % 7 ? `${row % (i + 1)}` : null)),
    );
    await write(rows, true);
    for (let first = 0; first < 500; first += 50) {
      const columns = Array.from({ length: 50 }, (_, i) => first + i);
      const sums = columns.map((i) => `sum(c${i + 1}::INTEGER)::DOUBLE`);
      const expected = columns.map((i) => rows.reduce((sum, row) => sum + Number(row[i]), 0));
      expect(await query(`SELECT ${sums.join()} FROM FILE`)).toEqual([expected]);
    }
  });
});
