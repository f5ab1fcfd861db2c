import { Permission } from '@muster/core/permissions';
import { holds, Principal } from '@muster/core/principal';
import { SqlCondition } from '@muster/platform/database/record-table';
import { visibleWhere } from '../auth/auth.policy';
import { visibleCustomers } from '../customers/customers.policy';
import { visibleLeads } from '../leads/leads.policy';
import { ImportTarget } from './imports.entity';

/** The imports that a principal may see or change: all for an admin, the team's for a manager. */
export const visibleImports = (principal: Principal, permission: Permission): SqlCondition =>
  visibleWhere({ assignee: null, creator: 'created_by' }, principal, permission);

/** The records of a target that a principal may be told of: those that it may read. */
export function readableRecords(principal: Principal, target: ImportTarget): SqlCondition {
  const permission = `${target}:read` as const;
  if (!holds(principal, permission)) return { sql: '1 = 0', params: [] };
  return (target === 'leads' ? visibleLeads : visibleCustomers)(principal, permission);
}

/** The records of a target that a principal may change. @throws 403 `forbidden` to one who may change none */
export const writableRecords = (principal: Principal, target: ImportTarget): SqlCondition =>
  (target === 'leads' ? visibleLeads : visibleCustomers)(principal, `${target}:write`);
