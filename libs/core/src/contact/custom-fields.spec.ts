import { checkCustomFields, compileFieldSet, CustomFieldDefinition, MAX_CUSTOM_BYTES } from './custom-fields';
import { CustomFieldType } from './custom-fields-value';

let lastId = 0;
const define = (
  key: string,
  type: CustomFieldType,
  values: Partial<CustomFieldDefinition> = {},
): CustomFieldDefinition => ({
  ...{ id: ++lastId, key, label: key, type, required: false, defaultValue: null, filterable: false },
  options: type === 'list' || type === 'multi-list' ? ['Small', 'Large', 'Extra, large'] : null,
  validation: null,
  ...values,
});
const setOf = (...fields: CustomFieldDefinition[]) => compileFieldSet('leads', fields);
const codes = (errors: { field: string; code: string }[]) => errors.map(({ field, code }) => `${field} ${code}`);

describe('the values of a custom field', () => {
  const check = (field: CustomFieldDefinition, value: unknown) => {
    const checked = setOf(field).byKey.get(field.key)!.check(value);
    return 'code' in checked ? checked.code : checked.value;
  };

  it.each<[CustomFieldType, unknown, unknown]>([
    ['text', ' Zoe\u0308 ', 'Zoë'],
    ['text', 'two\r\nlines', 'two\nlines'],
    ['text', ' \u200b ', null],
    ['text', null, null],
    ['text', 'x'.repeat(2000), 'x'.repeat(2000)],
    ['text', '🙂'.repeat(2000), '🙂'.repeat(2000)],
    ['text', 'x'.repeat(2001), 'too-long'],
    ['text', 5, 'text-invalid'],
    ['text', ['x'], 'text-invalid'],
    ['number', -1.5, -1.5],
    ['number', -0, 0],
    ['number', '1', 'number-invalid'],
    ['number', NaN, 'number-invalid'],
    ['number', Infinity, 'number-invalid'],
    ['number', true, 'number-invalid'],
    ['date', '2024-02-29', '2024-02-29'],
    ['date', '2023-02-29', 'date-invalid'],
    ['date', '29.02.2024', 'date-invalid'],
    ['date', '2024-02-29T10:00:00Z', 'date-invalid'],
    ['date', '', null],
    ['date', 20240229, 'date-invalid'],
    ['boolean', false, false],
    ['boolean', 'true', 'boolean-invalid'],
    ['boolean', 1, 'boolean-invalid'],
    ['list', 'Small', 'Small'],
    ['list', 'small', 'option-unknown'],
    ['list', '', null],
    ['list', ['Small'], 'option-unknown'],
    ['multi-list', ['Large', 'Small', 'Large'], ['Small', 'Large']],
    ['multi-list', ['Small', 'Huge'], 'option-unknown'],
    ['multi-list', [], null],
    ['multi-list', 'Small', 'list-invalid'],
    ['multi-list', [1], 'list-invalid'],
  ])('%s %p is %p', (type, value, expected) => {
    expect(check(define('f', type), value)).toEqual(expected);
  });

  it.each<[CustomFieldType, CustomFieldDefinition['validation'], unknown, unknown]>([
    ['text', { min: 2 }, 'x', 'too-short'],
    ['text', { max: 2 }, '🙂🙂', '🙂🙂'],
    ['text', { max: 2 }, 'xyz', 'too-long'],
    ['text', { pattern: '[A-Z]{2}\\d+' }, 'AB12', 'AB12'],
    ['text', { pattern: '[A-Z]{2}\\d+' }, 'xAB12', 'pattern-mismatch'],
    ['text', { pattern: '[A-Z]{2}\\d+' }, 'AB12x', 'pattern-mismatch'],
    ['text', { pattern: 'a|ab' }, 'ab', 'ab'],
    ['number', { min: -1, max: 1.5 }, 1.5, 1.5],
    ['number', { min: -1, max: 1.5 }, -1.01, 'out-of-range'],
    ['number', { min: 0 }, -1, 'out-of-range'],
    ['date', { min: '2024-01-01', max: '2024-12-31' }, '2024-12-31', '2024-12-31'],
    ['date', { min: '2024-01-01' }, '2023-12-31', 'out-of-range'],
    ['multi-list', { max: 1 }, ['Small', 'Large'], 'out-of-range'],
    ['multi-list', { min: 2 }, ['Small', 'Large'], ['Small', 'Large']],
  ])('%s with %p: %p is %p', (type, validation, value, expected) => {
    expect(check(define('f', type, { validation }), value)).toEqual(expected);
  });

  it('says the message of the definition', () => {
    const set = setOf(define('f', 'text', { validation: { pattern: 'x', message: 'an x, please' } }));
    expect(checkCustomFields(set, { f: 'y' }, 'patch').errors).toEqual([
      { field: 'customFields.f', code: 'pattern-mismatch', message: 'an x, please' },
    ]);
  });

  it('matches patterns in linear time', () => {
    const field = setOf(define('f', 'text', { validation: { pattern: '(a+)+$' } })).byKey.get('f')!;
    field.check('a'.repeat(100));
    const begin = performance.now();
    expect(field.check(`${'a'.repeat(1_990)}!`)).toMatchObject({ code: 'pattern-mismatch' });
    // Where a match backtracks this takes longer than the universe is old.
    expect(performance.now() - begin).toBeLessThan(5_000);
  });
});

describe('the custom fields of a record', () => {
  const set = setOf(
    define('size', 'list', { defaultValue: 'Small' }),
    define('code', 'text', { required: true }),
    define('score', 'number'),
  );

  it('has defaults when it is made', () => {
    expect(checkCustomFields(set, { code: 'x' }, 'create')).toEqual({
      values: { size: 'Small', code: 'x' },
      errors: [],
    });
    expect(checkCustomFields(set, { code: 'x', size: null }, 'create').values).toEqual({ code: 'x' });
    expect(codes(checkCustomFields(set, undefined, 'create').errors)).toEqual(['customFields.code required']);
    expect(codes(checkCustomFields(set, { code: ' ' }, 'create').errors)).toEqual(['customFields.code required']);
  });

  it('keeps what a patch does not name', () => {
    const current = { size: 'Large', score: 3 };
    expect(checkCustomFields(set, { score: 4 }, 'patch', current)).toEqual({
      values: { size: 'Large', score: 4 },
      errors: [],
    });
    expect(checkCustomFields(set, { score: null }, 'patch', current).values).toEqual({ size: 'Large' });
    expect(checkCustomFields(set, { score: undefined }, 'patch', current).values).toEqual(current);
    expect(checkCustomFields(set, undefined, 'patch', current)).toEqual({ values: current, errors: [] });
    expect(codes(checkCustomFields(set, { code: null }, 'patch', current).errors)).toEqual([
      'customFields.code required',
    ]);
    expect(codes(checkCustomFields(set, null, 'patch', current).errors)).toEqual(['customFields.code required']);
    expect(current).toEqual({ size: 'Large', score: 3 });
  });

  it('loses what a replacement does not name', () => {
    expect(checkCustomFields(set, { code: 'x' }, 'replace', { size: 'Large', code: 'y', score: 3 })).toEqual({
      values: { size: 'Small', code: 'x' },
      errors: [],
    });
    expect(codes(checkCustomFields(set, {}, 'replace', { code: 'y' }).errors)).toEqual(['customFields.code required']);
  });

  it('keeps values of a field that is being removed', () => {
    expect(checkCustomFields(set, { code: 'x' }, 'replace', { gone: 1 }).values).toEqual({
      ...{ size: 'Small', code: 'x', gone: 1 },
    });
  });

  it('refuses unknown fields and names every error', () => {
    expect(codes(checkCustomFields(set, { nope: 1, score: 'x', size: 'Huge', toString: 1 }, 'patch').errors)).toEqual([
      'customFields.nope unknown-field',
      'customFields.toString unknown-field',
      'customFields.size option-unknown',
      'customFields.score number-invalid',
    ]);
  });

  it('holds all values together to a size', () => {
    const texts = Array.from({ length: 50 }, (_, n) => define(`t${n}`, 'text'));
    const value = (unit: string, length: number) =>
      Object.fromEntries(texts.map(({ key }) => [key, unit.repeat(length)]));
    const check = (unit: string, length: number) => checkCustomFields(setOf(...texts), value(unit, length), 'create');
    expect(Buffer.byteLength(JSON.stringify(value('x', 1_300)))).toBeLessThan(MAX_CUSTOM_BYTES + 1);
    expect(check('x', 1_300).errors).toEqual([]);
    expect(codes(check('ü', 700).errors)).toEqual(['customFields too-long']);
    expect(codes(check('字', 440).errors)).toEqual(['customFields too-long']);
    expect(codes(check('🙂', 330).errors)).toEqual(['customFields too-long']);
    expect(check('🙂', 320).errors).toEqual([]);
  });
});
