import { Injectable } from '@nestjs/common';
import { CONTACT_TARGETS, ContactTarget } from '@muster/core/contact/fields';
import { Database } from '@muster/platform/database/database';
import { RecordTable } from '@muster/platform/database/record-table';
import { Tx } from '@muster/platform/database/transactions';
import { CustomField, customFieldTable } from './custom-fields.entity';
import { marks } from '@muster/platform/database/sql';

/** All SQL on the definitions of custom fields. */
@Injectable()
export class CustomFieldsRepository {
  readonly records: RecordTable<CustomField>;

  constructor(private readonly database: Database) {
    this.records = new RecordTable<CustomField>(database, customFieldTable);
  }

  /** The revision of a noun's definitions, held until the commit: nobody changes a definition meanwhile. */
  async share(tx: Tx, noun: ContactTarget): Promise<number> {
    const { rows } = await tx.query<{ revision: number | string }>(
      `SELECT revision FROM custom_field_sets WHERE noun = ?${this.database.dialect.forShare}`,
      [noun],
    );
    return Number(rows[0].revision);
  }

  /** Begins a change of a noun's definitions: waits for all who write its records, and they wait until the commit. */
  async hold(tx: Tx, noun: ContactTarget): Promise<void> {
    await tx.query('UPDATE custom_field_sets SET revision = revision + 1 WHERE noun = ?', [noun]);
  }

  /** The committed revision. */
  async revision(noun: ContactTarget): Promise<number> {
    const rows = await this.database.select<{ revision: number | string }>(
      'SELECT revision FROM custom_field_sets WHERE noun = ?',
      [noun],
    );
    return Number(rows[0].revision);
  }

  /** All definitions of a noun, oldest first; without `tx` the committed ones. */
  async all(noun: ContactTarget, tx?: Tx): Promise<CustomField[]> {
    const sql = 'SELECT * FROM custom_fields WHERE noun = ? ORDER BY id';
    const rows = tx ? (await tx.query(sql, [noun])).rows : await this.database.query(sql, [noun]);
    return rows.map((row) => this.records.fromRow(row));
  }

  async insert(tx: Tx, values: Omit<CustomField, 'id'>): Promise<CustomField> {
    const { identifiers } = await tx.manager.getRepository<CustomField>('custom_fields').insert({ ...values });
    return { ...values, id: Number(identifiers[0].id) };
  }

  /** The definition, held until the commit. @param lock word of the dialect; with `skipLocked` null when another has it */
  async take(tx: Tx, id: number, lock: string): Promise<CustomField | null> {
    const { rows } = await tx.query(`SELECT * FROM custom_fields WHERE id = ?${lock}`, [id]);
    return rows[0] ? this.records.fromRow(rows[0]) : null;
  }

  /** A definition on which work waits, other than those named. */
  async waiting(except: number[]): Promise<Pick<CustomField, 'id' | 'noun' | 'changedIn'> | null> {
    const rows = await this.database.query<{ id: number; noun: ContactTarget; changed_in: string | null }>(
      `SELECT id, noun, changed_in FROM custom_fields WHERE state <> 'ready'${except.length > 0 ? ` AND id NOT IN (${marks(except)})` : ''}
       ORDER BY id LIMIT 1`,
      except,
    );
    return rows[0] ? { id: Number(rows[0].id), noun: rows[0].noun, changedIn: rows[0].changed_in } : null;
  }

  /** Whether a record of the noun has a value under the key. Reads all records where none has. */
  async isUsed(noun: ContactTarget, key: string, tx?: Tx): Promise<boolean> {
    const sql = `SELECT 1 FROM ${tableOf(noun)} WHERE INSTR(custom_fields, ?) > 0 LIMIT 1`;
    const rows = tx ? (await tx.query(sql, [keyText(key)])).rows : await this.database.query(sql, [keyText(key)]);
    return rows.length > 0;
  }
}

/** How a key stands in the JSON of a record; inside a text its quotes would be escaped. */
export const keyText = (key: string) => `${JSON.stringify(key)}:`;

/** The table of a noun's records. */
export function tableOf(noun: ContactTarget): string {
  if (!CONTACT_TARGETS.includes(noun)) throw new Error(`There is no noun "${noun as string}".`);
  return noun;
}
