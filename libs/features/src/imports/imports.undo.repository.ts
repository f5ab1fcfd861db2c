import { Injectable } from '@nestjs/common';
import { Database } from '@muster/platform/database/database';
import { formatTime, parseTime } from '@muster/platform/database/dialect/dialect';
import { Tx } from '@muster/platform/database/transactions';
import { marks } from '@muster/platform/database/sql';
import { ImportChange, ImportTarget } from './imports.entity';
import { RowLedger } from './imports.ledger';
import { RowRange } from './imports.ranges';
import { ImportUndo, RecordRestore, UNDO_RESULTS, UndoResult } from './imports.undo.entity';

const IDS_AT_ONCE = 500;

/** What the undo of an import did, row by row. */
@Injectable()
export class UndoLedger extends RowLedger<UndoResult> {
  constructor(database: Database) {
    super(database, 'import_undo_ledger', UNDO_RESULTS);
  }
}

type UndoRow = Record<'import_id' | 'total' | 'started_by', number> &
  Record<'started_at', Date | string> & {
    finished_at: Date | string | null;
    status: ImportUndo['status'];
    status_before: ImportUndo['statusBefore'];
  };
type ChangeRow = Record<'import_id' | 'file_row' | 'record_id' | 'version_after', number> & { before: string };

/** All SQL on undos, and on what they read. */
@Injectable()
export class UndoRepository {
  constructor(private readonly database: Database) {}

  async find(importId: number, tx?: Tx): Promise<ImportUndo | null> {
    const sql = 'SELECT * FROM import_undos WHERE import_id = ?';
    const rows = tx
      ? (await tx.query<UndoRow>(sql, [importId])).rows
      : await this.database.query<UndoRow>(sql, [importId]);
    return rows[0] ? toUndo(rows[0]) : null;
  }

  async insert(tx: Tx, undo: Omit<ImportUndo, 'finishedAt'>): Promise<void> {
    await tx.query(
      `INSERT INTO import_undos (import_id, status, status_before, total, started_by, started_at) VALUES (?, ?, ?, ?, ?, ?)`,
      [undo.importId, undo.status, undo.statusBefore, undo.total, undo.startedBy, formatTime(undo.startedAt)],
    );
  }

  async setStatus(tx: Tx, importId: number, status: ImportUndo['status'], finishedAt: Date | null): Promise<void> {
    await tx.query('UPDATE import_undos SET status = ?, finished_at = ? WHERE import_id = ?', [
      ...[status, finishedAt && formatTime(finishedAt), importId],
    ]);
  }

  /** The records that the range's rows changed last, but for those of `made`: what a `restore` chunk takes back. */
  async changedLast(tx: Tx, importId: number, firstRow: number, lastRow: number, made: RowRange): Promise<number[]> {
    const { rows } = await tx.query<{ record_id: number }>(
      `SELECT DISTINCT c.record_id FROM import_changes c
       WHERE c.import_id = ? AND c.file_row BETWEEN ? AND ? AND NOT (c.record_id BETWEEN ? AND ?)
         AND NOT EXISTS (SELECT 1 FROM import_changes later
           WHERE later.import_id = c.import_id AND later.record_id = c.record_id AND later.file_row > ?)`,
      [importId, firstRow, lastRow, made.first, made.last, lastRow],
    );
    return rows.map((row) => Number(row.record_id));
  }

  /** All that an import changed in some records: by record, in the order of the file. */
  async changesOf(tx: Tx, importId: number, recordIds: readonly number[]): Promise<Map<number, ImportChange[]>> {
    const changes = new Map<number, ImportChange[]>();
    for (const ids of slices(recordIds)) {
      const { rows } = await tx.query<ChangeRow>(
        `SELECT * FROM import_changes WHERE import_id = ? AND record_id IN (${marks(ids)}) ORDER BY record_id, file_row`,
        [importId, ...ids],
      );
      for (const row of rows) {
        const change = toChange(row);
        const known = changes.get(change.recordId);
        if (known) known.push(change);
        else changes.set(change.recordId, [change]);
      }
    }
    return changes;
  }

  /** Which versions of some records are an earlier one again: by record, version to version. */
  async restoresOf(
    tx: Tx,
    noun: ImportTarget,
    recordIds: readonly number[],
  ): Promise<Map<number, Map<number, number>>> {
    const restores = new Map<number, Map<number, number>>();
    for (const ids of slices(recordIds)) {
      const { rows } = await tx.query<{ record_id: number; version: number; same_as: number }>(
        `SELECT record_id, version, same_as FROM record_restores WHERE noun = ? AND record_id IN (${marks(ids)})`,
        [noun, ...ids],
      );
      for (const { record_id, version, same_as } of rows) {
        const id = Number(record_id);
        restores.set(id, (restores.get(id) ?? new Map<number, number>()).set(Number(version), Number(same_as)));
      }
    }
    return restores;
  }

  async addRestores(tx: Tx, restores: readonly RecordRestore[]): Promise<void> {
    for (const some of slices(restores)) {
      await tx.query(
        `INSERT INTO record_restores (noun, record_id, version, same_as) VALUES ${some.map(() => '(?, ?, ?, ?)').join(', ')}`,
        some.flatMap(({ noun, recordId, version, sameAs }) => [noun, recordId, version, sameAs]),
      );
    }
  }

  /** What rows of an import changed, as it was before: by row. */
  async beforeOf(
    tx: Tx,
    importId: number,
    rowNumbers: readonly number[],
  ): Promise<Map<number, ImportChange['before']>> {
    const before = new Map<number, ImportChange['before']>();
    for (const some of slices(rowNumbers)) {
      const { rows } = await tx.query<ChangeRow>(
        `SELECT * FROM import_changes WHERE import_id = ? AND file_row IN (${marks(some)})`,
        [importId, ...some],
      );
      for (const row of rows) before.set(Number(row.file_row), toChange(row).before);
    }
    return before;
  }
}

/** The names of the fields in which values were; a single custom field counts as `customFields`. */
export const fieldsIn = (before: Record<string, unknown>): string[] => [
  ...new Set(Object.keys(before).map((field) => field.split('.')[0])),
];

const toUndo = (row: UndoRow): ImportUndo => ({
  ...{ importId: Number(row.import_id), status: row.status, statusBefore: row.status_before, total: Number(row.total) },
  ...{ startedBy: Number(row.started_by), startedAt: parseTime(row.started_at) },
  finishedAt: row.finished_at === null ? null : parseTime(row.finished_at),
});

const toChange = (row: ChangeRow): ImportChange => ({
  ...{ importId: Number(row.import_id), fileRow: Number(row.file_row), recordId: Number(row.record_id) },
  before: JSON.parse(row.before) as Record<string, unknown>,
  versionAfter: Number(row.version_after),
});

function* slices<T>(values: readonly T[]): Generator<T[]> {
  for (let start = 0; start < values.length; start += IDS_AT_ONCE) yield values.slice(start, start + IDS_AT_ONCE);
}
