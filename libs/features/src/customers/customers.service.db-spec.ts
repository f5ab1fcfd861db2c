import { Principal } from '@muster/core/principal';
import { openTestServices, TestServices } from '@muster/testing/services';
import { CustomerInput, toCustomerView } from './customers.dto';
import { CustomersModule } from './customers.module';
import { CustomersService } from './customers.service';

/** What customers share with leads is tested there. */
describe('the customers service', () => {
  let services: TestServices;
  let customers: CustomersService;
  let manager: Principal;
  let agent: Principal;

  beforeAll(async () => {
    services = await openTestServices(CustomersModule);
    customers = services.get(CustomersService);
    const team = await services.addTeam();
    manager = await services.addUser('manager', team);
    agent = await services.addUser('agent', team);
  });
  afterAll(() => services.close());

  const refused = (work: Promise<unknown>, status: number, code: string) =>
    expect(work).rejects.toMatchObject({ status, code });

  it('stores every field as it should be', async () => {
    const input: Required<CustomerInput> = {
      fullName: 'Zoë Example',
      firstName: 'Zoë',
      lastName: 'Example',
      email: 'ZOE@example.com',
      phone: '201-555-0140 x3',
      countryCode: 'us',
      dateOfBirth: '1990-02-28',
      timezone: 'europe/berlin',
      company: 'Example GmbH',
      title: 'Dr.',
      address: '1 Main St',
      city: 'Springfield',
      state: 'NJ',
      country: 'United States',
      zipCode: '07001',
      notes: 'two\nlines',
      status: 'pending',
      ownerId: agent.userId,
      tags: ['vip'],
      customFields: {},
      metadata: { a: 1 },
      doNotContact: true,
    };
    const customer = await customers.create(manager, input);
    expect(customer).toMatchObject({
      ...input,
      email: 'zoe@example.com',
      phone: '+12015550140',
      countryCode: 'US',
      timezone: 'Europe/Berlin',
      metadata: { a: 1, phoneExtension: '3' },
    });
    expect(await customers.get(agent, customer.id)).toEqual(customer);
    const view = toCustomerView(customer);
    expect(view).toMatchObject({ origin: null, createdBy: manager.userId });
    expect(view).not.toHaveProperty('version');
    expect((await services.events()).map(({ name }) => name)).toEqual(['customer.created', 'customer.assigned']);
  });

  it('makes the full name of the parts, and the parts of the full name', async () => {
    const names = async (input: CustomerInput) => {
      const { fullName, firstName, lastName } = await customers.create(agent, input);
      return [fullName, firstName, lastName];
    };
    expect(await names({ firstName: 'Ada', lastName: 'Example' })).toEqual(['Ada Example', 'Ada', 'Example']);
    expect(await names({ fullName: 'Ada B. Example' })).toEqual(['Ada B. Example', 'Ada B.', 'Example']);
    expect(await names({ lastName: 'Example' })).toEqual(['Example', null, 'Example']);
    await refused(names({ email: 'nobody@example.com' }), 422, 'validation-failed');

    const { id } = await customers.create(agent, { fullName: 'Ada Example' });
    const change = async (patch: CustomerInput) => {
      const { fullName, firstName, lastName } = await customers.patch(agent, id, patch);
      return [fullName, firstName, lastName];
    };
    expect(await change({ firstName: 'Eva' })).toEqual(['Eva Example', 'Eva', 'Example']);
    expect(await change({ fullName: 'Max Muster' })).toEqual(['Max Muster', 'Max', 'Muster']);
    expect(await change({ lastName: null })).toEqual(['Max', 'Max', null]);
    await refused(change({ firstName: '' }), 422, 'validation-failed');
    expect(await change({ company: 'Same name' })).toEqual(['Max', 'Max', null]);
    await refused(change({ firstName: 'x'.repeat(100), lastName: 'y'.repeat(100) }), 422, 'validation-failed');
  });

  it('names the wrong owner by his field', async () => {
    const work = customers.create(manager, { fullName: 'Ada Example', ownerId: 999_999 });
    await expect(work).rejects.toMatchObject({ code: 'user-unknown', errors: [{ field: 'ownerId' }] });
  });

  it('lists by owner, status and words, sorted by name', async () => {
    for (const fullName of ['Cid Listed', 'Abe Listed', 'Bea Listed']) {
      await customers.create(manager, { fullName, ownerId: agent.userId, status: 'blocked' });
    }
    await customers.create(manager, { fullName: 'Dan Listed', status: 'blocked' });
    const names = async (caller: Principal, query: Parameters<CustomersService['list']>[1]) =>
      (await customers.list(caller, { q: 'listed', ...query })).data.map(({ firstName }) => firstName);
    expect(await names(manager, { sort: 'name' })).toEqual(['Abe', 'Bea', 'Cid', 'Dan']);
    expect(await names(manager, { sort: '-name', ownerId: agent.userId, status: 'blocked' })).toEqual([
      'Cid',
      'Bea',
      'Abe',
    ]);
    expect(await names(manager, { status: 'active' })).toEqual([]);
    expect(await names(agent, {})).toEqual(['Bea', 'Abe', 'Cid']);
  });
});
