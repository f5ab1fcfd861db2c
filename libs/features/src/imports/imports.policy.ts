import { Permission } from '@muster/core/permissions';
import { Principal } from '@muster/core/principal';
import { SqlCondition } from '@muster/platform/database/record-table';
import { visibleWhere } from '../auth/auth.policy';

/** The imports that a principal may see or change: all for an admin, the team's for a manager. */
export const visibleImports = (principal: Principal, permission: Permission): SqlCondition =>
  visibleWhere({ assignee: null, creator: 'created_by' }, principal, permission);
