import { Principal } from '@muster/core/principal';
import { openTestServices, TestServices } from '@muster/testing/services';
import { LeadInput, LeadPatch } from './leads.dto';
import { Lead } from './leads.entity';
import { LeadsModule } from './leads.module';
import { LeadsService } from './leads.service';

describe('the leads service', () => {
  let services: TestServices;
  let leads: LeadsService;
  let admin: Principal;
  let manager: Principal;
  let agent: Principal;
  let colleague: Principal;
  /** A manager and an agent of another team. */
  let stranger: Principal;
  let strangerAgent: Principal;

  beforeAll(async () => {
    services = await openTestServices(LeadsModule);
    leads = services.get(LeadsService);
    const [ours, theirs] = [await services.addTeam(), await services.addTeam()];
    admin = await services.addUser('admin', theirs);
    manager = await services.addUser('manager', ours);
    agent = await services.addUser('agent', ours);
    colleague = await services.addUser('agent', ours);
    stranger = await services.addUser('manager', theirs);
    strangerAgent = await services.addUser('agent', theirs);
  });
  afterAll(() => services.close());

  let count = 0;
  const body = (values: Partial<LeadInput> = {}): LeadInput => ({
    name: 'Ada Example',
    email: `lead${++count}@example.com`,
    source: 'web',
    ...values,
  });
  const refused = (work: Promise<unknown>, status: number, code: string) =>
    expect(work).rejects.toMatchObject({ status, code });
  const errorsOf = (work: Promise<unknown>) =>
    work.then(
      () => [],
      (error: { errors?: { field: string; code: string; existingId?: number }[] }) =>
        (error.errors ?? []).map(({ field, code, existingId }) => ({ field, code, existingId })),
    );
  const eventsOf = async (id: number) =>
    (await services.events())
      .filter(({ payload }) => payload.id === id)
      .map(({ name, payload }) => ({ name, ...payload }));

  describe('create', () => {
    it('normalises, fills in and gives back what it stores', async () => {
      const lead = await leads.create(
        agent,
        body({
          name: ' Ada  Example ',
          email: ' ADA@Example.COM',
          phone: '(201) 555-0100 x12',
          tags: ['vip', 'VIP', ' '],
        }),
      );
      expect(lead).toMatchObject({
        email: 'ada@example.com',
        phone: '+12015550100',
        status: 'new',
        assignedTo: null,
        tags: ['vip'],
        metadata: { phoneExtension: '12' },
        doNotContact: false,
        createdBy: agent.userId,
        version: 1,
      });
      expect(await leads.get(agent, lead.id)).toEqual(lead);
    });

    it('names every wrong field by its code', async () => {
      const wrong = { name: 'x', email: 'nope', phone: '12', source: '', metadata: { a: 'x'.repeat(20_000) } };
      expect((await errorsOf(leads.create(agent, body(wrong)))).map(({ field, code }) => `${field} ${code}`)).toEqual([
        'name too-short',
        'email email-invalid',
        'phone phone-invalid',
        'source required',
        'metadata too-long',
      ]);
      await refused(leads.create(agent, body({ email: null })), 422, 'validation-failed');
    });

    it('stores the longest values it accepts', async () => {
      const longest = body({
        name: '🙂'.repeat(100),
        company: 'ü'.repeat(200),
        source: '字'.repeat(50),
        tags: Array.from({ length: 20 }, (_, n) => `${n}`.padEnd(50, 'ß')),
        metadata: { text: 'x'.repeat(16_000) },
      });
      const lead = await leads.create(agent, longest);
      expect(await leads.get(agent, lead.id)).toEqual(lead);
      const url = (length: number) => 'https://example.com/'.padEnd(length, 'x');
      let length = 2048;
      while ((await errorsOf(leads.patch(agent, lead.id, { imageUrl: url(length) }))).length > 0) length--;
      expect((await leads.get(agent, lead.id)).imageUrl).toBe(url(length));
      expect(length).toBeGreaterThanOrEqual(500);
    });

    it('says what happened, without personal data', async () => {
      const lead = await leads.create(manager, body({ assignedTo: agent.userId }));
      expect(await eventsOf(lead.id)).toEqual([
        { name: 'lead.created', id: lead.id, actorId: manager.userId },
        { name: 'lead.assigned', id: lead.id, actorId: manager.userId, from: null, to: agent.userId },
      ]);
    });
  });

  describe('unique values', () => {
    it('name the field and, to who may see it, the holder', async () => {
      const mine = await leads.create(agent, body({ phone: '+12015550110' }));
      const other = await leads.create(strangerAgent, body());
      const duplicate = body({ email: other.email!.toUpperCase(), phone: '201-555-0110' });
      await refused(leads.create(agent, duplicate), 409, 'duplicate');
      expect(await errorsOf(leads.create(agent, duplicate))).toEqual([
        { field: 'email', code: 'duplicate-existing', existingId: undefined },
        { field: 'phone', code: 'duplicate-existing', existingId: mine.id },
      ]);
      expect(await errorsOf(leads.create(admin, body({ email: other.email })))).toEqual([
        { field: 'email', code: 'duplicate-existing', existingId: other.id },
      ]);
      await refused(leads.patch(agent, mine.id, { email: other.email }), 409, 'duplicate');
      expect((await leads.get(agent, mine.id)).version).toBe(1);
    });

    it('go to one of many who ask at once', async () => {
      const same = body();
      const attempts = await Promise.allSettled(Array.from({ length: 10 }, () => leads.create(agent, { ...same })));
      const failures = attempts.flatMap((attempt) =>
        attempt.status === 'rejected' ? [attempt.reason as unknown] : [],
      );
      expect(failures).toHaveLength(9);
      for (const failure of failures) expect(failure).toMatchObject({ status: 409, code: 'duplicate' });
      const { data } = await leads.list(admin, { q: same.email! });
      const [stored] = data;
      expect(data).toHaveLength(1);
      expect(failures[0]).toMatchObject({ errors: [{ field: 'email', existingId: stored.id }] });
    });

    it('are free again after a deletion', async () => {
      const lead = await leads.create(manager, body());
      await leads.remove(manager, lead.id);
      await expect(leads.create(agent, body({ email: lead.email }))).resolves.toMatchObject({ email: lead.email });
    });
  });

  it('shows and changes only what is within the scope of the role', async () => {
    const make = (by: Principal, to: Principal | null) =>
      leads.create(by, body({ source: 'scope', assignedTo: to?.userId ?? null }));
    const made: Record<string, Lead> = {
      'admin, unassigned': await make(admin, null),
      'admin, agent': await make(admin, agent),
      'manager, unassigned': await make(manager, null),
      'manager, agent': await make(manager, agent),
      'manager, colleague': await make(manager, colleague),
      'agent, unassigned': await make(agent, null),
      'colleague, unassigned': await make(colleague, null),
      'stranger, unassigned': await make(stranger, null),
      'admin, strangerAgent': await make(admin, strangerAgent),
    };
    const all = Object.keys(made);
    const team = all.filter((name) => !name.includes('stranger'));
    const own = ['admin, agent', 'manager, agent', 'agent, unassigned'];
    for (const [principal, expected] of [
      [admin, all],
      [manager, team],
      [agent, own],
    ] as const) {
      const { data, meta } = await leads.list(principal, { source: 'scope', limit: 100 });
      expect(data.map(({ id }) => id).toSorted()).toEqual(expected.map((name) => made[name].id).toSorted());
      expect(meta.total).toBe(expected.length);
      for (const name of all) {
        const { id } = made[name];
        const reach = [
          () => leads.get(principal, id),
          () => leads.patch(principal, id, { company: `${principal.role}` }),
        ];
        for (const attempt of reach) {
          if (expected.includes(name)) await expect(attempt()).resolves.toMatchObject({ id });
          else await refused(attempt(), 404, 'not-found');
        }
      }
    }
    const foreign = made['stranger, unassigned'].id;
    await refused(leads.remove(manager, foreign), 404, 'not-found');
    await refused(leads.replace(manager, foreign, body()), 404, 'not-found');
    await refused(leads.remove(agent, made['agent, unassigned'].id), 403, 'forbidden');
    const teamless: Principal = { ...manager, teamId: null };
    const { data } = await leads.list(teamless, { source: 'scope' });
    expect(data.map(({ id }) => id)).toEqual([made['admin, unassigned'].id]);
  });

  describe('versions', () => {
    it('hold a change to the version it was made for', async () => {
      const lead = await leads.create(agent, body());
      const changed = await leads.patch(agent, lead.id, { company: 'One' }, '"v1"');
      expect(changed.version).toBe(2);
      await refused(leads.patch(agent, lead.id, { company: 'Two' }, '"v1"'), 412, 'stale');
      await refused(leads.replace(agent, lead.id, body(), '"v1"'), 412, 'stale');
      await refused(leads.remove(manager, lead.id, '"v1"'), 412, 'stale');
      await expect(leads.patch(agent, lead.id, { company: 'Two' }, '*')).resolves.toMatchObject({ version: 3 });
      await refused(leads.patch(agent, 999_999_999, { company: 'Two' }, '*'), 404, 'not-found');
      await leads.remove(manager, lead.id, '"v3"');
      await refused(leads.get(admin, lead.id), 404, 'not-found');
    });

    it('let one of many pass who changed the same version, and all who set no condition', async () => {
      const lead = await leads.create(agent, body());
      const change = (n: number, ifMatch?: string) => leads.patch(agent, lead.id, { company: `Company ${n}` }, ifMatch);
      const attempts = await Promise.allSettled([1, 2, 3, 4, 5].map((n) => change(n, '"v1"')));
      expect(attempts.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      await Promise.all([11, 12, 13, 14, 15].map((n) => change(n)));
      expect((await leads.get(agent, lead.id)).version).toBe(7);
    });

    it('stay when nothing changes, and nothing is said', async () => {
      const lead = await leads.create(agent, body());
      expect(await leads.patch(agent, lead.id, { name: lead.name, tags: [] })).toEqual(lead);
      expect(await eventsOf(lead.id)).toHaveLength(1);
    });
  });

  describe('patch', () => {
    it('changes what it names and nothing else', async () => {
      const lead = await leads.create(agent, body({ company: 'Old', phone: '+12015550120', metadata: { a: 1 } }));
      const changed = await leads.patch(agent, lead.id, { company: null, status: 'qualified' });
      expect(changed).toEqual({
        ...lead,
        company: null,
        status: 'qualified',
        updatedAt: changed.updatedAt,
        version: 2,
      });
      expect(await leads.get(agent, lead.id)).toEqual(changed);
      expect((await eventsOf(lead.id)).at(-1)).toMatchObject({ name: 'lead.updated', fields: ['status', 'company'] });
    });

    it('refuses to name nothing, and to leave neither e-mail nor phone', async () => {
      const lead = await leads.create(agent, body({ phone: '+12015550121' }));
      await refused(leads.patch(agent, lead.id, {}), 422, 'empty-patch');
      await leads.patch(agent, lead.id, { phone: null });
      await refused(leads.patch(agent, lead.id, { email: null }), 422, 'validation-failed');
      await expect(leads.patch(agent, lead.id, { email: null, phone: '+12015550121' })).resolves.toMatchObject({
        email: null,
      });
    });

    it('keeps the extension in step with the phone', async () => {
      const lead = await leads.create(agent, body({ phone: '201 555 0122 ext 5', metadata: { a: 1 } }));
      const metadata = async (change: LeadPatch) => (await leads.patch(agent, lead.id, change)).metadata;
      expect(await metadata({ company: 'X' })).toEqual({ a: 1, phoneExtension: '5' });
      expect(await metadata({ phone: '201 555 0123' })).toEqual({ a: 1 });
      expect(await metadata({ phone: '201 555 0123 x9', metadata: {} })).toEqual({ phoneExtension: '9' });
    });
  });

  describe('replace', () => {
    it('clears what is left out, but for doNotContact', async () => {
      const lead = await leads.create(
        manager,
        body({
          company: 'Old',
          phone: '+12015550130',
          tags: ['a'],
          status: 'lost',
          doNotContact: true,
          assignedTo: agent.userId,
          metadata: { a: 1 },
        }),
      );
      const { email } = lead;
      expect(await leads.replace(manager, lead.id, { name: 'New Name', email, source: 'fair' })).toMatchObject({
        ...{ name: 'New Name', email, source: 'fair', phone: null, company: null, tags: [], status: 'new' },
        ...{ doNotContact: true, assignedTo: null, metadata: {}, createdBy: manager.userId },
      });
      await refused(leads.replace(manager, lead.id, { name: 'New Name', email }), 422, 'validation-failed');
    });

    it('leaves the assignee to who may assign', async () => {
      const lead = await leads.create(manager, body({ assignedTo: agent.userId }));
      const { email } = lead;
      const replaced = await leads.replace(agent, lead.id, { name: 'New Name', email, source: 'fair' });
      expect(replaced.assignedTo).toBe(agent.userId);
    });
  });

  it('lets anyone who may write set doNotContact, and managers and admins clear it', async () => {
    const lead = await leads.create(agent, body());
    await leads.patch(agent, lead.id, { doNotContact: true });
    await refused(leads.patch(agent, lead.id, { doNotContact: false }), 403, 'forbidden');
    await refused(leads.replace(agent, lead.id, body({ email: lead.email, doNotContact: false })), 403, 'forbidden');
    expect((await leads.patch(manager, lead.id, { doNotContact: false })).doNotContact).toBe(false);
  });

  describe('assignment', () => {
    it('follows the role', async () => {
      const assign = (by: Principal, assignedTo: number) => leads.create(by, body({ assignedTo }));
      await expect(assign(agent, agent.userId)).resolves.toMatchObject({ assignedTo: agent.userId });
      await refused(assign(agent, colleague.userId), 403, 'assign-forbidden');
      await expect(assign(manager, colleague.userId)).resolves.toMatchObject({ assignedTo: colleague.userId });
      await refused(assign(manager, strangerAgent.userId), 422, 'user-unknown');
      await expect(assign(admin, strangerAgent.userId)).resolves.toMatchObject({ assignedTo: strangerAgent.userId });
      await refused(assign(admin, 999_999), 422, 'user-unknown');
      const gone = await services.addUser('agent', manager.teamId!, { active: false });
      await refused(assign(admin, gone.userId), 422, 'user-unknown');
    });

    it('lets an agent take what is free, give up what is his, and leave the rest', async () => {
      const lead = await leads.create(agent, body());
      const assign = (by: Principal, assignedTo: number | null) => leads.patch(by, lead.id, { assignedTo });
      await assign(agent, agent.userId);
      await assign(agent, null);
      await assign(manager, colleague.userId);
      await refused(assign(agent, agent.userId), 403, 'assign-forbidden');
      await refused(assign(agent, null), 403, 'assign-forbidden');
      const kept = await leads.patch(agent, lead.id, { assignedTo: colleague.userId, company: 'Same assignee' });
      expect(kept.assignedTo).toBe(colleague.userId);
      expect((await eventsOf(lead.id)).filter(({ name }) => name === 'lead.assigned')).toMatchObject([
        { from: null, to: agent.userId },
        { from: agent.userId, to: null },
        { from: null, to: colleague.userId },
      ]);
    });
  });
});
