import type { Cast } from './cast';
import type { Subject } from './expectations';
import { Person, reaches, Scope } from './oracle';
import type { World } from './world';

/** The columns that say whose the rows of a list are. */
const OWNERS: Partial<Record<Subject, string>> = {
  lead: 'SELECT id, created_by AS creator, assigned_to AS assignee FROM leads',
  customer: 'SELECT id, created_by AS creator, owner_id AS assignee FROM customers',
  import: 'SELECT id, created_by AS creator FROM imports',
  savedMapping: 'SELECT id, created_by AS creator FROM import_mappings',
  session: 'SELECT id, user_id AS creator FROM sessions WHERE revoked_at IS NULL',
  apiKey: 'SELECT id, user_id AS creator FROM api_keys WHERE revoked_at IS NULL',
  leadField: `SELECT id, changed_by AS creator FROM custom_fields WHERE noun = 'leads'`,
  customerField: `SELECT id, changed_by AS creator FROM custom_fields WHERE noun = 'customers'`,
  auditEntry: 'SELECT id, actor_id AS creator FROM audit_log',
};

const number = (value: unknown) => (value === null ? null : Number(value));

/** The ids of a list that a caller may see, worked out without the program. */
export async function visibleIds(
  world: World,
  cast: Cast,
  subject: Subject,
  caller: Person,
  scope: Scope,
): Promise<number[]> {
  const people = await cast.everyone();
  const mine = (teamId: unknown) => scope === 'all' || Number(teamId) === caller.teamId;
  if (subject === 'user') {
    const users = await world.query<{ id: number; team_id: number }>(
      'SELECT id, team_id FROM users WHERE deleted_at IS NULL',
    );
    return users.filter(({ team_id }) => mine(team_id)).map(({ id }) => Number(id));
  }
  if (subject === 'team') {
    const teams = await world.query<{ id: number }>('SELECT id FROM teams');
    return teams.filter(({ id }) => mine(id)).map(({ id }) => Number(id));
  }
  if (subject === 'group' && scope !== 'own') {
    const groups = await world.query<{ id: number; team_id: number | null }>('SELECT id, team_id FROM contact_groups');
    return groups.filter(({ team_id }) => team_id === null || mine(team_id)).map(({ id }) => Number(id));
  }
  if (subject === 'group') {
    const held = new Set<number>();
    for (const noun of ['lead', 'customer'] as const) {
      const visible = await visibleIds(world, cast, noun, caller, scope);
      const members = await world.query<{ group_id: number; record_id: number }>(
        'SELECT group_id, record_id FROM group_members WHERE noun = ?',
        [`${noun}s`],
      );
      for (const { group_id, record_id } of members)
        if (visible.includes(Number(record_id))) held.add(Number(group_id));
    }
    return [...held];
  }
  const sql = OWNERS[subject];
  if (!sql) throw new Error(`Say in OWNERS whose the rows of the list of "${subject}" are.`);
  const rows = await world.query<{ id: number; creator: number | null; assignee?: number | null }>(sql);
  const owned = rows.map(({ id, creator, assignee = null }) => ({
    ...{ id: Number(id), creator: number(creator), assignee: number(assignee) },
  }));
  return owned.filter((row) => reaches(caller, scope, row, people)).map(({ id }) => id);
}
