import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type Sqlite from 'better-sqlite3';
import { DataSource, QueryRunner } from 'typeorm';
import { toEntitySchema, TableDefinition } from './columns';
import { BulkBuffer, BulkKey, BulkValue, Dialect, formatTime, MigrationClass } from './dialect';
import { marks } from '../sql';

/** How long a writer waits for another process's transaction, in milliseconds. */
const BUSY_TIMEOUT = 15_000;

/** Page cache of the connection that writes. */
const CACHE_KIB = 64_000;
/**
 * How much log piles up before it is copied into the file, in pages of 4 KiB. Each chunk of an import touches most pages of the
 * unique indexes; copied after every chunk (the default of 1,000 pages comes to that) they are written several times over.
 */
const CHECKPOINT_PAGES = 50_000;

/** How many rows a bulk insert writes before it lets other work of the process have a turn. */
const ROWS_IN_A_TURN = 1_000;

/** SQLite in WAL mode: one connection writes, one transaction at a time; another reads what is committed. */
export class SqliteDialect implements Dialect {
  readonly flavor = 'sqlite';
  readonly skipLocked = '';
  readonly forUpdate = '';
  readonly forShare = '';
  readonly charLength = 'LENGTH';
  private queue: Promise<unknown> = Promise.resolve();
  private committed: Sqlite.Database;
  private readonly statements = new Map<string, Sqlite.Statement<unknown[], Record<string, unknown>>>();

  constructor(private readonly path: string) {}

  async open(tables: TableDefinition[], migrations: MigrationClass[]) {
    mkdirSync(dirname(this.path), { recursive: true, mode: 0o700 });
    const base = {
      type: 'better-sqlite3' as const,
      database: this.path,
      entities: tables.map((table) => toEntitySchema(table, this.flavor)),
      enableWAL: true,
      timeout: BUSY_TIMEOUT,
      statementCacheSize: 200,
      prepareDatabase: (connection: Sqlite.Database) => {
        connection.pragma('synchronous = FULL');
        connection.pragma(`cache_size = -${CACHE_KIB}`);
        connection.pragma(`wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
        connection.pragma(`journal_size_limit = ${CHECKPOINT_PAGES * 4096}`);
      },
    };
    const writer = await new DataSource({ ...base, migrations, migrationsTransactionMode: 'each' }).initialize();
    const reader = await new DataSource({ ...base, prepareDatabase: undefined }).initialize();
    this.committed = (reader.driver as unknown as { databaseConnection: Sqlite.Database }).databaseConnection;
    return { writer, reader };
  }

  async select(sql: string, params: unknown[]): Promise<Record<string, unknown>[]> {
    let statement = this.statements.get(sql);
    if (!statement) this.statements.set(sql, (statement = this.committed.prepare(sql)));
    return statement.all(...params);
  }

  joined(text: string): string {
    return `CAST(GROUP_CONCAT(${text}, '') AS BLOB)`;
  }

  async lists(sql: string, params: unknown[]): Promise<unknown[][]> {
    return this.committed
      .prepare(sql)
      .raw()
      .all(...params) as unknown[][];
  }

  /** All transactions share one connection, so they queue; BEGIN IMMEDIATE lets a second process queue behind them. */
  transaction<T>(writer: DataSource, work: (runner: QueryRunner) => Promise<T>): Promise<T> {
    const turn = this.queue.then(async () => {
      const runner = writer.createQueryRunner();
      await runner.query('BEGIN IMMEDIATE');
      // Tells TypeORM that a transaction is open, so that its own methods do not begin another.
      Object.assign(runner, { isTransactionActive: true });
      try {
        const result = await work(runner);
        await runner.query('COMMIT');
        return result;
      } catch (error) {
        await runner.query('ROLLBACK').catch(() => undefined);
        throw error;
      } finally {
        Object.assign(runner, { isTransactionActive: false });
      }
    });
    this.queue = turn.catch(() => undefined);
    return turn;
  }

  bulkBuffer(): BulkBuffer {
    return new BulkList();
  }

  async bulkInsert(runner: QueryRunner, table: string, columns: string[], rows: BulkBuffer): Promise<number> {
    const connection = (await runner.connect()) as Sqlite.Database;
    const statement = connection.prepare(
      `INSERT INTO ${table} (${columns.join(', ')}) VALUES (${marks(columns)}) ON CONFLICT DO NOTHING`,
    );
    let inserted = 0;
    for (let index = 0; index < rows.count; index++) {
      inserted += statement.run(rows.read(index)).changes;
      if (index % ROWS_IN_A_TURN === ROWS_IN_A_TURN - 1) await setImmediate();
    }
    return inserted;
  }

  async bulkDelete(runner: QueryRunner, table: string, columns: string[], rows: readonly BulkKey[]): Promise<void> {
    const connection = (await runner.connect()) as Sqlite.Database;
    const where = columns.map((column) => `${column} = ?`).join(' AND ');
    const statement = connection.prepare(`DELETE FROM ${table} WHERE ${where}`);
    for (const [index, row] of rows.entries()) {
      statement.run(row);
      if (index % ROWS_IN_A_TURN === ROWS_IN_A_TURN - 1) await setImmediate();
    }
  }

  async bulkUpdate(
    runner: QueryRunner,
    table: string,
    columns: string[],
    rows: readonly (readonly BulkValue[])[],
  ): Promise<void> {
    const connection = (await runner.connect()) as Sqlite.Database;
    const [key, ...changed] = columns;
    const assignments = changed.map((name) => `${name} = ?`).join(', ');
    const statement = connection.prepare(`UPDATE ${table} SET ${assignments} WHERE ${key} = ?`);
    for (const [index, [id, ...values]] of rows.entries()) {
      statement.run([...values, id].map(toBound));
      if (index % ROWS_IN_A_TURN === ROWS_IN_A_TURN - 1) await setImmediate();
    }
  }

  isDuplicate(error: unknown): boolean {
    return ['SQLITE_CONSTRAINT_UNIQUE', 'SQLITE_CONSTRAINT_PRIMARYKEY'].includes(codeOf(error));
  }

  isRetryable(error: unknown): boolean {
    return codeOf(error).startsWith('SQLITE_BUSY');
  }

  isFull(error: unknown): boolean {
    // The second is of the file that readers share, which SQLite makes anew.
    return ['SQLITE_FULL', 'SQLITE_IOERR_SHMSIZE'].includes(codeOf(error));
  }
}

/** Rows as the driver binds them. */
class BulkList implements BulkBuffer {
  private readonly rows: (string | number | null)[][] = [];

  get count(): number {
    return this.rows.length;
  }

  add(values: readonly BulkValue[]): void {
    this.rows.push(values.map(toBound));
  }

  read(index: number): (string | number | null)[] {
    return this.rows[index];
  }
}

function toBound(value: BulkValue): string | number | null {
  if (typeof value === 'boolean') return value ? 1 : 0;
  return value instanceof Date ? formatTime(value) : value;
}

function codeOf(error: unknown): string {
  const { driverError, code } = error as { driverError?: { code?: string }; code?: string };
  return driverError?.code ?? code ?? '';
}
