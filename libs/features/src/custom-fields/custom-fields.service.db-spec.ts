import { checkCustomFields } from '@muster/core/contact/custom-fields';
import { Principal } from '@muster/core/principal';
import { RecordTable, VersionedRecord } from '@muster/platform/database/record-table';
import { Tx } from '@muster/platform/database/transactions';
import { CustomFilters, readCustomFilters } from '@muster/platform/http/custom-filters';
import { allTables } from '@muster/testing/database';
import { openTestServices, TestServices } from '@muster/testing/services';
import { CustomFieldDefinitionsService } from './custom-fields.definitions.service';
import { FieldBody } from './custom-fields.dto';
import { CustomField } from './custom-fields.entity';
import { CustomFieldsModule } from './custom-fields.module';
import { CustomFieldsService } from './custom-fields.service';

const ALL = { sql: '1 = 1', params: [] };
type Values = Record<string, unknown>;
type Lead = VersionedRecord & { name: string; customFields: Values };

describe('the custom fields of records', () => {
  let services: TestServices;
  let fields: CustomFieldsService;
  let definitions: CustomFieldDefinitionsService;
  let leads: RecordTable<Lead>;
  let admin: Principal;
  let manager: Principal;
  let lastId = 0;

  beforeAll(async () => {
    services = await openTestServices(CustomFieldsModule);
    fields = services.get(CustomFieldsService);
    definitions = services.get(CustomFieldDefinitionsService);
    leads = new RecordTable<Lead>(
      services.database,
      allTables.find(({ name }) => name === 'leads')!,
    );
    const team = await services.addTeam();
    admin = await services.addUser('admin', team);
    manager = await services.addUser('manager', team);
  });
  afterAll(() => services.close());
  beforeEach(() =>
    services.transactions.run(async (tx) => {
      for (const table of ['leads', 'custom_fields', 'custom_field_values']) await tx.query(`DELETE FROM ${table}`);
      await tx.query('UPDATE custom_field_sets SET revision = revision + 1');
    }),
  );

  const define = (key: string, type: FieldBody['type'], values: Partial<FieldBody> = {}): Promise<CustomField> => {
    const options = type === 'list' || type === 'multi-list' ? ['Small', 'Large', 'Huge'] : undefined;
    return definitions.create(manager, 'leads', { key, label: key, type, options, filterable: true, ...values });
  };
  const leadOf = (customFields: Values) => {
    const id = ++lastId;
    const now = new Date();
    return {
      ...{
        id,
        name: `Lead ${id}`,
        email: null,
        phone: null,
        status: 'new',
        source: 'test',
        company: null,
        assignedTo: null,
      },
      ...{ tags: [], customFields, metadata: {}, imageUrl: null, doNotContact: false, originImportId: null },
      ...{ originRow: null, createdBy: 1, createdAt: now, updatedAt: now, version: 1 },
    };
  };
  const checked = async (tx: Tx, input: Values, mode: 'create' | 'patch', current: Values = {}) => {
    const set = await fields.load(tx, 'leads');
    const { values, errors } = checkCustomFields(set, input, mode, current);
    if (errors.length > 0) throw new Error(errors.map(({ field, code }) => `${field} ${code}`).join(', '));
    return { set, values };
  };
  const add = async (...inputs: Values[]): Promise<number[]> =>
    services.transactions.run(async (tx) => {
      const records = [];
      for (const input of inputs) {
        const { values } = await checked(tx, input, 'create');
        const lead = leadOf(values);
        await leads.insert(tx, lead);
        records.push({ recordId: lead.id, values });
      }
      await fields.mirror(tx, await fields.load(tx, 'leads'), records, true);
      return records.map(({ recordId }) => recordId);
    });
  const patch = (id: number, input: Values) =>
    services.transactions.run(async (tx) => {
      await fields.load(tx, 'leads');
      const lead = (await leads.lock(tx, id, ALL))!;
      const { set, values } = await checked(tx, input, 'patch', lead.customFields);
      await leads.update(tx, id, { customFields: values, version: lead.version + 1 });
      await fields.mirror(tx, set, [{ recordId: id, values }]);
    });
  const filters = (query: Record<string, unknown>): CustomFilters => readCustomFilters(query);
  const found = async (query: Record<string, unknown>) => {
    const conditions = await fields.conditions('leads', filters(query));
    const rows = await services.database.query<{ id: number }>(
      `SELECT id FROM leads WHERE ${conditions.map(({ sql }) => sql).join(' AND ')} ORDER BY id`,
      conditions.flatMap(({ params }) => params),
    );
    return rows.map(({ id }) => Number(id));
  };
  const refusal = (work: Promise<unknown>) =>
    work.then(
      () => 'accepted',
      (error: { code: string; errors?: { field: string }[] }) =>
        `${error.code} ${error.errors?.[0]?.field ?? ''}`.trim(),
    );
  /** A stored index, and the one that would be written anew. */
  const expectIndexed = async (key: string) => {
    const [field] = (await definitions.list('leads', { limit: 100 })).data.filter(({ fieldKey }) => fieldKey === key);
    const ids = (await services.database.query<{ id: number }>('SELECT id FROM leads ORDER BY id')).map(({ id }) =>
      Number(id),
    );
    const read = () =>
      services.database.query(
        'SELECT record_id, ordinal, sort_key, number_value FROM custom_field_values WHERE field_id = ? ORDER BY record_id, ordinal',
        [field.id],
      );
    const before = await read();
    expect([...new Set(before.map(({ record_id: id }) => Number(id)))]).toEqual(ids);
    await services.transactions.run(async (tx) => {
      const set = await fields.load(tx, 'leads');
      const { rows } = await tx.query<{ id: number; custom_fields: string }>('SELECT id, custom_fields FROM leads');
      await fields.mirror(
        tx,
        set,
        rows.map((row) => ({ recordId: Number(row.id), values: JSON.parse(row.custom_fields) as Values })),
      );
    });
    expect(await read()).toEqual(before);
  };

  describe('filters', () => {
    it('find any of the values, texts and options in any case', async () => {
      await define('city', 'text');
      await define('sizes', 'multi-list');
      await define('vip', 'boolean');
      const [a, b, c] = await add(
        { city: 'Zürich', sizes: ['Small', 'Huge'], vip: true },
        { city: 'zürich ', sizes: ['Large'], vip: false },
        { city: "100% O'Neill _x", sizes: [] },
      );
      expect(await found({ 'cf.city': 'ZÜRICH' })).toEqual([a, b]);
      expect(await found({ 'cf.city': ['zürich', "100% o'neill _X"] })).toEqual([a, b, c]);
      expect(await found({ 'cf.city': '%' })).toEqual([]);
      expect(await found({ 'cf.sizes': 'small' })).toEqual([a]);
      expect(await found({ 'cf.sizes': ['huge', 'large'] })).toEqual([a, b]);
      expect(await found({ 'cf.sizes': '' })).toEqual([c]);
      expect(await found({ 'cf.vip': 'false' })).toEqual([b]);
      expect(await found({ 'cf.vip': ['', 'true'] })).toEqual([a, c]);
      expect(await found({ 'cf.city': 'zürich', 'cf.vip': 'true' })).toEqual([a]);
    });

    it('hold both ends of numbers and dates', async () => {
      await define('score', 'number');
      await define('due', 'date');
      const [minus, half, ten, none] = await add(
        { score: -10.5, due: '2024-01-31' },
        { score: 0.5, due: '2024-02-01' },
        { score: 10, due: '2024-02-29' },
        {},
      );
      expect(await found({ 'cf.score.from': '-10.5', 'cf.score.to': '0.5' })).toEqual([minus, half]);
      expect(await found({ 'cf.score.to': '100' })).toEqual([minus, half, ten]);
      expect(await found({ 'cf.score.from': '1' })).toEqual([ten]);
      expect(await found({ 'cf.score': '10.0' })).toEqual([ten]);
      expect(await found({ 'cf.score': '' })).toEqual([none]);
      expect(await found({ 'cf.due.from': '2024-02-01', 'cf.due.to': '2024-02-29' })).toEqual([half, ten]);
    });

    it('are refused by name where there is no such index', async () => {
      await define('plain', 'text', { filterable: false });
      await define('score', 'number');
      await define('city', 'text');
      const asked = (query: Record<string, unknown>) => refusal(found(query));
      expect(await asked({ 'cf.nope': 'x' })).toBe('field-not-filterable cf.nope');
      expect(await asked({ 'cf.plain': 'x' })).toBe('field-not-filterable cf.plain');
      expect(await asked({ 'cf.': 'x' })).toBe('field-not-filterable cf.');
      expect(await asked({ 'cf.toString': 'x' })).toBe('field-not-filterable cf.toString');
      expect(await asked({ 'cf.score': 'x' })).toBe('number-invalid cf.score');
      expect(await asked({ 'cf.score.from': ['1', '2'] })).toBe('filter-invalid cf.score.from');
      expect(await asked({ 'cf.score.under': '1' })).toBe('field-not-filterable cf.score.under');
      expect(await asked({ 'cf.city.from': 'a' })).toBe('filter-invalid cf.city.from');
      const many = Object.fromEntries(Array.from({ length: 11 }, (_, n) => [`cf.f${n}`, 'x']));
      expect(() => filters(many)).toThrow(expect.objectContaining({ code: 'filter-invalid' }));
    });
  });

  describe('sorts', () => {
    const visit = async (sort: string, limit: number) => {
      const seen: number[] = [];
      let cursor: string | undefined;
      for (let number = 1; ; number++) {
        const page = (await fields.page(
          leads,
          'leads',
          { sql: 'status = ?', params: ['new'] },
          { sort, limit, cursor },
        ))!;
        expect(page.meta).toMatchObject({ page: number, limit });
        seen.push(...page.data.map(({ id }) => id));
        if (page.meta.nextCursor === null) return { seen, total: page.meta.total };
        cursor = page.meta.nextCursor;
      }
    };

    it('have the order of numbers, none first, equal ones by id', async () => {
      await define('score', 'number');
      const scores = [3, -2, undefined, 1e10, 0.25, -1e10, 3, 0, -0.25, undefined, 20];
      const ids = await add(...scores.map((score) => ({ score })));
      const expected = ids.toSorted((a, b) => {
        const [x, y] = [a, b].map((id) => scores[ids.indexOf(id)] ?? -Infinity);
        return x === y ? a - b : x - y;
      });
      for (const limit of [2, 3, 50]) {
        expect(await visit('cf.score', limit)).toEqual({ seen: expected, total: ids.length });
        expect(await visit('-cf.score', limit)).toEqual({ seen: expected.toReversed(), total: ids.length });
      }
      const third = (await fields.page(leads, 'leads', ALL, { sort: 'cf.score', limit: 4, page: 3 }))!;
      expect(third.data.map(({ id }) => id)).toEqual(expected.slice(8));
      expect(third.data[0].name).toMatch(/^Lead \d+$/);
    });

    it('have the order of texts and of the first option, and no record twice', async () => {
      await define('city', 'text');
      await define('sizes', 'multi-list');
      const ids = await add(
        { city: 'Bonn', sizes: ['Huge', 'Small'] },
        { city: 'aachen', sizes: ['Huge'] },
        { city: 'Zürich', sizes: ['Large', 'Huge'] },
      );
      expect((await visit('cf.city', 1)).seen).toEqual([ids[1], ids[0], ids[2]]);
      expect((await visit('cf.sizes', 1)).seen).toEqual([ids[1], ids[2], ids[0]]);
    });

    it('are refused with another cursor or without an index', async () => {
      await define('city', 'text');
      await add({ city: 'a' }, { city: 'b' });
      const { meta } = (await fields.page(leads, 'leads', ALL, { sort: 'cf.city', limit: 1 }))!;
      const page = (sort: string, cursor?: string) => refusal(fields.page(leads, 'leads', ALL, { sort, cursor }));
      expect(await page('-cf.city', meta.nextCursor!)).toBe('cursor-invalid cursor');
      expect(await page('cf.nope')).toBe('field-not-filterable sort');
      expect(await fields.page(leads, 'leads', ALL, { sort: 'name' })).toBeNull();
    });
  });

  describe('the index', () => {
    it('follows every change, and goes with the record', async () => {
      await define('sizes', 'multi-list');
      const [a, b] = await add({ sizes: ['Small', 'Large'] }, { sizes: ['Small'] });
      await patch(a, { sizes: ['Huge'] });
      expect([await found({ 'cf.sizes': 'small' }), await found({ 'cf.sizes': 'huge' })]).toEqual([[b], [a]]);
      await expectIndexed('sizes');
      await services.transactions.run(async (tx) => {
        await leads.remove(tx, b);
        await fields.unmirror(tx, 'leads', [b]);
      });
      await expectIndexed('sizes');
      const rows = await services.database.query('SELECT 1 FROM custom_field_values WHERE record_id = ?', [b]);
      expect(rows).toEqual([]);
    });

    it('takes thousands of records at once', async () => {
      await define('score', 'number');
      await define('city', 'text');
      await services.transactions.run(async (tx) => {
        const set = await fields.load(tx, 'leads');
        const records = Array.from({ length: 5_000 }, (_, n) => ({
          ...{ recordId: 1_000_000 + n, values: { score: n - 2_500.5, city: n % 2 ? `Tab\\ ${n}` : undefined } },
        }));
        await fields.mirror(tx, set, records, true);
        await fields.mirror(tx, set, records.slice(0, 1_000));
      });
      const [{ n, sum }] = await services.database.query<{ n: number; sum: number }>(
        'SELECT COUNT(*) AS n, SUM(number_value) AS sum FROM custom_field_values',
      );
      expect([Number(n), Number(sum)]).toEqual([10_000, -5_000]);
    });
  });

  it('tells how values are distributed among the records of a condition', async () => {
    await define('city', 'text');
    await define('sizes', 'multi-list');
    await define('score', 'number');
    const [, hidden] = await add(
      { city: 'Bonn', sizes: ['Small', 'Large'], score: 1.5 },
      { city: 'Bonn', sizes: ['Small'], score: 100 },
      { city: 'BONN', sizes: ['Small'], score: -1 },
      { city: 'Köln' },
      {},
    );
    const visible = { sql: 'id <> ? AND created_by = ?', params: [hidden, 1] };
    expect(await fields.distribution('leads', 'city', visible)).toMatchObject({
      ...{
        values: [
          { value: 'Bonn', count: 2 },
          { value: 'Köln', count: 1 },
        ],
        blank: 1,
        others: 0,
      },
    });
    expect(await fields.distribution('leads', 'sizes', visible, 1)).toMatchObject({
      ...{ values: [{ value: 'Small', count: 2 }], blank: 2, others: 1, sum: null },
    });
    expect(await fields.distribution('leads', 'score', visible)).toMatchObject({
      sum: 0.5,
      min: -1,
      max: 1.5,
      blank: 2,
    });
    expect(await refusal(fields.distribution('leads', 'nope', visible))).toBe('field-not-filterable cf.nope');
  });

  describe('a write beside a change of a definition', () => {
    it('waits for it or is waited for: nothing of a deleted field is left', async () => {
      const ids = await add(...Array.from({ length: 20 }, () => ({})));
      for (let round = 0; round < 4; round++) {
        const field = await define('racing', 'text');
        const writes = ids.map((id, n) => patch(id, { racing: `v${n}` }).catch((error: Error) => error.message));
        const made = [add({ racing: 'new' }).catch((error: Error) => error.message)];
        const [results] = await Promise.all([
          Promise.all([...writes, ...made]),
          definitions.remove(admin, 'leads', field.id, { force: true }),
        ]);
        for (const result of results) {
          if (typeof result === 'string') expect(result).toBe('customFields.racing unknown-field');
        }
        const left = await services.database.query(`SELECT id FROM leads WHERE INSTR(custom_fields, 'racing') > 0`);
        expect(left).toEqual([]);
        expect(await services.database.query('SELECT 1 FROM custom_field_values')).toEqual([]);
      }
    });

    /** Makes a lead in a transaction that has loaded the fields before a change begins, and gives the change every chance to overtake. */
    const overtaken = async (input: Values, change: () => Promise<unknown>, isDone: string) => {
      let begin: () => void;
      const loaded = new Promise<void>((resolve) => (begin = resolve));
      const write = services.transactions.run(async (tx) => {
        const { set, values } = await checked(tx, input, 'create');
        begin();
        for (let look = 0; look < 300; look++) {
          if ((await services.database.query(`SELECT 1 FROM custom_fields WHERE ${isDone}`)).length > 0) break;
        }
        const lead = leadOf(values);
        await leads.insert(tx, lead);
        await fields.mirror(tx, set, [{ recordId: lead.id, values }], true);
      });
      await loaded;
      await Promise.all([write, change()]);
    };

    it('leaves no value of a field that is deleted after it began', async () => {
      const field = await define('late', 'text');
      await define('sentinel', 'text', { filterable: false });
      const gone = `field_key = 'sentinel' AND NOT EXISTS (SELECT 1 FROM custom_fields WHERE field_key = 'late')`;
      await overtaken({ late: 'x' }, () => definitions.remove(admin, 'leads', field.id, { force: true }), gone);
      expect(await services.database.query(`SELECT id FROM leads WHERE INSTR(custom_fields, 'late') > 0`)).toEqual([]);
      expect(await services.database.query('SELECT 1 FROM custom_field_values')).toEqual([]);
    });

    it('is in the index of a field that becomes filterable after it began', async () => {
      const field = await define('city', 'text', { filterable: false });
      const change = () => definitions.patch(manager, 'leads', field.id, { filterable: true }, { force: false });
      await overtaken({ city: 'x' }, change, `filterable = 1 AND state = 'ready'`);
      await expectIndexed('city');
    });

    it('is in the index, whichever comes first', async () => {
      const ids = await add(...Array.from({ length: 10 }, () => ({})));
      await define('city', 'text', { filterable: false });
      const [field] = (await definitions.list('leads', {})).data;
      await Promise.all([
        ...ids.map((id) => patch(id, { city: `City ${id}` })),
        definitions.patch(manager, 'leads', field.id, { filterable: true }, { force: false }),
        ...ids.map(() => add({ city: 'new' })),
      ]);
      await expectIndexed('city');
    });
  });
});
