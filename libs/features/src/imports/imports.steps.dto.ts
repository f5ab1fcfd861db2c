import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  IsArray,
  IsIn,
  IsInt,
  IsObject,
  IsOptional,
  IsString,
  Max,
  Min,
  ValidateBy,
} from 'class-validator';
import { MAPPING_SCHEMA } from './import-mappings.dto';
import { DUPLICATE_POLICIES, IMPORT_EVENTS } from './imports.entity';
import type { DuplicatePolicy, ImportEvents } from './imports.entity';

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
  /** What happens to a row whose e-mail or phone is taken. */
  @IsIn(DUPLICATE_POLICIES)
  @IsOptional()
  @ApiPropertyOptional({ enum: DUPLICATE_POLICIES })
  duplicates?: DuplicatePolicy;

  /** Added to every record that is created. */
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

/** What may be said when an import is started; what is left out stays as the upload said. */
export class StartImportInput extends RunOptionsInput {
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
