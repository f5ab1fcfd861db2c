import { isDeepStrictEqual } from 'node:util';
import { Injectable } from '@nestjs/common';
import { formatTime } from '@muster/platform/database/dialect/dialect';
import { writeCursor } from '@muster/platform/http/list-cursor';
import { ListQueryDto } from '@muster/platform/http/list-query.dto';
import { type AuditEntryView, AuditService, TRAIL_SORT } from '../../audit/audit.service';
import { TimelineActor, TimelineChange, TimelineEntry, TimelinePage } from './contacts.timeline.dto';

type Values = Record<string, unknown>;

export { TimelinePage } from './contacts.timeline.dto';

/** What a timeline needs to know of its record. */
interface TimelineSubject {
  id: number;
  createdAt: Date;
  createdBy: number | null;
  originImportId: number | null;
  originRow: number | null;
}

/** Kinds by the verb of the audit log; other verbs are changes. */
const KINDS: Record<string, string> = {
  created: 'created',
  merged: 'merged',
  mergeUndone: 'merge-undone',
  mergedAway: 'merged-away',
  restored: 'restored',
  converted: 'converted',
  groupAdded: 'group-added',
  groupRemoved: 'group-removed',
};

/** Kinds that say all: the record as a whole came or went. */
const WHOLE = new Set(['created', 'merged-away', 'restored', 'group-added', 'group-removed']);

/** What the audit log says beside the record's own fields, and its name in a timeline. */
const LINKS: Record<string, 'mergeId' | 'mergedId' | 'leadId' | 'groupId'> = {
  mergeId: 'mergeId',
  mergedFrom: 'mergedId',
  mergedInto: 'mergedId',
  unmergedFrom: 'mergedId',
  convertedFrom: 'leadId',
  groupId: 'groupId',
};

const NESTED = new Set(['customFields', 'metadata']);

/** What happened to a lead or customer, as the audit log has it. */
@Injectable()
export class ContactTimelines {
  constructor(private readonly audit: AuditService) {}

  /**
   * Newest first. A record that an import made has no entry of its own in the log: its making is the last of the timeline.
   * @param assignee the property that says whose the record is
   * @throws 422 `cursor-invalid`
   */
  async of(
    subjectType: 'lead' | 'customer',
    record: TimelineSubject,
    assignee: string,
    query: ListQueryDto,
  ): Promise<TimelinePage> {
    const { data, meta } = await this.audit.trail(subjectType, record.id, query);
    const entries = data.map((entry) => toEntry(entry, assignee));
    if (record.originImportId === null) return this.named({ data: entries, meta }, assignee);
    const total = meta.total + 1;
    // By cursor a page stands behind the one before, wherever that began; by number it stands where the number says.
    const isLast = query.cursor ? !meta.nextCursor : meta.page === Math.floor(meta.total / meta.limit) + 1;
    const isFull = entries.length === meta.limit;
    if (isLast && !isFull) entries.push(importedEntry(record));
    const last = data.at(-1);
    const nextCursor =
      meta.nextCursor ??
      (isFull && last ? writeCursor([TRAIL_SORT, formatTime(last.occurredAt), last.id, meta.page + 1]) : null);
    return this.named({ data: entries, meta: { ...meta, total, nextCursor } }, assignee);
  }

  /** With the names of people. */
  private async named(page: TimelinePage, assignee: string): Promise<TimelinePage> {
    const people = page.data.flatMap(({ actor, changes }) => [
      ...(actor ? [actor.id] : []),
      ...changes.flatMap(({ field, from, to }) => (field === assignee ? [from, to] : [])),
    ]);
    const names = await this.audit.namesOf(people.filter((id) => typeof id === 'number'));
    const named = (id: number): TimelineActor => ({ id, name: names.get(id) ?? null });
    for (const entry of page.data) {
      if (entry.actor) entry.actor = named(entry.actor.id);
      for (const change of entry.changes) {
        if (change.field !== assignee) continue;
        for (const side of ['from', 'to'] as const) {
          if (typeof change[side] === 'number') change[side] = named(change[side]);
        }
      }
    }
    return page;
  }
}

function importedEntry({ createdAt, createdBy, originImportId, originRow }: TimelineSubject): TimelineEntry {
  return {
    ...{ at: createdAt, kind: 'created', actor: createdBy === null ? null : { id: createdBy, name: null } },
    ...{ changes: [], origin: { importId: originImportId!, row: originRow! } },
  };
}

function toEntry({ occurredAt, action, actorId, before, after }: AuditEntryView, assignee: string): TimelineEntry {
  const known = KINDS[action.slice(action.indexOf('.') + 1)] ?? 'changed';
  const changes = WHOLE.has(known) ? [] : changesOf(before ?? {}, after ?? {});
  const isAssignment = known === 'changed' && changes.length === 1 && changes[0].field === assignee;
  const entry: TimelineEntry = {
    at: occurredAt,
    kind: isAssignment ? 'assigned' : known,
    actor: actorId === null ? null : { id: actorId, name: null },
    changes,
  };
  for (const [property, value] of Object.entries({ ...before, ...after })) {
    if (Object.hasOwn(LINKS, property)) entry[LINKS[property]] = value as number;
  }
  if (known === 'converted') entry.customerId = after?.convertedTo as number;
  return entry;
}

function changesOf(before: Values, after: Values): TimelineChange[] {
  const fields = [...new Set([...Object.keys(before), ...Object.keys(after)])].filter(
    (field) => !Object.hasOwn(LINKS, field),
  );
  return fields.flatMap((field) => {
    const [from, to] = [before[field] ?? null, after[field] ?? null];
    return NESTED.has(field) ? nestedChanges(field, from as Values | null, to as Values | null) : { field, from, to };
  });
}

function nestedChanges(field: string, before: Values | null, after: Values | null): TimelineChange[] {
  const value = (values: Values | null, key: string) => (values && Object.hasOwn(values, key) ? values[key] : null);
  return [...new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])]
    .map((key) => ({ field: `${field}.${key}`, from: value(before, key), to: value(after, key) }))
    .filter(({ from, to }) => !isDeepStrictEqual(from, to));
}
