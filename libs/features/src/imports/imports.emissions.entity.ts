import { column, TableDefinition } from '@muster/platform/database/dialect/columns';
import type { Outcome } from './imports.entity';

/** The outcomes of rows that are events of records. */
export const EMITTED_OUTCOMES = ['created', 'updated'] as const satisfies readonly Outcome[];
export type EmittedOutcome = (typeof EMITTED_OUTCOMES)[number];

/** What is said: what the import did (first, or once more), or what its undo did. */
export type EmissionKind = 'import' | 'replay' | 'undo';

/** The events of an import's records on their way into the outbox, in the order of its rows. */
export interface ImportEmission {
  id: number;
  importId: number;
  kind: EmissionKind;
  /** Of which rows, by what became of them in the import. */
  outcomes: EmittedOutcome[];
  /** The last row that is said: everything up to it is in the outbox, nothing after it. */
  afterRow: number;
  /** Rows that are said, and rows to say. */
  emitted: number;
  total: number;
  /** When it had its last turn: the one that has waited longest is next. */
  servedAt: Date;
  requestId: string | null;
  createdBy: number;
  createdAt: Date;
  finishedAt: Date | null;
}

export const importEmissionTable: TableDefinition = {
  name: 'import_emissions',
  key: ['id'],
  columns: {
    id: column.serial(),
    importId: column.id(),
    kind: column.text(10),
    outcomes: column.json(),
    afterRow: column.integer(),
    emitted: column.integer(),
    total: column.integer(),
    servedAt: column.time(),
    requestId: column.text(100, { nullable: true }),
    createdBy: column.id(),
    createdAt: column.time(),
    finishedAt: column.time({ nullable: true }),
  },
  indexes: [
    { name: 'ix_import_emissions_waiting', columns: ['finishedAt', 'servedAt'] },
    { name: 'ix_import_emissions_import', columns: ['importId', 'id'] },
  ],
};
