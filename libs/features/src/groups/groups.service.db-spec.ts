import { randomUUID } from 'node:crypto';
import { Principal } from '@muster/core/principal';
import { Dispatcher } from '@muster/platform/broker/dispatcher';
import { openTestServices, TestServices } from '@muster/testing/services';
import { CustomersModule } from '../customers/customers.module';
import { CustomersService } from '../customers/customers.service';
import { LeadsModule } from '../leads/leads.module';
import { LeadsService } from '../leads/leads.service';
import { GroupInput } from './groups.dto';
import { GroupsHandlers } from './groups.handlers';
import { GroupMembersService } from './groups.members.service';
import { GroupsModule } from './groups.module';
import { GroupsService } from './groups.service';

describe('the groups service', () => {
  let services: TestServices;
  let groups: GroupsService;
  let members: GroupMembersService;
  let admin: Principal;
  let manager: Principal;
  let agent: Principal;
  /** The manager of another team. */
  let stranger: Principal;
  let ours: number;
  let theirs: number;

  beforeAll(async () => {
    services = await openTestServices(GroupsModule, LeadsModule, CustomersModule);
    groups = services.get(GroupsService);
    members = services.get(GroupMembersService);
    [ours, theirs] = [await services.addTeam(), await services.addTeam()];
    admin = await services.addUser('admin', theirs);
    manager = await services.addUser('manager', ours);
    agent = await services.addUser('agent', ours);
    stranger = await services.addUser('manager', theirs);
  });
  afterAll(() => services.close());

  let count = 0;
  const body = (values: Partial<GroupInput> = {}): GroupInput => ({ name: `Group ${++count}`, ...values });
  const lead = async (principal: Principal, assignedTo?: number) => {
    const values = { name: 'Ada Example', email: `lead${++count}@example.com`, source: 'web', assignedTo };
    return (await services.get(LeadsService).create(principal, values)).id;
  };
  const customer = async (principal: Principal) => {
    const values = { fullName: 'Ada Example', email: `customer${++count}@example.com` };
    return (await services.get(CustomersService).create(principal, values)).id;
  };
  const refused = (work: Promise<unknown>, status: number, code: string) =>
    expect(work).rejects.toMatchObject({ status, code });
  const namesOf = async (principal: Principal, q: string) =>
    (await groups.list(principal, { q, sort: 'name' })).data.map(({ name }) => name);
  const auditOf = async (id: number) => {
    const rows = await services.database.query<{
      action: string;
      actor_id: number;
      old_values: string | null;
      new_values: string | null;
    }>(
      `SELECT action, actor_id, old_values, new_values FROM audit_log WHERE subject_type = 'group' AND subject_id = ? ORDER BY id`,
      [id],
    );
    return rows.map(({ action, actor_id, old_values, new_values }) => [
      action,
      Number(actor_id),
      old_values && (JSON.parse(old_values) as unknown),
      new_values && (JSON.parse(new_values) as unknown),
    ]);
  };
  const eventsOf = async (id: number) =>
    (await services.events())
      .filter(({ name, payload }) => name.startsWith('group.') && payload.id === id)
      .map(({ name, payload: { id: _id, ...payload } }) => [name, payload]);

  describe('a group', () => {
    it('of a manager is of the team; of an admin it is whose they say', async () => {
      expect(await groups.create(manager, body({ description: ' a\r\nb ' }))).toMatchObject({
        ...{ description: 'a\nb', teamId: ours, createdBy: manager.userId, version: 1, customerCount: 0, leadCount: 0 },
      });
      expect((await groups.create(admin, body())).teamId).toBeNull();
      expect((await groups.create(admin, body({ teamId: ours }))).teamId).toBe(ours);
      expect((await groups.create(manager, body({ teamId: ours }))).teamId).toBe(ours);
      await refused(groups.create(manager, body({ teamId: theirs })), 403, 'team-forbidden');
      await refused(groups.create(manager, body({ teamId: null })), 403, 'team-forbidden');
      await refused(groups.create(admin, body({ teamId: 987_654 })), 422, 'team-unknown');
    });

    it('has a name that no other has, whatever the case', async () => {
      const first = await groups.create(manager, body({ name: ' Été  à Paris' }));
      expect(first.name).toBe('Été  à Paris');
      const taken = (principal: Principal) => groups.create(principal, { name: 'ÉTÉ À PARIS' });
      await expect(taken(admin)).rejects.toMatchObject({
        ...{ status: 409, code: 'duplicate' },
        errors: [{ field: 'name', code: 'duplicate-existing', existingId: first.id }],
      });
      const blind = await taken(stranger).catch((error: { errors: object[] }) => error.errors[0]);
      expect(blind).toEqual({ field: 'name', code: 'duplicate-existing', message: expect.any(String) });
      const second = await groups.create(manager, body());
      await refused(groups.replace(manager, second.id, { name: 'été à paris' }), 409, 'duplicate');
      expect((await groups.replace(manager, first.id, { name: 'été à Paris' })).name).toBe('été à Paris');
      const works = Array.from({ length: 5 }, () => groups.create(manager, { name: 'At once' }));
      const made = (await Promise.allSettled(works)).filter(({ status }) => status === 'fulfilled');
      expect(made).toHaveLength(1);
    });

    it.each([
      ['no name', { name: undefined as unknown as string }, 'name', 'required'],
      ['a blank name', { name: ' \u200b ' }, 'name', 'required'],
      ['a long name', { name: '🙂'.repeat(101) }, 'name', 'too-long'],
      ['a long description', { name: 'x', description: 'y'.repeat(501) }, 'description', 'too-long'],
    ])('is refused with %s', async (_, input, field, code) => {
      await expect(groups.create(manager, input)).rejects.toMatchObject({ status: 422, errors: [{ field, code }] });
    });

    it('keeps the longest values it accepts', async () => {
      const longest = { name: 'İ'.repeat(100), description: '🙂'.repeat(500) };
      const { id } = await groups.create(manager, longest);
      expect(await groups.get(manager, id)).toMatchObject(longest);
    });

    it('is replaced by version, and its team only by an admin', async () => {
      const { id } = await groups.create(manager, body({ description: 'old' }));
      const named = await groups.replace(manager, id, { name: `Renamed ${id}`, description: 'old' }, '"v1"');
      expect(named).toMatchObject({ version: 2, teamId: ours, description: 'old' });
      const same = await groups.replace(manager, id, { name: `Renamed ${id}`, description: 'old' });
      expect(same.version).toBe(2);
      await refused(groups.replace(manager, id, body(), '"v1"'), 412, 'stale');
      await refused(groups.replace(manager, id, body({ teamId: theirs })), 403, 'team-forbidden');
      await refused(groups.replace(admin, id, body({ teamId: 987_654 })), 422, 'team-unknown');
      expect(await groups.replace(admin, id, { name: named.name, teamId: theirs })).toMatchObject({
        ...{ teamId: theirs, description: null, version: 3 },
      });
      await refused(groups.get(manager, id), 404, 'not-found');
      expect((await groups.replace(admin, id, { name: named.name })).teamId).toBeNull();
    });

    it('says and notes what was done to it', async () => {
      const { id, name } = await groups.create(manager, body());
      await groups.replace(admin, id, { name, description: 'new', teamId: ours });
      await groups.remove(manager, id);
      const said = { name, description: null, teamId: ours };
      expect(await auditOf(id)).toEqual([
        ['group.created', manager.userId, null, said],
        ['group.updated', admin.userId, { description: null }, { description: 'new' }],
        ['group.deleted', manager.userId, { ...said, description: 'new' }, null],
      ]);
      expect(await eventsOf(id)).toEqual([
        ['group.created', { actorId: manager.userId }],
        ['group.updated', { actorId: admin.userId, fields: ['description'] }],
        ['group.deleted', { actorId: manager.userId }],
      ]);
    });
  });

  describe('the scope', () => {
    it('of a manager is the team and everyone, of an agent what holds a record of theirs', async () => {
      const mark = `scope ${++count}`;
      const make = (principal: Principal, name: string, teamId?: number) =>
        groups.create(principal, { name: `${mark} ${name}`, teamId });
      const our = await make(manager, 'ours');
      const their = await make(stranger, 'theirs');
      const every = await make(admin, 'everyone');
      expect(await namesOf(admin, mark)).toEqual([every.name, our.name, their.name]);
      expect(await namesOf(manager, mark)).toEqual([every.name, our.name]);
      expect(await namesOf(stranger, mark)).toEqual([every.name, their.name]);
      expect(await namesOf(agent, mark)).toEqual([]);
      await refused(groups.get(agent, our.id), 404, 'not-found');

      await members.add(manager, our.id, { leadIds: [await lead(manager), await lead(manager, agent.userId)] });
      await members.add(manager, every.id, { customerIds: [await customer(agent)] });
      expect(await namesOf(agent, mark.toUpperCase())).toEqual([every.name, our.name]);
      expect(await groups.get(agent, our.id)).toMatchObject({ leadCount: 1, customerCount: 0 });
      expect(await groups.get(manager, our.id)).toMatchObject({ leadCount: 2 });
      for (const work of [
        () => groups.get(stranger, our.id),
        () => groups.replace(stranger, our.id, body()),
        () => groups.remove(stranger, our.id),
        () => members.add(stranger, our.id, { leadIds: [1] }),
        () => members.remove(stranger, our.id, { leadIds: [1] }),
        () => members.add(admin, 987_654, { leadIds: [1] }),
        () => groups.replace(manager, every.id, body()),
        () => groups.remove(manager, every.id),
      ]) {
        await refused(work(), 404, 'not-found');
      }
      await refused(groups.create(agent, body()), 403, 'forbidden');
      await refused(members.add(agent, our.id, { leadIds: [1] }), 403, 'forbidden');
    });

    it('of the counts is that of the caller', async () => {
      const group = await groups.create(admin, body());
      const [our, their] = [await lead(agent, agent.userId), await lead(stranger, stranger.userId)];
      await members.add(admin, group.id, { leadIds: [our, their], customerIds: [await customer(stranger)] });
      expect(await groups.get(admin, group.id)).toMatchObject({ leadCount: 2, customerCount: 1 });
      expect(await groups.get(manager, group.id)).toMatchObject({ leadCount: 1, customerCount: 0 });
      const [listed] = (await groups.list(stranger, { q: group.name })).data;
      expect(listed).toMatchObject({ leadCount: 1, customerCount: 1 });
      const key: Principal = { ...admin, permissions: new Set(['groups:read', 'customers:read']) };
      expect(await groups.get(key, group.id)).toMatchObject({ leadCount: 0, customerCount: 1 });
    });

    it('leaves the group of a deleted team to the admins', async () => {
      const team = await services.addTeam();
      const left = await groups.create(admin, body({ teamId: team }));
      await services.transactions.run((tx) => tx.query('DELETE FROM teams WHERE id = ?', [team]));
      await refused(groups.get(manager, left.id), 404, 'not-found');
      const rename = { name: left.name, teamId: team, description: 'kept' };
      expect((await groups.replace(admin, left.id, rename)).teamId).toBe(team);
    });
  });

  describe('members', () => {
    it('are those that the caller may change; of the others the answer says the same whether they exist or not', async () => {
      const group = await groups.create(manager, body());
      const [mine, foreign] = [await lead(manager), await lead(stranger, stranger.userId)];
      const foreignCustomer = await customer(stranger);
      const input = { leadIds: [foreign, mine, 987_654], customerIds: [foreignCustomer] };
      const missing = [
        { noun: 'leads', id: foreign },
        { noun: 'leads', id: 987_654 },
        { noun: 'customers', id: foreignCustomer },
      ];
      expect(await members.add(manager, group.id, input)).toEqual({ added: 1, alreadyMembers: 0, notFound: missing });
      expect(await groups.get(admin, group.id)).toMatchObject({ leadCount: 1, customerCount: 0 });
      await members.add(admin, group.id, { leadIds: [foreign], customerIds: [foreignCustomer] });
      expect(await members.add(manager, group.id, input)).toEqual({ added: 0, alreadyMembers: 1, notFound: missing });
      expect(await members.remove(manager, group.id, input)).toEqual({ removed: 1, notMembers: 0, notFound: missing });
      expect(await members.remove(manager, group.id, input)).toEqual({ removed: 0, notMembers: 1, notFound: missing });
      expect(await groups.get(admin, group.id)).toMatchObject({ leadCount: 1, customerCount: 1 });
    });

    it('are held to what an API key allows', async () => {
      const group = await groups.create(manager, body());
      const key: Principal = { ...manager, permissions: new Set(['groups:write', 'leads:write']) };
      expect(await members.add(key, group.id, { leadIds: [await lead(manager)] })).toMatchObject({ added: 1 });
      await refused(members.add(key, group.id, { customerIds: [1] }), 403, 'forbidden');
    });

    it('are said and noted when they change, and only then', async () => {
      const { id } = await groups.create(manager, body());
      const [first, second] = [await lead(manager), await lead(manager)];
      const person = await customer(manager);
      await members.add(manager, id, { leadIds: [first], customerIds: [person] });
      await members.add(manager, id, { leadIds: [first, second] });
      await members.add(manager, id, { leadIds: [first, second, 987_654] });
      await members.remove(manager, id, { leadIds: [second] });
      await members.remove(manager, id, { leadIds: [second] });
      const done = [
        { leads: [first], customers: [person] },
        { leads: [second], customers: [] },
        { leads: [second], customers: [] },
      ];
      expect((await auditOf(id)).slice(1)).toEqual([
        ['group.members-added', manager.userId, null, done[0]],
        ['group.members-added', manager.userId, null, done[1]],
        ['group.members-removed', manager.userId, done[2], null],
      ]);
      expect((await eventsOf(id)).slice(1)).toEqual([
        ['group.members-added', { actorId: manager.userId, ...done[0] }],
        ['group.members-added', { actorId: manager.userId, ...done[1] }],
        ['group.members-removed', { actorId: manager.userId, ...done[2] }],
      ]);
      expect((await groups.get(manager, id)).version).toBe(1);
    });

    it('are added once by many who do so at the same time', async () => {
      const { id } = await groups.create(manager, body());
      const leadIds = [await lead(manager), await lead(manager), await lead(manager)];
      const works = Array.from({ length: 10 }, (_, n) =>
        members.add(manager, id, { leadIds: n % 2 ? leadIds : leadIds.toReversed() }),
      );
      const answers = await Promise.all(works);
      expect(answers.reduce((sum, { added }) => sum + added, 0)).toBe(3);
      expect(answers.reduce((sum, { alreadyMembers }) => sum + alreadyMembers, 0)).toBe(27);
      expect(await groups.get(manager, id)).toMatchObject({ leadCount: 3 });
    });

    it('of a deleted group are cleared by its event, twice delivered or not', async () => {
      const [gone, other] = [await groups.create(manager, body()), await groups.create(manager, body())];
      const leadIds = [await lead(manager), await lead(manager)];
      for (const { id } of [gone, other]) await members.add(manager, id, { leadIds });
      await groups.remove(manager, gone.id);
      const dispatcher = new Dispatcher(services.database, services.transactions);
      new GroupsHandlers(dispatcher, groups).onModuleInit();
      const envelope = {
        ...{ id: randomUUID(), name: 'group.deleted', version: 1, requestId: null },
        ...{ occurredAt: new Date().toISOString(), payload: { id: gone.id, actorId: manager.userId } },
      };
      for (let delivery = 0; delivery < 2; delivery++) await dispatcher.deliver('groups.clear', envelope);
      const rows = await services.database.query<{ group_id: number }>(
        'SELECT group_id FROM group_members WHERE group_id IN (?, ?)',
        [gone.id, other.id],
      );
      expect(rows.map(({ group_id }) => Number(group_id))).toEqual([other.id, other.id]);
      await refused(members.add(manager, gone.id, { leadIds }), 404, 'not-found');
    });

    it('end in no deadlock when groups of the same records change and go at the same time', async () => {
      const ids = await Promise.all(Array.from({ length: 3 }, async () => (await groups.create(manager, body())).id));
      const leadIds = [await lead(manager), await lead(manager)];
      const works = ids.flatMap((id) => [
        members.add(manager, id, { leadIds }),
        members.remove(manager, id, { leadIds: leadIds.toReversed() }),
        members.add(manager, id, { leadIds: leadIds.toReversed() }),
      ]);
      await Promise.all(works);
      const results = await Promise.allSettled([
        ...ids.map((id) => groups.remove(manager, id)),
        ...ids.map((id) => members.add(manager, id, { leadIds })),
      ]);
      const failures = results.filter(({ status }) => status === 'rejected') as PromiseRejectedResult[];
      expect(failures.every(({ reason }) => (reason as { status: number }).status === 404)).toBe(true);
    });
  });

  it('lists by name and by age, to the end', async () => {
    const mark = `list ${++count}`;
    const made: string[] = [];
    for (const letter of ['b', 'A', 'd', 'C', 'é'])
      made.push((await groups.create(manager, { name: `${mark} ${letter}` })).name);
    const visit = async (sort: 'name' | '-createdAt' | 'createdAt') => {
      const seen: string[] = [];
      let cursor: string | undefined;
      do {
        const { data, meta } = await groups.list(manager, { q: mark, sort, limit: 2, cursor });
        expect(meta.total).toBe(5);
        seen.push(...data.map(({ name }) => name));
        cursor = meta.nextCursor ?? undefined;
      } while (cursor);
      return seen;
    };
    expect(await visit('name')).toEqual([made[1], made[0], made[3], made[2], made[4]]);
    expect(await visit('-createdAt')).toEqual(made.toReversed());
    expect(await visit('createdAt')).toEqual(made);
    expect(await namesOf(manager, `${mark} É`)).toEqual([made[4]]);
    expect(await namesOf(manager, '%')).toEqual([]);
  });
});
