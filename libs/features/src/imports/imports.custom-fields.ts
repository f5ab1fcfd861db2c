import { checkCustomFields, customPath, FieldSet } from '@muster/core/contact/custom-fields';
import { customCellReader } from '@muster/core/contact/custom-fields-cell';
import { foldHeader, MappingSuggestion } from '@muster/core/contact/header-match';
import { readCell } from '@muster/core/contact/row';
import { FieldError } from '@muster/core/errors';

/** What a mapping calls a custom field: `cf.` and its key. */
const PREFIX = 'cf.';
const TARGET = /^cf\.[a-z][A-Za-z0-9_]{0,39}$/;

const targetOf = (key: string) => PREFIX + key;
/** Whether a mapping's target may be the name of a custom field. */
export const isCustomTarget = (target: string) => TARGET.test(target);

/** The targets that the fields of a noun add to its own. */
export const customTargets = ({ fields }: FieldSet) => fields.map(({ key }) => targetOf(key));

/** The fields that every record must have and no column gives: nothing of the file could be imported. */
export function missingCustomFields({ fields }: FieldSet, mapping: Readonly<Record<string, string | null>>): string[] {
  const mapped = new Set(Object.values(mapping));
  return fields
    .filter(({ key, required, defaultValue }) => required && defaultValue === null && !mapped.has(targetOf(key)))
    .map(({ key }) => targetOf(key));
}

/**
 * Suggests custom fields for columns: by the field's key whatever else was suggested, by the words of its key or label where nothing
 * was. Each field goes to the first such column.
 */
export function suggestCustomFields(
  { fields }: FieldSet,
  suggestions: readonly MappingSuggestion[],
): MappingSuggestion[] {
  const result = suggestions.map((suggestion) => ({ ...suggestion }));
  for (const { key, label } of fields) {
    const words = new Set([foldHeader(key), foldHeader(label)]);
    const exact = result.find(({ column }) => column === key || column === targetOf(key));
    const found = exact ?? result.find(({ column, target }) => target === null && words.has(foldHeader(column)));
    if (found) Object.assign(found, { target: targetOf(key), confidence: exact ? 1 : 0.95 });
  }
  return result;
}

/** Reads the custom fields of a row. @returns the JSON that the record holds; it counts only where no error was added */
export type CustomFieldsReader = (cells: (string | null)[], errors: FieldError[]) => string;

/**
 * Makes the reader of one import.
 * @param targets the mapping's targets, in the order of the cells
 * @param region how numbers and dates are written
 */
export function customFieldsReader(set: FieldSet, targets: readonly string[], region: string): CustomFieldsReader {
  const columns = targets.flatMap((target, column) => {
    if (!target.startsWith(PREFIX)) return [];
    const key = target.slice(PREFIX.length);
    const field = set.byKey.get(key);
    return [{ key, at: [column], read: field && customCellReader(field, { region }) }];
  });
  if (columns.length === 0) {
    // All rows are alike: they have the default values.
    const { values, errors: always } = checkCustomFields(set, null, 'create');
    const json = JSON.stringify(values);
    return (_, errors) => {
      errors.push(...always);
      return json;
    };
  }
  return (cells, errors) => {
    const given: Record<string, unknown> = {};
    const refused = new Set<string>();
    for (const { key, at, read } of columns) {
      const cell = readCell(cells, at);
      if (cell === null) continue;
      // A field that is gone since the mapping was made has no reader; the check says so.
      const checked = read ? read(cell) : { value: cell };
      if ('code' in checked) {
        errors.push({ field: customPath(key), code: checked.code, message: checked.message });
        refused.add(customPath(key));
      } else given[key] = checked.value;
    }
    const { values, errors: more } = checkCustomFields(set, given, 'create');
    errors.push(...more.filter(({ field }) => !refused.has(field)));
    return JSON.stringify(values);
  };
}

/** Whether rows that were checked under one set of definitions are as good under the other. */
export function areSameFields(one: FieldSet, other: FieldSet): boolean {
  return one === other || rulesOf(one) === rulesOf(other);
}

const rulesOf = ({ fields }: FieldSet) =>
  JSON.stringify(
    fields.map(({ id, key, type, required, defaultValue, options, validation, filterable }) => [
      ...[id, key, type, required, defaultValue, options, validation, filterable],
    ]),
  );
