import { defineEvent, integer, listOf, nullable, text } from '@muster/core/events';

const id = integer('The lead.');
const actorId = integer('The user who did it.');

export const leadCreated = defineEvent(
  'lead.created',
  "A person made a lead. Leads that an import makes are told by the import's own events.",
  { id, actorId },
);

export const leadUpdated = defineEvent('lead.updated', 'Fields of a lead changed.', {
  id,
  actorId,
  fields: listOf(text(), 'Names of the fields; never their values.'),
});

export const leadDeleted = defineEvent('lead.deleted', 'A lead was deleted.', { id, actorId });

export const leadAssigned = defineEvent(
  'lead.assigned',
  'A lead has another assignee. Said beside `lead.created` or `lead.updated`.',
  {
    id,
    actorId,
    from: nullable(integer('The user it was assigned to; null is nobody.')),
    to: nullable(integer('The user it is assigned to; null is nobody.')),
  },
);
