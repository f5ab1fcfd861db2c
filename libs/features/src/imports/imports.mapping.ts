import { FieldSet } from '@muster/core/contact/custom-fields';
import { TARGET_FIELDS } from '@muster/core/contact/fields';
import { MappingSuggestion, missingRequired } from '@muster/core/contact/header-match';
import { FieldError, invalid, ProblemError } from '@muster/core/errors';
import { customTargets, missingCustomFields } from './imports.custom-fields';
import { ImportOptions, ImportTarget } from './imports.entity';

/** Column name to target; null leaves the column out. */
export type Mapping = Record<string, string | null>;

/** The longest name of a column that an answer repeats, in UTF-16 units. */
const MAX_NAME = 100;
/** How many errors an answer names. */
const MAX_ERRORS = 100;

/**
 * What is wrong with a mapping: columns that the file does not have, targets that the noun does not have, targets that two columns share.
 * @param columns those of the file; null where there is none to hold the mapping to
 */
export function mappingErrors(
  target: ImportTarget,
  columns: readonly string[] | null,
  given: Readonly<Record<string, unknown>>,
  fields: FieldSet,
): FieldError[] {
  const present = columns && new Set(columns);
  const known = new Set([...TARGET_FIELDS[target].map(({ key }) => key), ...customTargets(fields)]);
  const taken = new Set<string>();
  return Object.entries(given).flatMap(([column, to]) => {
    const name = column.slice(0, MAX_NAME);
    const error = (code: string, message: string) => [{ field: `mapping.${name}`, code, message }];
    if (present && !present.has(column)) return error('column-unknown', `the file has no column "${name}"`);
    if (to === null) return [];
    if (typeof to !== 'string' || !known.has(to)) {
      return error('target-unknown', `is mapped to something that ${target} do not have`);
    }
    if (taken.has(to)) return error('target-taken', `another column is mapped to "${to}" already`);
    taken.add(to);
    return [];
  });
}

/** A mapping that names every column of the file. */
export const wholeMapping = (columns: readonly string[], given: Readonly<Mapping>): Mapping => {
  const known = new Map(Object.entries(given));
  return Object.fromEntries(columns.map((column) => [column, known.get(column) ?? null]));
};

/**
 * Targets that no column is mapped to and without which nothing could be imported: required ones, the noun's own and custom ones, and
 * what rows are to be matched by. Rows that only update records need no more than that.
 */
export function missingTargets(
  target: ImportTarget,
  mapping: Readonly<Mapping>,
  fields: FieldSet,
  { duplicates, matchOn }: Pick<ImportOptions, 'duplicates' | 'matchOn'>,
): string[] {
  const mapped = new Set(Object.values(mapping));
  const isMatched = [matchOn ?? ['email', 'phone']].flat().some((name) => mapped.has(name));
  if (duplicates === 'update' && isMatched) return [];
  const missing = [...missingRequired(target, mapping), ...missingCustomFields(fields, mapping)];
  return isMatched || matchOn === undefined ? missing : [...new Set([...missing, matchOn])];
}

/** 422: nothing of the file could be imported under this mapping. */
export const incomplete = (missing: string[]): ProblemError =>
  new ProblemError(
    'user',
    422,
    'mapping-incomplete',
    `No column is mapped to ${missing.join(', ')}.`,
    missing.map((field) => ({ field, code: 'required', message: 'no column is mapped to it' })),
    undefined,
    { missing },
  );

/** 422 with what {@link mappingErrors} found. */
export const mappingInvalid = (errors: FieldError[]): ProblemError =>
  invalid('mapping-invalid', 'The mapping does not fit.', errors.slice(0, MAX_ERRORS));

/** The suggestions that a saved mapping stands for, in the order of the columns. */
export const suggestionsOf = (columns: readonly string[], mapping: Readonly<Mapping>): MappingSuggestion[] =>
  columns.map((column) => {
    const target = Object.hasOwn(mapping, column) ? mapping[column] : null;
    return { column, target, confidence: target === null ? 0 : 1 };
  });
