import { CustomFieldRules, CustomValue, ValueCheck, compileValueCheck } from './custom-fields-value';
import type { ContactTarget } from './fields';
import type { FieldError } from '../errors';
import { type RowError } from './result';

/** The most custom fields of one noun. */
export const MAX_CUSTOM_FIELDS = 100;
/** All custom values of one record, in bytes of JSON. */
export const MAX_CUSTOM_BYTES = 64 * 1024;

/** A field as its definition says. */
export interface CustomFieldDefinition extends CustomFieldRules {
  id: number;
  key: string;
  label: string;
  required: boolean;
  /** What a new record has that does not name the field. */
  defaultValue: CustomValue | null;
  /** Records can be filtered and sorted by it. */
  filterable: boolean;
}

/** A field, ready to check values. */
export interface CompiledField extends CustomFieldDefinition {
  check: ValueCheck;
}

/** The fields of a noun, in the order in which they were made. */
export interface FieldSet {
  noun: ContactTarget;
  fields: readonly CompiledField[];
  byKey: ReadonlyMap<string, CompiledField>;
}

/** What a record holds: `{key: value}`; a field without a value is not in it. */
export type CustomValues = Record<string, CustomValue>;

/** What a request says of a record's custom fields. */
export type CustomInput = Readonly<Record<string, unknown>> | null | undefined;

/** Prepares the checks of a noun's fields. */
export function compileFieldSet(noun: ContactTarget, definitions: readonly CustomFieldDefinition[]): FieldSet {
  const fields = definitions.map((definition) => ({ ...definition, check: compileValueCheck(definition) }));
  return { noun, fields, byKey: new Map(fields.map((field) => [field.key, field])) };
}

/** The name of a field in errors. */
export const customPath = (key: string) => `customFields.${key}`;

/**
 * Checks the custom fields that a request gives a record.
 *
 * - `create`: a field that is not named has its default value. One that is required must have a value in the end.
 * - `replace`: the same; a value that is not named is gone, unless it has a default.
 * - `patch`: named fields change, null removes, the others stay as they are, also where they lack a value that is required now.
 *   Undefined changes nothing; null removes all.
 *
 * Values of `current` whose field is not in the set stay: they belong to a field that is just being removed, and whoever removes it
 * keeps them in the audit log.
 *
 * @param current what the record holds; `{}` when it is new
 * @returns what the record is to hold, and every error; `values` counts only where there are none. Codes: `required`,
 * `unknown-field`, `text-invalid`, `number-invalid`, `date-invalid`, `boolean-invalid`, `list-invalid`, `option-unknown`, `too-long`,
 * `too-short`, `out-of-range`, `pattern-mismatch`
 */
export function checkCustomFields(
  set: FieldSet,
  input: CustomInput,
  mode: 'create' | 'replace' | 'patch',
  current: Readonly<Record<string, unknown>> = {},
): { values: CustomValues; errors: RowError[] } {
  const errors: RowError[] = [];
  const named = new Map(Object.entries(input ?? {}).filter(([, value]) => value !== undefined));
  for (const key of named.keys()) {
    if (set.byKey.has(key)) continue;
    errors.push({ field: customPath(key.slice(0, 100)), code: 'unknown-field', message: 'there is no such field' });
  }
  const values = { ...current } as CustomValues;
  for (const field of set.fields) {
    const isNamed = named.has(field.key) || (mode === 'patch' && input === null);
    if (mode === 'patch' && !isNamed) continue;
    const value = isNamed ? takeValue(field, named.get(field.key), errors) : field.defaultValue;
    if (value === undefined) continue;
    if (value === null) {
      delete values[field.key];
      if (field.required) {
        errors.push({ field: customPath(field.key), code: 'required', message: `${field.label} is required` });
      }
    } else values[field.key] = value;
  }
  if (errors.length === 0 && (mode !== 'patch' || named.size > 0)) checkSize(values, errors);
  return { values, errors };
}

/** The checked value; undefined when it was refused. */
function takeValue(field: CompiledField, given: unknown, errors: RowError[]): CustomValue | null | undefined {
  const checked = field.check(given);
  if (!('code' in checked)) return checked.value;
  errors.push({ field: customPath(field.key), code: checked.code, message: checked.message });
  return undefined;
}

/** Holds all values of a record to {@link MAX_CUSTOM_BYTES}. */
export function checkSize(values: Readonly<Record<string, unknown>>, errors: FieldError[]): void {
  const json = JSON.stringify(values);
  if (json.length * 3 <= MAX_CUSTOM_BYTES || byteLength(json) <= MAX_CUSTOM_BYTES) return;
  const message = `take more than ${MAX_CUSTOM_BYTES / 1024} KB together`;
  errors.push({ field: 'customFields', code: 'too-long', message });
}

/** The length of well-formed text in UTF-8. */
function byteLength(text: string): number {
  let bytes = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code >= 0xd800 && code <= 0xdfff ? 2 : 3;
  }
  return bytes;
}
