import { Principal } from '@muster/core/principal';
import { readCustomFilters } from '@muster/platform/http/custom-filters';
import { openTestServices, TestServices } from '@muster/testing/services';
import { CustomFieldDefinitionsService } from '../custom-fields/custom-fields.definitions.service';
import { FieldBody } from '../custom-fields/custom-fields.dto';
import { CustomersModule } from '../customers/customers.module';
import { CustomersService } from '../customers/customers.service';
import { LeadsModule } from './leads.module';
import { LeadsService } from './leads.service';

type Values = Record<string, unknown>;

describe.each(['leads', 'customers'] as const)('the custom fields of %s', (noun) => {
  let services: TestServices;
  let records: LeadsService;
  let definitions: CustomFieldDefinitionsService;
  let admin: Principal;
  let manager: Principal;
  let agent: Principal;

  beforeAll(async () => {
    services = await openTestServices(LeadsModule, CustomersModule);
    records = services.get<unknown>(noun === 'leads' ? LeadsService : CustomersService) as LeadsService;
    definitions = services.get(CustomFieldDefinitionsService);
    const team = await services.addTeam();
    admin = await services.addUser('admin', team);
    manager = await services.addUser('manager', team);
    agent = await services.addUser('agent', team);
  });
  afterAll(() => services.close());
  beforeEach(() =>
    services.transactions.run(async (tx) => {
      for (const table of [noun, 'custom_fields', 'custom_field_values']) await tx.query(`DELETE FROM ${table}`);
      await tx.query('UPDATE custom_field_sets SET revision = revision + 1');
    }),
  );

  let count = 0;
  const define = (key: string, type: FieldBody['type'], values: Partial<FieldBody> = {}) =>
    definitions.create(manager, noun, { key, label: key, type, filterable: true, ...values });
  const body = (customFields?: Values | null, values: Values = {}) =>
    ({
      ...{ name: 'Ada Example', source: 'web', fullName: 'Ada Example', email: `person${++count}@example.com` },
      ...{ customFields, ...values },
    }) as never;
  const make = async (customFields?: Values | null, by = agent) => records.create(by, body(customFields));
  const patch = async (id: number, customFields: Values | null) =>
    (await records.patch(agent, id, { customFields })).customFields;
  const errorsOf = (work: Promise<unknown>) =>
    work.then(
      () => [],
      (error: { errors?: { field: string; code: string }[] }) =>
        (error.errors ?? []).map(({ field, code }) => `${field} ${code}`).toSorted(),
    );
  const indexed = async (id: number) =>
    (
      await services.database.query<{ sort_key: string }>(
        'SELECT sort_key FROM custom_field_values WHERE record_id = ? ORDER BY field_id, ordinal',
        [id],
      )
    ).map((row) => row.sort_key);
  const idsOf = async (query: Values, filters: Values = {}) =>
    (await records.list(admin, query as never, readCustomFilters(filters))).data.map(({ id }) => id);

  it('are checked, filled in and kept', async () => {
    await define('tier', 'list', { options: ['Gold', 'Iron'], defaultValue: 'Iron' });
    await define('seats', 'number', { required: true });
    const record = await make({ seats: 3 });
    expect(record.customFields).toEqual({ tier: 'Iron', seats: 3 });
    expect((await records.get(agent, record.id)).customFields).toEqual({ tier: 'Iron', seats: 3 });
    expect(await errorsOf(make())).toEqual(['customFields.seats required']);
    expect(await errorsOf(make({ seats: 'many', tier: 'gold', nope: 1 }))).toEqual([
      'customFields.nope unknown-field',
      'customFields.seats number-invalid',
      'customFields.tier option-unknown',
    ]);
  });

  it('are told of together with the other fields', async () => {
    await define('seats', 'number', { required: true });
    expect(await errorsOf(records.create(agent, body({ nope: 1 }, { email: 'nobody' })))).toEqual([
      ...['customFields.nope unknown-field', 'customFields.seats required', 'email email-invalid'],
    ]);
    const { id } = await make({ seats: 1 });
    expect(await errorsOf(records.patch(agent, id, { email: 'nobody', customFields: { nope: 1 } }))).toEqual([
      ...['customFields.nope unknown-field', 'email email-invalid'],
    ]);
  });

  it('change by key in a patch, and as a whole in a replacement', async () => {
    await define('tier', 'text', { defaultValue: 'none' });
    await define('seats', 'number');
    const { id } = await make({ tier: 'Gold', seats: 3 });
    expect(await patch(id, { seats: 4 })).toEqual({ tier: 'Gold', seats: 4 });
    expect(await patch(id, { seats: null })).toEqual({ tier: 'Gold' });
    expect(await patch(id, {})).toEqual({ tier: 'Gold' });
    expect((await records.replace(agent, id, body({ seats: 5 }))).customFields).toEqual({ tier: 'none', seats: 5 });
    expect((await records.replace(agent, id, body())).customFields).toEqual({ tier: 'none' });
    expect(await patch(id, null)).toEqual({});
    const events = (await services.events()).filter(({ payload, name }) => payload.id === id && /updated/.test(name));
    expect(events[0].payload.fields).toEqual(['customFields']);
    expect((await records.get(agent, id)).version).toBe(6);
  });

  it('that are newly required bind who names them, and replacements', async () => {
    const { id } = await make();
    await define('seats', 'number', { required: true });
    expect((await records.patch(agent, id, { company: 'New' })).company).toBe('New');
    expect(await errorsOf(records.patch(agent, id, { customFields: { seats: null } }))).toEqual([
      'customFields.seats required',
    ]);
    expect(await errorsOf(records.replace(agent, id, body()))).toEqual(['customFields.seats required']);
  });

  it('refuse nothing to whom the record is not, and after its version', async () => {
    const { id } = await make({}, manager);
    await expect(records.patch(agent, id, { customFields: { nope: 1 } })).rejects.toMatchObject({ status: 404 });
    await expect(records.patch(manager, id, { customFields: { nope: 1 } }, '"v9"')).rejects.toMatchObject({
      status: 412,
    });
  });

  it('have an index that is what the records hold, and goes with them', async () => {
    await define('tier', 'text');
    await define('sizes', 'multi-list', { options: ['Small', 'Large'] });
    const { id } = await make({ tier: 'Gold' });
    expect(await indexed(id)).toEqual(['gold', '']);
    await patch(id, { sizes: ['Large', 'Small'], tier: null });
    expect(await indexed(id)).toEqual(['', 'small', 'large']);
    await expect(records.patch(agent, id, { customFields: { tier: 'Iron', nope: 1 } })).rejects.toThrow();
    expect(await indexed(id)).toEqual(['', 'small', 'large']);
    await records.replace(agent, id, body({ tier: 'Iron' }));
    expect(await indexed(id)).toEqual(['iron', '']);
    await records.remove(manager, id);
    expect(await indexed(id)).toEqual([]);
  });

  it('filter lists', async () => {
    await define('tier', 'text');
    await define('seats', 'number');
    await define('hidden', 'text', { filterable: false });
    const [gold, iron, none] = [
      await make({ tier: 'Gold', seats: -2.5 }),
      await make({ tier: 'Iron', seats: 10 }),
      await make(),
    ];
    expect(await idsOf({}, { 'cf.tier': 'GOLD' })).toEqual([gold.id]);
    expect(await idsOf({}, { 'cf.tier': ['gold', 'iron'] })).toEqual([iron.id, gold.id]);
    expect(await idsOf({}, { 'cf.tier': '' })).toEqual([none.id]);
    expect(await idsOf({}, { 'cf.seats.from': '-2.5', 'cf.seats.to': '9' })).toEqual([gold.id]);
    expect(await idsOf({}, { 'cf.seats.from': '0', 'cf.tier': 'gold' })).toEqual([]);
    for (const filter of ['cf.hidden', 'cf.nope', 'cf.tier.from']) {
      await expect(idsOf({}, { [filter]: 'x' })).rejects.toMatchObject({ status: 422, errors: [{ field: filter }] });
    }
    expect((await records.list(agent, {}, readCustomFilters({ 'cf.tier': 'gold' }))).meta.total).toBe(1);
    const stranger = await services.addUser('agent', manager.teamId!);
    expect((await records.list(stranger, {}, readCustomFilters({ 'cf.tier': 'gold' }))).meta.total).toBe(0);
  });

  it.each(['cf.seats', '-cf.seats'])('sort lists by %s, page by page', async (sort) => {
    await define('seats', 'number');
    const seats = [3, -1, undefined, 0.5, 3, 100, -20, undefined];
    const made: { id: number; key: number }[] = [];
    for (const value of seats) {
      made.push({ id: (await make(value === undefined ? {} : { seats: value })).id, key: value ?? -Infinity });
    }
    const expected = made
      .toSorted((a, b) => (a.key === b.key ? 0 : a.key < b.key ? -1 : 1) || a.id - b.id)
      .map(({ id }) => id);
    if (sort.startsWith('-')) expected.reverse();
    expect(await idsOf({ sort })).toEqual(expected);
    const walked: number[] = [];
    for (let cursor: string | null | undefined; cursor !== null;) {
      const page = await records.list(admin, { sort, limit: 3, cursor });
      walked.push(...page.data.map(({ id }) => id));
      expect(page.meta.total).toBe(seats.length);
      cursor = page.meta.nextCursor;
    }
    expect(walked).toEqual(expected);
    await expect(idsOf({ sort: 'cf.nope' })).rejects.toMatchObject({ status: 422, errors: [{ field: 'sort' }] });
    await expect(idsOf({ sort, cursor: 'x' })).rejects.toMatchObject({ code: 'cursor-invalid' });
  });

  it('of a deleted definition are nobody’s: a write that was checked before it leaves no value behind', async () => {
    const field = await define('tier', 'text');
    const { id } = await make();
    const [written] = await Promise.allSettled([
      patch(id, { tier: 'Gold' }),
      definitions.remove(admin, noun, field.id, { force: true }),
    ]);
    const { customFields } = await records.get(agent, id);
    expect(customFields).toEqual({});
    if (written.status === 'rejected') expect(written.reason).toMatchObject({ status: 422 });
  });
});
