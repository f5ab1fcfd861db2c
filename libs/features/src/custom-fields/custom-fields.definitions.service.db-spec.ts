import { Principal } from '@muster/core/principal';
import { readCustomFilters } from '@muster/platform/http/custom-filters';
import { openTestServices, TestServices } from '@muster/testing/services';
import { ChangeOptions, CustomFieldDefinitionsService } from './custom-fields.definitions.service';
import { FieldBody, PatchFieldBody, toFieldView } from './custom-fields.dto';
import { CustomField } from './custom-fields.entity';
import { CustomFieldsModule } from './custom-fields.module';
import { CustomFieldsService } from './custom-fields.service';
import { CustomFieldsWorkService } from './custom-fields.work.service';

/** More records than a request works on. */
const MANY = 6_500;
const FORCE = { force: true };

describe('the definitions of custom fields', () => {
  let services: TestServices;
  let definitions: CustomFieldDefinitionsService;
  let fields: CustomFieldsService;
  let work: CustomFieldsWorkService;
  let admin: Principal;
  let manager: Principal;

  beforeAll(async () => {
    services = await openTestServices(CustomFieldsModule);
    definitions = services.get(CustomFieldDefinitionsService);
    fields = services.get(CustomFieldsService);
    work = services.get(CustomFieldsWorkService);
    const team = await services.addTeam();
    admin = await services.addUser('admin', team);
    manager = await services.addUser('manager', team);
  });
  afterAll(() => services.close());
  beforeEach(() =>
    services.transactions.run(async (tx) => {
      for (const table of ['leads', 'custom_fields', 'custom_field_values', 'outbox'])
        await tx.query(`DELETE FROM ${table}`);
      await tx.query('UPDATE custom_field_sets SET revision = revision + 1');
    }),
  );

  let count = 0;
  const create = (values: Partial<FieldBody> = {}, noun: 'leads' | 'customers' = 'leads') =>
    definitions.create(manager, noun, { key: `field${++count}`, label: 'A field', type: 'text', ...values });
  const patch = (field: CustomField, body: PatchFieldBody, options: Partial<ChangeOptions> = {}, principal = manager) =>
    definitions.patch(principal, 'leads', field.id, body, { force: false, ...options });
  const remove = (field: CustomField, options: Partial<ChangeOptions> = {}, principal = manager) =>
    definitions.remove(principal, 'leads', field.id, { force: false, ...options });
  const refused = (promise: Promise<unknown>, status: number, code: string) =>
    expect(promise).rejects.toMatchObject({ status, code });
  /** Leads with these custom fields, as the table has them; ids from 1. */
  const leads = async (...customFields: object[]) => {
    const columns =
      'id name status source tags custom_fields metadata do_not_contact created_at updated_at version'.split(' ');
    const buffer = services.database.dialect.bulkBuffer();
    customFields.forEach((values, index) =>
      buffer.add([
        index + 1,
        'A lead',
        'new',
        'test',
        '[]',
        JSON.stringify(values),
        '{}',
        false,
        new Date(0),
        new Date(0),
        1,
      ]),
    );
    await services.transactions.run((tx) => services.database.dialect.bulkInsert(tx.runner, 'leads', columns, buffer));
  };
  const stored = async () => {
    const rows = await services.database.query<{ custom_fields: string }>(
      'SELECT custom_fields FROM leads ORDER BY id',
    );
    return rows.map((row) => JSON.parse(row.custom_fields) as Record<string, unknown>);
  };
  const keys = async (field: CustomField) => {
    const rows = await services.database.query<{ sort_key: string }>(
      'SELECT sort_key FROM custom_field_values WHERE field_id = ? ORDER BY record_id, ordinal',
      [field.id],
    );
    return rows.map((row) => row.sort_key);
  };
  const audit = async (field: CustomField) => {
    const rows = await services.database.query<{
      action: string;
      actor_id: number;
      old_values: string;
      new_values: string;
    }>(
      'SELECT action, actor_id, old_values, new_values FROM audit_log WHERE subject_id = ? AND subject_type = ? ORDER BY id',
      [field.id, 'custom-field'],
    );
    return rows.map((row) => ({
      ...{ action: row.action, actor: Number(row.actor_id) },
      ...{ before: JSON.parse(row.old_values) as unknown, after: JSON.parse(row.new_values) as unknown },
    }));
  };
  const filter = (key: string) => fields.conditions('leads', readCustomFilters({ [`cf.${key}`]: 'x' }));
  const workOff = async () => {
    while (await work.workOff());
  };

  it('are made, changed, said and kept in the audit log', async () => {
    const made = await create({ key: 'size', type: 'list', options: ['S', 'L'], required: true, description: ' ' });
    expect(made).toMatchObject({
      fieldKey: 'size',
      options: ['S', 'L'],
      description: null,
      version: 1,
    });
    expect(await definitions.get('leads', made.id)).toEqual(made);
    await refused(definitions.get('customers', made.id), 404, 'not-found');
    const changed = await patch(made, { label: 'Size', options: ['S', 'M', 'L'] }, { ifMatch: '"v1"' });
    expect(changed).toMatchObject({ label: 'Size', options: ['S', 'M', 'L'], required: true, version: 2 });
    expect(await patch(made, { label: 'Size' })).toMatchObject({ version: 2 });
    await refused(patch(made, { label: 'x' }, { ifMatch: '"v1"' }), 412, 'stale');
    const replaced = await definitions.replace(
      manager,
      'leads',
      made.id,
      { label: 'Text', type: 'text' },
      { force: false },
    );
    expect(toFieldView(replaced)).toMatchObject({ type: 'text', options: null, required: false, key: 'size' });
    await remove(made);
    await refused(definitions.get('leads', made.id), 404, 'not-found');
    expect((await audit(made)).map(({ action, actor }) => [action, actor])).toEqual([
      ...['created', 'updated', 'updated', 'deleted'].map((verb) => [`custom-field.${verb}`, manager.userId]),
    ]);
    expect((await audit(made))[1]).toMatchObject({
      before: { label: 'A field', options: ['S', 'L'] },
      after: { label: 'Size', options: ['S', 'M', 'L'] },
    });
    expect((await services.events()).map(({ name, payload }) => [name, payload.fields])).toEqual([
      ['custom-field.created', undefined],
      ['custom-field.updated', ['label', 'options']],
      ['custom-field.updated', ['label', 'type', 'required', 'options']],
      ['custom-field.deleted', undefined],
    ]);
  });

  it('are told apart by key within a noun', async () => {
    const first = await create({ key: 'same' });
    await create({ key: 'same' }, 'customers');
    await refused(create({ key: 'same' }), 409, 'duplicate');
    await expect(create({ key: 'same' })).rejects.toMatchObject({ errors: [{ field: 'key', existingId: first.id }] });
    const results = await Promise.allSettled(Array.from({ length: 5 }, () => create({ key: 'raced' })));
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  it('are refused where they are wrong', async () => {
    const field = await create();
    await refused(create({ key: 'Bad key' }), 422, 'validation-failed');
    await refused(create({ key: 'email' }), 422, 'validation-failed');
    await refused(create({ validation: { pattern: '(?=x)' } }), 422, 'pattern-unsafe');
    await refused(patch(field, { validation: { pattern: '(' } }), 422, 'pattern-unsafe');
    await refused(patch(field, { key: 'other' }), 422, 'key-immutable');
    await refused(patch(field, { label: null as never }), 422, 'validation-failed');
    await refused(patch(field, {}), 422, 'empty-patch');
    await refused(patch({ ...field, id: 999_999 }, { label: 'x' }), 404, 'not-found');
    expect(await patch(field, { key: field.fieldKey, label: 'New' })).toMatchObject({ label: 'New' });
  });

  it('are at most a hundred', async () => {
    for (let n = 0; n < 100; n++) await create();
    await refused(create(), 409, 'too-many-fields');
    expect((await definitions.list('leads', { limit: 100, sort: 'key' })).meta).toMatchObject({
      total: 100,
      nextCursor: null,
    });
  }, 60_000);

  describe('in use', () => {
    it('are retyped and deleted by force of an admin only', async () => {
      const field = await create({ key: 'code' });
      await leads({ code: 'x' }, {});
      await refused(patch(field, { type: 'number' }), 409, 'field-in-use');
      await refused(remove(field), 409, 'field-in-use');
      await refused(patch(field, { type: 'number' }, FORCE), 403, 'forbidden');
      await refused(remove(field, FORCE), 403, 'forbidden');
      expect(await patch(field, { label: 'Other', required: true })).toMatchObject({ label: 'Other' });
      await remove(field, FORCE, admin);
      expect(await stored()).toEqual([{}, {}]);
    });

    it('are told from a value that looks like their key', async () => {
      const field = await create({ key: 'code' });
      await leads({ other: 'the "code": x', code2: 'code' });
      await remove(field);
      await refused(definitions.get('leads', field.id), 404, 'not-found');
    });

    it('keep what a conversion changes or loses in the audit log', async () => {
      const field = await create({ key: 'score', filterable: true });
      await leads({ score: '12', keep: 1 }, { score: 'many' }, {}, { score: '1,5' });
      const next = await patch(field, { type: 'number' }, FORCE, admin);
      expect(toFieldView(next)).toMatchObject({ type: 'number', converting: false, indexing: false });
      expect(await stored()).toEqual([{ score: 12, keep: 1 }, {}, {}, { score: 1.5 }]);
      expect((await audit(field)).at(-1)).toEqual({
        ...{ action: 'custom-field.values-converted', actor: admin.userId },
        before: { values: { 1: '12', 2: 'many', 4: '1,5' } },
        after: { values: { 1: 12, 2: null, 4: 1.5 } },
      });
      expect((await keys(field)).map((key) => key.length)).toEqual([16, 0, 0, 16]);
      const versions = await services.database.query<{ version: number }>('SELECT version FROM leads ORDER BY id');
      expect(versions.map(({ version }) => Number(version))).toEqual([2, 2, 1, 2]);
    });

    it('are deleted bit by bit where records are many: gone at once, their key free in the end', async () => {
      const field = await create({ key: 'code', filterable: true });
      await leads(...Array.from({ length: MANY }, (_, n) => (n % 2 ? { code: `c${n}`, other: n } : {})));
      await remove(field, FORCE, admin);
      await refused(definitions.get('leads', field.id), 404, 'not-found');
      expect((await fields.current('leads')).byKey.has('code')).toBe(false);
      expect((await stored()).filter((values) => 'code' in values).length).toBeGreaterThan(0);
      await refused(create({ key: 'code' }), 409, 'field-removing');
      await workOff();
      expect((await stored()).filter((values) => 'code' in values)).toEqual([]);
      expect((await stored())[1]).toEqual({ other: 1 });
      const kept = (await audit(field))
        .filter(({ action }) => action === 'custom-field.values-removed')
        .flatMap(({ before }) => Object.entries((before as { values: object }).values) as [string, string][]);
      expect(kept).toHaveLength(MANY / 2);
      expect(new Map(kept).get('2')).toBe('c1');
      expect(await keys(field)).toEqual([]);
      expect(await create({ key: 'code' })).toMatchObject({ state: 'ready' });
    }, 60_000);
  });

  describe('an index', () => {
    it('is there at once where records are few', async () => {
      await leads({ city: 'Bonn' }, {});
      const field = await create({ key: 'city' });
      const indexed = await patch(field, { filterable: true });
      expect(toFieldView(indexed)).toMatchObject({ filterable: true, indexing: false });
      expect(await keys(field)).toEqual(['bonn', '']);
      expect(toFieldView(await patch(field, { filterable: false }))).toMatchObject({
        filterable: false,
        indexing: false,
      });
      expect(await keys(field)).toEqual([]);
      await refused(filter('city'), 422, 'field-not-filterable');
    });

    it('is built by workers where they are many, and goes on where it was left', async () => {
      await leads(...Array.from({ length: MANY }, (_, n) => ({ city: `City ${n}` })));
      const field = await create({ key: 'city', filterable: true });
      expect(toFieldView(field)).toMatchObject({ indexing: true });
      await refused(filter('city'), 409, 'field-indexing');
      const begun = (await keys(field)).length;
      expect([begun > 0, begun < MANY]).toEqual([true, true]);
      await Promise.all([workOff(), workOff()]);
      await workOff();
      expect(toFieldView(await definitions.get('leads', field.id))).toMatchObject({ indexing: false });
      expect(await keys(field)).toEqual(Array.from({ length: MANY }, (_, n) => `city ${n}`));
      expect(await filter('city')).toHaveLength(1);
    }, 60_000);

    it('is given up, or begun again, when the field changes meanwhile', async () => {
      await leads(...Array.from({ length: MANY }, (_, n) => ({ score: n % 10 === 0 ? 'none' : String(n) })));
      const field = await create({ key: 'score', filterable: true });
      expect(toFieldView(await patch(field, { type: 'number' }, FORCE, admin))).toMatchObject({ converting: true });
      expect(toFieldView(await patch(field, { filterable: false }))).toMatchObject({
        converting: true,
        indexing: false,
      });
      expect(toFieldView(await patch(field, { filterable: true }))).toMatchObject({ converting: true, indexing: true });
      await workOff();
      expect(toFieldView(await definitions.get('leads', field.id))).toMatchObject({
        converting: false,
        indexing: false,
      });
      expect((await stored()).slice(0, 3)).toEqual([{}, { score: 1 }, { score: 2 }]);
      const found = await keys(field);
      expect([found.length, found.filter((key) => key === '').length]).toEqual([MANY, MANY / 10]);
      await patch(field, { filterable: false });
      await workOff();
      expect(await keys(field)).toEqual([]);
    }, 60_000);
  });
});
