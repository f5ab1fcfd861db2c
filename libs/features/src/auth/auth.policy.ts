import { Permission, PERMISSIONS } from '@muster/core/permissions';
import { Principal, requireScope, scopeFor } from '@muster/core/principal';
import { SqlCondition } from '@muster/platform/database/record-table';
import { EVERYTHING, ScopeCondition } from '@muster/platform/http/list-scope';

/**
 * What no API key may do: change passwords and users, end sessions, make further keys. Whoever finds a key must not become its
 * owner, or make an admin.
 */
const FOR_PEOPLE_ONLY: Permission[] = ['account:write', 'api-keys:read', 'api-keys:write', 'users:write'];

/** The permissions that an API key may have. */
export const GRANTABLE = (Object.keys(PERMISSIONS) as Permission[]).filter(
  (permission) => !FOR_PEOPLE_ONLY.includes(permission),
);

/** The columns of a table that say whose a record is. */
export interface OwnedColumns {
  /** The user it is assigned to; null where the noun is never assigned. */
  assignee: string | null;
  creator: string;
}

/**
 * The records of a table that the principal may reach with a permission: `all`; `team`: assigned to someone of the team, or
 * unassigned and created by the team or by an admin; `own`: assigned to or created by the principal. Every surface (lists,
 * totals, single reads, writes, exports) adds this condition to its SQL.
 * @throws 403 `forbidden` when the principal does not hold the permission
 */
export function visibleWhere(columns: OwnedColumns, principal: Principal, permission: Permission): ScopeCondition {
  const { assignee, creator } = columns;
  const { userId, teamId } = principal;
  switch (requireScope(principal, permission)) {
    case 'all':
      return EVERYTHING;
    case 'team': {
      const members = { sql: 'SELECT id FROM users WHERE team_id = ?', params: [teamId] };
      const makers = { sql: `SELECT id FROM users WHERE team_id = ? OR role = 'admin'`, params: [teamId] };
      const made = `${creator} IN (${makers.sql})`;
      if (!assignee) return { sql: `(${made})`, params: [teamId] };
      return {
        sql: `(${assignee} IN (${members.sql}) OR (${assignee} IS NULL AND ${made}))`,
        params: [teamId, teamId],
        parts: [
          { each: members, sql: `${assignee} = ?`, params: [] },
          { each: makers, sql: `${creator} = ? AND ${assignee} IS NULL`, params: [] },
        ],
      };
    }
    case 'own':
      if (!assignee) return { sql: `${creator} = ?`, params: [userId] };
      return {
        sql: `(${assignee} = ? OR ${creator} = ?)`,
        params: [userId, userId],
        parts: [
          { sql: `${assignee} = ?`, params: [userId] },
          { sql: `${creator} = ? AND ${assignee} IS NULL`, params: [userId] },
          { sql: `${creator} = ? AND ${assignee} <> ?`, params: [userId, userId] },
        ],
      };
  }
}

/** The users to whom a principal may give records with a permission, if they are active; the condition belongs into a query on `users` alone. */
export function assignableUsers(principal: Principal, permission: Permission): SqlCondition {
  const { userId, teamId } = principal;
  switch (scopeFor(principal, permission)) {
    case 'all':
      return EVERYTHING;
    case null:
      return { sql: 'id = ?', params: [userId] };
    default:
      // No user is of the team NULL.
      return { sql: '(id = ? OR team_id = ?)', params: [userId, teamId] };
  }
}
