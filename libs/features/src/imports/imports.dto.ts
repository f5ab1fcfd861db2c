import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { Allow, IsIn, IsOptional, IsString } from 'class-validator';
import { ListQueryDto, PageMetaDto } from '@muster/platform/http/list-query.dto';
import {
  IMPORT_STATUSES,
  IMPORT_TARGETS,
  OUTCOMES,
  type ImportStatus,
  type ImportTarget,
  type Outcome,
} from './imports.entity';
import { LedgerPageQuery } from './imports.ledger.dto';
import { RunOptionsInput } from './imports.steps.dto';
import { EmissionView } from './imports.undo.dto';

/** The property behind each name that the list of imports is sorted by. */
export const IMPORT_SORT_FIELDS = { createdAt: 'createdAt' } as const;
export const IMPORT_SORTS = ['-createdAt', 'createdAt'] as const;

/** Which imports. */
export class ListImportsQuery extends ListQueryDto {
  @IsIn(IMPORT_SORTS)
  @IsOptional()
  @ApiPropertyOptional({ enum: IMPORT_SORTS, default: '-createdAt' })
  sort?: (typeof IMPORT_SORTS)[number];

  @IsIn(IMPORT_STATUSES)
  @IsOptional()
  @ApiPropertyOptional({ enum: IMPORT_STATUSES })
  status?: ImportStatus;

  @IsIn(IMPORT_TARGETS)
  @IsOptional()
  @ApiPropertyOptional({ enum: IMPORT_TARGETS })
  target?: ImportTarget;
}

/** Which rows of the ledger. */
export class ListRowsQuery extends LedgerPageQuery {
  /** Only rows with this outcome. */
  @IsIn(OUTCOMES)
  @IsOptional()
  outcome?: Outcome;
}

export class ImportAccepted {
  id: number;
  status: ImportStatus;
}

export class ImportCounts {
  /** Rows read from the file; null until it is analyzed. */
  total: number | null;
  created: number;
  updated: number;
  unchanged: number;
  skipped: number;
  excluded: number;
  rejected: number;
}

export class ImportProgress {
  processed: number;
  total: number | null;
  rowsPerSecond: number;
  /** Null while it cannot be told. */
  etaSeconds: number | null;
}

export class ImportError {
  code: string;
  detail: string;
  /** Physical line of the file, from 1. */
  line?: number;
}

export class ImportWaiting {
  /** `storage-full`: there is no room on the disk, in the file store or in the database. */
  code: string;
}

export class ImportView {
  id: number;
  target: ImportTarget;
  status: ImportStatus;
  fileName: string;
  /** Bytes. */
  fileSize: number;
  /** SHA-256 of the file, hex; null until an upload in steps has been read. */
  fileHash: string | null;
  /** Column name to target; null until the file is analyzed. */
  mapping: Record<string, string | null> | null;
  /** Required targets that no column is mapped to: why an import waits in `ready`. */
  missing: string[];
  options: Record<string, unknown>;
  counts: ImportCounts;
  progress: ImportProgress;
  error: ImportError | null;
  /** The last events of its records, each by itself, on their way; null when none were asked for. */
  @ApiProperty({ type: EmissionView, nullable: true })
  emission: EmissionView | null;
  /** What stands in the way of an import that will go on by itself; null when nothing does. */
  waiting: ImportWaiting | null;
  createdBy: number;
  createdAt: Date;
  startedAt: Date | null;
  finishedAt: Date | null;
}

export class RowErrorView {
  field: string;
  code: string;
  message: string;
  /** A record that the row might match, if the caller may read it. */
  existingId?: number;
}

export class LedgerRowView {
  /** Number of the data row, from 1. */
  row: number;
  outcome: Outcome;
  /** The record that the row made; the one that it met, if the caller may read that. */
  recordId?: number;
  errors: RowErrorView[];
  /** The row's cells by column, as they stood in the file; absent when its files are not kept any more. */
  values?: Record<string, string | null>;
}

export class ImportPage {
  data: ImportView[];
  meta: PageMetaDto;
}

export class LedgerPage {
  data: LedgerRowView[];
  meta: PageMetaDto;
}

/** One of several files of a form. */
export class FileAccepted {
  /** Absent when the file was refused. */
  id?: number;
  @ApiProperty({ enum: [...IMPORT_STATUSES, 'refused'] })
  status: ImportStatus | 'refused';
  fileName: string;
  /** Why it was refused. */
  error?: ImportError;
}

export class ImportsAccepted {
  imports: FileAccepted[];
}

export class ColumnView {
  name: string;
  type: string;
  /** Rows with a value. */
  filled: number;
  empty: number;
  /** Different values; blanks not counted. */
  distinct: number;
  /** Up to five values. */
  samples: string[];
  suggestedTarget: string | null;
  /** 0 to 1. */
  confidence: number;
}

export class AnalysisWarning {
  code: string;
  message: string;
  column?: string;
}

/** Everything but `status` is absent until the file is analyzed. */
export class AnalysisView {
  status: ImportStatus;
  totalRows: number | null;
  columns?: ColumnView[];
  encoding?: string;
  delimiter?: string;
  /** Of a workbook: the sheet that was read. */
  sheet?: string;
  /** Of a workbook: the names of all its sheets. */
  sheets?: string[];
  warnings?: AnalysisWarning[];
  /** Rows that seem to share an e-mail or phone with an earlier row. */
  duplicateRows?: number;
  /** Required targets that no column is mapped to. */
  missing?: string[];
}

/** The fields of a multipart upload; `options` and `mapping` are JSON texts. */
export class CreateImportFields {
  @IsIn(IMPORT_TARGETS)
  target: ImportTarget;

  @IsString()
  @IsOptional()
  options?: string;

  @IsString()
  @IsOptional()
  mapping?: string;

  @IsIn(['true', 'false'])
  @IsOptional()
  autoStart?: string;
}

/** The JSON of the field `options`. */
export class ImportOptionsInput extends RunOptionsInput {
  @IsIn([',', ';', '\t', '|', 'tab'])
  @IsOptional()
  delimiter?: ',' | ';' | '\t' | '|' | 'tab';

  @IsIn(['utf-8', 'utf-16le', 'utf-16be', 'windows-1252', 'iso-8859-1', 'cp850', 'cp437'])
  @IsOptional()
  encoding?: string;

  /** Of a workbook: the name of the sheet, or its place from 1; the first visible one by default. */
  @Allow()
  @IsOptional()
  @ApiPropertyOptional({ oneOf: [{ type: 'string' }, { type: 'integer', minimum: 1 }] })
  sheet?: string | number;

  @Transform(({ value }: { value: unknown }) => (typeof value === 'string' ? value.toUpperCase() : value))
  @IsString()
  @IsOptional()
  defaultRegion?: string;

  @IsIn([true, false])
  @IsOptional()
  keepUnmapped?: boolean;
}
