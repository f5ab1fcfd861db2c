import { choice, countsOf, defineEvent, integer, listOf, text } from '@muster/core/events';

const importId = integer('The import.');
const target = text('What the file becomes: `leads` or `customers`.');
const counts = countsOf('Rows by outcome.');

export const importCreated = defineEvent('import.created', 'A file was received and waits for its analysis.', {
  importId,
  target,
});

export const importUploadBegun = defineEvent('import.upload-begun', 'An import was made whose file is still to come.', {
  importId,
  target,
});

export const importFilesExpired = defineEvent(
  'import.files-expired',
  'The uploaded file of an ended import and its staged rows are not kept any more; its ledger stays.',
  { importId, target },
);

export const importStarted = defineEvent('import.started', 'The rows may be imported: its chunks can be planned.', {
  importId,
  target,
});

export const importBatchCommitted = defineEvent(
  'import.batch-committed',
  "One chunk was committed: said exactly once for each, in the chunk's transaction.",
  {
    importId,
    target,
    seq: integer('The number of the chunk.'),
    firstRow: integer('The first row of its range.'),
    lastRow: integer('The last row of its range.'),
    counts,
  },
);

export const importCompleted = defineEvent('import.completed', 'Every row has its outcome.', {
  importId,
  target,
  counts,
});

export const importEnded = defineEvent(
  'import.ended',
  'The import ended without reaching all its rows; those are `skipped` in the ledger.',
  {
    importId,
    target,
    status: choice(['failed', 'cancelled']),
    code: text("Why, as in the import's `error.code`."),
  },
);

export const importUndoStarted = defineEvent(
  'import.undo-started',
  'Somebody takes an import back: the workers may begin.',
  { importId, target, actorId: integer('The user who did it.') },
);

const undoCounts = countsOf(
  'Rows that had done something, by what became of that: `deleted`, `restored`, `kept`, `gone`.',
);

export const importUndoCommitted = defineEvent(
  'import.undo-committed',
  "One chunk of an undo was committed: said exactly once for each, in the chunk's transaction.",
  {
    importId,
    target,
    seq: integer('The number of the chunk.'),
    firstRow: integer('The first row of its range.'),
    lastRow: integer('The last row of its range.'),
    counts: undoCounts,
  },
);

export const importUndone = defineEvent('import.undone', 'An import was taken back as far as it could be.', {
  importId,
  target,
  counts: undoCounts,
});

export const importReplayRequested = defineEvent(
  'import.replay-requested',
  "The events of an import's records will be said again; each names the event that it repeats as `replayOf`.",
  { importId, target, outcomes: listOf(choice(['created', 'updated'])), actorId: integer('The user who did it.') },
);

export const importMappingChanged = defineEvent('import.mapping-changed', 'The mapping of an import was replaced.', {
  importId,
  target,
});

export const importPlanRequested = defineEvent(
  'import.plan-requested',
  'A dry run of an import was asked for and waits for a worker.',
  { importId, target, planId: integer('The plan.') },
);

const mappingId = integer('The saved mapping.');
const actorId = integer('The user who did it.');

export const importMappingCreated = defineEvent('import-mapping.created', 'A mapping was saved by name.', {
  id: mappingId,
  actorId,
});

export const importMappingUpdated = defineEvent(
  'import-mapping.updated',
  'A saved mapping was replaced by one that was saved under its name.',
  { id: mappingId, actorId },
);

export const importMappingDeleted = defineEvent('import-mapping.deleted', 'A saved mapping is gone.', {
  id: mappingId,
  actorId,
});
