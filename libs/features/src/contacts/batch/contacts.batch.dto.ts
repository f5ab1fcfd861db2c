import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import {
  ArrayMaxSize,
  ArrayMinSize,
  IsArray,
  IsIn,
  IsInt,
  IsObject,
  IsOptional,
  IsString,
  Max,
  Min,
} from 'class-validator';
import type { FieldError } from '@muster/core/errors';

/** The most changes of one batch. */
export const MAX_BATCH = 500;

/** One change of a batch. */
export class BatchUpdate {
  @IsInt()
  @Min(1)
  @Max(Number.MAX_SAFE_INTEGER)
  id: number;

  /** What a PATCH of the record would have as its body. */
  @IsObject()
  @ApiProperty({ type: 'object', additionalProperties: true })
  data: Record<string, unknown>;

  /** What a PATCH would have as its `If-Match`, such as `"v3"`. */
  @IsOptional()
  @IsString()
  ifMatch?: string;
}

export class BatchInput {
  /** 1 to 500, each for another record. They are made in this order. */
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(MAX_BATCH)
  @ApiProperty({ type: [BatchUpdate], minItems: 1, maxItems: MAX_BATCH })
  updates: unknown[];
}

export class BatchQuery {
  /** `true`: all changes or none; when one fails, the answer is 422 `batch-failed`. */
  @IsOptional()
  @IsIn(['true', 'false'])
  @ApiPropertyOptional({ enum: ['true', 'false'], default: 'false' })
  atomic?: string;
}

/** Why a change failed: what a PATCH would have answered. */
export class BatchProblem {
  status: number;
  /** As of a PATCH; or `not-applied` (424) when another change of an atomic batch failed, `not-written` (503) when the store did. */
  code: string;
  detail: string;
  @ApiPropertyOptional({
    type: 'array',
    items: {
      type: 'object',
      properties: {
        field: { type: 'string' },
        code: { type: 'string' },
        message: { type: 'string' },
        existingId: { type: 'number' },
      },
    },
  })
  errors?: FieldError[];
}

export const BATCH_STATUSES = ['updated', 'unchanged', 'failed'] as const;
export type BatchStatus = (typeof BATCH_STATUSES)[number];

export class BatchResult {
  id: number;
  @ApiProperty({ enum: BATCH_STATUSES })
  status: BatchStatus;
  /** The record's version now: 3 is the `ETag` `"v3"`. Absent when the change failed. */
  version?: number;
  problem?: BatchProblem;
}

export class BatchCounts {
  updated: number;
  unchanged: number;
  failed: number;
}

export class BatchView {
  /** One for each change, in their order. */
  results: BatchResult[];
  counts: BatchCounts;
}
