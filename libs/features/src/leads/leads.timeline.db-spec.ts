import { Principal } from '@muster/core/principal';
import { openTestServices, TestServices } from '@muster/testing/services';
import { ContactTimelines } from '../contacts/timeline/contacts.timeline.service';
import { CustomFieldDefinitionsService } from '../custom-fields/custom-fields.definitions.service';
import { LeadsConvertService } from './leads.convert.service';
import { LeadMergesService } from './leads.merge.service';
import { LeadsModule } from './leads.module';
import { LeadsService } from './leads.service';

/** People and numbers are invented. */
describe('the timeline of a lead', () => {
  let services: TestServices;
  let leads: LeadsService;
  let manager: Principal;
  let agent: Principal;

  beforeAll(async () => {
    services = await openTestServices(LeadsModule);
    leads = services.get(LeadsService);
    const team = await services.addTeam();
    manager = await services.addUser('manager', team, { name: 'Mina Manager' });
    agent = await services.addUser('agent', team, { name: 'Abel Agent' });
    const definitions = services.get(CustomFieldDefinitionsService);
    await definitions.create(manager, 'leads', { key: 'region', label: 'Region', type: 'text' });
  });
  afterAll(() => services.close());

  let count = 0;
  const make = () => leads.create(manager, { name: 'Ada Example', email: `line${++count}@example.com`, source: 'web' });
  const timeline = async (id: number, query = {}) =>
    services.get(ContactTimelines).of('lead', await leads.get(manager, id), 'assignedTo', query);
  const by = { manager: { id: 0, name: 'Mina Manager' }, agent: { id: 0, name: 'Abel Agent' } };
  beforeAll(() => {
    by.manager.id = manager.userId;
    by.agent.id = agent.userId;
  });

  it('says what changed by field, newest first, and who did it', async () => {
    const { id } = await make();
    await leads.patch(manager, id, { assignedTo: agent.userId });
    await leads.patch(agent, id, {
      ...{ name: 'Ada Sample', customFields: { region: 'north' } },
      metadata: { a: 1, apiToken: 'not for anyone' },
    });
    await leads.patch(manager, id, { assignedTo: null, company: 'Acme', customFields: { region: null } });
    const { data, meta } = await timeline(id);
    expect(meta).toEqual({ page: 1, limit: 20, total: 4, nextCursor: null });
    expect(data.map(({ at }) => at.getTime())).toEqual(data.map(({ at }) => at.getTime()).toSorted((a, b) => b - a));
    const entries = data.map(({ kind, actor, changes }) => ({
      ...{ kind, actor },
      changes: changes.toSorted((a, b) => (a.field < b.field ? -1 : 1)),
    }));
    expect(entries).toEqual([
      {
        ...{ kind: 'changed', actor: by.manager },
        changes: [
          { field: 'assignedTo', from: by.agent, to: null },
          { field: 'company', from: null, to: 'Acme' },
          { field: 'customFields.region', from: 'north', to: null },
        ],
      },
      {
        ...{ kind: 'changed', actor: by.agent },
        changes: [
          { field: 'customFields.region', from: null, to: 'north' },
          { field: 'metadata.a', from: null, to: 1 },
          { field: 'metadata.apiToken', from: null, to: '[redacted]' },
          { field: 'name', from: 'Ada Example', to: 'Ada Sample' },
        ],
      },
      { kind: 'assigned', actor: by.manager, changes: [{ field: 'assignedTo', from: null, to: by.agent }] },
      { kind: 'created', actor: by.manager, changes: [] },
    ]);
  });

  it('knows merges, their undoing and the conversion', async () => {
    const [target, source] = [await make(), await make()];
    const merges = services.get(LeadMergesService);
    const { mergeId } = await merges.merge(manager, target.id, { sourceId: source.id, fields: { email: 'source' } });
    await merges.undo(manager, mergeId);
    const { customer } = await services.get(LeadsConvertService).convert(manager, target.id, {});
    const email = (from: string | null, to: string | null) => [{ field: 'email', from, to }];
    expect((await timeline(target.id)).data.map(({ at: _, ...entry }) => entry)).toEqual([
      {
        ...{ kind: 'converted', actor: by.manager, customerId: customer.id },
        changes: expect.arrayContaining([{ field: 'status', from: 'new', to: 'converted' }]),
      },
      {
        ...{ kind: 'merge-undone', actor: by.manager, changes: email(source.email, target.email) },
        ...{ mergeId, mergedId: source.id },
      },
      {
        ...{ kind: 'merged', actor: by.manager, changes: email(target.email, source.email) },
        ...{ mergeId, mergedId: source.id },
      },
      { kind: 'created', actor: by.manager, changes: [] },
    ]);
    expect((await timeline(source.id)).data.map(({ at: _, ...entry }) => entry)).toEqual([
      { kind: 'restored', actor: by.manager, changes: [], mergeId, mergedId: target.id },
      { kind: 'merged-away', actor: by.manager, changes: [], mergeId, mergedId: target.id },
      { kind: 'created', actor: by.manager, changes: [] },
    ]);
  });

  it('ends with the import that made the lead, whatever the size of its pages', async () => {
    const { id } = await make();
    for (const company of ['A', 'B', 'C']) await leads.patch(manager, id, { company });
    await services.transactions.run((tx) =>
      tx.query('UPDATE leads SET origin_import_id = 7, origin_row = 3 WHERE id = ?', [id]),
    );
    const whole = (await timeline(id)).data;
    expect(whole.at(-1)).toMatchObject({ kind: 'created', actor: by.manager, origin: { importId: 7, row: 3 } });
    expect(whole).toHaveLength(5);
    for (const limit of [1, 2, 4, 5, 20]) {
      const byCursor: unknown[] = [];
      const byNumber: unknown[] = [];
      let cursor: string | undefined;
      do {
        const { data, meta } = await timeline(id, { limit, cursor });
        expect(meta.total).toBe(5);
        expect(data.length).toBeLessThanOrEqual(limit);
        byCursor.push(...data);
        cursor = meta.nextCursor ?? undefined;
      } while (cursor);
      for (let page = 1; page <= 7; page++) byNumber.push(...(await timeline(id, { limit, page })).data);
      expect(byCursor).toEqual(whole);
      expect(byNumber).toEqual(whole);
    }
  });
});
