import { Injectable } from '@nestjs/common';
import { Database } from '@muster/platform/database/database';
import { formatTime } from '@muster/platform/database/dialect/dialect';
import { ReadTable } from '@muster/platform/database/record-table';
import { Tx } from '@muster/platform/database/transactions';
import { ImportDryRun, importPlanTable } from './imports.entity';

/** A dry run that this worker has claimed, with the token that proves it. */
export type ClaimedDryRun = Pick<ImportDryRun, 'id' | 'importId' | 'token' | 'attempts' | 'requestId'>;

const after = (milliseconds: number) => formatTime(new Date(Date.now() + milliseconds));

/** All SQL on dry runs. Leases are taken with a token that rises; each later write names it. */
@Injectable()
export class DryRunsRepository {
  private readonly records: ReadTable<ImportDryRun>;

  constructor(private readonly database: Database) {
    this.records = new ReadTable<ImportDryRun>(database, importPlanTable);
  }

  async insert(tx: Tx, values: Omit<ImportDryRun, 'id'>): Promise<number> {
    const { identifiers } = await tx.manager.getRepository('import_plans').insert({ ...values });
    return Number(identifiers[0].id);
  }

  find(id: number, importId: number): Promise<ImportDryRun | null> {
    return this.records.find(id, { sql: 'import_id = ?', params: [importId] });
  }

  /** The newest of an import. */
  async latest(importId: number): Promise<ImportDryRun | null> {
    const sql = 'SELECT * FROM import_plans WHERE import_id = ? ORDER BY id DESC LIMIT 1';
    const [row] = await this.database.query(sql, [importId]);
    return row ? this.records.fromRow(row) : null;
  }

  /** All plans of an import. */
  async idsOf(importId: number): Promise<number[]> {
    const sql = 'SELECT id FROM import_plans WHERE import_id = ? ORDER BY id';
    const rows = await this.database.query<{ id: number | string }>(sql, [importId]);
    return rows.map(({ id }) => Number(id));
  }

  /** Claims the next dry run that waits. @param lease how long the claim holds without renewal, in milliseconds */
  async claim(tx: Tx, lease: number): Promise<ClaimedDryRun | null> {
    const { rows } = await tx.query<{
      id: number;
      import_id: number;
      token: number;
      attempts: number;
      request_id: string | null;
    }>(
      `SELECT id, import_id, token, attempts, request_id FROM import_plans
       WHERE status = 'running' AND (leased_until IS NULL OR leased_until < ?) ORDER BY id LIMIT 1${this.database.dialect.skipLocked}`,
      [formatTime(new Date())],
    );
    if (!rows[0]) return null;
    const [id, token, attempts] = [Number(rows[0].id), Number(rows[0].token) + 1, Number(rows[0].attempts) + 1];
    await tx.query('UPDATE import_plans SET token = ?, attempts = ?, leased_until = ? WHERE id = ?', [
      ...[token, attempts, after(lease), id],
    ]);
    return { id, importId: Number(rows[0].import_id), token, attempts, requestId: rows[0].request_id };
  }

  /** Extends the lease, or (with a short one) gives the claim back. */
  async lease(tx: Tx, { id, token }: ClaimedDryRun, lease: number): Promise<void> {
    const sql = `UPDATE import_plans SET leased_until = ? WHERE id = ? AND token = ? AND status = 'running'`;
    await tx.query(sql, [after(lease), id, token]);
  }

  /** Writes the result. A claim that was lost meanwhile writes nothing. */
  async settle(tx: Tx, { id, token }: ClaimedDryRun, values: Partial<ImportDryRun>): Promise<void> {
    await tx.manager
      .getRepository('import_plans')
      .update({ id, token, status: 'running' }, { ...values, leasedUntil: null, finishedAt: new Date() });
  }

  async expireLeases(tx: Tx): Promise<void> {
    await tx.query('UPDATE import_plans SET leased_until = NULL WHERE leased_until IS NOT NULL');
  }
}
