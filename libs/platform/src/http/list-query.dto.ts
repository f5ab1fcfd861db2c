import { Type } from 'class-transformer';
import { IsInt, IsOptional, IsString, Max, MaxLength, Min, ValidateBy } from 'class-validator';
import { parseInstant } from './instant';

/** Accepts what {@link parseInstant} reads. */
export const IsInstant = () =>
  ValidateBy({
    name: 'isInstant',
    validator: {
      validate: (value) => typeof value === 'string' && parseInstant(value) !== null,
      defaultMessage: () => '$property must be a date (YYYY-MM-DD) or a time with its zone (2026-01-31T10:00:00Z)',
    },
  });

/** Which page of a list that has no cursor, or one of its own. */
export class PageQuery {
  /** From 1. */
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(1_000_000)
  @IsOptional()
  page: number = 1;

  /** Entries on a page. */
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(100)
  @IsOptional()
  limit: number = 20;
}

/** What every list may be asked for. */
export class ListQueryDto {
  /** Page number, from 1. For deep pages follow `nextCursor`. */
  @IsOptional()
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(1_000_000)
  page?: number = 1;

  /** Records a page. */
  @IsOptional()
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(100)
  limit?: number = 20;

  /** `nextCursor` of the page before, with the same sort and filters; `page` is then ignored. */
  @IsOptional()
  @IsString()
  @MaxLength(2000)
  cursor?: string;
}

/** What the lists of contact records (leads, customers) have in common. */
export class RecordListQueryDto extends ListQueryDto {
  /**
   * Words, all of which the record must have, whatever the case and the accents: the begin of a word of its name or company, or of a piece
   * of its e-mail address (`ada.abb`, `abbott`, `ada@exam`, `@example.com`); the begin of its phone number, with or without the
   * country, or its last digits (three or more), with or without spaces and signs between them. Words are compared up to 40
   * characters; of more than eight the longest count.
   */
  @IsOptional()
  @IsString()
  @MaxLength(100)
  q?: string;

  /** A whole tag, as it is written. */
  @IsOptional()
  @IsString()
  @MaxLength(100)
  tag?: string;

  /** In this group; a group that the caller may not see lists nothing. */
  @IsOptional()
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(Number.MAX_SAFE_INTEGER)
  groupId?: number;

  /** Created at this time or later; a date means its begin in UTC. */
  @IsOptional()
  @IsInstant()
  createdFrom?: string;

  /** Created at this time or earlier; a date means its end in UTC. */
  @IsOptional()
  @IsInstant()
  createdTo?: string;

  /** Made by this import. */
  @IsOptional()
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(Number.MAX_SAFE_INTEGER)
  importId?: number;
}

/** Where a page stands in its list. */
export class PageMetaDto {
  page: number;
  limit: number;
  /** All records that the filters leave, in the caller's scope. Pages by cursor repeat the total of the page that they began with. */
  total: number;
  /** Asks for the next page; null on the last one. */
  nextCursor: string | null;
}
