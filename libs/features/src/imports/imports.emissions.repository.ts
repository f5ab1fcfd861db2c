import { Injectable } from '@nestjs/common';
import { Database } from '@muster/platform/database/database';
import { formatTime } from '@muster/platform/database/dialect/dialect';
import { ReadTable } from '@muster/platform/database/record-table';
import { marks } from '@muster/platform/database/sql';
import { Tx } from '@muster/platform/database/transactions';
import { ImportEmission, importEmissionTable } from './imports.emissions.entity';
import { ImportTarget } from './imports.entity';
import { ASSIGNEE_COLUMNS } from './imports.targets';

const IDS_AT_ONCE = 500;

/** All SQL on emissions. */
@Injectable()
export class EmissionsRepository {
  private readonly emissions: ReadTable<ImportEmission>;

  constructor(private readonly database: Database) {
    this.emissions = new ReadTable<ImportEmission>(database, importEmissionTable);
  }

  async insert(
    tx: Tx,
    emission: Omit<ImportEmission, 'id' | 'afterRow' | 'emitted' | 'servedAt' | 'finishedAt'>,
  ): Promise<void> {
    const { createdAt } = emission;
    await tx.manager
      .getRepository<ImportEmission>('import_emissions')
      .insert({ ...emission, afterRow: 0, emitted: 0, servedAt: createdAt, finishedAt: null });
  }

  /**
   * The emission that has waited longest, which is the transaction's own until its end. Those of one import go one after another: what
   * an undo did is said when what the import did has been.
   */
  async next(tx: Tx): Promise<ImportEmission | null> {
    const { rows } = await tx.query(
      `SELECT * FROM import_emissions WHERE finished_at IS NULL AND id NOT IN (
         SELECT later.id FROM (SELECT id, import_id FROM import_emissions WHERE finished_at IS NULL) later
         JOIN (SELECT id, import_id FROM import_emissions WHERE finished_at IS NULL) earlier
           ON earlier.import_id = later.import_id AND earlier.id < later.id)
       ORDER BY served_at, id LIMIT 1${this.database.dialect.skipLocked}`,
    );
    return rows[0] ? this.emissions.fromRow(rows[0]) : null;
  }

  /** Whether there is anything to say, for anybody. */
  async anyWaiting(): Promise<boolean> {
    return (await this.database.select('SELECT id FROM import_emissions WHERE finished_at IS NULL LIMIT 1')).length > 0;
  }

  /** Notes how far an emission is. */
  async advance(
    tx: Tx,
    { id, afterRow, emitted, servedAt, finishedAt }: Omit<ImportEmission, 'importId' | 'kind' | 'outcomes'>,
  ): Promise<void> {
    await tx.query(
      'UPDATE import_emissions SET after_row = ?, emitted = ?, served_at = ?, finished_at = ? WHERE id = ?',
      [afterRow, emitted, formatTime(servedAt), finishedAt && formatTime(finishedAt), id],
    );
  }

  /** Whether events of an import are still to be said. */
  async isRunning(tx: Tx, importId: number): Promise<boolean> {
    const sql = 'SELECT id FROM import_emissions WHERE import_id = ? AND finished_at IS NULL LIMIT 1';
    return (await tx.query(sql, [importId])).rows.length > 0;
  }

  /** The last emission of each import. */
  async last(importIds: readonly number[]): Promise<Map<number, ImportEmission>> {
    if (importIds.length === 0) return new Map();
    const rows = await this.database.query(
      `SELECT * FROM import_emissions WHERE id IN (
         SELECT MAX(id) FROM import_emissions WHERE import_id IN (${marks(importIds)}) GROUP BY import_id)`,
      [...importIds],
    );
    return new Map(rows.map((row) => this.emissions.fromRow(row)).map((emission) => [emission.importId, emission]));
  }
  /** Whose some records are now. Records that are gone are left out. */
  async assigneesOf(tx: Tx, target: ImportTarget, ids: readonly number[]): Promise<Map<number, number | null>> {
    const assignees = new Map<number, number | null>();
    for (let start = 0; start < ids.length; start += IDS_AT_ONCE) {
      const some = ids.slice(start, start + IDS_AT_ONCE);
      const { rows } = await tx.query<{ id: number; assignee: number | null }>(
        `SELECT id, ${ASSIGNEE_COLUMNS[target]} AS assignee FROM ${target} WHERE id IN (${marks(some)})`,
        some,
      );
      for (const { id, assignee } of rows) assignees.set(Number(id), assignee === null ? null : Number(assignee));
    }
    return assignees;
  }
}
