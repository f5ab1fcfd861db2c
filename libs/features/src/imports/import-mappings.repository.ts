import { Injectable } from '@nestjs/common';
import { Page } from '@muster/core/page';
import { Database } from '@muster/platform/database/database';
import { ReadTable, SqlCondition } from '@muster/platform/database/record-table';
import { Tx } from '@muster/platform/database/transactions';
import { Conditions, readPage } from '@muster/platform/http/list-query';
import { ListMappingsQuery, MAPPING_SORT_FIELDS } from './import-mappings.dto';
import { ImportTarget, SavedMapping, savedMappingTable } from './imports.entity';

/** All SQL on saved mappings. */
@Injectable()
export class ImportMappingsRepository {
  readonly records: ReadTable<SavedMapping>;

  constructor(private readonly database: Database) {
    this.records = new ReadTable<SavedMapping>(database, savedMappingTable);
  }

  list(visible: SqlCondition, query: ListMappingsQuery): Promise<Page<SavedMapping>> {
    const where = new Conditions().add(visible.sql, ...visible.params).equals('target', query.target);
    return readPage(this.records, MAPPING_SORT_FIELDS, where.all, { ...query, sort: query.sort ?? '-createdAt' });
  }

  /** The mappings for files with this header, those of one user first, then the latest; at most ten. */
  async forHeader(
    target: ImportTarget,
    headerHash: string,
    visible: SqlCondition,
    userId: number,
  ): Promise<SavedMapping[]> {
    const rows = await this.database.query(
      `SELECT * FROM import_mappings WHERE header_hash = ? AND target = ? AND ${visible.sql}
       ORDER BY CASE WHEN created_by = ? THEN 0 ELSE 1 END, id DESC LIMIT 10`,
      [headerHash, target, ...visible.params, userId],
    );
    return rows.map((row) => this.records.fromRow(row));
  }

  async insert(tx: Tx, values: Omit<SavedMapping, 'id'>): Promise<SavedMapping> {
    const { identifiers } = await tx.manager.getRepository<SavedMapping>('import_mappings').insert(values);
    return { ...values, id: Number(identifiers[0].id) };
  }

  findOwn(tx: Tx, createdBy: number, nameKey: string): Promise<SavedMapping | null> {
    return tx.manager.getRepository<SavedMapping>('import_mappings').findOneBy({ createdBy, nameKey });
  }

  async update(
    tx: Tx,
    id: number,
    values: Pick<SavedMapping, 'name' | 'target' | 'mapping' | 'headerHash'>,
  ): Promise<void> {
    await tx.manager.getRepository<SavedMapping>('import_mappings').update(id, values);
  }

  /** @returns whether it was there */
  async remove(tx: Tx, id: number): Promise<boolean> {
    return (await tx.query('DELETE FROM import_mappings WHERE id = ?', [id])).affected > 0;
  }
}
