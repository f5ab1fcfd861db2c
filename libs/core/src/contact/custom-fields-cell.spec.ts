import { compileFieldSet } from './custom-fields';
import { CellHint, convertCustomValue, customCellReader, readCustomCell } from './custom-fields-cell';
import { CustomFieldType } from './custom-fields-value';

const fieldOf = (type: CustomFieldType, options: string[] = ['C', 'C++', 'Größe', 'Red, dark', 'a;b']) =>
  compileFieldSet('leads', [
    {
      ...{
        id: 1,
        key: 'f',
        label: 'f',
        type,
        required: false,
        defaultValue: null,
        filterable: false,
        validation: null,
      },
      options: type === 'list' || type === 'multi-list' ? options : null,
    },
  ]).fields[0];
const read = (type: CustomFieldType, cell: string, hint?: CellHint) => {
  const checked = readCustomCell(fieldOf(type), cell, hint);
  return 'code' in checked ? checked.code : checked.value;
};

describe('a cell of a custom field', () => {
  it.each([
    ['12', 12],
    ['-12.5', -12.5],
    ['−3', -3],
    ['+7', 7],
    ['.5', 0.5],
    ['1,5', 1.5],
    ['1,234.5', 1234.5],
    ['1.234,5', 1234.5],
    ['1,234,567', 1234567],
    ['1.234.567', 1234567],
    ["1'234.50", 1234.5],
    ['1 234,50', 1234.5],
    ['1\u202f234', 1234],
    ['1,234', 1234],
    ['1.234', 1.234],
    ['0,125', 0.125],
    ['1e3', 1000],
    ['1.5E-3', 0.0015],
    ['-0', 0],
    ['0012', 12],
    [' ', null],
    ['1,23,4', 'number-invalid'],
    ['1,2.3,4', 'number-invalid'],
    ['12 34', 'number-invalid'],
    ['1.2.3', 'number-invalid'],
    ['$5', 'number-invalid'],
    ['5%', 'number-invalid'],
    ['0x10', 'number-invalid'],
    ['Infinity', 'number-invalid'],
    ['1e999', 'number-invalid'],
    ['9007199254740993', 'number-invalid'],
    ['1'.repeat(400), 'number-invalid'],
    ['', null],
  ])('reads the number %p as %p', (cell, expected) => {
    expect(read('number', cell)).toEqual(expected);
  });

  it('reads what could be either separator as the region writes it', () => {
    expect(read('number', '1,234', { region: 'DE' })).toBe(1.234);
    expect(read('number', '1.234', { region: 'DE' })).toBe(1234);
    expect(read('number', '1.5', { region: 'DE' })).toBe(1.5);
    expect(read('number', '1,234', { region: '??' })).toBe(1234);
  });

  it('reads dates and yes or no as the other columns', () => {
    expect(read('date', '03/04/2024')).toBe('2024-03-04');
    expect(read('date', '03/04/2024', { region: 'GB' })).toBe('2024-04-03');
    expect(read('date', 'soon')).toBe('date-invalid');
    expect(read('boolean', 'Ja')).toBe(true);
    expect(read('boolean', 'perhaps')).toBe('boolean-invalid');
  });

  it('finds options in any case, and takes none for another', () => {
    expect(read('list', 'c')).toBe('C');
    expect(read('list', 'c++')).toBe('C++');
    expect(read('list', 'GRÖSSE')).toBe('option-unknown');
    expect(read('list', 'größe')).toBe('Größe');
    expect(read('list', 'C#')).toBe('option-unknown');
  });

  it('parts the options of a multi-list', () => {
    expect(read('multi-list', 'c++; größe')).toEqual(['C++', 'Größe']);
    expect(read('multi-list', 'größe,c')).toEqual(['C', 'Größe']);
    expect(read('multi-list', 'Red, dark')).toEqual(['Red, dark']);
    expect(read('multi-list', 'C; red, dark')).toEqual(['C', 'Red, dark']);
    expect(read('multi-list', '"a;b", C')).toEqual(['C', 'a;b']);
    expect(read('multi-list', 'C; D')).toBe('option-unknown');
    expect(read('multi-list', ' ; ')).toBeNull();
  });

  it('converts stored values to another type, or to none', () => {
    const convert = (type: CustomFieldType, value: unknown) => {
      const field = fieldOf(type);
      return convertCustomValue(customCellReader(field), field, value);
    };
    expect(convert('text', 1.5)).toBe('1.5');
    expect(convert('text', ['C', 'C++'])).toBe('C; C++');
    expect(convert('number', '12')).toBe(12);
    expect(convert('number', 'many')).toBeNull();
    expect(convert('boolean', 'yes')).toBe(true);
    expect(convert('multi-list', 'C')).toEqual(['C']);
    expect(convert('list', ['C'])).toBe('C');
    expect(convert('list', ['C', 'C++'])).toBeNull();
    expect(convert('date', '2024-01-31')).toBe('2024-01-31');
  });
});
