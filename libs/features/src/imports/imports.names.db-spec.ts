import { Principal } from '@muster/core/principal';
import { HEADER, openTestImports, row, shown, TestImportOptions, TestImports } from '@muster/testing/imports';
import { GroupsService } from '../groups/groups.service';

/** Names people and groups of two teams; all are invented. */
describe('rows that name users and groups', () => {
  let imports: TestImports;
  let agent: Principal;
  let emails: Record<'agent' | 'suspended' | 'stranger', string>;
  let groups: Record<'fair' | 'spring' | 'foreign', number>;

  beforeAll(async () => {
    imports = await openTestImports();
    const { services, manager, stranger } = imports;
    const add = (name: string, email: string, teamId: number | null, active = true) =>
      services.addUser('agent', teamId!, { name, email, emailKey: email, active });
    emails = { agent: 'ada@crew.example.org', suspended: 'sam@crew.example.org', stranger: 'zoe@other.example.org' };
    agent = await add('Ada  Crew', emails.agent, manager.teamId);
    await add('Sam Crew', emails.suspended, manager.teamId, false);
    await add('Zoe Other', emails.stranger, stranger.teamId);
    // Of two teams: each team has one of the name.
    await add('Ada Crew', 'ada@other.example.org', stranger.teamId);
    for (const place of ['one', 'two']) await add('Twin Crew', `${place}@crew.example.org`, manager.teamId);
    const admin = await services.addUser('admin', stranger.teamId!);
    const group = async (name: string, teamId: number | null) =>
      (await services.get(GroupsService).create(admin, { name, teamId })).id;
    groups = {
      fair: await group('Fair, Paris', null),
      spring: await group('Spring', manager.teamId),
      foreign: await group('Foreign', stranger.teamId),
    };
  });
  beforeEach(() => imports.clear());
  afterAll(() => imports.close());

  let salt = 0;
  const person = (assignee = '', group = '', email = `n${++salt}@example.com`) =>
    row({ name: 'Ann Lee', email, company: assignee, note: group });
  const mapping = Object.fromEntries(
    HEADER.map((name) => [name, { name: 'name', email: 'email', company: 'assignee', note: 'group' }[name] ?? null]),
  );
  const run = (rows: string[][], options: TestImportOptions = {}) => imports.run(rows, { mapping, ...options });
  const membersOf = async (id: number) =>
    (
      await imports.services.database.query<{ group_id: number }>(
        `SELECT group_id FROM group_members WHERE noun = 'leads' AND record_id = ? ORDER BY group_id`,
        [id],
      )
    ).map(({ group_id }) => Number(group_id));
  const assigneeOf = async (id: number | null) => (await imports.lead(id!)).assigned_to as number | null;

  it.each(['reject', 'update'] as const)('go to whom they name, under %s', async (duplicates) => {
    const { manager } = imports;
    const said = ['ADA@crew.example.org ', 'ada crew', '', emails.agent, ''];
    const outcomes = await run(
      said.map((who) => person(who)),
      { duplicates, assignTo: [manager.userId, agent.userId] },
    );
    expect(shown(outcomes)).toEqual(said.map(() => 'created'));
    const assignees = await Promise.all(outcomes.map(({ recordId }) => assigneeOf(recordId)));
    // Row by row in turn, where a row names nobody.
    expect(assignees.map(Number)).toEqual([
      ...[agent.userId, agent.userId, manager.userId, agent.userId, manager.userId],
    ]);
  });

  it.each(['reject', 'update'] as const)('are refused alike whoever else they name, under %s', async (duplicates) => {
    const said = [emails.suspended, emails.stranger, 'Sam Crew', 'Zoe Other', 'twin crew', 'no@crew.example.org', '7'];
    const rows = said.map((who) => person(who));
    const { result } = await imports.dryRun(rows, { mapping, duplicates });
    const outcomes = await run(rows, { duplicates });
    expect(shown(outcomes)).toEqual(said.map(() => 'rejected assignee assignee-unknown'));
    expect(new Set(outcomes.map(({ errors }) => errors![0].message)).size).toBe(1);
    expect(result.counts).toMatchObject({ created: 0, rejected: said.length });
    expect(result.rejected.map(({ errors }) => errors)).toEqual(outcomes.map(({ errors }) => errors));
  });

  it('join the groups that they name, beside that of the import, in every chunk', async () => {
    const rows = [
      person('', 'fair,  PARIS; spring'),
      person('', 'Spring'),
      person('', ''),
      person('', 'Spring; Foreign'),
      person('', 'nowhere'),
      person('nobody', 'Spring'),
    ];
    for (const options of [{}, { duplicates: 'reject' as const, batchRows: 2 }]) {
      const outcomes = await run(rows, { ...options, groupId: groups.fair });
      expect(shown(outcomes)).toEqual([
        ...['created', 'created', 'created', 'rejected group group-unknown', 'rejected group group-unknown'],
        'rejected assignee assignee-unknown',
      ]);
      const [both, spring, none] = outcomes.map(({ recordId }) => recordId!);
      expect(await Promise.all([both, spring, none].map(membersOf))).toEqual([
        [groups.fair, groups.spring],
        [groups.fair, groups.spring],
        [groups.fair],
      ]);
      // Of no row that made no record.
      const members = await imports.services.database.query('SELECT record_id FROM group_members');
      expect(members).toHaveLength(5);
      await imports.clear();
    }
  });

  it('change whose a record is, and no groups, where they update it', async () => {
    const { manager } = imports;
    const id = await imports.add({ name: 'Ann Lee', email: 'ann@example.com', assignedTo: manager.userId });
    const given = [person(emails.agent, 'Spring', 'ann@example.com')];
    const { result } = await imports.dryRun(given, { mapping });
    expect(result.samples).toEqual([
      { row: 1, recordId: id, changes: { assignedTo: { old: manager.userId, new: agent.userId } } },
    ]);
    expect(shown(await run(given))).toEqual(['updated']);
    expect(shown(await run(given))).toEqual(['unchanged']);
    expect(Number(await assigneeOf(id))).toBe(agent.userId);
    expect(await membersOf(id)).toEqual([]);
    const before = { assignedTo: manager.userId };
    expect(await imports.changes()).toEqual([{ row: 1, recordId: id, versionAfter: 2, before }]);
  });

  it('leave whose a record is, where they name nobody', async () => {
    const id = await imports.add({ name: 'Ann Lee', email: 'ann@example.com', assignedTo: agent.userId });
    const blank = [person('', '', 'ann@example.com')];
    const options = { blankClears: true, assignTo: imports.manager.userId };
    expect(shown(await run(blank, options))).toEqual(['unchanged']);
    expect(Number(await assigneeOf(id))).toBe(agent.userId);
  });

  it('are refused where the importer is gone', async () => {
    const { prepare, runner, ledger, manager, services } = imports;
    const { id, plan, claim } = await prepare([person(emails.agent), person('', 'Spring'), person()], { mapping });
    const setActive = (active: number) =>
      services.transactions.run((tx) => tx.query('UPDATE users SET active = ? WHERE id = ?', [active, manager.userId]));
    await setActive(0);
    await runner.run((await claim())!, plan);
    await setActive(1);
    expect(shown(await ledger.rowsAt(id, undefined, 0, 10))).toEqual([
      ...['rejected assignee assignee-unknown', 'rejected group group-unknown', 'created'],
    ]);
  });
});
