import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import type { CustomValue } from '@muster/core/contact/custom-fields-value';

/** How often each value of a custom field occurs. */
export class FieldFigures {
  /** The most frequent first, at most 50. */
  @ApiProperty({
    type: 'array',
    items: {
      type: 'object',
      properties: {
        value: {
          oneOf: [
            ...[{ type: 'string' }, { type: 'number' }, { type: 'boolean' }],
            { type: 'array', items: { type: 'string' } },
          ],
        },
        count: { type: 'number' },
      },
    },
  })
  values: { value: CustomValue; count: number }[];
  /** Records without a value. */
  blank: number;
  /** What the values beyond those listed count together. */
  others: number;
  /** Of a number; null where there is none. */
  sum: number | null;
  min: number | null;
  max: number | null;
}

export class StatusCount {
  status: string;
  count: number;
}

export class SourceCount {
  source: string;
  count: number;
}

export class GroupCount {
  groupId: number;
  name: string;
  count: number;
}

export class TagCount {
  tag: string;
  count: number;
}

export class TimeCount {
  /** `YYYY-MM-DD`; `YYYY-MM` when the unit is a month. In UTC. */
  date: string;
  count: number;
}

export const TIME_UNITS = ['day', 'month'] as const;
export type TimeUnit = (typeof TIME_UNITS)[number];

/** What the distributions count beyond their entries: a distribution lists the 200 most frequent. */
export class OtherCounts {
  sourceDistribution?: number;
  groupDistribution: number;
  tagDistribution: number;
}

/** For each figure, under the same name, the list of exactly the records that it counts. What no list says is left out. */
export class StatisticsDrill {
  total: string;
  @ApiProperty({ type: 'object', additionalProperties: { type: 'string' } })
  statusDistribution: Record<string, string>;
  @ApiPropertyOptional({ type: 'object', additionalProperties: { type: 'string' } })
  sourceDistribution?: Record<string, string>;
  /** By the group's id. */
  @ApiProperty({ type: 'object', additionalProperties: { type: 'string' } })
  groupDistribution: Record<string, string>;
  @ApiProperty({ type: 'object', additionalProperties: { type: 'string' } })
  tagDistribution: Record<string, string>;
  @ApiProperty({ type: 'object', additionalProperties: { type: 'string' } })
  timeline: Record<string, string>;
  /** By the field's key, then by the value as a filter takes it; '' is no value. */
  @ApiProperty({
    type: 'object',
    additionalProperties: { type: 'object', additionalProperties: { type: 'string' } },
  })
  fields: Record<string, Record<string, string>>;
}

/** What the records are that the filters leave, in the caller's scope. Each figure is what is stored when it is counted. */
export class ContactStatistics {
  total: number;
  /** Every status, in the order of their meaning. */
  statusDistribution: StatusCount[];
  /** Of the groups that the caller may see. A record can be in several, or in none. */
  groupDistribution: GroupCount[];
  /** The most frequent first, like the other distributions. A record can have several, or none. */
  tagDistribution: TagCount[];
  /** When they were created, without gaps. By days up to 366, else by months. */
  timeline: TimeCount[];
  @ApiProperty({ enum: TIME_UNITS })
  timelineUnit: TimeUnit;
  /** The custom fields that `fields` named, by key. */
  @ApiProperty({ type: 'object', additionalProperties: { $ref: '#/components/schemas/FieldFigures' } })
  fields: Record<string, FieldFigures>;
  others: OtherCounts;
  drill: StatisticsDrill;
}
