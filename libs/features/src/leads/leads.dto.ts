import { LEAD_STATUSES, type LeadStatus } from '@muster/core/contact/options';
import { ApiProperty, ApiPropertyOptional, OmitType, PartialType } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import {
  IsArray,
  IsBoolean,
  IsIn,
  IsInt,
  IsObject,
  IsOptional,
  IsString,
  Max,
  MaxLength,
  Min,
  ValidateIf,
} from 'class-validator';
import { AcceptsCustomFilters, IsListSort } from '@muster/platform/http/custom-filters';
import { IsInstant, PageMetaDto, RecordListQueryDto } from '@muster/platform/http/list-query.dto';
import type { Grouped } from '../contacts/contacts.service';
import { ContactStatistics, SourceCount } from '../contacts/statistics/contacts.statistics.service';
import type { Lead } from './leads.entity';

/** A whole lead, for POST and PUT. At least one of `email` and `phone` is needed. */
export class LeadInput {
  /** 2 to 100 characters. */
  @IsOptional()
  @IsString()
  name: string;

  /** Unique; kept in lower case. */
  @IsOptional()
  @IsString()
  email?: string | null;

  /** Unique; kept as E.164, an extension (`x12`) as `metadata.phoneExtension`. */
  @IsOptional()
  @IsString()
  phone?: string | null;

  /** `new` unless told. */
  @IsOptional()
  @IsString()
  @ApiPropertyOptional({ enum: LEAD_STATUSES, default: 'new' })
  status?: LeadStatus;

  /** Where it comes from; 2 to 50 characters. */
  @IsOptional()
  @IsString()
  source: string;

  /** At most 200 characters. */
  @IsOptional()
  @IsString()
  company?: string | null;

  /** A user; agents name themselves or nobody. */
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(Number.MAX_SAFE_INTEGER)
  assignedTo?: number | null;

  /** At most 20, each at most 50 characters. */
  @IsOptional()
  @IsArray()
  @IsString({ each: true })
  tags?: string[] | null;

  /**
   * Values of custom fields by their keys (`GET /leads/fields`); null, or a blank text, is no value. A PATCH changes the fields that it
   * names, a PUT clears the others or gives them their default values.
   */
  @IsOptional()
  @IsObject()
  @ApiPropertyOptional({ type: 'object', additionalProperties: true, nullable: true })
  customFields?: Record<string, unknown> | null;

  /** Any JSON object of at most 16 KB and ten levels. */
  @IsOptional()
  @IsObject()
  metadata?: Record<string, unknown> | null;

  /** An http or https address. */
  @IsOptional()
  @IsString()
  imageUrl?: string | null;

  /** Anyone may set it; managers and admins may clear it. A PUT without it leaves it as it is. */
  @ValidateIf((_, value) => value !== undefined)
  @IsBoolean()
  doNotContact?: boolean;
}

/** The fields of a lead to change, one or more; null clears. */
export class LeadPatch extends PartialType(LeadInput, { skipNullProperties: false }) {}

/** The property behind each name that a list of leads is sorted by. Each has an index. */
export const LEAD_SORT_FIELDS = { createdAt: 'createdAt', updatedAt: 'updatedAt', name: 'name' } as const;
export const LEAD_SORTS = ['-createdAt', 'createdAt', '-updatedAt', 'updatedAt', 'name', '-name'] as const;

/** What a list can be narrowed to, beside the `cf.<key>` of custom fields. */
@AcceptsCustomFilters()
export class ListLeadsQuery extends RecordListQueryDto {
  /**
   * Also `cf.<key>` and `-cf.<key>`, of a custom field that is filterable. `createdAt` and custom fields cost the same in any list; the
   * others sort what the filters leave.
   */
  @IsOptional()
  @IsListSort(LEAD_SORTS)
  @ApiPropertyOptional({ default: '-createdAt', example: '-createdAt' })
  sort?: string;

  @IsOptional()
  @IsIn(LEAD_STATUSES)
  @ApiPropertyOptional({ enum: LEAD_STATUSES })
  status?: LeadStatus;

  /** The whole source, as it is written. */
  @IsOptional()
  @IsString()
  source?: string;

  /** The user it is assigned to. */
  @IsOptional()
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(Number.MAX_SAFE_INTEGER)
  assignedTo?: number;
}

/** The filters of the list; and which custom fields are looked at. */
@AcceptsCustomFilters()
export class LeadStatisticsQuery extends OmitType(ListLeadsQuery, ['page', 'limit', 'cursor', 'sort']) {
  /** The same as `createdFrom`. */
  @IsOptional()
  @IsInstant()
  from?: string;

  /** The same as `createdTo`. */
  @IsOptional()
  @IsInstant()
  to?: string;

  /** Keys of custom fields that are filterable, at most ten, parted by commas. */
  @IsOptional()
  @IsString()
  @MaxLength(500)
  fields?: string;
}

/** The row of a file that made the record. */
export class LeadOrigin {
  importId: number;
  row: number;
}

export class LeadView {
  id: number;
  name: string;
  email: string | null;
  /** E.164. */
  phone: string | null;
  @ApiProperty({ enum: LEAD_STATUSES })
  status: LeadStatus;
  source: string;
  company: string | null;
  assignedTo: number | null;
  /** Ids of the groups that it is in and the caller may see, rising. */
  groups: number[];
  tags: string[];
  customFields: Record<string, unknown>;
  metadata: Record<string, unknown>;
  imageUrl: string | null;
  doNotContact: boolean;
  /** The customer that was made of it; null before, and when that customer is deleted. */
  convertedTo: number | null;
  /** Null when no import made it. */
  origin: LeadOrigin | null;
  createdBy: number | null;
  createdAt: Date;
  updatedAt: Date;
}

export class LeadStatistics extends ContactStatistics {
  sourceDistribution: SourceCount[];
}

export class LeadPage {
  data: LeadView[];
  meta: PageMetaDto;
}

/** A lead as the audit log has it: as clients see it, but for its groups. */
export type LeadState = Omit<LeadView, 'groups'>;

/** A lead as clients see it. */
export function toLeadView(lead: Grouped<Lead>): LeadView;
export function toLeadView(lead: Lead): LeadState;
export function toLeadView({ originImportId, originRow, version: _version, ...lead }: Lead): LeadState {
  const origin = originImportId === null || originRow === null ? null : { importId: originImportId, row: originRow };
  return { ...lead, origin };
}
