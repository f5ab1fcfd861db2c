import { Principal } from '@muster/core/principal';
import { openTestServices, TestServices } from '@muster/testing/services';
import { Memberships } from '../contacts/memberships/contacts.memberships.service';
import { CustomFieldDefinitionsService } from '../custom-fields/custom-fields.definitions.service';
import { CustomerMergesService } from '../customers/customers.merge.service';
import { CustomersService } from '../customers/customers.service';
import { LeadsConvertService } from './leads.convert.service';
import { LeadInput } from './leads.dto';
import { LeadMergesService } from './leads.merge.service';
import { LeadsModule } from './leads.module';
import { LeadsService } from './leads.service';

/** People and numbers are invented. */
describe('converting leads', () => {
  let services: TestServices;
  let leads: LeadsService;
  let customers: CustomersService;
  let conversions: LeadsConvertService;
  let definitions: CustomFieldDefinitionsService;
  let manager: Principal;
  let agent: Principal;
  let colleague: Principal;

  beforeAll(async () => {
    services = await openTestServices(LeadsModule);
    leads = services.get(LeadsService);
    customers = services.get(CustomersService);
    conversions = services.get(LeadsConvertService);
    definitions = services.get(CustomFieldDefinitionsService);
    const team = await services.addTeam();
    manager = await services.addUser('manager', team);
    agent = await services.addUser('agent', team);
    colleague = await services.addUser('agent', team);
    const text = { type: 'text', filterable: true } as const;
    for (const key of ['region', 'size', 'note'])
      await definitions.create(manager, 'leads', { key, label: key, ...text });
    await definitions.create(manager, 'customers', { key: 'region', label: 'region', ...text });
    await definitions.create(manager, 'customers', { key: 'size', label: 'size', type: 'number' });
  });
  afterAll(() => services.close());

  let count = 0;
  const make = (values: Partial<LeadInput> = {}, by = manager) =>
    leads.create(by, { name: 'Ada B. Example', email: `convert${++count}@example.com`, source: 'web', ...values });
  const refused = (work: Promise<unknown>, status: number, code: string) =>
    expect(work).rejects.toMatchObject({ status, code });
  const totalOf = async (email: string) =>
    (await services.database.query('SELECT id FROM customers WHERE email = ?', [email])).length;

  it('makes a customer with what the lead has, and keeps the lead', async () => {
    const lead = await make({
      ...{ phone: '+12015550170 x4', company: 'Acme', tags: ['vip'], doNotContact: true, assignedTo: agent.userId },
      ...{ customFields: { region: 'north', size: 'large', note: 'x' }, metadata: { a: 1 } },
    });
    const groupId = await services.addGroup();
    await services.transactions.run(async (tx) => {
      await tx.query('UPDATE leads SET origin_import_id = 7, origin_row = 3 WHERE id = ?', [lead.id]);
      await services.get(Memberships).add(tx, groupId, 'leads', [lead.id], manager.userId);
    });
    const { customer, notCarried, isNew } = await conversions.convert(agent, lead.id, {});
    expect(isNew).toBe(true);
    expect(notCarried).toEqual(['size', 'note']);
    expect(customer).toMatchObject({
      ...{ fullName: 'Ada B. Example', firstName: 'Ada B.', lastName: 'Example', email: lead.email, phone: lead.phone },
      ...{ company: 'Acme', tags: ['vip'], doNotContact: true, ownerId: agent.userId, status: 'active' },
      ...{ customFields: { region: 'north' }, originImportId: 7, originRow: 3, createdBy: agent.userId },
      metadata: { a: 1, phoneExtension: '4', leadFields: { size: 'large', note: 'x' } },
    });
    expect(await customers.get(agent, customer.id)).toMatchObject(customer);
    expect(await leads.get(agent, lead.id)).toMatchObject({
      status: 'converted',
      convertedTo: customer.id,
      version: 2,
    });
    const groups = services.get(Memberships);
    expect((await groups.groupsOf('customers', [customer.id])).get(customer.id)).toEqual([1]);
    expect((await groups.groupsOf('leads', [lead.id])).get(lead.id)).toEqual([1]);
    const said = (await services.events()).filter(
      ({ name, payload }) =>
        (payload.id === customer.id && name.startsWith('customer')) || payload.customerId === customer.id,
    );
    expect(said.map(({ name }) => name)).toEqual(['customer.created', 'customer.assigned', 'lead.converted']);
    const indexed = await services.database.query('SELECT sort_key FROM custom_field_values WHERE record_id = ?', [
      customer.id,
    ]);
    expect(indexed).not.toEqual([]);
  });

  it('gives the same customer again, also to many at once', async () => {
    const lead = await make({ customFields: { note: 'x' } });
    const answers = await Promise.all(Array.from({ length: 8 }, () => conversions.convert(manager, lead.id, {})));
    expect(new Set(answers.map(({ customer }) => customer.id)).size).toBe(1);
    expect(answers.filter(({ isNew }) => isNew)).toHaveLength(1);
    for (const { notCarried } of answers) expect(notCarried).toEqual(['note']);
    expect(await totalOf(lead.email!)).toBe(1);
    expect((await leads.get(manager, lead.id)).version).toBe(2);
  });

  it('is for who may write the lead', async () => {
    const lead = await make({}, colleague);
    await refused(conversions.convert(agent, lead.id, {}), 404, 'not-found');
    await refused(conversions.convert(manager, 987_654, {}), 404, 'not-found');
    await refused(conversions.convert(manager, lead.id, {}, '"v9"'), 412, 'stale');
    const key = { ...manager, permissions: new Set(['leads:convert']) } as Principal;
    await refused(conversions.convert(key, lead.id, {}), 403, 'forbidden');
  });

  it('says which customer has the e-mail, and links to it when asked', async () => {
    const lead = await make({
      phone: '+12015550171',
      company: 'Theirs',
      tags: ['b'],
      customFields: { region: 'south' },
    });
    const body = { fullName: 'Somebody Else', email: lead.email, company: 'Ours', tags: ['a'] };
    const there = await customers.create(manager, body);
    await expect(conversions.convert(manager, lead.id, {})).rejects.toMatchObject({
      ...{ status: 409, code: 'duplicate' },
      errors: [{ field: 'email', existingId: there.id }],
    });
    expect((await leads.get(manager, lead.id)).convertedTo).toBeNull();
    await refused(conversions.convert(manager, lead.id, { customerId: 987_654 }), 422, 'customer-unknown');
    const { customer, isNew } = await conversions.convert(manager, lead.id, { customerId: there.id });
    expect(isNew).toBe(true);
    expect(customer).toMatchObject({
      ...{ id: there.id, fullName: 'Somebody Else', company: 'Ours', phone: '+12015550171', tags: ['a', 'b'] },
      ...{ customFields: { region: 'south' }, version: 2 },
    });
    await expect(conversions.convert(manager, lead.id, { customerId: there.id })).resolves.toMatchObject({
      isNew: false,
    });
    const other = await customers.create(manager, { fullName: 'Third Person' });
    await refused(conversions.convert(manager, lead.id, { customerId: other.id }), 409, 'already-converted');
    await customers.patch(manager, there.id, { ownerId: colleague.userId });
    await leads.patch(manager, lead.id, { assignedTo: agent.userId });
    await refused(conversions.convert(agent, lead.id, {}), 409, 'already-converted');
  });

  it('asks for custom fields that customers require, and takes them', async () => {
    const { id } = await definitions.create(manager, 'customers', {
      key: 'plan',
      label: 'Plan',
      type: 'text',
      required: true,
    });
    const lead = await make();
    await expect(conversions.convert(manager, lead.id, {})).rejects.toMatchObject({
      ...{ status: 422, code: 'validation-failed' },
      errors: [{ field: 'customFields.plan', code: 'required' }],
    });
    const { customer } = await conversions.convert(manager, lead.id, { customFields: { plan: 'basic' } });
    expect(customer.customFields).toEqual({ plan: 'basic' });
    await definitions.remove({ ...manager, role: 'admin' }, 'customers', id, { force: true });
  });

  it('can be done again when the customer is deleted, and follows it when it is merged', async () => {
    const lead = await make();
    const first = (await conversions.convert(manager, lead.id, {})).customer;
    await customers.remove(manager, first.id);
    expect(await leads.get(manager, lead.id)).toMatchObject({ convertedTo: null, status: 'converted', version: 3 });
    const second = (await conversions.convert(manager, lead.id, {})).customer;
    expect(second.id).not.toBe(first.id);
    const other = await customers.create(manager, { fullName: 'Other Person', firstName: null });
    const merges = services.get(CustomerMergesService);
    const { mergeId, record } = await merges.merge(manager, other.id, { sourceId: second.id });
    expect(record).toMatchObject({ fullName: 'Other Person', email: lead.email });
    expect((await leads.get(manager, lead.id)).convertedTo).toBe(other.id);
    await merges.undo(manager, mergeId);
    expect((await leads.get(manager, lead.id)).convertedTo).toBe(second.id);
  });

  it('goes with a lead that is merged, and is forgotten when the customer is gone at the undo', async () => {
    const [target, source] = [await make(), await make()];
    const { customer } = await conversions.convert(manager, source.id, {});
    const merges = services.get(LeadMergesService);
    const { mergeId, record } = await merges.merge(manager, target.id, { sourceId: source.id });
    expect(record).toMatchObject({ status: 'converted', convertedTo: customer.id });
    await customers.remove(manager, customer.id);
    const undone = await merges.undo(manager, mergeId);
    expect(undone).toMatchObject({
      source: { convertedTo: null },
      target: { convertedTo: null },
      notRestored: ['convertedTo'],
    });
    expect(undone.kept).toEqual(['convertedTo']);
  });

  it('keeps a name and its parts together when customers are merged', async () => {
    const merges = services.get(CustomerMergesService);
    const add = (fullName: string, firstName: string | null, lastName: string | null) =>
      customers.create(manager, { fullName, firstName, lastName, email: `unit${++count}@example.com` });
    const [one, two] = [await add('Prince', 'Prince', null), await add('Grace Sample', 'Grace', 'Sample')];
    const kept = await merges.merge(manager, one.id, { sourceId: two.id });
    expect(kept.record).toMatchObject({ fullName: 'Prince', firstName: 'Prince', lastName: null });
    await merges.undo(manager, kept.mergeId);
    const chosen = await merges.merge(manager, one.id, { sourceId: two.id, fields: { fullName: 'source' } });
    expect(chosen.record).toMatchObject({ fullName: 'Grace Sample', firstName: 'Grace', lastName: 'Sample' });
    await customers.patch(manager, one.id, { lastName: 'Changed' });
    const { target, kept: names } = await merges.undo(manager, chosen.mergeId);
    expect(target).toMatchObject({ fullName: 'Grace Changed', firstName: 'Grace', lastName: 'Changed' });
    expect(names).toEqual(expect.arrayContaining(['fullName', 'lastName']));
  });
});
