import { Permission } from '@muster/core/permissions';
import { Principal } from '@muster/core/principal';
import { SqlCondition } from '@muster/platform/database/record-table';
import { visibleWhere } from '../auth/auth.policy';

/** The leads that a principal may reach with a permission; the condition belongs into a query on `leads` alone. */
export const visibleLeads = (principal: Principal, permission: Permission): SqlCondition =>
  visibleWhere({ assignee: 'assigned_to', creator: 'created_by' }, principal, permission);
