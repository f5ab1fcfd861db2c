import type { Role } from '@muster/core/permissions';

/** Who acts, or is named by a record, as the store has them now. */
export interface Person {
  id: number;
  role: Role;
  teamId: number | null;
}

/** What says whose a record is. */
export interface Owned {
  /** Null: nobody's. Left out: records of this kind are never assigned. */
  assignee?: number | null;
  /** Null: made by the program itself. */
  creator: number | null;
}

export type Scope = 'all' | 'team' | 'own';

/**
 * Whether a caller reaches a record, in the words of the contract; shares nothing with the program. `own`: assigned to or
 * created by me. `team`: the assignee is of my team; without an assignee, my team made it, or an admin.
 * @param people everyone who was ever there, the deleted too
 */
export function reaches(caller: Person, scope: Scope, record: Owned, people: Map<number, Person>): boolean {
  if (scope === 'all') return true;
  if (scope === 'own') return record.assignee === caller.id || record.creator === caller.id;
  const ofMyTeam = (id: number) => people.get(id)?.teamId === caller.teamId;
  if (record.assignee != null) return ofMyTeam(record.assignee);
  return record.creator !== null && (ofMyTeam(record.creator) || people.get(record.creator)?.role === 'admin');
}
