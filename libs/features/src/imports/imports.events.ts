import { choice, countsOf, defineEvent, integer, text } from '@muster/core/events';

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

export const importMappingChanged = defineEvent('import.mapping-changed', 'The mapping of an import was replaced.', {
  importId,
  target,
});

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
