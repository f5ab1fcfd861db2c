import { TARGET_FIELDS, type ColumnTarget, type ContactTarget } from './fields';
import { quote, refuse, take, type Checked, type RowError } from './result';
import { cleanText, trimText, unescapeFormula } from './text';

/** What the checks of an import or of a request have in common for all its records. */
export interface CheckContext {
  /** Region of national phone numbers and of the order of day and month, ISO 3166 alpha-2. */
  defaultRegion: string;
  /** The most tags of one record; 20 by default. */
  maxTags?: number;
  /** Today as `YYYY-MM-DD`; the clock's date in UTC by default. Set it so that a long import judges all its rows alike. */
  today?: string;
  /** Order of day and month whatever the region. */
  dayFirst?: boolean;
  /** `source` of a lead that names none. Imports use `import` by default; a request without it must name its source. */
  defaultSource?: string;
}

/** The cells of one row; null, undefined and beyond the end are blank. */
export type Cells = readonly (string | null | undefined)[];

/**
 * Turns a mapping round: the columns of each field. Fields of custom definitions (`cf.<key>`) are left to their owner.
 *
 * @throws Error for a field that the target does not have, or a column that is not a whole number from 0
 */
export function columnsByField(
  target: ContactTarget,
  mapping: readonly ColumnTarget[],
): (key: string) => readonly number[] {
  const columns = new Map<string, number[]>(TARGET_FIELDS[target].map((field) => [field.key, []]));
  for (const { column, target: key } of mapping) {
    if (key === null || key.startsWith('cf.')) continue;
    const list = columns.get(key);
    if (!list) throw new Error(`${target} have no field ${quote(key)}`);
    if (!Number.isInteger(column) || column < 0) throw new Error(`column ${column} of ${quote(key)} does not exist`);
    list.push(column);
  }
  return (key) => columns.get(key) ?? [];
}

/** The first cell of the given columns that is not blank: unescaped and trimmed. Null when all are blank. */
export function readCell(cells: Cells, columns: readonly number[]): string | null {
  for (let i = 0; i < columns.length; i++) {
    const raw = cells[columns[i]];
    if (raw == null || raw === '') continue;
    const text = trimText(unescapeFormula(raw));
    if (text !== '') return text;
  }
  return null;
}

/** Free text that may be missing: null when nothing of it is left. */
export function readText(
  text: string | null,
  field: string,
  max: number,
  errors: RowError[],
  multiline = false,
): string | null {
  if (text === null) return null;
  const value = take(cleanText(text, max, 0, multiline), field, errors);
  return value === '' ? null : value;
}

/** One of the options, spelled exactly as the contract spells it. */
export function exactOption<T extends string>(raw: string, options: readonly T[]): Checked<T> {
  return (options as readonly string[]).includes(raw)
    ? { value: raw as T }
    : refuse('option-unknown', `${quote(raw)} is none of: ${options.join(', ')}`);
}

/** Notes that a field has no value. */
export function demand(field: string, message: string, errors: RowError[]): void {
  errors.push({ field, code: 'required', message });
}

/** A JSON value that is no text: absent, null or blank. */
export function isBlank(value: string | null | undefined): value is null | undefined | '' {
  return value == null || trimText(value) === '';
}
