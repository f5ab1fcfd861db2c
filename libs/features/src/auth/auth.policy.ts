import { Permission, PERMISSIONS } from '@muster/core/permissions';
import { Principal, requireScope } from '@muster/core/principal';
import { SqlCondition } from '@muster/platform/database/record-table';

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
export function visibleWhere(columns: OwnedColumns, principal: Principal, permission: Permission): SqlCondition {
  const { assignee, creator } = columns;
  switch (requireScope(principal, permission)) {
    case 'all':
      return { sql: '1 = 1', params: [] };
    case 'team': {
      const made = `${creator} IN (SELECT id FROM users WHERE team_id = ? OR role = 'admin')`;
      if (!assignee) return { sql: `(${made})`, params: [principal.teamId] };
      return {
        sql: `(${assignee} IN (SELECT id FROM users WHERE team_id = ?) OR (${assignee} IS NULL AND ${made}))`,
        params: [principal.teamId, principal.teamId],
      };
    }
    case 'own':
      if (!assignee) return { sql: `${creator} = ?`, params: [principal.userId] };
      return { sql: `(${assignee} = ? OR ${creator} = ?)`, params: [principal.userId, principal.userId] };
  }
}
