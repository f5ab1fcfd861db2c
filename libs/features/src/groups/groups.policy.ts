import { Permission } from '@muster/core/permissions';
import { holds, Principal, requireScope } from '@muster/core/principal';
import { SqlCondition } from '@muster/platform/database/record-table';
import { CONTACT_NOUNS, ContactNoun } from '../contacts/memberships/contacts.memberships.service';
import { visibleCustomers } from '../customers/customers.policy';
import { visibleLeads } from '../leads/leads.policy';

const VISIBLE = { leads: visibleLeads, customers: visibleCustomers };

/** The records that a principal may put into groups and take out again. @throws 403 `forbidden` when it may change none */
export const writableRecords = (principal: Principal, noun: ContactNoun): SqlCondition =>
  VISIBLE[noun](principal, `${noun}:write`);

/** The records that count for a principal: those that it may read. */
export const readableRecords = (principal: Principal, noun: ContactNoun): SqlCondition =>
  holds(principal, `${noun}:read`) ? VISIBLE[noun](principal, `${noun}:read`) : { sql: '1 = 0', params: [] };

/**
 * The groups that a principal may reach with a permission: `all`; `team`: those of the team and those of everyone; `own`: those
 * that hold a record which the principal may read. A group whose team is deleted is left to the admins. The condition belongs
 * into a query on `contact_groups` alone.
 * @throws 403 `forbidden` when the principal does not hold the permission
 */
export function visibleGroups(principal: Principal, permission: Permission): SqlCondition {
  switch (requireScope(principal, permission)) {
    case 'all':
      return { sql: '1 = 1', params: [] };
    case 'team':
      return { sql: '(team_id = ? OR team_id IS NULL)', params: [principal.teamId] };
    case 'own': {
      const holding = CONTACT_NOUNS.map((noun) => {
        const { sql, params } = readableRecords(principal, noun);
        const members = `SELECT group_id FROM group_members WHERE noun = ? AND record_id IN (SELECT id FROM ${noun} WHERE ${sql})`;
        return { sql: `id IN (${members})`, params: [noun, ...params] };
      });
      return {
        sql: `(${holding.map(({ sql }) => sql).join(' OR ')})`,
        params: holding.flatMap(({ params }) => params),
      };
    }
  }
}

/** The groups that a principal may rename and delete: of everyone's a manager may change the members only. */
export const changeableGroups = (principal: Principal): SqlCondition =>
  requireScope(principal, 'groups:write') === 'team'
    ? { sql: 'team_id = ?', params: [principal.teamId] }
    : visibleGroups(principal, 'groups:write');
