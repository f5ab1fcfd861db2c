import { CompiledField, customPath, FieldSet } from '@muster/core/contact/custom-fields';
import { sortKeyOf } from '@muster/core/contact/custom-fields-sort-key';
import { FieldError } from '@muster/core/errors';
import { DuplicatePolicy, ImportOptions } from './imports.entity';

const CUSTOM = /^cf\.(.+)$/;
/** The types of custom fields that rows are matched by. */
const MATCHABLE = ['text', 'number'];

/** The key of the custom field that rows are matched by; null when it is none. */
export const matchKeyOf = (matchOn: string | undefined): string | null => CUSTOM.exec(matchOn ?? '')?.[1] ?? null;

/** Whether records can be looked up by a custom field: a text or a number that is filterable. */
export const isMatchable = (field: CompiledField | undefined): field is CompiledField =>
  field !== undefined && field.filterable && MATCHABLE.includes(field.type);

/**
 * Whether the outcome of a row depends on more than which e-mail and phone are free: then rows are resolved one after another, in the
 * order of the file. All others are left to the store's unique indexes.
 */
export const resolvesRows = ({ duplicates, matchOn, ifPlan }: ImportOptions): boolean =>
  duplicates === 'update' || matchOn !== undefined || ifPlan !== undefined;

/** How rows are matched with records, and what happens then. */
export interface MatchRule {
  policy: DuplicatePolicy;
  /** Null: by e-mail, then by phone. */
  on: 'email' | 'phone' | 'key' | null;
  /** The custom field behind `key`. */
  field: CompiledField | null;
  /** Why no row can be matched. */
  refusal: FieldError | null;
}

export function matchRule({ duplicates: policy, matchOn }: ImportOptions, fields: FieldSet): MatchRule {
  const key = matchKeyOf(matchOn);
  if (key === null) return { policy, on: (matchOn ?? null) as 'email' | 'phone' | null, field: null, refusal: null };
  const field = fields.byKey.get(key);
  if (isMatchable(field)) return { policy, on: 'key', field, refusal: null };
  const message = 'rows cannot be matched by this field any more';
  return { policy, on: 'key', field: null, refusal: { field: customPath(key), code: 'field-not-filterable', message } };
}

/** How a value of the rule's custom field is looked up: texts in any case, as in filters. Null for none. */
export function matchKey({ field }: MatchRule, customFields: string): string | null {
  if (!field || customFields === '{}') return null;
  const values = JSON.parse(customFields) as Record<string, unknown>;
  return Object.hasOwn(values, field.key) ? sortKeyOf(field.type, values[field.key]) : null;
}
