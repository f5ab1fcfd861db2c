import type { FieldError } from '../errors';
import { compilePattern } from './custom-fields-pattern';
import {
  compileValueCheck,
  CUSTOM_FIELD_TYPES,
  CustomFieldType,
  CustomFieldValidation,
  CustomValue,
  exactDate,
  foldOption,
  MAX_CUSTOM_TEXT,
  MAX_OPTION,
  MAX_OPTIONS,
} from './custom-fields-value';
import type { ContactTarget } from './fields';
import { quote } from './result';
import { cleanText, normalizeText } from './text';

const KEY = /^[a-z][A-Za-z0-9_]{0,39}$/;
export const MAX_LABEL = 100;
export const MAX_DESCRIPTION = 500;
const MAX_MESSAGE = 200;

const names = (text: string) => text.split(' ');
const SHARED = names(
  'id email phone status company tags groups customFields metadata doNotContact origin createdBy createdAt updatedAt version ' +
    // Every object has these, so that they cannot be told from what a request names.
    'constructor hasOwnProperty isPrototypeOf propertyIsEnumerable toLocaleString toString valueOf prototype',
);
/** What a record of the noun has by itself; no custom field is called so. */
const BUILT_IN: Record<ContactTarget, ReadonlySet<string>> = {
  leads: new Set([...SHARED, ...names('name firstName lastName source assignedTo imageUrl')]),
  customers: new Set([
    ...SHARED,
    ...names(
      'fullName firstName lastName countryCode dateOfBirth timezone title address city state country zipCode notes ownerId',
    ),
  ]),
};

/** A definition as a request gives it; of every other shape it was refused before. Undefined is absent, null is no value. */
export interface CustomFieldInput {
  label?: string | null;
  type?: string | null;
  required?: boolean | null;
  defaultValue?: unknown;
  options?: readonly string[] | null;
  validation?: { min?: unknown; max?: unknown; pattern?: string | null; message?: string | null } | null;
  filterable?: boolean | null;
  description?: string | null;
}

/** What of a definition may change. */
export interface CustomFieldDraft {
  label: string;
  type: CustomFieldType;
  required: boolean;
  defaultValue: CustomValue | null;
  options: string[] | null;
  validation: CustomFieldValidation | null;
  filterable: boolean;
  description: string | null;
}

/** Checks the key of a new field: `^[a-z][A-Za-z0-9_]{0,39}$`, and not the name of a built-in field. */
export function checkKey(noun: ContactTarget, key: string | null | undefined, errors: FieldError[]): void {
  const add = (code: string, message: string) => errors.push({ field: 'key', code, message });
  if (key === null || key === undefined || key === '') add('required', 'is missing');
  else if (!KEY.test(key))
    add('key-invalid', 'is 1 to 40 letters of a to z, digits and _, and begins with a small letter');
  else if (BUILT_IN[noun].has(key)) add('key-reserved', `${quote(key)} is a field that every record has`);
}

/**
 * Checks a whole definition. Codes: `required`, `too-long`, `option-unknown` (of `type`), `not-allowed` (what the type does not
 * have), `options-invalid`, `number-invalid`, `date-invalid`, `range-invalid`, `pattern-unsafe`, and those of a value for the default.
 *
 * @returns the definition; it counts only where there are no errors
 */
export function checkDefinition(input: CustomFieldInput, errors: FieldError[]): CustomFieldDraft {
  const before = errors.length;
  const label = text(input.label, 'label', MAX_LABEL, errors);
  if (label === null && errors.length === before)
    errors.push({ field: 'label', code: 'required', message: 'is missing' });
  const draft: CustomFieldDraft = {
    label: label ?? '',
    type: checkType(input.type, errors),
    required: input.required ?? false,
    defaultValue: null,
    options: null,
    validation: null,
    filterable: input.filterable ?? false,
    description: text(input.description, 'description', MAX_DESCRIPTION, errors),
  };
  if (errors.some(({ field }) => field === 'type')) return draft;
  draft.options = checkOptions(draft.type, input.options, errors);
  draft.validation = checkValidation(draft.type, input.validation, errors);
  if (errors.length > before) return draft;
  const value = compileValueCheck(draft)(input.defaultValue);
  if ('code' in value) errors.push({ field: 'defaultValue', code: value.code, message: value.message });
  else draft.defaultValue = value.value;
  return draft;
}

function text(given: string | null | undefined, field: string, max: number, errors: FieldError[]): string | null {
  if (given === null || given === undefined) return null;
  const checked = cleanText(given, max);
  if (!('code' in checked)) return checked.value || null;
  errors.push({ field, code: checked.code, message: checked.message });
  return null;
}

function checkType(given: string | null | undefined, errors: FieldError[]): CustomFieldType {
  const type = CUSTOM_FIELD_TYPES.find((each) => each === given);
  if (type) return type;
  const message = `is one of: ${CUSTOM_FIELD_TYPES.join(', ')}`;
  errors.push({ field: 'type', code: given === null || given === undefined ? 'required' : 'option-unknown', message });
  return 'text';
}

const hasOptions = (type: CustomFieldType) => type === 'list' || type === 'multi-list';

/** Options are told apart whatever their case, because files and filters spell them so. */
function checkOptions(type: CustomFieldType, given: readonly string[] | null | undefined, errors: FieldError[]) {
  const add = (code: string, message: string) => errors.push({ field: 'options', code, message });
  if (!hasOptions(type)) {
    if (given) add('not-allowed', `a field of type ${type} has no options`);
    return null;
  }
  if (!given || given.length === 0) {
    add('required', `a field of type ${type} has at least one option`);
    return null;
  }
  if (given.length > MAX_OPTIONS) {
    add('too-long', `are more than ${MAX_OPTIONS}`);
    return null;
  }
  const options: string[] = [];
  const seen = new Set<string>();
  for (const raw of given) {
    const option = cleanText(raw, MAX_OPTION, 1);
    if ('code' in option) add('options-invalid', `${quote(raw)} ${option.message}`);
    else if (seen.has(foldOption(option.value))) add('options-invalid', `${quote(raw)} is there twice`);
    else {
      seen.add(foldOption(option.value));
      options.push(option.value);
    }
  }
  return options;
}

/** What `validation` may hold for a type, and how its bounds are read. */
const BOUNDS: Record<CustomFieldType, ((value: unknown) => string | null) | null> = {
  text: (value) => (isCount(value, MAX_CUSTOM_TEXT) ? null : `is a whole number of 0 to ${MAX_CUSTOM_TEXT}`),
  number: (value) => (typeof value === 'number' && Number.isFinite(value) ? null : 'is a number'),
  date: (value) => ('value' in exactDate(value) ? null : 'is a date of the form YYYY-MM-DD'),
  'multi-list': (value) => (isCount(value, MAX_OPTIONS) ? null : `is a whole number of 0 to ${MAX_OPTIONS}`),
  boolean: null,
  list: null,
};

const isCount = (value: unknown, most: number) =>
  Number.isInteger(value) && Number(value) >= 0 && Number(value) <= most;

function checkValidation(
  type: CustomFieldType,
  given: CustomFieldInput['validation'],
  errors: FieldError[],
): CustomFieldValidation | null {
  const add = (name: string, code: string, message: string) =>
    errors.push({ field: `validation.${name}`, code, message });
  const validation: CustomFieldValidation = {};
  const problemOf = BOUNDS[type];
  for (const name of ['min', 'max'] as const) {
    const bound = given?.[name];
    if (bound === null || bound === undefined) continue;
    const problem = problemOf ? problemOf(bound) : null;
    if (!problemOf) add(name, 'not-allowed', `a field of type ${type} has no ${name}`);
    else if (problem) add(name, type === 'date' ? 'date-invalid' : 'number-invalid', problem);
    else validation[name] = typeof bound === 'string' ? bound.trim() : (bound as number);
  }
  if (validation.min !== undefined && validation.max !== undefined && validation.min > validation.max) {
    add('max', 'range-invalid', 'is below min');
  }
  const pattern = given?.pattern ?? '';
  if (pattern !== '') {
    const compiled = compilePattern(pattern);
    if (type !== 'text') add('pattern', 'not-allowed', `a field of type ${type} has no pattern`);
    else if ('refusal' in compiled) add('pattern', 'pattern-unsafe', compiled.refusal);
    else validation.pattern = pattern;
  }
  const rules = Object.keys(validation).length;
  const message = text(given?.message, 'validation.message', MAX_MESSAGE, errors);
  if (message !== null) {
    if (rules > 0) validation.message = normalizeText(message);
    else if (errors.length === 0) add('message', 'not-allowed', 'belongs to min, max or pattern');
  }
  return rules > 0 ? validation : null;
}
