import { defineEvent } from '@muster/core/events';

type OutcomeCounts = Record<string, number>;

/** A file was received and waits for its analysis. */
export const importCreated = defineEvent<{ importId: number; target: string }>('import.created');

/** The rows may be imported: its chunks can be planned. */
export const importStarted = defineEvent<{ importId: number; target: string }>('import.started');

/** One chunk was committed: said exactly once for each, in the chunk's transaction. */
export const importBatchCommitted = defineEvent<{
  importId: number;
  target: string;
  seq: number;
  firstRow: number;
  lastRow: number;
  counts: OutcomeCounts;
}>('import.batch-committed');

/** Every row has its outcome. */
export const importCompleted = defineEvent<{ importId: number; target: string; counts: OutcomeCounts }>(
  'import.completed',
);

/** The import ended without reaching all its rows; those are `skipped` in the ledger. */
export const importEnded = defineEvent<{
  importId: number;
  target: string;
  status: 'failed' | 'cancelled';
  code: string;
}>('import.ended');
