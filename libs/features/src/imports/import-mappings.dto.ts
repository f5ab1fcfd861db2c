import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsObject, IsOptional, IsString } from 'class-validator';
import { ListQueryDto, PageMetaDto } from '@muster/platform/http/list-query.dto';
import { IMPORT_TARGETS, SavedMapping } from './imports.entity';
import type { ImportTarget } from './imports.entity';

/** How mappings appear in the API's document. */
export const MAPPING_SCHEMA = { type: 'object', additionalProperties: { type: 'string', nullable: true } } as const;

/** The property behind each name that the list of saved mappings is sorted by. */
export const MAPPING_SORT_FIELDS = { createdAt: 'createdAt', name: 'nameKey' } as const;
export const MAPPING_SORTS = ['-createdAt', 'createdAt', 'name', '-name'] as const;

export class ListMappingsQuery extends ListQueryDto {
  @IsOptional()
  @IsIn(MAPPING_SORTS)
  @ApiPropertyOptional({ enum: MAPPING_SORTS, default: '-createdAt' })
  sort?: (typeof MAPPING_SORTS)[number];

  @IsOptional()
  @IsIn(IMPORT_TARGETS)
  @ApiPropertyOptional({ enum: IMPORT_TARGETS })
  target?: ImportTarget;
}

export class SavedMappingInput {
  /** 1 to 100 characters; unique among the caller's, whatever the case. */
  @IsString()
  name: string;

  @IsIn(IMPORT_TARGETS)
  @ApiProperty({ enum: IMPORT_TARGETS })
  target: ImportTarget;

  /** Column name to target; null for a column that is left out. It fits files that have exactly these columns. */
  @IsObject()
  @ApiProperty(MAPPING_SCHEMA)
  mapping: Record<string, string | null>;
}

export class SavedMappingView {
  id: number;
  name: string;
  @ApiProperty({ enum: IMPORT_TARGETS })
  target: ImportTarget;
  @ApiProperty(MAPPING_SCHEMA)
  mapping: Record<string, string | null>;
  createdBy: number;
  createdAt: Date;
}

export class SavedMappingPage {
  data: SavedMappingView[];
  meta: PageMetaDto;
}

/** A saved mapping as clients see it. */
export const toMappingView = ({ nameKey: _key, headerHash: _hash, ...view }: SavedMapping): SavedMappingView => view;
