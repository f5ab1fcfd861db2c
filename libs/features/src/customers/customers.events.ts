import { defineEvent, integer, listOf, nullable, text } from '@muster/core/events';

const id = integer('The customer.');
const actorId = integer('The user who did it.');

export const customerCreated = defineEvent(
  'customer.created',
  "A customer was made: by a person, or by an import with `events: each`, which says so after its end. Others' are told by the import's own events.",
  { id, actorId },
);

export const customerUpdated = defineEvent('customer.updated', 'Fields of a customer changed.', {
  id,
  actorId,
  fields: listOf(text(), 'Names of the fields; never their values.'),
});

export const customerDeleted = defineEvent('customer.deleted', 'A customer was deleted.', { id, actorId });

export const customerAssigned = defineEvent(
  'customer.assigned',
  'A customer has another owner. Said beside `customer.created` or `customer.updated`.',
  {
    id,
    actorId,
    from: nullable(integer('The user who owned it; null is nobody.')),
    to: nullable(integer('The user who owns it; null is nobody.')),
  },
);

const merge = {
  id: integer('The customer that both are in.'),
  sourceId: integer('The customer that became part of it, and is gone until the merge is undone.'),
  mergeId: integer(),
  actorId,
  fields: listOf(text(), 'Names of the fields of `id` that changed; never their values.'),
};

export const customerMerged = defineEvent(
  'customer.merged',
  'One customer became part of another, and was deleted.',
  merge,
);

export const customerMergeUndone = defineEvent(
  'customer.merge-undone',
  'A merge was taken back: `sourceId` exists again.',
  merge,
);
