import { isDeepStrictEqual } from 'node:util';
import { checkSize, customPath, FieldSet } from '@muster/core/contact/custom-fields';
import { LIMITS } from '@muster/core/contact/fields';
import { joinName, splitName } from '@muster/core/contact/name';
import { readCell } from '@muster/core/contact/row';
import { MAX_TAGS } from '@muster/core/contact/tags';
import { cleanText } from '@muster/core/contact/text';
import { FieldError } from '@muster/core/errors';
import { BulkValue } from '@muster/platform/database/dialect/dialect';
import { ASSIGNEE_COLUMNS, Cell, CUSTOMER_COLUMNS, RowSource, TargetTable } from './imports.targets';

/** What a record holds, by column, as the store has it: JSON as text, booleans as 0 and 1. */
export type Columns = Record<string, string | number | null>;

/** What a row makes of a record: the columns that are different then. It counts only where there are no errors. */
export interface Change {
  next: Columns;
  errors: FieldError[];
}

/** Works out what a row changes in a record. */
export type Updater = (cells: readonly Cell[], values: readonly BulkValue[], stored: Columns) => Change;

/** Targets that are columns of their own, and whether the column may be empty. */
export const LEAD_FIELDS: Record<string, string> = {
  ...{ email: 'email', phone: 'phone', status: 'status', source: 'source', company: 'company', imageUrl: 'image_url' },
  assignee: ASSIGNEE_COLUMNS.leads,
};
const NAMES_AND_FLAGS = ['fullName', 'firstName', 'lastName', 'doNotContact'];
export const CUSTOMER_FIELDS: Record<string, string> = {
  ...Object.fromEntries(Object.entries(CUSTOMER_COLUMNS).filter(([field]) => !NAMES_AND_FLAGS.includes(field))),
  assignee: ASSIGNEE_COLUMNS.customers,
};
/** The assignee: so that a record stays in the scope of who assigns. */
const NEVER_EMPTY = ['status', 'source', ...Object.values<string>(ASSIGNEE_COLUMNS)];
/** JSON texts, which differ as what they say does. */
const JSON_COLUMNS = ['tags', 'custom_fields', 'metadata'];

const objectOf = (json: unknown) => JSON.parse(json as string) as Record<string, unknown>;

/** The property of a record that a column holds. */
export const propertyOf = (column: string): string =>
  column.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());

/** A column's value as a record has it. */
export const valueOf = (column: string, value: string | number | null): unknown => {
  if (JSON_COLUMNS.includes(column)) return JSON.parse(value as string) as unknown;
  return column === 'do_not_contact' ? value === 1 : value;
};

/** The columns of a target that a row may change. */
export const changeableColumns = ({ columns }: TargetTable): string[] =>
  columns.filter((column) => column in CHANGEABLE);

const CHANGEABLE = Object.fromEntries(
  [
    ...['name', 'tags', 'custom_fields', 'metadata'],
    ...Object.values(LEAD_FIELDS),
    ...Object.values<string>(CUSTOMER_COLUMNS),
    ASSIGNEE_COLUMNS.customers,
    'do_not_contact',
  ].map((column) => [column, true]),
);

/**
 * Makes the updater of one import. Only mapped columns change a record, and a blank cell only where the import says that it clears.
 * Tags are added, custom fields and metadata are merged by key, `doNotContact` is set and never cleared, a name keeps the part that a row
 * does not give.
 */
export function compileUpdater(
  { work, target, targets }: Pick<RowSource, 'work' | 'target' | 'targets'>,
  fields: FieldSet,
): Updater {
  const { blankClears = false, tags: addedTags } = work.options;
  const isLead = target.table === 'leads';
  const index = new Map(target.columns.map((column, at) => [column, at]));
  const at = (column: string) => index.get(column)!;
  const cellAt = new Map(targets.map((name, cell) => [name, cell]));
  const plain = Object.entries(isLead ? LEAD_FIELDS : CUSTOMER_FIELDS).flatMap(([name, column]) => {
    const cell = cellAt.get(name);
    return cell === undefined
      ? []
      : [{ cell: [cell], column, from: at(column), clears: blankClears && !NEVER_EMPTY.includes(column) }];
  });
  const custom = targets.flatMap((name, cell) =>
    name.startsWith('cf.') ? [{ key: name.slice('cf.'.length), cell: [cell] }] : [],
  );
  const [tagsAt, customAt, metadataAt, blockedAt] = ['tags', 'custom_fields', 'metadata', 'do_not_contact'].map(at);
  /** What a row says of a part of a name: a text, nothing (undefined), or that it is blank now (null). */
  const part = (cells: readonly Cell[], name: string): string | null | undefined => {
    const cell = cellAt.get(name);
    if (cell === undefined) return undefined;
    return readCell(cells, [cell]) ?? (blankClears ? null : undefined);
  };

  function changeLeadName(cells: readonly Cell[], values: readonly BulkValue[], stored: Columns, change: Change): void {
    const [first, last] = [part(cells, 'firstName'), part(cells, 'lastName')];
    if (part(cells, 'name') || (first && last)) {
      change.next.name = values[at('name')] as string;
    } else if (first || last) {
      const known = splitName(stored.name as string);
      const name = joinName(first === undefined ? known.firstName : first, last === undefined ? known.lastName : last);
      keep(change, 'name', 'name', cleanText(name, LIMITS.leadName, LIMITS.leadNameMin));
    }
  }

  function changeCustomerName(
    cells: readonly Cell[],
    values: readonly BulkValue[],
    stored: Columns,
    change: Change,
  ): void {
    const { next } = change;
    const [first, last] = [part(cells, 'firstName'), part(cells, 'lastName')];
    if (first !== undefined) next.first_name = first && (values[at('first_name')] as string);
    if (last !== undefined) next.last_name = last && (values[at('last_name')] as string);
    if (part(cells, 'fullName')) {
      next.full_name = values[at('full_name')] as string;
      if (first || last || next.full_name === stored.full_name) return;
      next.first_name = values[at('first_name')] as string | null;
      next.last_name = values[at('last_name')] as string | null;
    } else if ((first !== undefined && next.first_name !== stored.first_name) || isOther(next, stored, 'last_name')) {
      const { first_name, last_name } = { ...stored, ...next };
      const name = joinName(first_name as string | null, last_name as string | null);
      if (name !== '') keep(change, 'full_name', 'fullName', cleanText(name, LIMITS.fullName));
    }
  }

  function addTags(values: readonly BulkValue[], stored: Columns, change: Change): void {
    if (values[tagsAt] === '[]') return;
    const held = JSON.parse(stored.tags as string) as string[];
    const known = new Set(held.map((tag) => tag.toLowerCase()));
    const added = (JSON.parse(values[tagsAt] as string) as string[]).filter((tag) => {
      const isNew = !known.has(tag.toLowerCase());
      known.add(tag.toLowerCase());
      return isNew;
    });
    if (added.length === 0) return;
    if (held.length + added.length > MAX_TAGS) {
      const message = `the record would have more than ${MAX_TAGS} tags`;
      change.errors.push({ field: 'tags', code: 'too-long', message });
    }
    change.next.tags = JSON.stringify([...held, ...added]);
  }

  function mergeCustomFields(
    cells: readonly Cell[],
    values: readonly BulkValue[],
    stored: Columns,
    { next, errors }: Change,
  ): void {
    const [given, held] = [objectOf(values[customAt]), objectOf(stored.custom_fields)];
    const merged = { ...held };
    for (const { key, cell } of custom) {
      if (readCell(cells, cell) !== null) {
        if (Object.hasOwn(given, key)) merged[key] = given[key];
      } else if (blankClears) {
        delete merged[key];
        if (!fields.byKey.get(key)?.required) continue;
        errors.push({ field: customPath(key), code: 'required', message: 'is required, and the cell is blank' });
      }
    }
    if (isDeepStrictEqual(merged, held)) return;
    checkSize(merged, errors);
    next.custom_fields = JSON.stringify(merged);
  }

  function mergeMetadata(values: readonly BulkValue[], stored: Columns, { next, errors }: Change): void {
    const moved = next.phone !== undefined && next.phone !== stored.phone;
    if (values[metadataAt] === '{}' && !moved) return;
    const held = objectOf(stored.metadata);
    const merged = { ...held };
    // The extension belongs to the old number.
    if (moved) delete merged.phoneExtension;
    Object.assign(merged, objectOf(values[metadataAt]));
    if (isDeepStrictEqual(merged, held)) return;
    next.metadata = JSON.stringify(merged);
    if (Buffer.byteLength(next.metadata) > LIMITS.metadataBytes) {
      const message = `would be larger than ${LIMITS.metadataBytes} bytes`;
      errors.push({ field: 'metadata', code: 'too-long', message });
    }
  }

  return (cells, values, stored) => {
    const change: Change = { next: {}, errors: [] };
    const { next } = change;
    for (const { cell, column, from, clears } of plain) {
      if (readCell(cells, cell) !== null) next[column] = values[from] as string;
      else if (clears) next[column] = null;
    }
    (isLead ? changeLeadName : changeCustomerName)(cells, values, stored, change);
    if (values[blockedAt] === true) next.do_not_contact = 1;
    if (cellAt.has('tags') || addedTags.length > 0) addTags(values, stored, change);
    if (custom.length > 0) mergeCustomFields(cells, values, stored, change);
    mergeMetadata(values, stored, change);
    for (const column of Object.keys(next)) if (!isOther(next, stored, column)) delete next[column];
    const { email, phone } = { ...stored, ...next };
    if (isLead && email === null && phone === null) {
      const message = 'an e-mail address or a phone number is required';
      change.errors.push({ field: 'email', code: 'required', message });
    }
    return change;
  };
}

const isOther = (next: Columns, stored: Columns, column: string) =>
  next[column] !== undefined && next[column] !== stored[column];

/** Takes a checked text, or notes why it was refused. */
function keep({ next, errors }: Change, column: string, field: string, checked: ReturnType<typeof cleanText>): void {
  if ('value' in checked) next[column] = checked.value;
  else errors.push({ field, code: checked.code, message: checked.message });
}
