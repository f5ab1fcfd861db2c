import { compileFieldSet, CustomFieldDefinition } from '@muster/core/contact/custom-fields';
import { FieldError } from '@muster/core/errors';
import { areSameFields, customFieldsReader, missingCustomFields, suggestCustomFields } from './imports.custom-fields';

let id = 0;
const field = (key: string, values: Partial<CustomFieldDefinition> = {}): CustomFieldDefinition => ({
  ...{ id: ++id, key, label: key, type: 'text', required: false, defaultValue: null, options: null },
  ...{ validation: null, filterable: false, ...values },
});
const setOf = (...fields: CustomFieldDefinition[]) => compileFieldSet('leads', fields);

describe('the custom fields of rows', () => {
  const set = setOf(
    field('tier', { type: 'list', options: ['Gold', 'Iron'], defaultValue: 'Iron' }),
    field('seats', { type: 'number', required: true }),
    field('since', { type: 'date' }),
  );
  const read = (targets: string[], cells: (string | null)[], fields = set, region = 'US') => {
    const errors: FieldError[] = [];
    const json = customFieldsReader(fields, targets, region)(cells, errors);
    return errors.length > 0 ? errors.map((error) => `${error.field} ${error.code}`) : (JSON.parse(json) as object);
  };

  it('are read as their region writes them', () => {
    const targets = ['name', 'cf.tier', 'cf.seats', 'cf.since'];
    const cells = ['Ada', ' gold ', '1,234.5', '12/31/2024'];
    expect(read(targets, cells)).toEqual({ tier: 'Gold', seats: 1234.5, since: '2024-12-31' });
    expect(read(targets, ['Ada', null, '1.234,5', '31.12.2024'], set, 'DE')).toEqual({
      ...{ tier: 'Iron', seats: 1234.5, since: '2024-12-31' },
    });
  });

  it('name each wrong cell once', () => {
    expect(read(['cf.seats', 'cf.tier'], ['many', 'Tin'])).toEqual([
      ...['customFields.seats number-invalid', 'customFields.tier option-unknown'],
    ]);
    expect(read(['cf.seats'], [' '])).toEqual(['customFields.seats required']);
    expect(read(['name'], ['Ada'])).toEqual(['customFields.seats required']);
  });

  it('have their default values where no column gives them', () => {
    expect(read(['name'], ['Ada'], setOf(field('tier', { defaultValue: 'Iron' })))).toEqual({ tier: 'Iron' });
    expect(read(['name'], ['Ada'], setOf())).toEqual({});
  });

  it('say of a field that is gone that it is, where it has a value', () => {
    expect(read(['cf.gone'], ['x'], setOf())).toEqual(['customFields.gone unknown-field']);
    expect(read(['cf.gone'], [''], setOf())).toEqual({});
  });
});

describe('the mapping of custom fields', () => {
  const set = setOf(
    field('shoeSize', { label: 'Size of shoes', required: true }),
    field('tier', { label: 'Level' }),
    field('vip', { required: true, defaultValue: 'no' }),
  );
  const columns = (...names: [column: string, target: string | null][]) =>
    names.map(([column, target]) => ({ column, target, confidence: target ? 0.9 : 0 }));
  const suggested = (...names: [string, string | null][]) =>
    suggestCustomFields(set, columns(...names)).map(({ target, confidence }) => [target, confidence]);

  it('is suggested by label and key, the key above all', () => {
    expect(suggested(['Shoe size', null], ['level', null], ['Name', 'name'])).toEqual([
      ...[
        ['cf.shoeSize', 0.95],
        ['cf.tier', 0.95],
        ['name', 0.9],
      ],
    ]);
    expect(suggested(['Level', 'tags'], ['tier', 'status'])).toEqual([
      ['tags', 0.9],
      ['cf.tier', 1],
    ]);
    expect(suggested(['cf.tier', null], ['Level', null])).toEqual([
      ['cf.tier', 1],
      [null, 0],
    ]);
  });

  it('lacks what is required and has no default', () => {
    expect(missingCustomFields(set, { a: 'name' })).toEqual(['cf.shoeSize']);
    expect(missingCustomFields(set, { a: 'cf.shoeSize' })).toEqual([]);
  });

  it('knows whether rules have changed', () => {
    const tier = field('tier');
    expect(areSameFields(setOf(tier), setOf({ ...tier, label: 'Other' }))).toBe(true);
    expect(areSameFields(setOf(tier), setOf({ ...tier, required: true }))).toBe(false);
    expect(areSameFields(setOf(tier), setOf())).toBe(false);
  });
});
