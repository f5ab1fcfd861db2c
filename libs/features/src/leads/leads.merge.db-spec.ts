import { Principal } from '@muster/core/principal';
import { openTestServices, TestServices } from '@muster/testing/services';
import { Memberships } from '../contacts/memberships/contacts.memberships.service';
import { CustomFieldDefinitionsService } from '../custom-fields/custom-fields.definitions.service';
import { LeadInput } from './leads.dto';
import { Lead } from './leads.entity';
import { LeadMergesService } from './leads.merge.service';
import { LeadsModule } from './leads.module';
import { LeadsService } from './leads.service';

type FieldType = Parameters<CustomFieldDefinitionsService['create']>[2]['type'];

/** People and numbers are invented. */
describe('merging leads', () => {
  let services: TestServices;
  let leads: LeadsService;
  let merges: LeadMergesService;
  let definitions: CustomFieldDefinitionsService;
  let admin: Principal;
  let manager: Principal;
  let agent: Principal;
  /** The manager of another team. */
  let stranger: Principal;
  let groupIds: number[];

  beforeAll(async () => {
    services = await openTestServices(LeadsModule);
    leads = services.get(LeadsService);
    merges = services.get(LeadMergesService);
    definitions = services.get(CustomFieldDefinitionsService);
    const [ours, theirs] = [await services.addTeam(), await services.addTeam()];
    admin = await services.addUser('admin', theirs);
    manager = await services.addUser('manager', ours);
    agent = await services.addUser('agent', ours);
    stranger = await services.addUser('manager', theirs);
    for (const [key, type] of [
      ['region', 'text'],
      ['size', 'number'],
      ['tier', 'list'],
    ] as [string, FieldType][]) {
      const options = type === 'list' ? ['Gold', 'Silver'] : undefined;
      await definitions.create(admin, 'leads', { key, label: key, type, options, filterable: true });
    }
    groupIds = [await services.addGroup(), await services.addGroup(), await services.addGroup()];
  });
  afterAll(() => services.close());

  let count = 0;
  const make = async (values: Partial<LeadInput> = {}, by = manager): Promise<Lead> => {
    const body = { name: 'Ada Example', email: `merge${++count}@example.com`, source: 'web', ...values };
    const lead: Lead & { groups?: number[] } = await leads.create(by, body);
    delete lead.groups;
    return lead;
  };
  const refused = (work: Promise<unknown>, status: number, code: string) =>
    expect(work).rejects.toMatchObject({ status, code });
  const join = (groupId: number, id: number) =>
    services.transactions.run((tx) => services.get(Memberships).add(tx, groupId, 'leads', [id], manager.userId));
  /** Everything that is stored about some leads, as the store has it. */
  const stored = async (...ids: number[]) => {
    const marks = ids.map(() => '?').join(', ');
    const read = (sql: string, ...params: unknown[]) =>
      services.database.query<Record<string, unknown>>(sql, [...params, ...ids]);
    return {
      leads: await read(`SELECT * FROM leads WHERE id IN (${marks}) ORDER BY id`),
      groups: await read(
        `SELECT * FROM group_members WHERE noun = ? AND record_id IN (${marks}) ORDER BY record_id, group_id`,
        'leads',
      ),
      custom: await read(
        `SELECT * FROM custom_field_values WHERE record_id IN (${marks}) ORDER BY record_id, field_id, ordinal`,
      ),
      terms: await read(
        `SELECT * FROM search_terms WHERE noun = 'l' AND record_id IN (${marks}) ORDER BY record_id, term`,
      ),
      keys: await read(
        `SELECT * FROM duplicate_keys WHERE noun = ? AND record_id IN (${marks}) ORDER BY record_id, kind, key_hash`,
        'leads',
      ),
    };
  };
  /** The same without what says that the target was touched. */
  const untouched = (state: Awaited<ReturnType<typeof stored>>, targetId: number) => ({
    ...state,
    leads: state.leads.map((row) =>
      Number(row.id) === targetId ? { ...row, version: null, updated_at: null } : { ...row },
    ),
  });

  it('fills blanks, unites tags, keeps the target where both have a value', async () => {
    const target = await make({
      ...{ phone: null, company: 'Ours', tags: ['a', 'B'], customFields: { region: 'north' } },
      ...{ metadata: { one: 1, both: 'ours' }, status: 'contacted' },
    });
    const source = await make({
      ...{ name: 'Bea Sample', phone: '+12015550150 x7', company: 'Theirs', tags: ['b', 'c'], doNotContact: true },
      ...{
        customFields: { region: 'south', size: 3 },
        metadata: { two: 2, both: 'theirs' },
        imageUrl: 'https://example.com/x.png',
      },
      ...{ status: 'lost', source: 'fair', assignedTo: agent.userId },
    });
    const { mergeId, record } = await merges.merge(manager, target.id, { sourceId: source.id });
    expect(record).toEqual({
      ...target,
      ...{ phone: '+12015550150', tags: ['a', 'B', 'c'], customFields: { region: 'north', size: 3 } },
      ...{ metadata: { one: 1, both: 'ours', phoneExtension: '7', two: 2 }, doNotContact: true },
      ...{ imageUrl: 'https://example.com/x.png', assignedTo: agent.userId },
      ...{ updatedAt: expect.any(Date), version: 2 },
    });
    expect(await leads.get(manager, target.id)).toMatchObject(record);
    await refused(leads.get(admin, source.id), 404, 'not-found');
    const events = (await services.events()).filter(({ payload }) => payload.mergeId === mergeId);
    expect(events).toEqual([
      {
        name: 'lead.merged',
        payload: {
          ...{ id: target.id, sourceId: source.id, mergeId, actorId: manager.userId },
          fields: expect.arrayContaining(['phone', 'tags', 'customFields', 'metadata', 'doNotContact']),
        },
      },
    ]);
  });

  it('takes the values that were chosen, blank ones too', async () => {
    const target = await make({
      phone: '+12015550151 x1',
      company: 'Ours',
      tags: ['a'],
      customFields: { region: 'n', size: 1 },
    });
    const source = await make({ phone: '+12015550152', tags: ['b'], customFields: { region: 's' } });
    const fields = {
      ...{ email: 'source', phone: 'source', company: 'source', tags: 'source', name: 'target' },
      ...{ 'customFields.region': 'source', 'customFields.size': 'source' },
    } as const;
    const { record } = await merges.merge(manager, target.id, { sourceId: source.id, fields });
    expect(record).toMatchObject({
      ...{ email: source.email, phone: '+12015550152', company: null, tags: ['b'], customFields: { region: 's' } },
      metadata: {},
    });
    expect(record.customFields).toEqual({ region: 's' });
  });

  it('refuses what cannot be', async () => {
    const [target, source] = [await make(), await make({ email: null, phone: '+12015550153' })];
    const merge = (body: object, ifMatch?: string) =>
      merges.merge(manager, target.id, { sourceId: source.id, ...body }, ifMatch);
    await refused(merge({ sourceId: target.id }), 422, 'merge-with-itself');
    await refused(merge({ sourceId: 987_654 }), 404, 'not-found');
    await refused(merge({}, '"v9"'), 412, 'stale');
    await refused(merge({ sourceVersion: 9 }), 412, 'stale');
    await expect(
      merge({ fields: { nope: 'source', name: 'both', doNotContact: 'target', 'customFields.x': 'source' } }),
    ).rejects.toMatchObject({
      status: 422,
      errors: [
        { field: 'fields.nope', code: 'unknown-field' },
        { field: 'fields.name', code: 'option-unknown' },
        { field: 'fields.doNotContact', code: 'unknown-field' },
        { field: 'fields.customFields.x', code: 'unknown-field' },
      ],
    });
    await refused(merge({ fields: { email: 'source', phone: 'target' } }), 422, 'validation-failed');
    expect((await leads.get(manager, source.id)).version).toBe(1);
    await expect(merge({ sourceVersion: 1 }, '"v1"')).resolves.toMatchObject({ record: { phone: '+12015550153' } });
  });

  it('is for those who may reach both', async () => {
    const [ours, mine, foreign] = [await make(), await make({}, agent), await make({}, stranger)];
    await refused(merges.merge(agent, ours.id, { sourceId: mine.id }), 403, 'forbidden');
    await refused(merges.merge(manager, ours.id, { sourceId: foreign.id }), 404, 'not-found');
    await refused(merges.merge(manager, foreign.id, { sourceId: ours.id }), 404, 'not-found');
    const { mergeId } = await merges.merge(manager, ours.id, { sourceId: mine.id });
    await refused(merges.undo(stranger, mergeId), 404, 'not-found');
    await refused(merges.undo(agent, mergeId), 403, 'forbidden');
    await refused(merges.undo(manager, 987_654), 404, 'not-found');
    await expect(merges.undo(admin, mergeId)).resolves.toMatchObject({ source: { id: mine.id }, kept: [] });
  });

  const SEED = 20_261_121;
  it(`and undoing it leaves what was there, whatever it was (seed ${SEED})`, async () => {
    let state = SEED;
    const next = () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32;
    const pick = <T>(values: readonly T[]): T => values[Math.floor(next() * values.length)];
    const random = (): Partial<LeadInput> => {
      const phone = pick([
        null,
        `+1201555${String(2000 + ++count).slice(-4)}`,
        `+1201555${String(2000 + ++count).slice(-4)} x5`,
      ]);
      return {
        ...{ name: pick(['Ada Example', 'Zoë Ümlaut', '李 小龍']), phone, source: pick(['web', 'fair']) },
        ...(phone && next() < 0.3 ? { email: null } : {}),
        ...{ company: pick([null, 'Acme', 'Ünïcode & Co']), tags: pick([[], ['a'], ['A', 'b', 'c']]) },
        ...{ customFields: pick([{}, { region: 'x' }, { region: 'ÿ', size: 2.5 }, { tier: 'Gold' }]) },
        ...{ metadata: pick([{}, { a: { b: [1, 2] } }, { z: 1, a: null, text: 'x'.repeat(100) }]) },
        ...{
          doNotContact: next() < 0.3,
          assignedTo: pick([null, agent.userId]),
          status: pick(['new', 'lost'] as const),
        },
      };
    };
    const fields = [
      'name',
      'email',
      'phone',
      'company',
      'tags',
      'status',
      'assignedTo',
      'customFields.region',
    ] as const;
    let merged = 0;
    for (let round = 0; round < 40; round++) {
      const [target, source] = [await make(random()), await make(random())];
      for (const groupId of groupIds) {
        if (next() < 0.4) await join(groupId, target.id);
        if (next() < 0.4) await join(groupId, source.id);
      }
      const before = await stored(target.id, source.id);
      const choices = Object.fromEntries(
        fields.filter(() => next() < 0.4).map((field) => [field, pick(['source', 'target'] as const)]),
      );
      const done = await merges
        .merge(manager, target.id, { sourceId: source.id, fields: choices })
        .catch((error: { status: number }) => {
          expect(error.status).toBe(422); // neither e-mail nor phone would remain
          return null;
        });
      if (!done) continue;
      merged++;
      expect((await stored(source.id)).leads).toEqual([]);
      expect((await stored(source.id)).groups).toEqual([]);
      expect(await merges.undo(manager, done.mergeId)).toMatchObject({ kept: [], notRestored: [] });
      expect(untouched(await stored(target.id, source.id), target.id)).toEqual(untouched(before, target.id));
    }
    expect(merged).toBeGreaterThan(20);
  });

  it('is undone around what a person has changed since', async () => {
    const target = await make({ company: 'Ours', metadata: { a: 1 } });
    const source = await make({ phone: '+12015550160 x3', company: 'Theirs', customFields: { region: 's', size: 1 } });
    const { mergeId } = await merges.merge(manager, target.id, { sourceId: source.id, fields: { company: 'source' } });
    await leads.patch(manager, target.id, { company: 'New', metadata: { a: 2, phoneExtension: '3' } });
    await leads.patch(manager, target.id, { customFields: { region: 'new' } });
    const { target: after, source: again, kept } = await merges.undo(manager, mergeId);
    expect(kept.toSorted()).toEqual(['company', 'customFields.region', 'metadata.a']);
    expect(after).toMatchObject({ company: 'New', phone: null, customFields: { region: 'new' }, metadata: { a: 2 } });
    expect(after.metadata).toEqual({ a: 2 });
    expect(again).toEqual(source);
    expect(await leads.get(manager, source.id)).toMatchObject(source);
    await refused(merges.undo(manager, mergeId), 409, 'merge-already-undone');
  });

  it('is not undone when someone else has by now what would come back', async () => {
    const [target, source] = [await make(), await make()];
    const { mergeId } = await merges.merge(manager, target.id, { sourceId: source.id });
    const taker = await make({ email: source.email });
    const before = await stored(target.id, taker.id);
    await expect(merges.undo(manager, mergeId)).rejects.toMatchObject({
      ...{ status: 409, code: 'duplicate' },
      errors: [{ field: 'email', code: 'duplicate-existing', existingId: taker.id }],
    });
    expect(await stored(target.id, taker.id)).toEqual(before);
    await leads.remove(manager, taker.id);
    await leads.patch(manager, target.id, { email: source.email });
    await expect(merges.undo(manager, mergeId)).rejects.toMatchObject({
      errors: [{ field: 'email', existingId: target.id }],
    });
    await leads.patch(manager, target.id, { email: target.email });
    await expect(merges.undo(manager, mergeId)).resolves.toMatchObject({ source: { email: source.email } });
  });

  it('leaves no target without e-mail and phone when it is undone', async () => {
    const target = await make();
    const source = await make({ phone: '+12015550161' });
    const { mergeId } = await merges.merge(manager, target.id, { sourceId: source.id });
    await leads.patch(manager, target.id, { email: null });
    await refused(merges.undo(manager, mergeId), 409, 'merge-undo-incomplete');
  });

  it('leaves out values whose custom field is gone', async () => {
    const field = await definitions.create(admin, 'leads', { key: 'brief', label: 'brief', type: 'text' });
    const [target, source] = [await make(), await make({ customFields: { brief: 'x', region: 'y' } })];
    const { mergeId } = await merges.merge(manager, target.id, { sourceId: source.id });
    await definitions.remove(admin, 'leads', field.id, { force: true });
    const { source: again, notRestored } = await merges.undo(manager, mergeId);
    expect(notRestored).toEqual(['customFields.brief']);
    expect(again).toMatchObject({ customFields: { region: 'y' }, version: 2 });
    expect(again.customFields).toEqual({ region: 'y' });
  });

  it('in a chain is undone from either end', async () => {
    const [a, b, c] = [
      await make({ phone: null }),
      await make({ phone: '+12015550162' }),
      await make({ company: 'C' }),
    ];
    const first = await merges.merge(manager, a.id, { sourceId: b.id });
    const second = await merges.merge(manager, c.id, { sourceId: a.id });
    await refused(merges.undo(manager, first.mergeId), 409, 'merge-target-gone');
    await refused(merges.undo(stranger, first.mergeId), 404, 'not-found');
    await merges.undo(manager, second.mergeId);
    await merges.undo(manager, first.mergeId);
    for (const lead of [a, b, c]) {
      expect(await leads.get(manager, lead.id)).toMatchObject({
        ...lead,
        updatedAt: expect.any(Date),
        version: expect.any(Number),
      });
    }
    const [one, two] = [
      await merges.merge(manager, a.id, { sourceId: b.id }),
      await merges.merge(manager, a.id, { sourceId: c.id }),
    ];
    expect(await merges.undo(manager, one.mergeId)).toMatchObject({ target: { phone: null, company: 'C' } });
    expect(await merges.undo(manager, two.mergeId)).toMatchObject({ target: { phone: null, company: null } });
    expect((await leads.get(manager, b.id)).phone).toBe('+12015550162');
  });

  it('of the same pair by many at once happens once, whichever way round', async () => {
    const [a, b] = [await make(), await make()];
    const attempts = await Promise.allSettled(
      Array.from({ length: 8 }, (_, n) =>
        n % 2 ? merges.merge(manager, a.id, { sourceId: b.id }) : merges.merge(manager, b.id, { sourceId: a.id }),
      ),
    );
    const done = attempts.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
    expect(done).toHaveLength(1);
    for (const each of attempts) if (each.status === 'rejected') expect(each.reason).toMatchObject({ status: 404 });
    const undone = await Promise.allSettled(Array.from({ length: 5 }, () => merges.undo(manager, done[0].mergeId)));
    expect(undone.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const each of undone) {
      if (each.status === 'rejected') expect(each.reason).toMatchObject({ status: 409, code: 'merge-already-undone' });
    }
  });

  it('gives groups back that are still there, and takes none that the target joined itself', async () => {
    const [target, source] = [await make(), await make()];
    const gone = await services.addGroup();
    for (const groupId of [groupIds[0], gone]) await join(groupId, source.id);
    const { mergeId } = await merges.merge(manager, target.id, { sourceId: source.id });
    await services.transactions.run((tx) => tx.query('DELETE FROM contact_groups WHERE id = ?', [gone]));
    await join(groupIds[1], target.id);
    await merges.undo(manager, mergeId);
    const { groups: rows } = await stored(target.id, source.id);
    const memberships = rows.map((row) => [Number(row.record_id), Number(row.group_id)]);
    expect(memberships.filter(([, groupId]) => groupId !== gone)).toEqual([
      [target.id, groupIds[1]],
      [source.id, groupIds[0]],
    ]);
  });
});
