import { ApiProperty } from '@nestjs/swagger';
import { PageMetaDto } from '@muster/platform/http/list-query.dto';

export const TIMELINE_KINDS = [
  ...['created', 'changed', 'assigned', 'merged', 'merge-undone', 'merged-away', 'restored'],
  ...['converted', 'group-added', 'group-removed'],
] as const;

export class TimelineActor {
  id: number;
  /** Today; null when there is no such user. */
  name: string | null;
}

export class TimelineOrigin {
  importId: number;
  row: number;
}

export class TimelineChange {
  /** Custom fields and metadata by key: `customFields.region`. */
  field: string;
  /** Null when it had none; of the assignee `{id,name}`. */
  @ApiProperty({ type: 'object', additionalProperties: true, nullable: true })
  from: unknown;
  @ApiProperty({ type: 'object', additionalProperties: true, nullable: true })
  to: unknown;
}

/** One thing that happened to a record. */
export class TimelineEntry {
  at: Date;
  /**
   * `assigned`: a change of the assignee and nothing else. `merged` and `merge-undone`: another record became part of this one, and was
   * parted from it again; `merged-away` and `restored`: the same of the other.
   */
  @ApiProperty({ enum: TIMELINE_KINDS })
  kind: string;
  /** Null: the program itself, or not known any more. */
  actor: TimelineActor | null;
  changes: TimelineChange[];
  /** The row of a file that made the record. */
  origin?: TimelineOrigin;
  mergeId?: number;
  /** The other record of the merge. */
  mergedId?: number;
  /** What a lead was converted to. */
  customerId?: number;
  /** What a customer was made of. */
  leadId?: number;
  groupId?: number;
}

export class TimelinePage {
  data: TimelineEntry[];
  meta: PageMetaDto;
}
