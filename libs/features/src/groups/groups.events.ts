import { defineEvent, integer, listOf, PayloadOf, text } from '@muster/core/events';

const id = integer('The group.');
const actorId = integer('The user who did it.');
const members = {
  id,
  actorId,
  leads: listOf(integer(), 'The leads.'),
  customers: listOf(integer(), 'The customers.'),
};

export const groupCreated = defineEvent('group.created', 'A group was made.', { id, actorId });

export const groupUpdated = defineEvent('group.updated', 'Fields of a group changed.', {
  id,
  actorId,
  fields: listOf(text(), 'Names of the fields; never their values.'),
});

export const groupDeleted = defineEvent(
  'group.deleted',
  'A group is gone. The records that were in it stay, and are in it no more.',
  { id, actorId },
);

export const groupPartlyCleared = defineEvent(
  'group.partly-cleared',
  'A deleted group still has memberships to remove.',
  { id },
);

export const groupMembersAdded = defineEvent('group.members-added', 'Records went into a group.', members);
export const groupMembersRemoved = defineEvent('group.members-removed', 'Records went out of a group.', members);

/** Which records went into a group, or out of it. */
export type GroupMembersChanged = PayloadOf<typeof groupMembersAdded>;
