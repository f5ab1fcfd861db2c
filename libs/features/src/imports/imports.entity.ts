import { FieldError } from '@muster/core/errors';
import { column, TableDefinition } from '@muster/platform/database/dialect/columns';

export const IMPORT_TARGETS = ['leads', 'customers'] as const;
export type ImportTarget = (typeof IMPORT_TARGETS)[number];

export const IMPORT_STATUSES = [
  'awaiting_upload',
  'analyzing',
  'ready',
  'importing',
  'completed',
  'failed',
  'cancelled',
  'undoing',
  'undone',
] as const;
export type ImportStatus = (typeof IMPORT_STATUSES)[number];

export const OUTCOMES = ['created', 'updated', 'unchanged', 'skipped', 'excluded', 'rejected'] as const;
export type Outcome = (typeof OUTCOMES)[number];

export const DUPLICATE_POLICIES = ['reject', 'skip', 'update'] as const;
export type DuplicatePolicy = (typeof DUPLICATE_POLICIES)[number];

export const IMPORT_EVENTS = ['summary', 'silent', 'each'] as const;
export type ImportEvents = (typeof IMPORT_EVENTS)[number];

/** What a client may ask of an import. */
export interface ImportOptions {
  delimiter?: ',' | ';' | '\t' | '|';
  encoding?: string;
  /** Of a workbook: the name of the sheet, or its place from 1. */
  sheet?: string | number;
  /** What happens to a row that matches a record. */
  duplicates: DuplicatePolicy;
  /** What a row is matched by: `email`, `phone`, or `cf.` and the key of a custom field; without it e-mail, then phone. */
  matchOn?: string;
  /** Under `update`: whether a blank cell of a mapped column erases what the record holds. */
  blankClears?: boolean;
  /** The plan that the import is bound to. */
  ifPlan?: number;
  /** ISO country of phone numbers without a country code. */
  defaultRegion: string;
  /** Added to every record that is created or updated. */
  tags: string[];
  /** The user to whom every created record is assigned; of several, row by row in turn. */
  assignTo?: number | number[];
  /** The group that every created record goes into. */
  groupId?: number;
  /** Whether the end of the import is said to who listens (without it, it is), and with `each` every record too. */
  events?: ImportEvents;
  /** Whether columns that nobody mapped go into the record's metadata. */
  keepUnmapped: boolean;
}

/** One column of the staged file. */
export interface ColumnProfile {
  name: string;
  type: string;
  filled: number;
  empty: number;
  distinct: number;
  samples: string[];
  suggestedTarget: string | null;
  confidence: number;
}

/** What the analysis found. */
export interface Analysis {
  columns: ColumnProfile[];
  /** Of a text file. */
  encoding?: string;
  delimiter?: string;
  /** Of a workbook: the sheet that was read, and the names of all. */
  sheet?: string;
  sheets?: string[];
  warnings: { code: string; message: string; column?: string }[];
  /** Rows that share an e-mail or phone with an earlier row, as far as a quick look tells. */
  duplicateRows: number;
  /** Required targets that no column is mapped to. */
  missing: string[];
}

/** Why an import failed. */
export interface ImportFailure {
  code: string;
  detail: string;
  /** Physical line of the file, from 1. */
  line?: number;
}

export interface Import {
  id: number;
  target: ImportTarget;
  status: ImportStatus;
  fileName: string;
  fileSize: number;
  /** SHA-256 of the uploaded bytes, hex; null until an upload in steps has been read. */
  fileHash: string | null;
  fileKey: string;
  /** The staged table; null until analyzed. */
  stagedKey: string | null;
  options: ImportOptions;
  autoStart: boolean;
  /** Column name to target key, null where a column is left out. */
  mapping: Record<string, string | null> | null;
  analysis: Analysis | null;
  totalRows: number | null;
  /** The id of the record that row 1 makes; row r makes record `recordBase + r - 1`. */
  recordBase: number | null;
  error: ImportFailure | null;
  /** Attempts to analyze, and the lease of the worker that tries: see `imports.analyze.service.ts`. */
  attempts: number;
  token: number;
  leasedUntil: Date | null;
  /** What the work waits for, and when it is tried again at the latest; later this says nothing any more. */
  waitingCode: string | null;
  waitingUntil: Date | null;
  /** Since when its files are not kept any more: the uploaded one and the staged table are deleted, or about to be. */
  filesExpiredAt: Date | null;
  requestId: string | null;
  createdBy: number;
  createdAt: Date;
  startedAt: Date | null;
  finishedAt: Date | null;
}

export const importTable: TableDefinition = {
  name: 'imports',
  key: ['id'],
  columns: {
    id: column.serial(),
    target: column.text(20),
    status: column.text(20),
    fileName: column.text(255),
    fileSize: column.integer(),
    fileHash: column.text(64, { nullable: true }),
    fileKey: column.text(255),
    stagedKey: column.text(255, { nullable: true }),
    options: column.json(),
    autoStart: column.boolean(),
    mapping: column.json({ nullable: true }),
    analysis: column.json({ nullable: true }),
    totalRows: column.integer({ nullable: true }),
    recordBase: column.id({ nullable: true }),
    error: column.json({ nullable: true }),
    attempts: column.integer(),
    token: column.integer(),
    leasedUntil: column.time({ nullable: true }),
    waitingCode: column.text(50, { nullable: true }),
    waitingUntil: column.time({ nullable: true }),
    filesExpiredAt: column.time({ nullable: true }),
    requestId: column.text(100, { nullable: true }),
    createdBy: column.id(),
    createdAt: column.time(),
    startedAt: column.time({ nullable: true }),
    finishedAt: column.time({ nullable: true }),
  },
  indexes: [
    { name: 'ix_imports_status', columns: ['status', 'leasedUntil'] },
    { name: 'ix_imports_created', columns: ['createdAt', 'id'] },
  ],
};

/**
 * Which rows of its range a chunk holds. `all`: every row, when one chunk holds the whole file. `distinct`: the rows that share
 * no e-mail or phone with an earlier row; such chunks run in any order. `sharing`: the other rows; such chunks run one after
 * another when everything before them is done, so that of two rows with the same e-mail the first in the file always wins.
 * `ordered`: every row; such chunks, too, run one after another.
 *
 * Of an undo: `delete`, the records that the range's rows made, in any order; `restore`, the records that the range's rows changed
 * last, one chunk after another from the end of the file, when everything that is deleted is gone: so values come back to whom they
 * were taken from. See `imports.undo.run.service.ts`.
 */
export type ChunkKind = 'all' | 'distinct' | 'sharing' | 'ordered' | 'delete' | 'restore';

/** The chunks of an undo; the others are the import's. */
export const UNDO_KINDS: readonly ChunkKind[] = ['delete', 'restore'];
/** Chunks that wait until all before them are done. */
export const ORDERED_KINDS: readonly ChunkKind[] = ['sharing', 'ordered', 'restore'];

/** A range of rows that one worker imports, or takes back, in one transaction. */
export interface ImportChunk {
  importId: number;
  seq: number;
  kind: ChunkKind;
  firstRow: number;
  lastRow: number;
  /** pending | done */
  status: 'pending' | 'done';
  /** Rises with every claim; a worker whose token is no longer the stored one has lost the chunk. */
  token: number;
  leasedUntil: Date | null;
}

export const importChunkTable: TableDefinition = {
  name: 'import_chunks',
  key: ['importId', 'seq'],
  columns: {
    importId: column.id(),
    seq: column.integer(),
    kind: column.text(10),
    firstRow: column.integer(),
    lastRow: column.integer(),
    status: column.text(10),
    token: column.integer(),
    leasedUntil: column.time({ nullable: true }),
  },
  indexes: [{ name: 'ix_import_chunks_status', columns: ['importId', 'status', 'seq'] }],
};

/**
 * The ledger: a run of neighbouring rows with the same outcome is one entry. The entries of an import cover each of its rows
 * exactly once, so the counts are sums over them. The records of a run of `created` rows have consecutive ids.
 */
export interface LedgerEntry<O extends string = Outcome> {
  importId: number;
  firstRow: number;
  lastRow: number;
  outcome: O;
  /** The record of `firstRow`. */
  recordId: number | null;
  errors: FieldError[] | null;
}

export const importLedgerTable: TableDefinition = {
  name: 'import_ledger',
  key: ['importId', 'firstRow'],
  columns: {
    importId: column.id(),
    firstRow: column.integer(),
    lastRow: column.integer(),
    outcome: column.text(10),
    recordId: column.id({ nullable: true }),
    errors: column.json({ nullable: true }),
  },
  indexes: [{ name: 'ix_import_ledger_outcome', columns: ['importId', 'outcome', 'firstRow', 'lastRow'] }],
};

/**
 * What an import changed in a record that was stored before the row came: enough to take it back. A row has at most one change;
 * several rows may change the same record, in the order of the file. Holds personal data: who erases a person clears it here too.
 */
export interface ImportChange {
  importId: number;
  fileRow: number;
  recordId: number;
  /** The previous values of the fields that the row changed, by name, as JSON has them. */
  before: Record<string, unknown>;
  /** The record's version after the change: while it is the record's own, nobody has changed the record since. */
  versionAfter: number;
}

export const importChangeTable: TableDefinition = {
  name: 'import_changes',
  key: ['importId', 'fileRow'],
  columns: {
    importId: column.id(),
    fileRow: column.integer(),
    recordId: column.id(),
    before: column.json(),
    versionAfter: column.integer(),
  },
  indexes: [{ name: 'ix_import_changes_record', columns: ['importId', 'recordId', 'fileRow'] }],
};

/** A mapping that was saved by name, for files with the same header. */
export interface SavedMapping {
  id: number;
  name: string;
  /** The name as names are compared: whatever the case and the spaces. Unique among those of its owner. */
  nameKey: string;
  target: ImportTarget;
  mapping: Record<string, string | null>;
  /** Equal for equal sets of column names. */
  headerHash: string;
  createdBy: number;
  createdAt: Date;
}

export const savedMappingTable: TableDefinition = {
  name: 'import_mappings',
  key: ['id'],
  columns: {
    id: column.serial(),
    name: column.text(100),
    nameKey: column.text(200),
    target: column.text(20),
    mapping: column.json(),
    headerHash: column.text(64),
    createdBy: column.id(),
    createdAt: column.time(),
  },
  indexes: [
    { name: 'uq_import_mappings_name', columns: ['createdBy', 'nameKey'], unique: true },
    { name: 'ix_import_mappings_header', columns: ['headerHash', 'target'] },
    { name: 'ix_import_mappings_created', columns: ['createdAt', 'id'] },
  ],
};

/** What a row of a dry run would change. */
export interface PlanSample {
  row: number;
  recordId: number;
  changes: Record<string, { old: unknown; new: unknown }>;
}

/** Why a row of a dry run would be rejected. */
export interface PlanRejection {
  row: number;
  errors: FieldError[];
}

/** What a finished dry run found. */
export interface PlanResult {
  counts: Record<Outcome, number>;
  samples: PlanSample[];
  rejected: PlanRejection[];
}

export const PLAN_STATUSES = ['running', 'ready', 'failed'] as const;
export type PlanStatus = (typeof PLAN_STATUSES)[number];

/** A dry run of an import. What became of each row lies in the file store: see `imports.forecast.ts`. */
export interface ImportDryRun {
  id: number;
  importId: number;
  status: PlanStatus;
  /** The options of the import as they would be, and the rows left out: ranges `[first, last]`. */
  options: ImportOptions;
  excluded: [number, number][];
  /** Of the mapping, the options and the rows left out: what a start must agree to. */
  mappingHash: string;
  optionsHash: string;
  /** Holds values of records, so it goes when a person is erased. */
  result: PlanResult | null;
  error: ImportFailure | null;
  attempts: number;
  token: number;
  leasedUntil: Date | null;
  requestId: string | null;
  createdBy: number;
  createdAt: Date;
  finishedAt: Date | null;
}

export const importPlanTable: TableDefinition = {
  name: 'import_plans',
  key: ['id'],
  columns: {
    id: column.serial(),
    importId: column.id(),
    status: column.text(10),
    options: column.json(),
    excluded: column.json(),
    mappingHash: column.text(64),
    optionsHash: column.text(64),
    result: column.json({ nullable: true }),
    error: column.json({ nullable: true }),
    attempts: column.integer(),
    token: column.integer(),
    leasedUntil: column.time({ nullable: true }),
    requestId: column.text(100, { nullable: true }),
    createdBy: column.id(),
    createdAt: column.time(),
    finishedAt: column.time({ nullable: true }),
  },
  indexes: [
    { name: 'ix_import_plans_import', columns: ['importId', 'id'] },
    { name: 'ix_import_plans_status', columns: ['status', 'leasedUntil'] },
  ],
};

/** How the file of an import arrives that is uploaded in steps. The row outlives its addresses, and is gone with what they left. */
export interface ImportUpload {
  /** The import's. */
  id: number;
  key: string;
  /** What the file store calls it, where it does. */
  uploadId: string | null;
  /** Whether the file store knows of it. */
  opened: boolean;
  /** Bytes. */
  partSize: number;
  /** SHA-256 that the client announced, hex. */
  sha256: string | null;
  /** No address is good after this, and an import that still waits for its file has failed. */
  expiresAt: Date;
  /** When the file was found whole. */
  completedAt: Date | null;
}

export const importUploadTable: TableDefinition = {
  name: 'import_uploads',
  key: ['id'],
  columns: {
    id: column.id(),
    key: column.text(255),
    uploadId: column.text(1024, { nullable: true }),
    opened: column.boolean(),
    partSize: column.integer(),
    sha256: column.text(64, { nullable: true }),
    expiresAt: column.time(),
    completedAt: column.time({ nullable: true }),
  },
  indexes: [{ name: 'ix_import_uploads_expires', columns: ['expiresAt'] }],
};

export const importTables = [
  importTable,
  importPlanTable,
  importChunkTable,
  importLedgerTable,
  importChangeTable,
  importUploadTable,
  savedMappingTable,
];
