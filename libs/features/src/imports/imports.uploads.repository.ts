import { Injectable } from '@nestjs/common';
import { Database } from '@muster/platform/database/database';
import { formatTime } from '@muster/platform/database/dialect/dialect';
import { Conditions } from '@muster/platform/http/list-query';
import { ReadTable } from '@muster/platform/database/record-table';
import { Tx } from '@muster/platform/database/transactions';
import { Import, ImportUpload, importTable, importUploadTable } from './imports.entity';

/** Imports that have ended, whose files may go when their time has come. */
const ENDED = `('completed', 'failed', 'cancelled', 'undone')`;

/** All SQL on uploads in steps, and on how long files are kept. */
@Injectable()
export class ImportUploadsRepository {
  private readonly imports: ReadTable<Import>;
  private readonly uploads: ReadTable<ImportUpload>;

  constructor(private readonly database: Database) {
    this.imports = new ReadTable<Import>(database, importTable);
    this.uploads = new ReadTable<ImportUpload>(database, importUploadTable);
  }

  async insert(tx: Tx, values: ImportUpload): Promise<void> {
    await tx.manager.getRepository<ImportUpload>(importUploadTable.name).insert(values);
  }

  find(id: number): Promise<ImportUpload | null> {
    return this.uploads.find(id, new Conditions().all);
  }

  /** Keeps what the file store calls an upload. @returns false when it was opened by somebody else meanwhile */
  async markOpened(tx: Tx, importId: number, uploadId: string | null): Promise<boolean> {
    const result = await tx.manager
      .getRepository<ImportUpload>(importUploadTable.name)
      .update({ id: importId, opened: false }, { opened: true, uploadId });
    return (result.affected ?? 0) > 0;
  }

  async markCompleted(tx: Tx, importId: number): Promise<void> {
    await tx.query('UPDATE import_uploads SET completed_at = ? WHERE id = ?', [formatTime(new Date()), importId]);
  }

  /** Some uploads whose addresses are no good any more since that time, with their imports. */
  async expired(before: Date, limit: number): Promise<{ upload: ImportUpload; work: Import }[]> {
    const rows = await this.database.query<{ id: number }>(
      `SELECT id FROM import_uploads WHERE expires_at < ? ORDER BY expires_at LIMIT ${limit}`,
      [formatTime(before)],
    );
    const found = rows.map(async ({ id }) => ({
      upload: await this.find(Number(id)),
      work: await this.imports.find(Number(id), new Conditions().all),
    }));
    // Another sweep may have been here meanwhile.
    return (await Promise.all(found)).flatMap(({ upload, work }) => (upload && work ? [{ upload, work }] : []));
  }

  async remove(tx: Tx, importId: number): Promise<void> {
    await tx.query('DELETE FROM import_uploads WHERE id = ?', [importId]);
  }

  /** Some imports that ended before that time and whose files are kept. */
  async withOldFiles(before: Date, limit: number): Promise<number[]> {
    const rows = await this.database.query<{ id: number }>(
      `SELECT id FROM imports WHERE files_expired_at IS NULL AND finished_at < ? AND status IN ${ENDED} ORDER BY id LIMIT ${limit}`,
      [formatTime(before)],
    );
    return rows.map(({ id }) => Number(id));
  }

  /** From here on nobody opens the files of an import. @returns false when that was said before, or it has not ended */
  async expireFiles(tx: Tx, id: number): Promise<boolean> {
    const { affected } = await tx.query(
      `UPDATE imports SET files_expired_at = ? WHERE id = ? AND files_expired_at IS NULL AND status IN ${ENDED}`,
      [formatTime(new Date()), id],
    );
    return affected > 0;
  }

  /** Some imports whose files are to be deleted, and have not been. */
  async withDeadFiles(limit: number): Promise<Pick<Import, 'id' | 'fileKey' | 'stagedKey'>[]> {
    const rows = await this.database.query<{ id: number; file_key: string; staged_key: string | null }>(
      `SELECT id, file_key, staged_key FROM imports WHERE files_expired_at IS NOT NULL AND file_key <> '' ORDER BY id LIMIT ${limit}`,
    );
    return rows.map((row) => ({ id: Number(row.id), fileKey: row.file_key, stagedKey: row.staged_key }));
  }

  async forgetFiles(tx: Tx, id: number): Promise<void> {
    await tx.query(`UPDATE imports SET file_key = '', staged_key = NULL WHERE id = ?`, [id]);
  }
}
