import { Injectable } from '@nestjs/common';
import { indexEntries } from '@muster/core/contact/custom-fields-sort-key';
import { CompiledField } from '@muster/core/contact/custom-fields';
import { ContactTarget } from '@muster/core/contact/fields';
import { Database } from '@muster/platform/database/database';
import { SqlCondition } from '@muster/platform/database/record-table';
import { indexedFilter } from '@muster/platform/http/indexed-filter';
import { FilterCondition } from '@muster/platform/http/list-query';
import { Tx } from '@muster/platform/database/transactions';
import { marks } from '@muster/platform/database/sql';
import { tableOf } from './custom-fields.repository';

/** A record, and what it holds under the keys of its custom fields. */
export interface RecordValues {
  recordId: number;
  values: Readonly<Record<string, unknown>>;
}

/** How often a value occurs. */
export interface ValueCount {
  sortKey: string;
  count: number;
  /** A record that has it. */
  example: number;
}

type Row = [recordId: number, fieldId: number, ordinal: number, sortKey: string, number: number | null];

const COLUMNS = ['record_id', 'field_id', 'ordinal', 'sort_key', 'number_value'];
/** More rows than these go by the bulk load. */
const ROWS_BY_INSERT = 500;
const IDS_AT_ONCE = 500;

/** All SQL on the index of custom fields. */
@Injectable()
export class CustomFieldIndex {
  constructor(private readonly database: Database) {}

  /** Writes the index of records for some fields. @param isNew the records have no rows yet */
  async write(
    tx: Tx,
    fields: readonly CompiledField[],
    records: readonly RecordValues[],
    isNew: boolean,
  ): Promise<void> {
    if (fields.length === 0 || records.length === 0) return;
    if (!isNew) {
      const ids = records.map(({ recordId }) => recordId);
      await this.remove(
        tx,
        ids,
        fields.map(({ id }) => id),
      );
    }
    const rows = records.flatMap(({ recordId, values }) =>
      fields.flatMap((field) => {
        const value = Object.hasOwn(values, field.key) ? values[field.key] : null;
        return indexEntries(field, value).map(({ sortKey, number }, ordinal): Row => [
          recordId,
          field.id,
          ordinal,
          sortKey,
          number,
        ]);
      }),
    );
    await this.insert(tx, rows);
  }

  private async insert(tx: Tx, rows: Row[]): Promise<void> {
    if (rows.length <= ROWS_BY_INSERT) {
      const sql = `INSERT INTO custom_field_values (${COLUMNS.join(', ')}) VALUES ${rows.map((row) => `(${marks(row)})`).join(', ')}`;
      await tx.query(sql, rows.flat());
      return;
    }
    const { dialect } = this.database;
    const buffer = dialect.bulkBuffer();
    for (const row of rows) buffer.add(row);
    const inserted = await dialect.bulkInsert(tx.runner, 'custom_field_values', COLUMNS, buffer);
    if (inserted !== rows.length) throw new Error(`${rows.length - inserted} rows of the index were there already.`);
  }

  /** Takes records out of the index of some fields. */
  async remove(tx: Tx, recordIds: readonly number[], fieldIds: readonly number[]): Promise<void> {
    if (fieldIds.length === 0) return;
    for (let start = 0; start < recordIds.length; start += IDS_AT_ONCE) {
      const ids = recordIds.slice(start, start + IDS_AT_ONCE);
      await tx.query(
        `DELETE FROM custom_field_values WHERE record_id IN (${marks(ids)}) AND field_id IN (${marks(fieldIds)})`,
        [...ids, ...fieldIds],
      );
    }
  }

  /** Takes away up to so many rows of a field. @returns whether that was all */
  async drop(tx: Tx, fieldId: number, most: number): Promise<boolean> {
    const { rows } = await tx.query<{ record_id: number }>(
      'SELECT record_id FROM custom_field_values WHERE field_id = ? ORDER BY sort_key, record_id, ordinal LIMIT ?',
      [fieldId, most],
    );
    await this.remove(tx, [...new Set(rows.map((row) => Number(row.record_id)))], [fieldId]);
    return rows.length < most;
  }

  /** The records whose value of a field fulfils a condition, the text of which must be one of few. */
  condition({ id, type }: CompiledField, { sql, params }: SqlCondition): Promise<FilterCondition> {
    const entries = { sql: `FROM custom_field_values WHERE field_id = ? AND ${sql}`, params: [id, ...params] };
    return indexedFilter(this.database, 'record_id', entries, type === 'multi-list');
  }

  /** The most frequent values of a field among some records, '' (none) included. */
  async frequent(noun: ContactTarget, fieldId: number, visible: SqlCondition, most: number): Promise<ValueCount[]> {
    const rows = await this.database.query<{ sort_key: string; n: number; example: number }>(
      `SELECT entry.sort_key, COUNT(*) AS n, MIN(entry.record_id) AS example ${this.entriesOf(noun, visible)}
       GROUP BY entry.sort_key ORDER BY n DESC, entry.sort_key LIMIT ?`,
      [fieldId, ...visible.params, most],
    );
    return rows.map(({ sort_key: sortKey, n, example }) => ({ sortKey, count: Number(n), example: Number(example) }));
  }

  /** What the values of a field come to among some records. */
  async sums(noun: ContactTarget, fieldId: number, visible: SqlCondition) {
    const [row] = await this.database.query<Record<string, number | string | null>>(
      `SELECT COUNT(*) AS entries, COUNT(DISTINCT entry.sort_key) AS different, COUNT(DISTINCT entry.record_id) AS records,
         COALESCE(SUM(CASE WHEN entry.sort_key = '' THEN 1 ELSE 0 END), 0) AS blank, SUM(entry.number_value) AS total,
         MIN(entry.number_value) AS least, MAX(entry.number_value) AS most ${this.entriesOf(noun, visible)}`,
      [fieldId, ...visible.params],
    );
    const numberOf = (value: number | string | null) => (value === null ? null : Number(value));
    return {
      entries: Number(row.entries),
      different: Number(row.different),
      records: Number(row.records),
      blank: Number(row.blank),
      sum: numberOf(row.total),
      min: numberOf(row.least),
      max: numberOf(row.most),
    };
  }

  private entriesOf(noun: ContactTarget, visible: SqlCondition): string {
    const table = tableOf(noun);
    return `FROM custom_field_values entry JOIN ${table} ON ${table}.id = entry.record_id WHERE entry.field_id = ? AND ${visible.sql}`;
  }

  /** What some records hold under their keys. */
  async valuesOf(noun: ContactTarget, ids: readonly number[]): Promise<Map<number, Record<string, unknown>>> {
    if (ids.length === 0) return new Map();
    const rows = await this.database.query<{ id: number; custom_fields: string }>(
      `SELECT id, custom_fields FROM ${tableOf(noun)} WHERE id IN (${marks(ids)})`,
      [...ids],
    );
    return new Map(rows.map((row) => [Number(row.id), JSON.parse(row.custom_fields) as Record<string, unknown>]));
  }
}
