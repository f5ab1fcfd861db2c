import { ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { IsIn, IsInt, IsOptional, IsString, Max, MaxLength, Min } from 'class-validator';
import { IsInstant, ListQueryDto, PageMetaDto } from '@muster/platform/http/list-query.dto';
import type { AuditEntry } from './audit.entity';

export const AUDIT_SORT_FIELDS = { occurredAt: 'occurredAt' } as const;
export const AUDIT_SORTS = ['-occurredAt', 'occurredAt'] as const;

export class ListAuditQuery extends ListQueryDto {
  @IsOptional()
  @IsIn(AUDIT_SORTS)
  @ApiPropertyOptional({ enum: AUDIT_SORTS, default: '-occurredAt' })
  sort?: (typeof AUDIT_SORTS)[number];

  /** The user who did it. */
  @IsOptional()
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(Number.MAX_SAFE_INTEGER)
  actorId?: number;

  /** The API key through which it was done. */
  @IsOptional()
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(Number.MAX_SAFE_INTEGER)
  apiKeyId?: number;

  /** One action, such as `lead.updated`. */
  @IsOptional()
  @IsString()
  @MaxLength(60)
  action?: string;

  /** All actions on one noun, such as `lead`. */
  @IsOptional()
  @IsString()
  @MaxLength(40)
  subjectType?: string;

  /** One subject; with `subjectType`. */
  @IsOptional()
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(Number.MAX_SAFE_INTEGER)
  subjectId?: number;

  /** What one request did, at once and later: the work that it left to the workers has its id. */
  @IsOptional()
  @IsString()
  @MaxLength(100)
  requestId?: string;

  /** At this time or later; a date means its begin in UTC. */
  @IsOptional()
  @IsInstant()
  from?: string;

  /** At this time or earlier; a date means its end in UTC. */
  @IsOptional()
  @IsInstant()
  to?: string;
}

export class AuditEntryView {
  id: number;
  occurredAt: Date;
  /** The user; null for the program itself. */
  actorId: number | null;
  /** The user's name today. */
  actorName: string | null;
  /** The API key through which the user acted. */
  apiKeyId: number | null;
  /** Noun and verb, such as `lead.updated`. */
  action: string;
  subjectType: string;
  subjectId: number | null;
  /** As it was: of a change the properties that differ, of a deletion all; null where there was nothing. Secrets are `[redacted]`. */
  before: Record<string, unknown> | null;
  /** As it is, in the same way; null where nothing is left. */
  after: Record<string, unknown> | null;
  /** The `x-request-id` of the answer. */
  requestId: string | null;
  /** The caller's network address. */
  address: string | null;
}

export class AuditPage {
  data: AuditEntryView[];
  meta: PageMetaDto;
}

/** An entry as clients see it. @param names of users, by id */
export function toAuditEntryView(entry: AuditEntry, names: Map<number, string>): AuditEntryView {
  const { id, occurredAt, actorId, apiKeyId, action, subjectType, subjectId, requestId, address } = entry;
  const actorName = actorId === null ? null : (names.get(actorId) ?? null);
  return {
    ...{ id, occurredAt, actorId, actorName, apiKeyId, action, subjectType, subjectId },
    ...{ before: entry.oldValues, after: entry.newValues, requestId, address },
  };
}
