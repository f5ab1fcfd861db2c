import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import {
  Allow,
  ArrayMaxSize,
  ArrayMinSize,
  ArrayUnique,
  IsArray,
  IsBoolean,
  IsIn,
  IsInt,
  IsOptional,
  IsString,
  Matches,
  Max,
  MaxLength,
  Min,
  MinLength,
  ValidateNested,
} from 'class-validator';
import { ImportOptionsInput } from './imports.dto';
import { IMPORT_TARGETS } from './imports.entity';
import type { ImportStatus, ImportTarget } from './imports.entity';

/** Of how many parts one answer names the addresses. */
export const PARTS_AT_ONCE = 100;

/** A file that will be sent to the addresses of the answer. */
export class BeginUploadInput {
  @IsString()
  @MinLength(1)
  @MaxLength(255)
  fileName: string;

  /** Taken down and not believed: what the file is shows when it is here. */
  @IsString()
  @MaxLength(255)
  @IsOptional()
  contentType?: string;

  /** Bytes. */
  @IsInt()
  @Min(0)
  @Max(Number.MAX_SAFE_INTEGER)
  size: number;

  @IsIn(IMPORT_TARGETS)
  target: ImportTarget;

  /** SHA-256 of the file, hex; another file is then not imported. */
  @Matches(/^[0-9a-fA-F]{64}$/)
  @IsOptional()
  sha256?: string;

  @Allow()
  @IsOptional()
  @ApiPropertyOptional({ type: ImportOptionsInput })
  options?: object;

  /** Column name to target or null; suggested when absent. */
  @Allow()
  @IsOptional()
  @ApiPropertyOptional({ type: 'object', additionalProperties: { type: 'string', nullable: true } })
  mapping?: object;

  /** Start when the mapping is complete; default true. */
  @IsBoolean()
  @IsOptional()
  autoStart?: boolean;
}

export class UploadPart {
  /** From 1. */
  number: number;
  /** Bytes. */
  size: number;
  /** Good for `expiresIn` seconds. Whoever has it may send these bytes: treat it as a secret. */
  uploadUrl: string;
  method: 'PUT';
  /** Headers that must be sent. */
  @ApiProperty({ type: 'object', additionalProperties: { type: 'string' } })
  headers: Record<string, string>;
}

/** Addresses to send parts to. A file of one part has its address beside the parts too. */
export class UploadView {
  id: number;
  status: ImportStatus;
  /** Bytes of each part but the last. */
  partSize: number;
  partCount: number;
  /** How many are not there yet. */
  missingParts: number;
  parts: UploadPart[];
  /** Seconds for which the addresses are good. */
  expiresIn: number;
  uploadUrl?: string;
  method?: 'PUT';
  @ApiPropertyOptional({ type: 'object', additionalProperties: { type: 'string' } })
  headers?: Record<string, string>;
}

export class UploadPartsInput {
  /** Of which parts; by default of the first hundred that are missing. */
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(PARTS_AT_ONCE)
  @ArrayUnique()
  @IsInt({ each: true })
  @Min(1, { each: true })
  @IsOptional()
  numbers?: number[];
}

export class SentPart {
  @IsInt()
  @Min(1)
  number: number;

  /** The `ETag` that sending it was answered with; quotes do not matter. */
  @IsString()
  @MaxLength(200)
  etag: string;
}

export class AnalyzeInput {
  /** What was sent, to be compared with what arrived. */
  @IsArray()
  @ArrayMaxSize(10_000)
  @ValidateNested({ each: true })
  @Type(() => SentPart)
  @IsOptional()
  parts?: SentPart[];
}
