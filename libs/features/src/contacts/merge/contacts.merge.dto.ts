import { ApiPropertyOptional } from '@nestjs/swagger';
import { IsInt, IsObject, IsOptional, Max, Min } from 'class-validator';
import { MERGE_CHOICES, type MergeChoice } from './contacts.merge';

/** Which record becomes part of the one in the path, and whose values count. */
export class MergeInput {
  /** The record that becomes part of the other, and is deleted. */
  @IsInt()
  @Min(1)
  @Max(Number.MAX_SAFE_INTEGER)
  sourceId: number;

  /**
   * Whose value each field has in the end: `source` also when it has none. What is not named keeps the target's value, or takes the
   * source's where the target has none; tags of both are united. A custom field is `customFields.<key>`. `doNotContact` stays set when
   * either has it set.
   */
  @IsOptional()
  @IsObject()
  @ApiPropertyOptional({ type: 'object', additionalProperties: { type: 'string', enum: [...MERGE_CHOICES] } })
  fields?: Record<string, MergeChoice>;

  /** The number in the source's `ETag` (3 of `"v3"`): the merge is made only if it is still the current one (else 412). */
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(Number.MAX_SAFE_INTEGER)
  sourceVersion?: number;
}
