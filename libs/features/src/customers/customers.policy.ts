import { Permission } from '@muster/core/permissions';
import { Principal } from '@muster/core/principal';
import { SqlCondition } from '@muster/platform/database/record-table';
import { visibleWhere } from '../auth/auth.policy';

/** The customers that a principal may reach with a permission; the condition belongs into a query on `customers` alone. */
export const visibleCustomers = (principal: Principal, permission: Permission): SqlCondition =>
  visibleWhere({ assignee: 'owner_id', creator: 'created_by' }, principal, permission);
