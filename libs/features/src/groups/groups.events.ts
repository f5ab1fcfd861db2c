import { defineEvent } from '@muster/core/events';

/** The ids of records that went into a group, or out of it. */
export interface GroupMembersChanged {
  id: number;
  actorId: number;
  leads: number[];
  customers: number[];
}

export const groupCreated = defineEvent<{ id: number; actorId: number }>('group.created');

/** Fields of a group changed; `fields` names them. */
export const groupUpdated = defineEvent<{ id: number; actorId: number; fields: string[] }>('group.updated');

/** A group is gone. Its members stay, and are in it no more. */
export const groupDeleted = defineEvent<{ id: number; actorId: number }>('group.deleted');

/** A deleted group still has memberships to remove. */
export const groupPartlyCleared = defineEvent<{ id: number }>('group.partly-cleared');

export const groupMembersAdded = defineEvent<GroupMembersChanged>('group.members-added');
export const groupMembersRemoved = defineEvent<GroupMembersChanged>('group.members-removed');
