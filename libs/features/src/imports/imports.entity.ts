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
] as const;
export type ImportStatus = (typeof IMPORT_STATUSES)[number];

export const OUTCOMES = ['created', 'updated', 'unchanged', 'skipped', 'excluded', 'rejected'] as const;
export type Outcome = (typeof OUTCOMES)[number];

export const DUPLICATE_POLICIES = ['reject', 'skip'] as const;
export type DuplicatePolicy = (typeof DUPLICATE_POLICIES)[number];

export const IMPORT_EVENTS = ['summary', 'silent'] as const;
export type ImportEvents = (typeof IMPORT_EVENTS)[number];

/** What a client may ask of an import. */
export interface ImportOptions {
  delimiter?: ',' | ';' | '\t' | '|';
  encoding?: string;
  /** Of a workbook: the name of the sheet, or its place from 1. */
  sheet?: string | number;
  /** What happens to a row whose e-mail or phone is taken. */
  duplicates: DuplicatePolicy;
  /** ISO country of phone numbers without a country code. */
  defaultRegion: string;
  /** Added to every record that is created. */
  tags: string[];
  /** The user to whom every created record is assigned; of several, row by row in turn. */
  assignTo?: number | number[];
  /** The group that every created record goes into. */
  groupId?: number;
  /** Whether the end of the import is said to who listens; without it, it is. */
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
 */
export type ChunkKind = 'all' | 'distinct' | 'sharing';

/** A range of rows that one worker imports in one transaction. */
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
export interface LedgerEntry {
  importId: number;
  firstRow: number;
  lastRow: number;
  outcome: Outcome;
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

export const importTables = [importTable, importChunkTable, importLedgerTable, savedMappingTable, importUploadTable];
