import { ApiProperty } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { IsInt, IsOptional, IsString, Max, MaxLength, Min } from 'class-validator';
import { DUPLICATE_REASONS, type DuplicateReason } from '@muster/core/contact/duplicate-keys';

export class DuplicatesQuery {
  /** Groups a page. */
  @IsOptional()
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(100)
  limit?: number = 20;

  /** `nextCursor` of the page before. */
  @IsOptional()
  @IsString()
  @MaxLength(200)
  cursor?: string;
}

export class DuplicatesMeta {
  limit: number;
  /** Asks for the next page; null on the last one. How many groups there are in all is not counted. */
  nextCursor: string | null;
}

/** What the groups of both nouns have in common. */
export class DuplicateGroupView {
  /**
   * `phone`: the same number but for its country code or extension; `name-company`: the same name and company; `name-email`: the same
   * name and begin of the e-mail address, at another domain. Without case, accents and punctuation.
   */
  @ApiProperty({ enum: DUPLICATE_REASONS })
  reason: DuplicateReason;
  /** Records of the group that the caller may see; `records` has the first ten. */
  count: number;
}
