import { DataSource, QueryRunner } from 'typeorm';
import { Flavor, TableDefinition } from './columns';

/** Rows for a bulk load. */
export interface BulkRows {
  table: string;
  columns: string[];
  /** Lines that {@link BulkText} wrote; all of one, or some of its parts one after another. */
  bytes: Buffer;
  count: number;
}

/** The only place that may name a database. Everything above it says what it wants in these words. */
export interface Dialect {
  readonly flavor: Flavor;
  /** Appended to a SELECT that claims rows: others skip what a transaction has already taken. */
  readonly skipLocked: string;
  /** The connection that writes, and the one that reads what is committed (the same pool on a server). */
  open(tables: TableDefinition[], migrations: MigrationClass[]): Promise<{ writer: DataSource; reader: DataSource }>;
  /** Runs `work` between begin and commit, one at a time where the database allows but one writer. */
  transaction<T>(writer: DataSource, work: (runner: QueryRunner) => Promise<T>): Promise<T>;
  /**
   * Inserts rows, leaving out those whose key or unique value is taken. Anything else that a database would bend to fit
   * (a value cut short, a number out of range) is an error.
   * @returns how many were inserted
   */
  bulkInsert(runner: QueryRunner, rows: BulkRows): Promise<number>;
  /** Whether an error says that a unique value is taken. */
  isDuplicate(error: unknown): boolean;
  /** Whether the same transaction may succeed when it is run again (deadlock, lock timeout, lost connection). */
  isRetryable(error: unknown): boolean;
}

export type MigrationClass = new () => import('typeorm').MigrationInterface;

const UNESCAPES: Record<string, string> = { t: '\t', n: '\n', r: '\r', '0': '\0', '\\': '\\' };

/** The cells of one line of a bulk load, without its line end. */
export function decodeRow(line: string): (string | null)[] {
  const cells: (string | null)[] = line.split('\t');
  if (!line.includes('\\')) return cells;
  return cells.map((cell) =>
    cell === '\\N' ? null : cell!.replace(/\\(.)/g, (_, char: string) => UNESCAPES[char] ?? char),
  );
}

/** A time as every store keeps it: UTC, milliseconds, `YYYY-MM-DD HH:MM:SS.mmm`. */
export const formatTime = (time: Date) => time.toISOString().replace('T', ' ').slice(0, 23);

/** A stored time read by raw SQL: a Date from MySQL, text from SQLite. */
export const parseTime = (stored: Date | string): Date =>
  stored instanceof Date ? stored : new Date(`${stored.replace(' ', 'T')}Z`);
