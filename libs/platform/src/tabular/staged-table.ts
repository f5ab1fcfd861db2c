import type { DuckDBConnection } from '@duckdb/node-api';
import { connectDuckDb, isOutOfMemory, sqlText } from './duckdb';
import type { ColumnSharers } from './early-sharers';
import { findLaterSharers, mergeRows, type SharingKey } from './later-sharers';
import { profileColumns, type ColumnProfile } from './profile';
import { JoinedRows, SEPARATOR, type RowIssues, type StagedRow, type StagedRows } from './staged-rows';

export interface StagedTableOptions {
  /** For each column what was found while the table was staged, by whoever staged it. */
  sharers?: readonly (ColumnSharers | null)[];
  /** Stops what runs, and refuses what is asked for later: with its reason. */
  signal?: AbortSignal;
}

/** Smaller ranges are somebody looking, not an import: nothing is read ahead for them. */
const MIN_SEQUENTIAL_ROWS = 1000;
/** In milliseconds. */
const INTERRUPT_AGAIN = 20;

/**
 * Reads a Parquet file that `stageCsv` made. Calls may overlap; they run one after another. A column is named by its
 * position, from 0.
 */
export class StagedTable {
  private queue: Promise<unknown> = Promise.resolve();
  private ahead: { from: number; to: number; columns: string; rows: StagedRows } | null = null;
  private closed = false;
  /** The table in SQL. */
  private readonly source: string;

  private constructor(
    private readonly connection: DuckDBConnection,
    /** The path of the file in SQL. */
    private readonly file: string,
    private readonly columnCount: number,
    /** The last rows of the file's row groups, rising. */
    private readonly groupEnds: Float64Array,
    private readonly options: StagedTableOptions,
  ) {
    this.source = `read_parquet(${file})`;
  }

  static async open(parquetPath: string, columnCount: number, options: StagedTableOptions = {}): Promise<StagedTable> {
    const connection = await connectDuckDb();
    try {
      const file = sqlText(parquetPath);
      const result = await connection.run(
        `SELECT sum(any_value(row_group_num_rows)) OVER (ORDER BY row_group_id)::DOUBLE
         FROM parquet_metadata(${file}) GROUP BY row_group_id ORDER BY row_group_id`,
      );
      const ends = Float64Array.from((await result.getRows()) as [number][], ([end]) => end);
      return new StagedTable(connection, file, columnCount, ends, options);
    } catch (error) {
      connection.closeSync();
      throw error;
    }
  }

  get totalRows(): number {
    return this.groupEnds.at(-1) ?? 0;
  }

  /** Waits for the calls that run. */
  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    await this.queue;
    this.ahead = null;
    this.connection.closeSync();
  }

  /** As `rowsOf`, all made at once. */
  async readRows(fromRow: number, toRow: number, columns: readonly number[]): Promise<StagedRow[]> {
    return [...(await this.rowsOf(fromRow, toRow, columns))];
  }

  /**
   * The rows `fromRow` to `toRow`, both included, as far as they exist. Of a cell over 64 KiB the first 20,000 characters come:
   * no field takes so much, and thousands of such cells at once would not fit into memory.
   */
  rowsOf(fromRow: number, toRow: number, columns: readonly number[]): Promise<StagedRows> {
    return this.inTurn(async () => {
      const from = Math.max(1, fromRow);
      const to = Math.min(toRow, this.totalRows);
      if (from > to) return [];
      const wanted = columns.join();
      let rows: StagedRows = [];
      let next = from;
      if (this.ahead?.columns === wanted && from >= this.ahead.from && from <= this.ahead.to) {
        rows = this.ahead.rows.slice(from - this.ahead.from, to - this.ahead.from + 1);
        next += rows.length;
      }
      if (next > to) return rows;
      // A row group is decompressed as a whole, so an import gets it as a whole: the next ranges are in it.
      const last = to - from + 1 < MIN_SEQUENTIAL_ROWS ? to : (this.groupEnds.find((end) => end >= to) ?? to);
      const read = await this.select(`_row BETWEEN ${integer(next)} AND ${integer(last)}`, columns, cut);
      if (read.length !== last - next + 1) throw new Error(`The staged table lacks rows between ${next} and ${last}.`);
      this.ahead = last > to ? { from: next, to: last, columns: wanted, rows: read } : null;
      const mine = last > to ? read.slice(0, to - next + 1) : read;
      return rows.length > 0 ? [...rows, ...mine] : mine;
    });
  }

  /** The rows with these numbers (at most 1,000), rising; numbers that do not exist are left out. */
  readRowSet(rows: readonly number[], columns: readonly number[]): Promise<StagedRow[]> {
    return this.inTurn(async () => {
      if (rows.length === 0) return [];
      return [...(await this.select(`_row IN (${rows.map(integer).join()})`, columns))];
    });
  }

  /** What the columns hold, one entry for each. */
  profile(): Promise<ColumnProfile[]> {
    return this.inTurn(async () => {
      const { connection, source, columnCount, totalRows } = this;
      // Values of which no two are alike are as many as they are.
      const known = Array.from({ length: columnCount }, (_, column) => {
        const sharers = this.options.sharers?.[column];
        return sharers?.rows.length === 0 ? { ...sharers, distinct: sharers.filled } : null;
      });
      return profileColumns(connection, source, known, await this.bytesOfColumns(), totalRows);
    });
  }

  private async bytesOfColumns(): Promise<number[]> {
    const result = await this.connection.run(
      `SELECT sum(total_uncompressed_size)::DOUBLE FROM parquet_metadata(${this.file})
       WHERE path_in_schema[1] = 'c' GROUP BY column_id ORDER BY column_id`,
    );
    return ((await result.getRows()) as [number][]).map(([bytes]) => bytes);
  }

  /**
   * The numbers of all rows that share a key with an earlier row, rising. The cells of one key's columns are compared with
   * each other. Reports some rows too many, for the caller to look at closely, but misses none: see `SharingKey`.
   */
  laterSharers(keys: readonly SharingKey[]): Promise<Uint32Array> {
    return this.inTurn(async () => {
      for (const { columns } of keys) this.names(columns);
      const known: Uint32Array[] = [];
      const unknown = keys.filter(({ columns, fold }) => {
        const sharers = columns.length === 1 ? this.options.sharers?.[columns[0]] : null;
        if (sharers?.fold !== fold) return true;
        known.push(sharers.rows);
        return false;
      });
      return mergeRows([...known, await findLaterSharers(this.connection, this.source, unknown)]);
    });
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.closed) return Promise.reject(new Error('The staged table is closed.'));
    const result = this.queue.then(() => this.untilAborted(work));
    this.queue = result.catch(() => undefined);
    return result;
  }

  private async untilAborted<T>(work: () => Promise<T>): Promise<T> {
    const { signal } = this.options;
    if (!signal) return work();
    signal.throwIfAborted();
    let again: NodeJS.Timeout | undefined;
    const interrupt = () => {
      this.connection.interrupt();
      // A query that has not begun yet does not notice, and the work may be several.
      again = setInterval(() => this.connection.interrupt(), INTERRUPT_AGAIN);
    };
    signal.addEventListener('abort', interrupt, { once: true });
    try {
      return await work();
    } finally {
      signal.removeEventListener('abort', interrupt);
      clearInterval(again);
      signal.throwIfAborted();
    }
  }

  private names(columns: readonly number[]): string[] {
    return columns.map((column) => {
      if (!Number.isInteger(column) || column < 0 || column >= this.columnCount) {
        throw new RangeError(`There is no column ${column}.`);
      }
      return `c${column + 1}`;
    });
  }

  /**
   * The cells of each column come as one text: several times as fast as value by value.
   */
  private async select(
    where: string,
    columns: readonly number[],
    expression = (name: string) => name,
  ): Promise<StagedRows> {
    const names = this.names(columns).map(expression);
    const texts = ['_row::VARCHAR', ...names.map((name) => `coalesce(${name}, '')`)];
    const found = await this.joined(texts, where);
    if (found === null) return this.selectSlowly(where, names);
    const [count, issues, rows, ...joined] = found;
    if (count === 0) return [];
    const wrong = issues > 0 ? await this.issuesOf(where) : NO_ISSUES;
    return JoinedRows.of(count, rows, joined, wrong) ?? this.selectSlowly(where, names);
  }

  private async issuesOf(where: string): Promise<RowIssues> {
    const result = await this.connection.run(
      `SELECT _row::DOUBLE, _issue, _detail FROM ${this.source} WHERE ${where} AND _issue IS NOT NULL`,
    );
    const rows = (await result.getRows()) as [number, string, string | null][];
    return new Map(rows.map(([row, issue, detail]) => [row, { issue, detail }]));
  }

  /** The number of rows and of issues, and each column as one text; null when that is too much for DuckDB's memory. */
  private async joined(texts: readonly string[], where: string): Promise<[number, number, string, ...string[]] | null> {
    const columns = texts.map((text) => `string_agg(${text}, '${SEPARATOR}')`);
    try {
      const result = await this.connection.run(
        `SELECT count(*)::DOUBLE, count(_issue)::DOUBLE, ${columns.join()} FROM ${this.source} WHERE ${where}`,
      );
      return (await result.getRows())[0] as [number, number, string, ...string[]];
    } catch (error) {
      if (isOutOfMemory(error)) return null;
      throw error;
    }
  }

  private async selectSlowly(where: string, names: readonly string[]): Promise<StagedRow[]> {
    const result = await this.connection.stream(
      `SELECT ${['_row::DOUBLE', '_issue', '_detail', ...names].join()} FROM ${this.source} WHERE ${where}`,
    );
    const rows = (await result.getRows()) as [number, string | null, string | null, ...(string | null)[]][];
    return rows
      .map(([row, issue, detail, ...cells]) => ({ row, issue, detail, cells }))
      .sort((left, right) => left.row - right.row);
  }
}

const NO_ISSUES: RowIssues = new Map();

const cut = (name: string) => `CASE WHEN strlen(${name}) > 65536 THEN left(${name}, 20000) ELSE ${name} END`;

function integer(row: number): string {
  if (!Number.isSafeInteger(row)) throw new RangeError(`${row} is no row number.`);
  return String(row);
}
