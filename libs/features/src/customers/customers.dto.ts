import { CUSTOMER_STATUSES, type CustomerStatus } from '@muster/core/contact/options';
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
import type { Customer } from './customers.entity';

/** A whole customer, for POST and PUT. A name is needed: `fullName`, or its parts. */
export class CustomerInput {
  /** At most 200 characters; made of the parts when it is left out. */
  @IsOptional()
  @IsString()
  fullName?: string | null;

  /** At most 100 characters, like `lastName`; both are made of `fullName` when they are left out. */
  @IsOptional()
  @IsString()
  firstName?: string | null;

  @IsOptional()
  @IsString()
  lastName?: string | null;

  /** Unique; kept in lower case. */
  @IsOptional()
  @IsString()
  email?: string | null;

  /** Unique; kept as E.164, an extension (`x12`) as `metadata.phoneExtension`. */
  @IsOptional()
  @IsString()
  phone?: string | null;

  /** ISO 3166-1 alpha-2 code or English name of a country; kept as the code. */
  @IsOptional()
  @IsString()
  countryCode?: string | null;

  /** `YYYY-MM-DD`, in the past. */
  @IsOptional()
  @IsString()
  dateOfBirth?: string | null;

  /** IANA name, such as `Europe/Berlin`. */
  @IsOptional()
  @IsString()
  timezone?: string | null;

  /** At most 200 characters. */
  @IsOptional()
  @IsString()
  company?: string | null;

  /** At most 100 characters. */
  @IsOptional()
  @IsString()
  title?: string | null;

  /** At most 255 characters. */
  @IsOptional()
  @IsString()
  address?: string | null;

  /** At most 100 characters. */
  @IsOptional()
  @IsString()
  city?: string | null;

  /** At most 100 characters. */
  @IsOptional()
  @IsString()
  state?: string | null;

  /** At most 100 characters. */
  @IsOptional()
  @IsString()
  country?: string | null;

  /** At most 20 characters. */
  @IsOptional()
  @IsString()
  zipCode?: string | null;

  /** At most 5,000 characters; may have several lines. */
  @IsOptional()
  @IsString()
  notes?: string | null;

  /** `active` unless told. */
  @IsOptional()
  @IsString()
  @ApiPropertyOptional({ enum: CUSTOMER_STATUSES, default: 'active' })
  status?: CustomerStatus;

  /** A user; agents name themselves or nobody. */
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(Number.MAX_SAFE_INTEGER)
  ownerId?: number | null;

  /** At most 20, each at most 50 characters. */
  @IsOptional()
  @IsArray()
  @IsString({ each: true })
  tags?: string[] | null;

  /**
   * Values of custom fields by their keys (`GET /customers/fields`); null, or a blank text, is no value. A PATCH changes the fields that it
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

  /** Anyone may set it; managers and admins may clear it. A PUT without it leaves it as it is. */
  @ValidateIf((_, value) => value !== undefined)
  @IsBoolean()
  doNotContact?: boolean;
}

/** The fields of a customer to change, one or more; null clears. */
export class CustomerPatch extends PartialType(CustomerInput, { skipNullProperties: false }) {}

/** The property behind each name that a list of customers is sorted by. Each has an index. */
export const CUSTOMER_SORT_FIELDS = { createdAt: 'createdAt', updatedAt: 'updatedAt', name: 'fullName' } as const;
export const CUSTOMER_SORTS = ['-createdAt', 'createdAt', '-updatedAt', 'updatedAt', 'name', '-name'] as const;

/** What a list can be narrowed to, beside the `cf.<key>` of custom fields. */
@AcceptsCustomFilters()
export class ListCustomersQuery extends RecordListQueryDto {
  /**
   * Also `cf.<key>` and `-cf.<key>`, of a custom field that is filterable. `createdAt` and custom fields cost the same in any list; the
   * others sort what the filters leave.
   */
  @IsOptional()
  @IsListSort(CUSTOMER_SORTS)
  @ApiPropertyOptional({ default: '-createdAt', example: '-createdAt' })
  sort?: string;

  @IsOptional()
  @IsIn(CUSTOMER_STATUSES)
  @ApiPropertyOptional({ enum: CUSTOMER_STATUSES })
  status?: CustomerStatus;

  /** The user it belongs to. */
  @IsOptional()
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(Number.MAX_SAFE_INTEGER)
  ownerId?: number;
}

/** The filters of the list; and which custom fields are looked at. */
@AcceptsCustomFilters()
export class CustomerStatisticsQuery extends OmitType(ListCustomersQuery, ['page', 'limit', 'cursor', 'sort']) {
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
export class CustomerOrigin {
  importId: number;
  row: number;
}

export class CustomerView {
  id: number;
  fullName: string;
  firstName: string | null;
  lastName: string | null;
  email: string | null;
  /** E.164. */
  phone: string | null;
  /** ISO 3166-1 alpha-2. */
  countryCode: string | null;
  /** `YYYY-MM-DD`. */
  dateOfBirth: string | null;
  /** IANA name. */
  timezone: string | null;
  company: string | null;
  title: string | null;
  address: string | null;
  city: string | null;
  state: string | null;
  country: string | null;
  zipCode: string | null;
  notes: string | null;
  @ApiProperty({ enum: CUSTOMER_STATUSES })
  status: CustomerStatus;
  ownerId: number | null;
  /** Ids of the groups that it is in and the caller may see, rising. */
  groups: number[];
  tags: string[];
  customFields: Record<string, unknown>;
  metadata: Record<string, unknown>;
  doNotContact: boolean;
  /** Null when no import made it. */
  origin: CustomerOrigin | null;
  createdBy: number | null;
  createdAt: Date;
  updatedAt: Date;
}

export class CustomerPage {
  data: CustomerView[];
  meta: PageMetaDto;
}

/** A customer as the audit log has it: as clients see it, but for its groups. */
export type CustomerState = Omit<CustomerView, 'groups'>;

/** A customer as clients see it. */
export function toCustomerView(customer: Grouped<Customer>): CustomerView;
export function toCustomerView(customer: Customer): CustomerState;
export function toCustomerView({ originImportId, originRow, version: _version, ...customer }: Customer): CustomerState {
  const origin = originImportId === null || originRow === null ? null : { importId: originImportId, row: originRow };
  return { ...customer, origin };
}
