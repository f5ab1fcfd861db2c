import { Readable } from 'node:stream';
import {
  createConnection,
  ExecuteValues,
  Pool,
  PoolConnection,
  QueryValues,
  ResultSetHeader,
  RowDataPacket,
} from 'mysql2';
import { DataSource, QueryRunner } from 'typeorm';
import { Flavor, TableDefinition, toEntitySchema } from './columns';
import { BulkText } from './bulk-text';
import { BulkBuffer, BulkKey, Dialect, MigrationClass, BulkValue } from './dialect';
import { marks } from '../sql';

/** What every connection says first: one isolation level, no silent bending of values, UTC, long texts of many values. */
const SESSION = [
  'SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED',
  `SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', SESSION time_zone = '+00:00',
     SESSION group_concat_max_len = 16777216`,
];

const POOL_SIZE = 12;
const DUPLICATE = 1062;
/** The server or the client refuses LOAD DATA LOCAL. */
const LOCAL_LOAD_REFUSED = new Set([1148, 3948, 4166]);
/** The server does not know a prepared statement any more, keeps no more of them, or wants it prepared again. */
const NOT_PREPARED = new Set([1243, 1461, 1615]);
/**
 * Lock wait timeout, deadlock, record changed since last read; and what a server says that goes down: shutdown in progress,
 * statement interrupted, connection killed.
 */
const RETRYABLE = new Set([1205, 1213, 1020, 1053, 1317, 1927]);
/** Disk full, table full. */
const FULL = new Set([1021, 1114]);
/** What the server says of the operating system's error: no space, over quota. */
const FULL_TEXT = /Errcode: (28|122)\b|No space left on device/;
const LOST = new Set(['PROTOCOL_CONNECTION_LOST', 'ECONNRESET', 'ECONNREFUSED', 'EPIPE', 'ETIMEDOUT']);
/** So few rows are sent with their statement: LOAD DATA asks for them in a trip of its own. */
const FEW_ROWS = 20;
const INSERT_ROWS_AT_ONCE = 1_000;
const DELETED_AT_ONCE = 5_000;
const UPDATE_ROWS_AT_ONCE = 500;

/** MySQL 8+ and MariaDB 10.6+. */
export class MysqlDialect implements Dialect {
  flavor: Flavor = 'mysql';
  readonly skipLocked = ' FOR UPDATE SKIP LOCKED';
  readonly forUpdate = ' FOR UPDATE';
  readonly forShare = ' LOCK IN SHARE MODE'; // MariaDB does not know FOR SHARE.
  readonly charLength = 'CHAR_LENGTH';
  private localLoad = true;
  private pool: Pool;

  constructor(private readonly url: string) {}

  async open(tables: TableDefinition[], migrations: MigrationClass[]) {
    this.flavor = await this.detectFlavor();
    const source = await new DataSource({
      type: this.flavor === 'mariadb' ? 'mariadb' : 'mysql',
      url: this.url.replace(/^mariadb:/, 'mysql:'),
      entities: tables.map((table) => toEntitySchema(table, this.flavor)),
      migrations,
      migrationsTransactionMode: 'none',
      charset: 'utf8mb4',
      timezone: 'Z',
      supportBigNumbers: true,
      bigNumberStrings: false,
      poolSize: POOL_SIZE,
    }).initialize();
    const { pool } = source.driver as unknown as { pool: Pool };
    this.pool = pool;
    const prepare = (connection: Pick<PoolConnection, 'query'>) => SESSION.forEach((sql) => connection.query(sql));
    pool.on('connection', prepare);
    const first = await pool.promise().getConnection();
    for (const sql of SESSION) await first.query(sql);
    first.release();
    return { writer: source, reader: source };
  }

  /** Past TypeORM, which makes a runner for each statement and sends it as text. */
  select(sql: string, params: unknown[]): Promise<Record<string, unknown>[]> {
    return new Promise((resolve, reject) => {
      this.pool.execute<RowDataPacket[]>(sql, params as ExecuteValues, (error, rows) => {
        if (!error) return resolve(rows);
        if (!NOT_PREPARED.has(errnoOf(error))) return reject(error);
        this.pool.query<RowDataPacket[]>(sql, params as QueryValues, (failure, found) =>
          failure ? reject(failure) : resolve(found),
        );
      });
    });
  }

  joined(text: string): string {
    return `CAST(GROUP_CONCAT(${text} SEPARATOR '') AS BINARY)`;
  }

  lists(sql: string, params: unknown[]): Promise<unknown[][]> {
    return new Promise((resolve, reject) => {
      this.pool.query<RowDataPacket[][]>({ sql, values: params, rowsAsArray: true }, (error, rows) =>
        error ? reject(error) : resolve(rows),
      );
    });
  }

  private async detectFlavor(): Promise<Flavor> {
    const connection = createConnection(this.url.replace(/^mariadb:/, 'mysql:')).promise();
    try {
      const [rows] = await connection.query('SELECT VERSION() AS version');
      return /mariadb/i.test((rows as { version: string }[])[0].version) ? 'mariadb' : 'mysql';
    } finally {
      connection.destroy();
    }
  }

  async transaction<T>(writer: DataSource, work: (runner: QueryRunner) => Promise<T>): Promise<T> {
    const runner = writer.createQueryRunner();
    try {
      await runner.startTransaction();
      const result = await work(runner);
      await runner.commitTransaction();
      return result;
    } catch (error) {
      if (runner.isTransactionActive) await runner.rollbackTransaction().catch(() => undefined);
      throw error;
    } finally {
      await runner.release();
    }
  }

  bulkBuffer(): BulkBuffer {
    return new BulkText();
  }

  /**
   * LOAD DATA LOCAL, or for few rows and where the server does not allow it INSERT IGNORE; both turn bent values into warnings, which are
   * errors here.
   */
  async bulkInsert(runner: QueryRunner, table: string, columns: string[], rows: BulkBuffer): Promise<number> {
    if (rows.count === 0) return 0;
    const connection = (await runner.connect()) as PoolConnection;
    if (this.localLoad && rows instanceof BulkText && rows.count > FEW_ROWS) {
      try {
        return await this.load(connection, table, columns, rows);
      } catch (error) {
        if (!LOCAL_LOAD_REFUSED.has(errnoOf(error))) throw error;
        this.localLoad = false;
      }
    }
    let inserted = 0;
    for (let start = 0; start < rows.count; start += INSERT_ROWS_AT_ONCE) {
      const length = Math.min(INSERT_ROWS_AT_ONCE, rows.count - start);
      const values = Array.from({ length }, (_, index) => rows.read(start + index));
      const sql = `INSERT IGNORE INTO ${table} (${columns.join(', ')}) VALUES ?`;
      inserted += await this.bulkStatement(connection, { sql, values: [values] }, length);
    }
    return inserted;
  }

  /** The keys travel as one JSON text and are joined: ranges by OR take time in the square of their number to plan. */
  async bulkDelete(runner: QueryRunner, table: string, columns: string[], rows: readonly BulkKey[]): Promise<void> {
    if (rows.length === 0) return;
    const typeOf = (value: string | number) => (typeof value === 'number' ? 'BIGINT' : 'VARCHAR(255)');
    const given = columns.map((column, at) => `${column} ${typeOf(rows[0][at])} PATH '$[${at}]'`).join(', ');
    const same = columns.map((column) => `held.${column} = given.${column}`).join(' AND ');
    const sql = `DELETE held FROM JSON_TABLE(?, '$[*]' COLUMNS (${given})) AS given STRAIGHT_JOIN ${table} AS held ON ${same}`;
    for (let start = 0; start < rows.length; start += DELETED_AT_ONCE) {
      await runner.query(sql, [JSON.stringify(rows.slice(start, start + DELETED_AT_ONCE))]);
    }
  }

  /** Joins the table with a list of rows: a temporary table would need a privilege of its own. */
  async bulkUpdate(
    runner: QueryRunner,
    table: string,
    columns: string[],
    rows: readonly (readonly BulkValue[])[],
  ): Promise<void> {
    const [, ...changed] = columns;
    const first = `SELECT ${columns.map((name) => `? AS ${name}`).join(', ')}`;
    const other = ` UNION ALL SELECT ${marks(columns)}`;
    const assignments = changed.map((name) => `held.${name} = given.${name}`).join(', ');
    for (let start = 0; start < rows.length; start += UPDATE_ROWS_AT_ONCE) {
      const some = rows.slice(start, start + UPDATE_ROWS_AT_ONCE);
      await runner.query(
        `UPDATE ${table} held JOIN (${first}${other.repeat(some.length - 1)}) given ON given.id = held.id SET ${assignments}`,
        some.flat(),
      );
    }
  }

  private load(connection: PoolConnection, table: string, columns: string[], rows: BulkText): Promise<number> {
    const sql =
      `LOAD DATA LOCAL INFILE 'rows' INTO TABLE ${table} CHARACTER SET utf8mb4 ` +
      `FIELDS TERMINATED BY '\\t' ESCAPED BY '\\\\' LINES TERMINATED BY '\\n' (${columns.join(', ')})`;
    const infileStreamFactory = () => Readable.from([rows.lines], { objectMode: false });
    return this.bulkStatement(connection, { sql, infileStreamFactory }, rows.count);
  }

  private bulkStatement(
    connection: PoolConnection,
    options: { sql: string; values?: QueryValues; infileStreamFactory?: () => Readable },
    expected: number,
  ): Promise<number> {
    return new Promise((resolve, reject) => {
      connection.query<ResultSetHeader>(options, (error, result) => {
        if (error) return reject(error);
        const left = expected - result.affectedRows;
        if (result.warningStatus > left) {
          return reject(
            new Error(`The store would bend ${result.warningStatus - left} values of a bulk insert to fit.`),
          );
        }
        resolve(result.affectedRows);
      });
    });
  }

  isDuplicate(error: unknown): boolean {
    return errnoOf(error) === DUPLICATE;
  }

  isRetryable(error: unknown): boolean {
    const { code, fatal } = driverErrorOf(error);
    // The client marks what ends a connection as fatal, and has no code for all of it.
    return RETRYABLE.has(errnoOf(error)) || LOST.has(code ?? '') || fatal === true;
  }

  isFull(error: unknown): boolean {
    const { driverError, sqlMessage } = error as { driverError?: { sqlMessage?: string }; sqlMessage?: string };
    return FULL.has(errnoOf(error)) || FULL_TEXT.test(driverError?.sqlMessage ?? sqlMessage ?? '');
  }
}

interface DriverError {
  code?: string;
  errno?: number;
  fatal?: boolean;
}

const driverErrorOf = (error: unknown): DriverError =>
  (error as { driverError?: DriverError }).driverError ?? (error as DriverError);

const errnoOf = (error: unknown): number => driverErrorOf(error).errno ?? 0;
