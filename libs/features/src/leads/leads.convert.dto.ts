import { IsInt, IsObject, IsOptional, Max, Min } from 'class-validator';

/** All of it may be left out, and so may the body. */
export class ConvertInput {
  /** A customer that the lead is linked to, instead of making one: it keeps what it has, and its blanks are filled from the lead. */
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(Number.MAX_SAFE_INTEGER)
  customerId?: number;

  /** Custom fields of the new customer, which count before the lead's; for those that customers require and leads do not have. */
  @IsOptional()
  @IsObject()
  customFields?: Record<string, unknown>;
}
