import { DataSource, EntityManager } from 'typeorm';
import { Config } from '../config/config';
import { Dialect, MigrationClass } from './dialect/dialect';
import { MysqlDialect } from './dialect/mysql.dialect';
import { SqliteDialect } from './dialect/sqlite.dialect';
import { TableDefinition } from './dialect/columns';

/** The open store. Reads go through {@link read}; writes through `Transactions.run`. */
export class Database {
  private constructor(
    readonly dialect: Dialect,
    readonly writer: DataSource,
    private readonly reader: DataSource,
  ) {}

  /** Opens the store. Does not migrate. */
  static async open(config: Config, tables: TableDefinition[], migrations: MigrationClass[]): Promise<Database> {
    const { database } = config;
    const dialect = database.kind === 'mysql' ? new MysqlDialect(database.url) : new SqliteDialect(database.path);
    const { writer, reader } = await dialect.open(tables, migrations);
    return new Database(dialect, writer, reader);
  }

  /** Applies the migrations that are missing; safe when several processes do so at once. */
  async migrate(): Promise<string[]> {
    const lock = this.dialect.flavor === 'sqlite' ? null : this.writer.createQueryRunner();
    try {
      await lock?.query(`SELECT GET_LOCK(CONCAT('muster-migrate-', DATABASE()), 120)`);
      return (await this.writer.runMigrations()).map((migration) => migration.name);
    } finally {
      await lock?.query(`SELECT RELEASE_LOCK(CONCAT('muster-migrate-', DATABASE()))`);
      await lock?.release();
    }
  }

  /** Committed data, outside any transaction. */
  get read(): EntityManager {
    return this.reader.manager;
  }

  /** Rows of a SELECT on committed data. */
  query<T = Record<string, unknown>>(sql: string, params: unknown[] = []): Promise<T[]> {
    return this.reader.query(sql, params);
  }

  /**
   * Rows of a SELECT on committed data that runs often; faster than {@link query}. Its text must be one of few, with every value
   * among the parameters: the store keeps each text that it was given.
   */
  select<T = Record<string, unknown>>(sql: string, params: unknown[] = []): Promise<T[]> {
    return this.dialect.select(sql, params) as Promise<T[]>;
  }

  /** Rows of a SELECT on committed data as lists of their columns: for thousands of rows at a time. */
  lists(sql: string, params: unknown[] = []): Promise<unknown[][]> {
    return this.dialect.lists(sql, params);
  }

  async close(): Promise<void> {
    if (this.reader !== this.writer) await this.reader.destroy();
    await this.writer.destroy();
  }
}
