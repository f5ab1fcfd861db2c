import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  IsArray,
  IsBoolean,
  IsIn,
  IsInt,
  IsObject,
  IsOptional,
  IsString,
  Matches,
  Max,
  Min,
  ValidateBy,
} from 'class-validator';
import { MAPPING_SCHEMA } from './import-mappings.dto';
import { DUPLICATE_POLICIES, IMPORT_EVENTS, PLAN_STATUSES } from './imports.entity';
import type { DuplicatePolicy, ImportEvents, PlanStatus } from './imports.entity';

/** How many users one import gives its records to, and how many entries name the rows that it leaves out. */
const MAX_ASSIGNEES = 100;
const MAX_EXCLUSIONS = 100_000;

/** One user, or a list of different ones. */
const IsAssignees = () =>
  ValidateBy({
    name: 'assignees',
    validator: {
      validate: (value: unknown) => {
        const people: unknown[] = Array.isArray(value) ? value : [value];
        const distinct = new Set(people).size === people.length;
        return distinct && people.length > 0 && people.length <= MAX_ASSIGNEES && people.every(isUserId);
      },
      defaultMessage: () => `$property must be the id of a user, or a list of up to ${MAX_ASSIGNEES} different ones`,
    },
  });

const isUserId = (value: unknown) => Number.isSafeInteger(value) && (value as number) > 0;

/** How the rows of an import become records: given with the upload, or when it is started. */
export class RunOptionsInput {
  /**
   * What happens to a row that matches a record, or an earlier row: it is rejected, skipped, or changes the record. Then only mapped
   * columns count, and a blank cell erases nothing; tags are added; custom fields are merged; `doNotContact` is set, never cleared.
   */
  @IsIn(DUPLICATE_POLICIES)
  @IsOptional()
  @ApiPropertyOptional({ enum: DUPLICATE_POLICIES })
  duplicates?: DuplicatePolicy;

  /**
   * What rows are matched by: `email`, `phone`, or `cf.<key>` of a custom field that is a text or a number and filterable. Without it by
   * e-mail, then by phone. Whatever it says, no two records have one e-mail or phone.
   */
  @Matches(/^(email|phone|cf\.[a-z][A-Za-z0-9_]{0,39})$/, { message: 'matchOn must be email, phone or cf.<key>' })
  @IsOptional()
  matchOn?: string;

  /** Under `update`: a blank cell of a mapped column erases what the record holds, where that may be empty. */
  @IsBoolean()
  @IsOptional()
  blankClears?: boolean;

  /** Added to every record that is created or updated. */
  @IsArray()
  @IsString({ each: true })
  @IsOptional()
  tags?: string[];

  /** Who gets the records that are created: one user, or a list (up to 100), row by row in turn. */
  @IsAssignees()
  @IsOptional()
  @ApiPropertyOptional({
    oneOf: [{ type: 'integer' }, { type: 'array', items: { type: 'integer' }, maxItems: MAX_ASSIGNEES }],
  })
  assignTo?: number | number[];

  /** The group that every record that is created goes into. */
  @IsInt()
  @Min(1)
  @Max(Number.MAX_SAFE_INTEGER)
  @IsOptional()
  groupId?: number;

  /**
   * `summary` (the default): the end of the import is one event. `silent`: it is none. `each`: beside it, every record that is made or
   * changed is an event too, said after the import at a moderate rate.
   */
  @IsIn(IMPORT_EVENTS)
  @IsOptional()
  @ApiPropertyOptional({ enum: IMPORT_EVENTS })
  events?: ImportEvents;
}

/** How an import would be run; what is left out stays as the upload said. */
export class PlanInput extends RunOptionsInput {
  /** Rows that are left out, by number or as ranges such as `5-9`. They get the outcome `excluded`. */
  @IsArray()
  @ArrayMaxSize(MAX_EXCLUSIONS)
  @IsOptional()
  @ApiPropertyOptional({
    type: 'array',
    items: { oneOf: [{ type: 'integer' }, { type: 'string' }] },
    maxItems: MAX_EXCLUSIONS,
  })
  excludedRows?: (number | string)[];
}

/** A dry run that is asked for. */
export class PlanRequestInput extends PlanInput {
  /** How many seconds the answer may wait for its end; then it is 202. */
  @IsInt()
  @Min(0)
  @Max(10)
  @IsOptional()
  waitSeconds: number = 10;
}

/** What may be said when an import is started; what is left out stays as the upload said. */
export class StartImportInput extends PlanInput {
  /**
   * A finished plan of this import, made with the same options: rows whose record has changed since, or which would fare otherwise now, are
   * `skipped` with the code `changed-since-plan`.
   */
  @IsInt()
  @Min(1)
  @Max(Number.MAX_SAFE_INTEGER)
  @IsOptional()
  ifPlan?: number;
}

export class PlanCounts {
  created: number;
  updated: number;
  unchanged: number;
  skipped: number;
  excluded: number;
  rejected: number;
}

/** What a row would change. */
export class PlanSampleView {
  row: number;
  recordId: number;
  /** By field: what the record holds, and what it would hold. */
  @ApiProperty({
    type: 'object',
    additionalProperties: { type: 'object', properties: { old: {}, new: {} }, required: ['old', 'new'] },
  })
  changes: Record<string, { old: unknown; new: unknown }>;
}

export class PlanErrorView {
  field: string;
  code: string;
  message: string;
  /** The record in the way, when the caller may read it. */
  existingId?: number;
}

/** Why a row would be rejected. */
export class PlanRejectionView {
  row: number;
  errors: PlanErrorView[];
}

/** A dry run of an import: what it would do to the store as it was at that time. */
export class PlanView {
  planId: number;
  @ApiProperty({ enum: PLAN_STATUSES })
  status: PlanStatus;
  /** Rows by outcome; null until it is ready, like what follows. */
  @ApiProperty({ type: PlanCounts, nullable: true })
  counts: PlanCounts | null;
  /** Up to 20 rows that would change a stored record which the caller may read, spread over the file. */
  samples: PlanSampleView[];
  /** Up to 20 rows that would be rejected, spread over the file. */
  rejected: PlanRejectionView[];
  /** Why it failed. */
  @ApiPropertyOptional()
  error?: { code: string; detail: string };
  createdAt: Date;
  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  finishedAt: Date | null;
}

export class MappingInput {
  /** Column name to target; null, or left out, for a column that is not imported. */
  @IsObject()
  @ApiProperty(MAPPING_SCHEMA)
  mapping: Record<string, string | null>;

  /** Saves the mapping under this name; the caller's own of the same name is replaced. */
  @IsString()
  @IsOptional()
  save?: string;
}

export class MappingView {
  @ApiProperty(MAPPING_SCHEMA)
  mapping: Record<string, string | null>;
  /** Required targets that no column is mapped to. */
  missing: string[];
  /** Rows that seem to share an e-mail or phone with an earlier row, under this mapping. */
  duplicateRows: number;
}

export const PREVIEW_FILTERS = ['valid', 'invalid', 'duplicates'] as const;
export type PreviewFilter = (typeof PREVIEW_FILTERS)[number];

export class PreviewQuery {
  /** From 1. */
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(5_000_000)
  @IsOptional()
  page: number = 1;

  /** Rows on a page. */
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(100)
  @IsOptional()
  limit: number = 20;

  /** Rows that pass the checks, those that do not, or those that pass them and are a duplicate. */
  @IsIn(PREVIEW_FILTERS)
  @IsOptional()
  @ApiPropertyOptional({ enum: PREVIEW_FILTERS })
  only?: PreviewFilter;
}

/** What has the same e-mail or phone: an earlier row of the file, or a stored record. */
export class PreviewDuplicate {
  @ApiProperty({ enum: ['file', 'store'] })
  of: 'file' | 'store';
  /** The earlier row. */
  row?: number;
  /** The stored record, when the caller may read it. */
  recordId?: number;
}

export class PreviewError {
  field: string;
  code: string;
  message: string;
}

/** A row of the file. Beside these properties it has its cells, by the names of their columns. */
export class PreviewRow {
  /** Number of the data row, from 1. */
  _row: number;
  /** Whether it passes the checks; a duplicate may. */
  _valid: boolean;
  _errors: PreviewError[];
  /** Why the row would not make a record although it passes the checks. */
  _duplicate?: PreviewDuplicate;
  /** The record as it would be stored; null for a row that does not pass the checks. */
  @ApiProperty({ type: 'object', additionalProperties: true, nullable: true })
  _values: Record<string, unknown> | null;
}

export class PreviewCounts {
  valid: number;
  invalid: number;
  /** Of the valid rows. */
  duplicates: number;
}

export class PreviewMeta {
  page: number;
  limit: number;
  /** Rows that the filter leaves; all rows without one. */
  total: number;
  /** Of the whole file; null when they are not at hand. A filter counts them. */
  @ApiProperty({ type: PreviewCounts, nullable: true })
  counts: PreviewCounts | null;
}

export class PreviewPage {
  data: PreviewRow[];
  meta: PreviewMeta;
}
