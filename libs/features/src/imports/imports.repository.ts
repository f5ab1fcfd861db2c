import { Injectable } from '@nestjs/common';
import { Page } from '@muster/core/page';
import { Database } from '@muster/platform/database/database';
import { formatTime } from '@muster/platform/database/dialect/dialect';
import { ReadTable, SqlCondition } from '@muster/platform/database/record-table';
import { QueryResult, Tx } from '@muster/platform/database/transactions';
import { marks } from '@muster/platform/database/sql';
import { Conditions, readPage } from '@muster/platform/http/list-query';
import { IMPORT_SORT_FIELDS, ListImportsQuery } from './imports.dto';
import {
  Import,
  ImportChunk,
  ImportFailure,
  ImportStatus,
  importTable,
  ORDERED_KINDS,
  UNDO_KINDS,
} from './imports.entity';

/** A chunk that this worker has claimed, with the token that proves it. */
export type ClaimedChunk = Pick<ImportChunk, 'importId' | 'seq' | 'kind' | 'firstRow' | 'lastRow' | 'token'>;

/** Work on a whole import (analysis, planning) that this worker has claimed. */
export interface ClaimedImport {
  id: number;
  status: ImportStatus;
  token: number;
  attempts: number;
  requestId: string | null;
}

/** An import, or the undo of one, that has chunks to do. */
export interface ImportWithWork {
  id: number;
  status: ImportStatus;
  request_id: string | null;
  /** Chunks that somebody is at, and all that are not done. */
  active: number;
  pending: number;
}

const IMPORTS_AT_ONCE = 200;
const CHUNKS_AT_ONCE = 500;
/** What waits to be analyzed or planned; takes the time. */
const WAITS = `(status = 'analyzing' OR (status = 'importing' AND record_base IS NULL)) AND (leased_until IS NULL OR leased_until < ?)`;
/** How many imports that wait are tried, when others claim the first ones meanwhile. */
const CLAIMS_TRIED = 20;
const after = (milliseconds: number) => formatTime(new Date(Date.now() + milliseconds));
const now = () => formatTime(new Date());

/** All SQL on imports and their chunks. Leases are taken with a token that rises; each later write names it. */
@Injectable()
export class ImportsRepository {
  private readonly records: ReadTable<Import>;

  constructor(private readonly database: Database) {
    this.records = new ReadTable<Import>(database, importTable);
  }

  async insert(tx: Tx, values: Partial<Import>): Promise<number> {
    const { identifiers } = await tx.manager.getRepository<Import>('imports').insert(values);
    return Number(identifiers[0].id);
  }

  find(id: number): Promise<Import | null> {
    return this.records.find(id, new Conditions().all);
  }

  /** Whether an import keeps its upload under this key. */
  async ownsFile(fileKey: string): Promise<boolean> {
    return (await this.database.query('SELECT id FROM imports WHERE file_key = ? LIMIT 1', [fileKey])).length > 0;
  }

  /** Reads an import and holds the row until the transaction ends. */
  async hold(tx: Tx, id: number): Promise<Import | null> {
    await tx.query('UPDATE imports SET token = token WHERE id = ?', [id]);
    return tx.manager.getRepository<Import>('imports').findOneBy({ id });
  }

  findVisible(id: number, visible: SqlCondition): Promise<Import | null> {
    return this.records.find(id, visible);
  }

  list(visible: SqlCondition, query: ListImportsQuery): Promise<Page<Import>> {
    const where = new Conditions()
      .add(visible.sql, ...visible.params)
      .equals('status', query.status)
      .equals('target', query.target);
    return readPage(this.records, IMPORT_SORT_FIELDS, where.all, { ...query, sort: query.sort ?? '-createdAt' });
  }

  /**
   * Claims the next import that waits for its analysis, or for the planning of its chunks.
   * @param lease how long the claim holds without renewal, in milliseconds
   * @param maxBytes takes only files of this size or less
   */
  async claimImport(
    tx: Tx,
    lease: number,
    skipLocked: string,
    maxBytes = Number.MAX_SAFE_INTEGER,
  ): Promise<ClaimedImport | null> {
    // Looked for without a lock: a search that locks what it passes would hide it from one for files of another size.
    const { rows: found } = await tx.query<{ id: number }>(
      `SELECT id FROM imports WHERE ${WAITS} AND file_size <= ? ORDER BY id LIMIT ${CLAIMS_TRIED}`,
      [now(), maxBytes],
    );
    for (const { id } of found) {
      const claim = await this.claimOne(tx, Number(id), lease, skipLocked);
      if (claim) return claim;
    }
    return null;
  }

  private async claimOne(tx: Tx, id: number, lease: number, skipLocked: string): Promise<ClaimedImport | null> {
    const { rows } = await tx.query<{
      status: ImportStatus;
      token: number;
      attempts: number;
      request_id: string | null;
    }>(`SELECT status, token, attempts, request_id FROM imports WHERE id = ? AND ${WAITS}${skipLocked}`, [id, now()]);
    if (!rows[0]) return null;
    const { status, request_id: requestId } = rows[0];
    const token = Number(rows[0].token) + 1;
    const attempts = Number(rows[0].attempts) + 1;
    await tx.query('UPDATE imports SET token = ?, attempts = ?, leased_until = ? WHERE id = ?', [
      token,
      attempts,
      after(lease),
      id,
    ]);
    return { id, status, token, attempts, requestId };
  }

  /** Whether a claim still stands: nobody has ended the import, or taken the work over. */
  async isClaimed({ id, status, token }: ClaimedImport): Promise<boolean> {
    const sql = 'SELECT id FROM imports WHERE id = ? AND status = ? AND token = ?';
    return (await this.database.select(sql, [id, status, token])).length > 0;
  }

  async renewImport(tx: Tx, { id, token }: ClaimedImport, lease: number): Promise<void> {
    await tx.query('UPDATE imports SET leased_until = ? WHERE id = ? AND token = ?', [after(lease), id, token]);
  }

  /** Gives a claim back, to be taken up again after a pause. */
  async releaseImport(tx: Tx, { id, token }: ClaimedImport, pause: number): Promise<void> {
    await tx.query('UPDATE imports SET leased_until = ? WHERE id = ? AND token = ?', [after(pause), id, token]);
  }

  /** Gives a claim back for want of something outside that nobody can foresee the end of: it is no failed attempt. */
  async deferImport(tx: Tx, { id, token }: ClaimedImport, pause: number): Promise<void> {
    const values = [after(pause), id, token];
    await tx.query('UPDATE imports SET leased_until = ?, attempts = 0 WHERE id = ? AND token = ?', values);
  }

  /** Says what an import waits for. @param time how long this is true at most, in milliseconds */
  async sayWaiting(tx: Tx, id: number, code: string, time: number): Promise<void> {
    await tx.query('UPDATE imports SET waiting_code = ?, waiting_until = ? WHERE id = ?', [code, after(time), id]);
  }

  async keepHash(tx: Tx, { id, token }: ClaimedImport, fileHash: string): Promise<void> {
    await tx.query('UPDATE imports SET file_hash = ? WHERE id = ? AND token = ?', [fileHash, id, token]);
  }

  /** Writes the result of claimed work. @returns false when the claim was lost meanwhile, and nothing was written */
  async settleImport(tx: Tx, { id, token, status }: ClaimedImport, values: Partial<Import>): Promise<boolean> {
    const result = await tx.manager
      .getRepository<Import>('imports')
      .update(
        { id, token, status },
        { ...values, leasedUntil: null, waitingUntil: null, waitingCode: null, attempts: 0 },
      );
    return (result.affected ?? 0) > 0;
  }

  /** Moves an import from one state to another. @returns false when it was not in that state */
  async moveStatus(
    tx: Tx,
    id: number,
    from: ImportStatus[],
    to: ImportStatus,
    values: Partial<Import> = {},
  ): Promise<boolean> {
    const result = await tx.manager
      .getRepository<Import>('imports')
      .createQueryBuilder()
      .update()
      .set({ ...values, status: to })
      .where('id = :id AND status IN (:...from)', { id, from })
      .execute();
    return (result.affected ?? 0) > 0;
  }

  async insertChunks(
    tx: Tx,
    chunks: Pick<ImportChunk, 'importId' | 'seq' | 'kind' | 'firstRow' | 'lastRow'>[],
  ): Promise<void> {
    for (let start = 0; start < chunks.length; start += CHUNKS_AT_ONCE) {
      const slice = chunks.slice(start, start + CHUNKS_AT_ONCE);
      await tx.query(
        `INSERT INTO import_chunks (import_id, seq, kind, first_row, last_row, status, token) VALUES ${slice.map(() => `(?, ?, ?, ?, ?, 'pending', 0)`).join(', ')}`,
        slice.flatMap(({ importId, seq, kind, firstRow, lastRow }) => [importId, seq, kind, firstRow, lastRow]),
      );
    }
  }

  /** The imports that have chunks to do, or that have just done them; those with the fewest workers first. */
  async importsWithWork(): Promise<ImportWithWork[]> {
    const rows = await this.database.query<ImportWithWork>(
      `SELECT i.id, i.status, i.request_id,
         (SELECT COUNT(*) FROM import_chunks c WHERE c.import_id = i.id AND c.status = 'pending' AND c.leased_until >= ?) AS active,
         (SELECT COUNT(*) FROM import_chunks c WHERE c.import_id = i.id AND c.status = 'pending') AS pending
       FROM imports i WHERE (i.status = 'importing' AND i.record_base IS NOT NULL) OR i.status = 'undoing'
       ORDER BY active, i.id LIMIT ${IMPORTS_AT_ONCE}`,
      [now()],
    );
    return rows.map(({ id, active, pending, ...row }) => ({
      ...{ ...row, id: Number(id), active: Number(active), pending: Number(pending) },
    }));
  }

  /** Claims the next chunk of an import that nobody works on. */
  async claimChunk(tx: Tx, importId: number, lease: number, skipLocked: string): Promise<ClaimedChunk | null> {
    const { rows } = await tx.query<{
      seq: number;
      kind: ImportChunk['kind'];
      first_row: number;
      last_row: number;
      token: number;
    }>(
      `SELECT seq, kind, first_row, last_row, token FROM import_chunks
       WHERE import_id = ? AND status = 'pending' AND (leased_until IS NULL OR leased_until < ?) ORDER BY seq LIMIT 1${skipLocked}`,
      [importId, now()],
    );
    const chunk = rows[0];
    if (!chunk) return null;
    const seq = Number(chunk.seq);
    if (ORDERED_KINDS.includes(chunk.kind)) {
      const before = await tx.query(
        `SELECT 1 FROM import_chunks WHERE import_id = ? AND status = 'pending' AND seq < ? LIMIT 1`,
        [importId, seq],
      );
      if (before.rows.length > 0) return null;
    }
    const token = Number(chunk.token) + 1;
    await tx.query('UPDATE import_chunks SET token = ?, leased_until = ? WHERE import_id = ? AND seq = ?', [
      token,
      after(lease),
      importId,
      seq,
    ]);
    return {
      importId,
      seq,
      kind: chunk.kind,
      firstRow: Number(chunk.first_row),
      lastRow: Number(chunk.last_row),
      token,
    };
  }

  /** Whether the claim on a chunk is ours as far as is committed: nothing is held by that. */
  async holds(tx: Tx, { importId, seq, token }: ClaimedChunk): Promise<boolean> {
    const sql = `SELECT 1 AS held FROM import_chunks WHERE import_id = ? AND seq = ? AND token = ? AND status = 'pending'`;
    return (await tx.query(sql, [importId, seq, token])).rows.length === 1;
  }

  /** Marks a chunk done. @returns false when the claim is no longer ours: then nothing of the chunk may be written */
  async fence(tx: Tx, { importId, seq, token }: ClaimedChunk): Promise<boolean> {
    const result = await tx.query(
      `UPDATE import_chunks SET status = 'done', leased_until = NULL WHERE import_id = ? AND seq = ? AND token = ? AND status = 'pending'`,
      [importId, seq, token],
    );
    return result.affected === 1;
  }

  /** Extends the lease of a claimed chunk, or (with a short one) gives it back. */
  async leaseChunk(tx: Tx, { importId, seq, token }: ClaimedChunk, lease: number): Promise<void> {
    await tx.query(
      `UPDATE import_chunks SET leased_until = ? WHERE import_id = ? AND seq = ? AND token = ? AND status = 'pending'`,
      [after(lease), importId, seq, token],
    );
  }

  /** Takes the chunks that are left away from the workers, for an import that ends early. Those of an undo stay. */
  dropChunks(tx: Tx, importId: number): Promise<QueryResult<unknown>> {
    return tx.query(
      `UPDATE import_chunks SET status = 'done', leased_until = NULL
       WHERE import_id = ? AND status = 'pending' AND kind NOT IN (${marks(UNDO_KINDS)})`,
      [importId, ...UNDO_KINDS],
    );
  }

  /** The number of an import's last chunk; 0 when it has none. */
  async lastChunk(tx: Tx, importId: number): Promise<number> {
    const { rows } = await tx.query<{ seq: number | null }>(
      'SELECT MAX(seq) AS seq FROM import_chunks WHERE import_id = ?',
      [importId],
    );
    return Number(rows[0].seq ?? 0);
  }

  async hasPending(tx: Tx, importId: number): Promise<boolean> {
    const { rows } = await tx.query(`SELECT 1 FROM import_chunks WHERE import_id = ? AND status = 'pending' LIMIT 1`, [
      importId,
    ]);
    return rows.length > 0;
  }

  /** Lets every lease run out at once: for the boot of a process that has the store to itself. */
  async expireLeases(tx: Tx): Promise<void> {
    await tx.query(
      `UPDATE import_chunks SET leased_until = NULL WHERE status = 'pending' AND leased_until IS NOT NULL`,
    );
    await tx.query('UPDATE imports SET leased_until = NULL WHERE leased_until IS NOT NULL');
  }

  async end(tx: Tx, id: number, status: 'failed' | 'cancelled', error: ImportFailure | null): Promise<boolean> {
    return this.moveStatus(tx, id, ['awaiting_upload', 'analyzing', 'ready', 'importing'], status, {
      error,
      finishedAt: new Date(),
      leasedUntil: null,
    });
  }
}
