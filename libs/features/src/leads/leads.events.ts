import { defineEvent } from '@muster/core/events';

/** A person made a lead. Leads that an import makes are told by the import's own events. */
export const leadCreated = defineEvent<{ id: number; actorId: number }>('lead.created');

/** Fields of a lead changed; `fields` names them. */
export const leadUpdated = defineEvent<{ id: number; actorId: number; fields: string[] }>('lead.updated');

export const leadDeleted = defineEvent<{ id: number; actorId: number }>('lead.deleted');

/** A lead has another assignee; null is nobody. Said beside `lead.created` or `lead.updated`. */
export const leadAssigned = defineEvent<{ id: number; actorId: number; from: number | null; to: number | null }>(
  'lead.assigned',
);
