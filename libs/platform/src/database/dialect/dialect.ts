import { DataSource, QueryRunner } from 'typeorm';
import { Flavor, TableDefinition } from './columns';

export type BulkValue = string | number | boolean | Date | null;

/** The values of a key, or of its first columns. */
export type BulkKey = readonly (string | number)[];

/** Rows on their way into a table, kept in the form that the database takes fastest. */
export interface BulkBuffer {
  /** How many rows were added. */
  readonly count: number;
  add(values: readonly BulkValue[]): void;
  /** The values of one row, as they will be stored. @param index the row's place among those that were added, from 0 */
  read(index: number): (string | number | null)[];
}

/** The only place that may name a database. Everything above it says what it wants in these words. */
export interface Dialect {
  readonly flavor: Flavor;
  /** Appended to a SELECT that claims rows: others skip what a transaction has already taken. */
  readonly skipLocked: string;
  /** Appended to a SELECT in a transaction: until its end nobody else changes the rows. Others wait for it, and it for them. */
  readonly forUpdate: string;
  /** Appended to a SELECT in a transaction: until its end nobody changes the rows, and others may hold them so too. */
  readonly forShare: string;
  /** The function that counts the characters of a text; `OCTET_LENGTH` counts its bytes everywhere. */
  readonly charLength: string;
  /** The connection that writes, and the one that reads what is committed (the same pool on a server). */
  open(tables: TableDefinition[], migrations: MigrationClass[]): Promise<{ writer: DataSource; reader: DataSource }>;
  /** Rows of a SELECT on committed data, by a statement that is prepared once and kept. */
  select(sql: string, params: unknown[]): Promise<Record<string, unknown>[]>;
  /**
   * The SQL of the texts of all rows, one after another in any order, as bytes; null for none. What is longer than the store's limit is
   * cut off.
   * @param text the SQL of the text of one row
   */
  joined(text: string): string;
  /** Rows of a SELECT on committed data as lists of their columns: for many rows, much cheaper than an object for each. */
  lists(sql: string, params: unknown[]): Promise<unknown[][]>;
  /** Runs `work` between begin and commit, one at a time where the database allows but one writer. */
  transaction<T>(writer: DataSource, work: (runner: QueryRunner) => Promise<T>): Promise<T>;
  /** An empty buffer for {@link bulkInsert}. */
  bulkBuffer(): BulkBuffer;
  /**
   * Inserts rows, one after another, leaving out those whose key or unique value is taken. Anything else that a database would bend to fit
   * (a value cut short, a number out of range) is an error.
   * @returns how many were inserted
   */
  bulkInsert(runner: QueryRunner, table: string, columns: string[], rows: BulkBuffer): Promise<number>;
  /** Deletes the rows that have these values in these columns, which begin a key; those that are not there are passed over. */
  bulkDelete(runner: QueryRunner, table: string, columns: string[], rows: readonly BulkKey[]): Promise<void>;
  /**
   * Writes columns of rows that exist, many at a time. A value that does not fit and a unique value that is taken are errors, and then the
   * transaction must be given up.
   * @param columns the first is the key, `id`; every row has a value for each
   */
  bulkUpdate(
    runner: QueryRunner,
    table: string,
    columns: string[],
    rows: readonly (readonly BulkValue[])[],
  ): Promise<void>;
  /** Whether an error says that a unique value is taken. */
  isDuplicate(error: unknown): boolean;
  /** Whether the same transaction may succeed when it is run again (deadlock, lock timeout, lost connection). */
  isRetryable(error: unknown): boolean;
  /** Whether the database has no room for what was to be written. */
  isFull(error: unknown): boolean;
}

export type MigrationClass = new () => import('typeorm').MigrationInterface;

/** A time as every store keeps it: UTC, milliseconds, `YYYY-MM-DD HH:MM:SS.mmm`. */
export const formatTime = (time: Date) => time.toISOString().replace('T', ' ').slice(0, 23);

/** A stored time read by raw SQL: a Date from MySQL, text from SQLite. */
export const parseTime = (stored: Date | string): Date =>
  stored instanceof Date ? stored : new Date(`${stored.replace(' ', 'T')}Z`);
