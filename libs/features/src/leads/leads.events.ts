import { defineEvent, integer, listOf, nullable, text } from '@muster/core/events';

const id = integer('The lead.');
const actorId = integer('The user who did it.');

export const leadCreated = defineEvent(
  'lead.created',
  "A lead was made: by a person, or by an import with `events: each`, which says so after its end. Others' are told by the import's own events.",
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

const merge = {
  id: integer('The lead that both are in.'),
  sourceId: integer('The lead that became part of it, and is gone until the merge is undone.'),
  mergeId: integer(),
  actorId,
  fields: listOf(text(), 'Names of the fields of `id` that changed; never their values.'),
};

export const leadMerged = defineEvent('lead.merged', 'One lead became part of another, and was deleted.', merge);

export const leadMergeUndone = defineEvent(
  'lead.merge-undone',
  'A merge was taken back: `sourceId` exists again.',
  merge,
);

export const leadConverted = defineEvent(
  'lead.converted',
  'A customer was made of a lead, or the lead was linked to one that there was.',
  { id, customerId: integer('The customer.'), actorId },
);
