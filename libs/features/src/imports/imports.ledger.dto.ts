import { Transform } from 'class-transformer';
import { IsOptional, IsString, MaxLength } from 'class-validator';
import { PageQuery } from '@muster/platform/http/list-query.dto';

/** Which page of the rows of a ledger. */
export class LedgerPageQuery extends PageQuery {
  /** The last row already seen, from `meta.nextCursor`; the cost is the same however far in. */
  @Transform(({ value }) => (typeof value === 'string' ? value : undefined))
  @IsString()
  @MaxLength(20)
  @IsOptional()
  cursor?: string;
}
