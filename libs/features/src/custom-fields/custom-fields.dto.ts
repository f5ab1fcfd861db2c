import { ApiProperty, ApiPropertyOptional, OmitType, PartialType } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { Allow, IsArray, IsBoolean, IsIn, IsObject, IsOptional, IsString, ValidateNested } from 'class-validator';
import {
  CUSTOM_FIELD_TYPES,
  type CustomFieldType,
  type CustomFieldValidation,
  type CustomValue,
} from '@muster/core/contact/custom-fields-value';
import { ListQueryDto, PageMetaDto } from '@muster/platform/http/list-query.dto';
import { type CustomField } from './custom-fields.entity';
import { isIndexing } from './custom-fields.service';

const NUMBER_OR_TEXT = { oneOf: [{ type: 'number' }, { type: 'string' }], nullable: true };
const VALUE = {
  nullable: true,
  oneOf: [
    ...[{ type: 'string' }, { type: 'number' }, { type: 'boolean' }],
    { type: 'array', items: { type: 'string' } },
  ],
};

/** What a value must satisfy beyond its type. */
export class FieldValidationBody {
  /** The least: length of a text, number, date (`YYYY-MM-DD`), or how many options of a multi-list are chosen. */
  @Allow()
  @ApiPropertyOptional(NUMBER_OR_TEXT)
  min?: number | string | null;

  /** The most, alike. */
  @Allow()
  @ApiPropertyOptional(NUMBER_OR_TEXT)
  max?: number | string | null;

  /** Of the whole text; RE2 syntax, at most 500 characters. One that RE2 does not take is 422 `pattern-unsafe`. */
  @IsOptional()
  @IsString()
  pattern?: string | null;

  /** What people are told of a value that does not satisfy it; at most 200 characters. */
  @IsOptional()
  @IsString()
  message?: string | null;
}

/** A custom field, for POST and PUT. */
export class FieldBody {
  /** What records hold the value under: 1 to 40 letters, digits and `_`, beginning with a small letter. Never changes. */
  @IsOptional()
  @IsString()
  key: string;

  /** At most 100 characters. */
  @IsOptional()
  @IsString()
  label: string;

  /** Changing it while records have values is 409 `field-in-use`, unless `?force=true`. */
  @IsOptional()
  @IsString()
  @ApiProperty({ enum: CUSTOM_FIELD_TYPES })
  type: CustomFieldType;

  /** Records that lack it stay as they are until the field, or the whole record, is written. */
  @IsOptional()
  @IsBoolean()
  required?: boolean | null;

  /** What a new record has that does not name the field. */
  @Allow()
  @ApiPropertyOptional(VALUE)
  defaultValue?: unknown;

  /** Of `list` and `multi-list`: 1 to 200, each at most 100 characters, different whatever their case. */
  @IsOptional()
  @IsArray()
  @IsString({ each: true })
  options?: string[] | null;

  @IsOptional()
  @IsObject()
  @ValidateNested()
  @Type(() => FieldValidationBody)
  validation?: FieldValidationBody | null;

  /** Whether lists can be filtered and sorted by it. */
  @IsOptional()
  @IsBoolean()
  filterable?: boolean | null;

  /** At most 500 characters. */
  @IsOptional()
  @IsString()
  description?: string | null;
}

/** A whole custom field; its key may be left out. */
export class ReplaceFieldBody extends OmitType(FieldBody, ['key']) {
  /** The one it has. */
  @IsOptional()
  @IsString()
  key?: string;
}

/** What to change, one or more; null clears. With the type, options, validation and default of the old one go. */
export class PatchFieldBody extends PartialType(FieldBody, { skipNullProperties: false }) {}

export class ForceQuery {
  /** `true`: also when records have values (admins only). What they held is kept in the audit log. */
  @IsOptional()
  @IsIn(['true', 'false'])
  @ApiPropertyOptional({ enum: ['true', 'false'] })
  force?: string;
}

/** The property behind each name that a list of fields is sorted by. */
export const FIELD_SORT_FIELDS = { createdAt: 'createdAt', label: 'label', key: 'fieldKey' } as const;
const FIELD_SORTS = ['-createdAt', 'createdAt', 'label', '-label', 'key', '-key'] as const;

export class ListFieldsQuery extends ListQueryDto {
  @IsOptional()
  @IsIn(FIELD_SORTS)
  @ApiPropertyOptional({ enum: FIELD_SORTS, default: '-createdAt' })
  sort?: (typeof FIELD_SORTS)[number];
}

export class FieldValidationView {
  @ApiPropertyOptional(NUMBER_OR_TEXT)
  min?: number | string;
  @ApiPropertyOptional(NUMBER_OR_TEXT)
  max?: number | string;
  pattern?: string;
  message?: string;
}

export class FieldView {
  id: number;
  key: string;
  label: string;
  @ApiProperty({ enum: CUSTOM_FIELD_TYPES })
  type: CustomFieldType;
  required: boolean;
  @ApiProperty(VALUE)
  defaultValue: CustomValue | null;
  options: string[] | null;
  @ApiProperty({ type: FieldValidationView, nullable: true })
  validation: CustomFieldValidation | null;
  filterable: boolean;
  /** Its index is being built; until then filters on it answer 409 `field-indexing`. */
  indexing: boolean;
  /** Values of its former type are being converted. */
  converting: boolean;
  description: string | null;
  createdAt: Date;
  updatedAt: Date;
}

export class FieldPage {
  data: FieldView[];
  meta: PageMetaDto;
}

/** A field as clients see it. */
export function toFieldView(field: CustomField): FieldView {
  const {
    id,
    fieldKey: key,
    label,
    type,
    required,
    defaultValue,
    options,
    validation,
    filterable,
    description,
  } = field;
  return {
    ...{ id, key, label, type, required, defaultValue, options, validation, filterable },
    indexing: isIndexing(field),
    converting: field.state === 'converting',
    ...{ description, createdAt: field.createdAt, updatedAt: field.updatedAt },
  };
}
