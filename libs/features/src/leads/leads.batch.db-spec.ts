import { Permission } from '@muster/core/permissions';
import { Principal } from '@muster/core/principal';
import { openTestServices, TestServices } from '@muster/testing/services';
import { BatchResult } from '../contacts/batch/contacts.batch.dto';
import { CustomFieldDefinitionsService } from '../custom-fields/custom-fields.definitions.service';
import { CustomersModule } from '../customers/customers.module';
import { CustomersService } from '../customers/customers.service';
import { LeadsModule } from './leads.module';
import { LeadsService } from './leads.service';

type Values = Record<string, unknown>;

describe.each(['leads', 'customers'] as const)('changing many %s at once', (noun) => {
  let services: TestServices;
  let records: LeadsService;
  let admin: Principal;
  let manager: Principal;
  let agent: Principal;
  let stranger: Principal;
  const assignee = noun === 'leads' ? 'assignedTo' : 'ownerId';

  beforeAll(async () => {
    services = await openTestServices(LeadsModule, CustomersModule);
    records = services.get<unknown>(noun === 'leads' ? LeadsService : CustomersService) as LeadsService;
    const [ours, theirs] = [await services.addTeam(), await services.addTeam()];
    admin = await services.addUser('admin', theirs);
    manager = await services.addUser('manager', ours);
    agent = await services.addUser('agent', ours);
    stranger = await services.addUser('manager', theirs);
    await services.get(CustomFieldDefinitionsService).create(manager, noun, {
      ...{ key: 'seats', label: 'Seats', type: 'number', filterable: true },
    });
  });
  afterAll(() => services.close());

  let count = 0;
  const make = (values: Values = {}, by = manager) =>
    records.create(by, {
      ...{ name: 'Ada Example', source: 'web', fullName: 'Ada Example', email: `person${++count}@example.com` },
      ...values,
    });
  const many = async (total: number) => {
    const made = [];
    for (let n = 0; n < total; n++) made.push(await make());
    return made;
  };
  const change = (updates: unknown[], atomic = false, by = manager) => records.batch(by, { updates }, atomic);
  const codesOf = (results: BatchResult[]) => results.map(({ status, problem }) => problem?.code ?? status);
  const auditOf = async (ids: number[]) =>
    services.database.query<{ action: string; subject_id: number }>(
      `SELECT action, subject_id FROM audit_log WHERE subject_id IN (${ids.map(() => '?').join(', ')})
       AND subject_type = ? AND action <> ? ORDER BY id`,
      [...ids, noun.slice(0, -1), `${noun.slice(0, -1)}.created`],
    );

  it('gives each its result, in order, and does what can be done', async () => {
    const [one, two, three, four] = await many(4);
    const foreign = await make({}, stranger);
    const { results, counts } = await change([
      { id: two.id, data: { company: 'New', customFields: { seats: 3 } } },
      { id: one.id, data: { company: null } },
      { id: three.id, data: { email: 'nobody', nope: 1 } },
      { id: foreign.id, data: { company: 'New' } },
      { id: four.id, data: { company: 'New' }, ifMatch: '"v9"' },
    ]);
    expect(results).toEqual([
      { id: two.id, status: 'updated', version: 2 },
      { id: one.id, status: 'unchanged', version: 1 },
      { id: three.id, status: 'failed', problem: expect.objectContaining({ status: 422, code: 'validation-failed' }) },
      { id: foreign.id, status: 'failed', problem: expect.objectContaining({ status: 404, code: 'not-found' }) },
      { id: four.id, status: 'failed', problem: expect.objectContaining({ status: 412, code: 'stale' }) },
    ]);
    expect(counts).toEqual({ updated: 1, unchanged: 1, failed: 3 });
    expect(await records.get(manager, two.id)).toMatchObject({
      company: 'New',
      customFields: { seats: 3 },
      version: 2,
    });
    expect(await auditOf([one.id, two.id, three.id, four.id])).toMatchObject([{ subject_id: two.id }]);
    const said = (await services.events()).filter(
      ({ payload, name }) => name.endsWith('updated') && payload.id === two.id,
    );
    expect(said).toMatchObject([{ payload: { fields: expect.arrayContaining(['company', 'customFields']) } }]);
  });

  it('obeys every rule of a single change', async () => {
    const mine = await make({ phone: '+12015550170', doNotContact: true });
    const [one, two, three, four, five, six] = await many(6);
    const cases: [number, Values][] = [
      [one.id, {}],
      [two.id, { phone: '(201) 555-0170' }],
      [three.id, { [assignee]: stranger.userId }],
      [four.id, { customFields: { seats: 'x' } }],
      [five.id, { customFields: { nope: 1 }, status: 'nope' }],
      [six.id, { metadata: { a: 'x'.repeat(17_000) } }],
    ];
    const { results } = await change(cases.map(([id, data]) => ({ id, data })));
    for (const [index, [id, data]] of cases.entries()) {
      const single = await records.patch(manager, id, data).then(
        () => null,
        ({ status, code, message, errors }: Values) => ({
          status,
          code,
          detail: message,
          ...(errors ? { errors } : {}),
        }),
      );
      expect(results[index].problem).toEqual(single);
      expect(single).not.toBeNull();
    }
    expect(results[1].problem!.errors).toMatchObject([{ field: 'phone', existingId: mine.id }]);
    const cleared = await change([{ id: mine.id, data: { doNotContact: false } }]);
    expect(cleared.results).toMatchObject([{ status: 'updated' }]);
    expect(await auditOf([mine.id])).toMatchObject([{ action: `${noun.slice(0, -1)}.do-not-contact-cleared` }]);
  });

  it('makes the changes in their order: a value that one gives up another may take', async () => {
    const [one, two, three] = await many(3);
    const fresh = `fresh${++count}@example.com`;
    const swap = [
      { id: two.id, data: { email: fresh } },
      { id: one.id, data: { email: two.email } },
      { id: three.id, data: { email: fresh } },
    ];
    const { results } = await change(swap);
    expect(codesOf(results)).toEqual(['updated', 'updated', 'duplicate']);
    expect(results[2].problem!.errors).toEqual([
      expect.objectContaining({ field: 'email', code: 'duplicate-existing', existingId: two.id }),
    ]);
    expect((await records.get(manager, one.id)).email).toBe(two.email);
  });

  it('with all or none: writes nothing when one fails, and says which', async () => {
    const made = await many(60);
    const updates: { id: number; data: Values }[] = made.map(({ id }) => ({
      id,
      data: { company: 'All', customFields: { seats: 1 } },
    }));
    updates[55].data = { email: made[0].email };
    const before = (await services.events()).length;
    await expect(change(updates, true)).rejects.toMatchObject({
      ...{ status: 422, code: 'batch-failed' },
      members: { counts: { updated: 0, unchanged: 0, failed: 60 } },
    });
    const { results } = (await change(updates, true).catch(({ members }: { members: unknown }) => members)) as {
      results: BatchResult[];
    };
    expect(results.map(({ id }) => id)).toEqual(made.map(({ id }) => id));
    expect(
      codesOf(results)
        .map((code, index) => (code === 'not-applied' ? null : [index, code]))
        .filter(Boolean),
    ).toEqual([[55, 'duplicate']]);
    expect(await auditOf(made.map(({ id }) => id))).toEqual([]);
    expect((await services.events()).length).toBe(before);
    expect((await records.get(manager, made[0].id)).version).toBe(1);
    updates[55].data = { company: 'All' };
    expect((await change(updates, true)).counts).toEqual({ updated: 60, unchanged: 0, failed: 0 });
    expect((await auditOf(made.map(({ id }) => id))).length).toBe(60);
  });

  it('changes as many as are allowed, over several transactions', async () => {
    const made = await many(120);
    const { counts } = await change(made.map(({ id }, n) => ({ id, data: { company: `Company ${n}` } })));
    expect(counts).toEqual({ updated: 120, unchanged: 0, failed: 0 });
    expect((await records.get(manager, made[119].id)).company).toBe('Company 119');
  });

  it('names each record once, and checks the form before anything is written', async () => {
    const [one] = await many(1);
    const update = { id: one.id, data: { company: 'New' } };
    const refused = (updates: unknown[], field: string) =>
      expect(change(updates)).rejects.toMatchObject({ status: 422, code: 'validation-failed', errors: [{ field }] });
    await refused([update, { ...update }], 'updates.1.id');
    await refused([update, { id: 0, data: {} }], 'updates.1.id');
    await refused([update, { id: 1, data: [] }], 'updates.1.data');
    await refused([update, { ...update, nope: 1 }], 'updates.1.nope');
    await refused([update, 7], 'updates.1');
    expect((await records.get(manager, one.id)).version).toBe(1);
  });

  it('lets two who name the same records in opposite orders both pass', async () => {
    const made = await many(30);
    const updates = (company: string) => made.map(({ id }) => ({ id, data: { company } }));
    const both = await Promise.all([change(updates('One')), change(updates('Two').toReversed(), false, admin)]);
    for (const { counts } of both) expect(counts).toEqual({ updated: 30, unchanged: 0, failed: 0 });
    expect((await records.get(manager, made[0].id)).version).toBe(3);
  });

  it('needs the right to write beside its own', async () => {
    const mine = await make({}, agent);
    const limited: Principal = { ...manager, permissions: new Set<Permission>([`${noun}:batch`]) };
    const update = [{ id: mine.id, data: { company: 'New' } }];
    await expect(change(update, false, limited)).rejects.toMatchObject({ status: 403 });
    expect((await change(update, false, admin)).counts.updated).toBe(1);
  });
});
