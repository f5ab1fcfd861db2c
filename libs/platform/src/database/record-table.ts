import { Column, columnName, TableDefinition } from './dialect/columns';
import { BulkValue, formatTime, parseTime } from './dialect/dialect';
import { Database } from './database';
import { Gathered, SqlCondition } from './gathered';
import { Tx } from './transactions';
import { marks } from './sql';

export type { SqlCondition };

/** A record whose changes are counted. */
export interface VersionedRecord {
  id: number;
  version: number;
}

/** A record before and after a write. */
export interface RecordChange<R> {
  before: R;
  after: R;
}

interface RecordColumn {
  property: string;
  column: string;
  kind: Column['kind'];
}

type Row = Record<string, unknown>;

const IDS_AT_ONCE = 500;

/** A stored value as the application has it. */
function decode(kind: Column['kind'], value: unknown): unknown {
  if (value === null) return null;
  if (kind === 'json') return JSON.parse(value as string);
  if (kind === 'time') return parseTime(value as Date | string);
  if (kind === 'boolean') return Boolean(Number(value));
  return kind === 'text' || kind === 'longText' ? value : Number(value);
}

/** A value as every database takes it. */
function encode(kind: Column['kind'], value: unknown): unknown {
  if (value === null || value === undefined) return null;
  if (kind === 'json') return JSON.stringify(value);
  if (kind === 'time') return formatTime(value as Date);
  return kind === 'boolean' ? Number(value) : value;
}

/** Plain SQL reads of a table whose key is `id`, not mapped by an ORM. */
export class ReadTable<R extends { id: number }> {
  protected readonly columns: RecordColumn[];
  private readonly lookUps: Gathered<Row & { id: unknown }>;

  constructor(
    readonly database: Database,
    readonly definition: TableDefinition,
  ) {
    this.columns = Object.entries(definition.columns).map(([property, { kind }]) => ({
      property,
      column: columnName(property),
      kind,
    }));
    this.lookUps = new Gathered(database, `SELECT * FROM ${definition.name}`, 'id');
  }

  /** A row of `SELECT *` as a record. */
  fromRow(row: Row): R {
    const record: Row = {};
    for (const { property, column, kind } of this.columns) record[property] = decode(kind, row[column]);
    return record as R;
  }

  /** The committed record, when the condition holds for it. */
  async find(id: number, where: SqlCondition): Promise<R | null> {
    const row = await this.lookUps.find(id, where);
    return row ? this.fromRow(row) : null;
  }

  protected one(where: SqlCondition): string {
    return `SELECT * FROM ${this.definition.name} WHERE id = ? AND ${where.sql}`;
  }
}

/** The same of versioned records, and their writes, which take `tx`. */
export class RecordTable<R extends VersionedRecord> extends ReadTable<R> {
  /**
   * Reads a record in order to change it: until the transaction ends, nobody else changes it.
   * @returns null when it is absent or the condition does not hold for it
   */
  async lock(tx: Tx, id: number, where: SqlCondition): Promise<R | null> {
    // An update that changes nothing takes the row's lock on every database; SELECT FOR UPDATE does not exist on all.
    await tx.query(`UPDATE ${this.definition.name} SET version = version WHERE id = ?`, [id]);
    const { rows } = await tx.query<Row>(this.one(where), [id, ...where.params]);
    return rows[0] ? this.fromRow(rows[0]) : null;
  }

  async insert(tx: Tx, record: R): Promise<void> {
    const names = this.columns.map(({ column }) => column).join(', ');
    const values = this.columns.map(({ property, kind }) => encode(kind, record[property as keyof R]));
    await tx.query(`INSERT INTO ${this.definition.name} (${names}) VALUES (${marks(this.columns)})`, values);
  }

  async update(tx: Tx, id: number, changes: Partial<R>): Promise<void> {
    const changed = this.columns.filter(({ property }) => property in changes);
    const assignments = changed.map(({ column }) => `${column} = ?`).join(', ');
    const values = changed.map(({ property, kind }) => encode(kind, changes[property as keyof R]));
    await tx.query(`UPDATE ${this.definition.name} SET ${assignments} WHERE id = ?`, [...values, id]);
  }

  /**
   * Writes records that are locked in this transaction, many at a time: what is different.
   * @throws when a unique value is taken; then the transaction must be given up
   */
  async updateAll(tx: Tx, changes: readonly RecordChange<R>[]): Promise<void> {
    const value = (record: R, { property, kind }: RecordColumn) =>
      encode(kind, record[property as keyof R]) as BulkValue;
    const changed = this.columns.filter((column) =>
      changes.some(({ before, after }) => value(before, column) !== value(after, column)),
    );
    if (changed.length === 0) return;
    const rows = changes.map(({ after }) => [after.id, ...changed.map((column) => value(after, column))]);
    const names = ['id', ...changed.map(({ column }) => column)];
    await this.database.dialect.bulkUpdate(tx.runner, this.definition.name, names, rows);
  }

  /** Reads records in order to change them, by rising id: until the transaction ends, nobody else does. Absent ones are left out. */
  async lockAll(tx: Tx, ids: readonly number[]): Promise<R[]> {
    const records: R[] = [];
    const sorted = ids.toSorted((a, b) => a - b);
    for (let start = 0; start < sorted.length; start += IDS_AT_ONCE) {
      const some = sorted.slice(start, start + IDS_AT_ONCE);
      const { rows } = await tx.query<Row>(
        `SELECT * FROM ${this.definition.name} WHERE id IN (${marks(some)}) ORDER BY id${this.database.dialect.forUpdate}`,
        some,
      );
      for (const row of rows) records.push(this.fromRow(row));
    }
    return records;
  }

  /** Deletes records that are locked in this transaction. */
  async removeAll(tx: Tx, records: readonly R[]): Promise<void> {
    for (let start = 0; start < records.length; start += IDS_AT_ONCE) {
      const ids = records.slice(start, start + IDS_AT_ONCE).map(({ id }) => id);
      await tx.query(`DELETE FROM ${this.definition.name} WHERE id IN (${marks(ids)})`, ids);
    }
  }

  async remove(tx: Tx, id: number): Promise<void> {
    await tx.query(`DELETE FROM ${this.definition.name} WHERE id = ?`, [id]);
  }
}
