import { FieldError } from '../errors';
import { checkDefinition, checkKey, CustomFieldInput } from './custom-fields-definition';

const check = (input: CustomFieldInput) => {
  const errors: FieldError[] = [];
  const draft = checkDefinition({ label: 'Size', type: 'text', ...input }, errors);
  return errors.length > 0 ? errors.map(({ field, code }) => `${field} ${code}`) : draft;
};
const keyErrors = (key: string, noun: 'leads' | 'customers' = 'leads') => {
  const errors: FieldError[] = [];
  checkKey(noun, key, errors);
  return errors.map(({ code }) => code);
};

describe('the definition of a custom field', () => {
  it('is completed and cleaned', () => {
    expect(check({ label: '  Shoe size ' })).toEqual({
      ...{ label: 'Shoe size', type: 'text', required: false, defaultValue: null },
      ...{ options: null, validation: null, filterable: false, description: null },
    });
    expect(check({ type: 'multi-list', options: [' A ', 'Zoe\u0308'], defaultValue: ['Zoë'] })).toMatchObject({
      ...{ options: ['A', 'Zoë'], defaultValue: ['Zoë'] },
    });
    expect(check({ type: 'number', validation: { min: 1, max: null, pattern: '' } })).toMatchObject({
      validation: { min: 1 },
    });
    expect(check({ validation: {} })).toMatchObject({ validation: null });
  });

  it.each<[CustomFieldInput, string[]]>([
    [{ label: ' ' }, ['label required']],
    [{ label: 'x'.repeat(101) }, ['label too-long']],
    [{ description: 'x'.repeat(501) }, ['description too-long']],
    [{ type: 'color' }, ['type option-unknown']],
    [{ type: null }, ['type required']],
    [{ type: 'list' }, ['options required']],
    [{ type: 'list', options: [] }, ['options required']],
    [{ type: 'list', options: ['a', ' A'] }, ['options options-invalid']],
    [{ type: 'list', options: ['a', ' '] }, ['options options-invalid']],
    [{ type: 'list', options: ['x'.repeat(101)] }, ['options options-invalid']],
    [{ type: 'list', options: Array.from({ length: 201 }, (_, n) => `o${n}`) }, ['options too-long']],
    [{ type: 'number', options: ['a'] }, ['options not-allowed']],
    [{ type: 'list', options: ['a'], validation: { min: 1 } }, ['validation.min not-allowed']],
    [{ type: 'boolean', validation: { pattern: 'x' } }, ['validation.pattern not-allowed']],
    [{ type: 'number', validation: { min: '1' } }, ['validation.min number-invalid']],
    [{ type: 'number', validation: { min: 2, max: 1 } }, ['validation.max range-invalid']],
    [{ type: 'date', validation: { min: '2024-13-01' } }, ['validation.min date-invalid']],
    [{ type: 'date', validation: { min: 5 } }, ['validation.min date-invalid']],
    [{ validation: { max: 2001 } }, ['validation.max number-invalid']],
    [{ validation: { min: -1 } }, ['validation.min number-invalid']],
    [{ validation: { message: 'x' } }, ['validation.message not-allowed']],
    [{ type: 'number', defaultValue: 'x' }, ['defaultValue number-invalid']],
    [{ type: 'list', options: ['a'], defaultValue: 'b' }, ['defaultValue option-unknown']],
    [{ validation: { pattern: 'x+' }, defaultValue: 'y' }, ['defaultValue pattern-mismatch']],
  ])('%j: %p', (input, errors) => {
    expect(check(input)).toEqual(errors);
  });

  it.each(['(?=a)a', '(?<!a)a', '(a)\\1', '(', '[z-a]', '(a{1000}){1000}', 'a{600}', 'x'.repeat(501)])(
    'refuses the pattern %s',
    (pattern) => {
      expect(check({ validation: { pattern } })).toEqual(['validation.pattern pattern-unsafe']);
    },
  );

  it.each(['(a+)+$', '^[A-Z]{2}-\\d{4}$', '(?i)yes|no', '\\p{L}+', '[^@\\s]+@[^@\\s]+\\.[a-z]{2,63}'])(
    'takes the pattern %s',
    (pattern) => {
      expect(check({ validation: { pattern } })).toMatchObject({ validation: { pattern } });
    },
  );
});

describe('the key of a custom field', () => {
  it('is a plain name that no record has by itself', () => {
    expect(keyErrors('shoeSize_2')).toEqual([]);
    expect(keyErrors('a'.repeat(40))).toEqual([]);
    for (const key of ['Size', '2nd', 'a-b', 'a.b', 'ä', '__proto__', 'a'.repeat(41), 'a b']) {
      expect(keyErrors(key)).toEqual(['key-invalid']);
    }
    expect(keyErrors('')).toEqual(['required']);
    for (const key of ['email', 'assignedTo', 'customFields', 'constructor'])
      expect(keyErrors(key)).toEqual(['key-reserved']);
    expect([keyErrors('notes'), keyErrors('notes', 'customers')]).toEqual([[], ['key-reserved']]);
  });
});
