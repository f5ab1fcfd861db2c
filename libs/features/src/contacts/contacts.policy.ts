import { Principal, scopeFor } from '@muster/core/principal';
import { SqlCondition } from '@muster/platform/database/record-table';

/**
 * Which groups of a record that the principal may read it may see too, for a query in which the group is `g`. A group that holds a record
 * of an agent is the agent's to see.
 */
export function groupsSeen(principal: Principal): SqlCondition {
  switch (scopeFor(principal, 'groups:read')) {
    case null:
      return { sql: '1 = 0', params: [] };
    case 'team':
      return { sql: '(g.team_id = ? OR g.team_id IS NULL)', params: [principal.teamId] };
    default:
      return { sql: '1 = 1', params: [] };
  }
}
