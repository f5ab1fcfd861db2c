import { EntitySchema, EntitySchemaColumnOptions, QueryRunner, Table, TableIndex, ValueTransformer } from 'typeorm';

/** The databases that Muster runs on. MySQL and MariaDB differ in a few column defaults, nothing else. */
export type Flavor = 'sqlite' | 'mysql' | 'mariadb';

type Kind = 'serial' | 'id' | 'integer' | 'number' | 'boolean' | 'text' | 'longText' | 'json' | 'time';

export interface Column {
  kind: Kind;
  length?: number;
  nullable?: boolean;
}

/**
 * The shared vocabulary of columns. Text compares by bytes everywhere; times are UTC with milliseconds; ids are integers
 * within what a JavaScript number holds exactly; `null` after the name's options means the column may be empty.
 */
export const column = {
  /** A key given by the database. */
  serial: (): Column => ({ kind: 'serial' }),
  /** A key, or a reference to one, given by the application. */
  id: (options: { nullable?: boolean } = {}): Column => ({ kind: 'id', ...options }),
  integer: (options: { nullable?: boolean } = {}): Column => ({ kind: 'integer', ...options }),
  /** A floating-point number of 64 bits, as JavaScript has it. */
  number: (options: { nullable?: boolean } = {}): Column => ({ kind: 'number', ...options }),
  boolean: (): Column => ({ kind: 'boolean' }),
  /** At most `length` characters. */
  text: (length: number, options: { nullable?: boolean } = {}): Column => ({ kind: 'text', length, ...options }),
  /** Text of up to 16 MB. */
  longText: (options: { nullable?: boolean } = {}): Column => ({ kind: 'longText', ...options }),
  json: (options: { nullable?: boolean } = {}): Column => ({ kind: 'json', ...options }),
  time: (options: { nullable?: boolean } = {}): Column => ({ kind: 'time', ...options }),
};

/** A table: its columns by property name, its key, its indexes. Column names are the snake_case of the properties. */
export interface TableDefinition {
  name: string;
  columns: Record<string, Column>;
  /** Properties of the primary key. */
  key: string[];
  indexes?: { name: string; columns: string[]; unique?: boolean }[];
  /** The rows are kept in the order of the key, which is no single number, and nowhere else (MySQL keeps all tables so). */
  clustered?: boolean;
}

export const columnName = (property: string) => property.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

const toNumber: ValueTransformer = {
  to: (value: unknown) => value,
  from: (value: string | number | null) => (value === null ? null : Number(value)),
};
const toBoolean: ValueTransformer = {
  to: (value: unknown) => value,
  from: (value: unknown) => Boolean(Number(value)),
};
const toJson: ValueTransformer = {
  to: (value: unknown) => (value === null || value === undefined ? value : JSON.stringify(value)),
  from: (value: string | null): unknown => (value === null ? null : JSON.parse(value)),
};

const TYPES: Record<Kind, { mysql: string; sqlite: string; transformer?: ValueTransformer }> = {
  serial: { mysql: 'bigint', sqlite: 'integer', transformer: toNumber },
  id: { mysql: 'bigint', sqlite: 'integer', transformer: toNumber },
  integer: { mysql: 'bigint', sqlite: 'integer', transformer: toNumber },
  number: { mysql: 'double', sqlite: 'double', transformer: toNumber },
  boolean: { mysql: 'tinyint', sqlite: 'integer', transformer: toBoolean },
  text: { mysql: 'varchar', sqlite: 'varchar' },
  longText: { mysql: 'mediumtext', sqlite: 'text' },
  json: { mysql: 'mediumtext', sqlite: 'text', transformer: toJson },
  time: { mysql: 'datetime', sqlite: 'datetime' },
};

const isText = (kind: Kind) => kind === 'text' || kind === 'longText' || kind === 'json';

function physical({ kind, length, nullable }: Column, flavor: Flavor) {
  const onMysql = flavor !== 'sqlite';
  return {
    type: onMysql ? TYPES[kind].mysql : TYPES[kind].sqlite,
    ...(length ? { length: String(length) } : {}),
    ...(kind === 'time' && onMysql ? { precision: 3 } : {}),
    ...(isText(kind) && onMysql ? { charset: 'utf8mb4', collation: 'utf8mb4_bin' } : {}),
    nullable: nullable ?? false,
  };
}

/** TypeORM's view of a table, for its repositories and for the drift check. */
export function toEntitySchema(table: TableDefinition, flavor: Flavor): EntitySchema {
  const columns = Object.entries(table.columns).map(([property, definition]) => {
    const { length, ...options } = physical(definition, flavor);
    return [
      property,
      {
        ...options,
        ...(length ? { length: Number(length) } : {}),
        name: columnName(property),
        primary: table.key.includes(property),
        ...(definition.kind === 'serial' ? { generated: 'increment' } : {}),
        transformer: TYPES[definition.kind].transformer,
      } as EntitySchemaColumnOptions,
    ] as const;
  });
  return new EntitySchema({
    name: table.name,
    tableName: table.name,
    withoutRowid: flavor === 'sqlite' && table.clustered,
    columns: Object.fromEntries(columns),
    indices: table.indexes,
  });
}

/** Creates a table with its indexes; for migrations. */
export async function createTable(runner: QueryRunner, table: TableDefinition, flavor: Flavor): Promise<void> {
  const columns = Object.entries(table.columns).map(([property, definition]) => ({
    ...physical(definition, flavor),
    isNullable: definition.nullable ?? false,
    name: columnName(property),
    isPrimary: table.key.includes(property),
    ...(definition.kind === 'serial' ? { isGenerated: true, generationStrategy: 'increment' as const } : {}),
  }));
  const withoutRowid = flavor === 'sqlite' && table.clustered;
  const indices = (table.indexes ?? []).map(
    (index) =>
      new TableIndex({ name: index.name, columnNames: index.columns.map(columnName), isUnique: index.unique ?? false }),
  );
  await runner.createTable(new Table({ name: table.name, columns, indices, withoutRowid }), true);
}

/** Adds a column that may be empty; for migrations. A column that is there already stays. */
export async function addColumn(
  runner: QueryRunner,
  table: string,
  { property, definition }: { property: string; definition: Column },
  flavor: Flavor,
): Promise<void> {
  const name = columnName(property);
  if (await runner.hasColumn(table, name)) return;
  const column: { type: string; length?: string; precision?: number; charset?: string; collation?: string } = physical(
    definition,
    flavor,
  );
  const size = column.length ?? column.precision;
  const comparison = column.charset ? ` CHARACTER SET ${column.charset} COLLATE ${column.collation}` : '';
  const type = `${column.type}${size === undefined ? '' : `(${size})`}${comparison}`;
  await runner.query(`ALTER TABLE ${table} ADD COLUMN ${name} ${type} NULL`);
}

/** Lets a column be empty; for migrations. */
export async function makeNullable(runner: QueryRunner, table: string, property: string): Promise<void> {
  const before = (await runner.getTable(table))!.findColumnByName(columnName(property))!;
  if (before.isNullable) return;
  const after = before.clone();
  after.isNullable = true;
  await runner.changeColumn(table, before, after);
}

/**
 * Adds a column that may be empty, and an index on it alone, in one statement where the database commits each by itself; for
 * migrations. A column that is there already stays.
 */
export async function addIndexedColumn(
  runner: QueryRunner,
  table: string,
  { property, definition, index }: { property: string; definition: Column; index: string },
  flavor: Flavor,
): Promise<void> {
  const name = columnName(property);
  if (await runner.hasColumn(table, name)) return;
  const { type, length } = physical(definition, flavor);
  const added = `ALTER TABLE ${table} ADD COLUMN ${name} ${type}${length ? `(${length})` : ''} NULL`;
  if (flavor === 'sqlite') {
    await runner.query(added);
    await runner.query(`CREATE INDEX ${index} ON ${table} (${name})`);
  } else await runner.query(`${added}, ADD INDEX ${index} (${name})`);
}
