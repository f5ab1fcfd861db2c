import { parseDate } from './date';
import { compilePattern } from './custom-fields-pattern';
import { quote, refuse, type Checked, type Refusal } from './result';
import { cleanText, codePointLength, normalizeText } from './text';

export const CUSTOM_FIELD_TYPES = ['text', 'number', 'date', 'boolean', 'list', 'multi-list'] as const;
export type CustomFieldType = (typeof CUSTOM_FIELD_TYPES)[number];

/** What a record holds under the key of a field: of `date` the text `YYYY-MM-DD`, of `multi-list` the options in their order. */
export type CustomValue = string | number | boolean | string[];

/** The longest text and the longest option, in code points. */
export const MAX_CUSTOM_TEXT = 2_000;
export const MAX_OPTION = 100;
export const MAX_OPTIONS = 200;

/** What a value must satisfy beyond its type. */
export interface CustomFieldValidation {
  /** The least: of a text's length, a number, a date (`YYYY-MM-DD`), or how many options are chosen. */
  min?: number | string;
  max?: number | string;
  /** RE2; of the whole text. */
  pattern?: string;
  /** What people are told of a value that does not satisfy it. */
  message?: string;
}

/** What the check of a value needs to know of its field. */
export interface CustomFieldRules {
  type: CustomFieldType;
  /** Of `list` and `multi-list`. */
  options: readonly string[] | null;
  validation: CustomFieldValidation | null;
}

/** Checks a value as JSON has it; null stands for no value, as do a blank text and an empty list. */
export type ValueCheck = (value: unknown) => Checked<CustomValue | null>;

const ISO_DATE = /^\d{4}-\d{2}-\d{2}$/;

/** An option as it is compared: case-blind. */
export const foldOption = (text: string) => normalizeText(text).toLowerCase();

/** Reads a date of the form `YYYY-MM-DD` and no other. */
export function exactDate(value: unknown): Checked<string> {
  const text = typeof value === 'string' ? value.trim() : '';
  if (ISO_DATE.test(text)) return parseDate(text);
  return refuse('date-invalid', 'is not a date of the form YYYY-MM-DD');
}

/** Prepares the check of a field's values. @throws Error for a pattern that cannot be compiled */
export function compileValueCheck(rules: CustomFieldRules): ValueCheck {
  const check = CHECKS[rules.type](rules);
  return (value) => (value === null || value === undefined ? { value: null } : check(value));
}

const CHECKS: Record<CustomFieldType, (rules: CustomFieldRules) => ValueCheck> = {
  text: textCheck,
  number: numberCheck,
  date: dateCheck,
  boolean: () => (value) =>
    typeof value === 'boolean' ? { value } : refuse('boolean-invalid', 'is neither true nor false'),
  list: listCheck,
  'multi-list': multiListCheck,
};

/** The refusal of a value that its `validation` does not take. */
function unfit({ validation }: CustomFieldRules, code: Refusal['code'], message: string): Refusal {
  return refuse(code, validation?.message ?? message);
}

function textCheck(rules: CustomFieldRules): ValueCheck {
  const { min, max, pattern } = rules.validation ?? {};
  const least = Number(min ?? 0);
  const most = Number(max ?? MAX_CUSTOM_TEXT);
  const compiled = pattern === undefined ? null : compilePattern(pattern);
  if (compiled && 'refusal' in compiled) throw new Error(`The pattern ${quote(pattern!)} ${compiled.refusal}.`);
  return (value) => {
    if (typeof value !== 'string') return refuse('text-invalid', 'is not a text');
    const text = cleanText(value, MAX_CUSTOM_TEXT, 0, true);
    if ('code' in text) return text;
    if (text.value === '') return { value: null };
    const length = codePointLength(text.value);
    if (length > most) return unfit(rules, 'too-long', `is longer than ${most} characters (${length})`);
    if (length < least) return unfit(rules, 'too-short', `is shorter than ${least} characters`);
    if (compiled && !compiled.matches(text.value)) {
      return unfit(rules, 'pattern-mismatch', `${quote(text.value)} does not have the expected form`);
    }
    return text;
  };
}

function within(rules: CustomFieldRules, value: number | string, shown = String(value)): Refusal | null {
  const { min, max } = rules.validation ?? {};
  if (min !== undefined && value < min) return unfit(rules, 'out-of-range', `${shown} is below ${min}`);
  if (max !== undefined && value > max) return unfit(rules, 'out-of-range', `${shown} is above ${max}`);
  return null;
}

function numberCheck(rules: CustomFieldRules): ValueCheck {
  return (value) => {
    if (typeof value !== 'number' || !Number.isFinite(value)) return refuse('number-invalid', 'is not a number');
    const number = value === 0 ? 0 : value; // JSON keeps -0; it is no other number.
    return within(rules, number) ?? { value: number };
  };
}

function dateCheck(rules: CustomFieldRules): ValueCheck {
  return (value) => {
    if (typeof value === 'string' && normalizeText(value) === '') return { value: null };
    const date = exactDate(value);
    return 'code' in date ? date : (within(rules, date.value) ?? date);
  };
}

/** Finds an option by its spelling, or else by its spelling in another case. */
export function optionFinder({ options }: CustomFieldRules): (text: string) => string | undefined {
  const exact = new Set(options);
  const folded = new Map((options ?? []).map((option) => [foldOption(option), option]));
  return (text) => (exact.has(text) ? text : folded.get(foldOption(text)));
}

/** The refusal of a word that is no option. */
export function noOption(word: string, { options }: CustomFieldRules): Refusal {
  const allowed = (options ?? []).join(', ');
  const shown = allowed.length > 200 ? `the ${options!.length} options` : allowed;
  return refuse('option-unknown', `${quote(word)} is none of: ${shown}`);
}

function listCheck(rules: CustomFieldRules): ValueCheck {
  const options = new Set(rules.options);
  return (value) => {
    if (typeof value !== 'string') return refuse('option-unknown', 'is not an option');
    const option = normalizeText(value);
    if (option === '') return { value: null };
    return options.has(option) ? { value: option } : noOption(option, rules);
  };
}

function multiListCheck(rules: CustomFieldRules): ValueCheck {
  const options = rules.options ?? [];
  const known = new Set(options);
  return (value) => {
    if (!Array.isArray(value) || !value.every((each) => typeof each === 'string')) {
      return refuse('list-invalid', 'is not a list of options');
    }
    const chosen = new Set(value.map((each) => normalizeText(each)).filter((each) => each !== ''));
    for (const each of chosen) if (!known.has(each)) return noOption(each, rules);
    if (chosen.size === 0) return { value: null };
    const count = chosen.size;
    return (
      within(rules, count, `the number of options (${count})`) ?? { value: options.filter((each) => chosen.has(each)) }
    );
  };
}
