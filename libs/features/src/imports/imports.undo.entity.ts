import { column, TableDefinition } from '@muster/platform/database/dialect/columns';
import type { ImportStatus } from './imports.entity';

/** What the undo of an import did to a row that had done something. */
export const UNDO_RESULTS = ['deleted', 'restored', 'kept', 'gone'] as const;
export type UndoResult = (typeof UNDO_RESULTS)[number];

/** Why a row was not taken back. `deleted` and `merged` also say how a record is `gone`. */
export const UNDO_REASONS = ['changed-since-import', 'converted', 'merged', 'deleted', 'duplicate-existing'] as const;
export type UndoReason = (typeof UNDO_REASONS)[number];

/** The undo of an import: it has at most one, which may be taken up again after it has failed. */
export interface ImportUndo {
  importId: number;
  /** running | failed (for a reason of our own; may be started again) | done */
  status: 'running' | 'failed' | 'done';
  /** What the import's status was before. */
  statusBefore: ImportStatus;
  /** Rows that did something. */
  total: number;
  startedBy: number;
  startedAt: Date;
  finishedAt: Date | null;
}

export const importUndoTable: TableDefinition = {
  name: 'import_undos',
  key: ['importId'],
  columns: {
    importId: column.id(),
    status: column.text(10),
    statusBefore: column.text(20),
    total: column.integer(),
    startedBy: column.id(),
    startedAt: column.time(),
    finishedAt: column.time({ nullable: true }),
  },
};

/** The ledger of undos, in the form of the imports' own. Its entries cover each row that did something exactly once. */
export const importUndoLedgerTable: TableDefinition = {
  name: 'import_undo_ledger',
  key: ['importId', 'firstRow'],
  columns: {
    importId: column.id(),
    firstRow: column.integer(),
    lastRow: column.integer(),
    outcome: column.text(10),
    recordId: column.id({ nullable: true }),
    errors: column.json({ nullable: true }),
  },
  indexes: [{ name: 'ix_import_undo_ledger_outcome', columns: ['importId', 'outcome', 'firstRow', 'lastRow'] }],
};

/**
 * Versions of records that an undo made: what they hold is what an earlier version held. So imports that changed the same record one
 * after another can be undone one after another, the newest first.
 */
export interface RecordRestore {
  noun: string;
  recordId: number;
  version: number;
  /** The version whose values came back. */
  sameAs: number;
}

export const recordRestoreTable: TableDefinition = {
  name: 'record_restores',
  key: ['noun', 'recordId', 'version'],
  columns: {
    noun: column.text(20),
    recordId: column.id(),
    version: column.integer(),
    sameAs: column.integer(),
  },
};

export const undoTables = [importUndoTable, importUndoLedgerTable, recordRestoreTable];
