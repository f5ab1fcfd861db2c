import { compileCustomerRow } from '@muster/core/contact/customer-row';
import { LIMITS } from '@muster/core/contact/fields';
import { compileLeadRow } from '@muster/core/contact/lead-row';
import { FieldSet } from '@muster/core/contact/custom-fields';
import { FieldError } from '@muster/core/errors';
import { BulkBuffer, BulkValue, formatTime } from '@muster/platform/database/dialect/dialect';
import { customFieldsReader } from './imports.custom-fields';
import { Import, ImportTarget } from './imports.entity';
import { Names, namesReader, NO_NAMES } from './imports.names';

export type Cell = string | null;

/**
 * Checks the cells of one row, in the order of the mapped columns. Adds its values to `buffer` and gives null, or adds nothing and
 * gives the errors.
 * @param names what the cells may name; without it, nothing
 */
export type RowChecker = (row: number, cells: Cell[], buffer: BulkBuffer, names?: Names) => FieldError[] | null;

/** A row as a new record would hold it, by the columns of the bulk load, with all that is wrong with it. */
export interface ReadRow {
  values: BulkValue[];
  errors: FieldError[];
}

/** Reads the cells of one row, in the order of the mapped columns. @param names what the cells may name; without it, nothing */
export type RowReading = (row: number, cells: Cell[], names?: Names) => ReadRow;

/** Which table an import fills, and how a row becomes a record of it. */
export interface TargetTable {
  table: ImportTarget;
  /** Columns of the bulk load, in the order of the buffer's values. */
  columns: string[];
  /**
   * Makes the reading of one import.
   * @param unmapped names of the columns that follow the mapped ones and go into metadata
   * @param fields the custom fields of the target
   */
  reading(work: Import, targets: string[], unmapped: string[], fields: FieldSet): RowReading;
}

/** How the rows of one import are read. */
export interface RowSource {
  work: Import;
  target: TargetTable;
  /** Positions of the columns to read: the mapped ones, then those kept in metadata. */
  columns: number[];
  /** The targets of the mapped columns, in their order. */
  targets: string[];
  /** The reading, and the checker, of rows under these custom fields. */
  reading(fields: FieldSet): RowReading;
  checker(fields: FieldSet): RowChecker;
}

/** The checker that a reading makes. */
export function checkerOf(read: RowReading): RowChecker {
  return (row, cells, buffer, names) => {
    const { values, errors } = read(row, cells, names);
    if (errors.length > 0) return errors;
    buffer.add(values);
    return null;
  };
}

/** The column that says whose a record is. */
export const ASSIGNEE_COLUMNS = { leads: 'assigned_to', customers: 'owner_id' } as const;

const OWN_COLUMNS = [
  'id',
  'origin_import_id',
  'origin_row',
  'created_by',
  'created_at',
  'updated_at',
  'version',
  'custom_fields',
];

/** What all records of one import have in common, and the columns that every target has. */
function ownValues(work: Import): (row: number, customFields: string) => BulkValue[] {
  const now = formatTime(work.startedAt ?? new Date());
  const base = work.recordBase!;
  return (row, customFields) => [base + row - 1, work.id, row, work.createdBy, now, now, 1, customFields];
}

/** To whom a row's record goes that names nobody itself: of several people, by the row's number in turn, however often and by whom the row is imported. */
export function assigneeOf({ options }: Import): (row: number) => number | null {
  const people = [options.assignTo ?? []].flat();
  return people.length === 0 ? () => null : (row) => people[(row - 1) % people.length];
}

/** The metadata of a record: what was split off its phone, and the columns that are kept as they are. */
function metadataOf(
  extension: string | null,
  cells: Cell[],
  mapped: number,
  unmapped: string[],
  errors: FieldError[],
): string {
  if (!extension && unmapped.length === 0) return '{}';
  const metadata: Record<string, string> = {};
  if (extension) metadata.phoneExtension = extension;
  unmapped.forEach((name, index) => {
    const value = cells[mapped + index]?.trim();
    if (value) metadata[name] = value;
  });
  const json = JSON.stringify(metadata);
  if (Buffer.byteLength(json) > LIMITS.metadataBytes) {
    const message = `the columns that are kept are larger than ${LIMITS.metadataBytes} bytes`;
    errors.push({ field: 'metadata', code: 'too-long', message });
  }
  return json;
}

/** The JSON of a row's tags with those that the import adds. Equal cells come as one list, so most are made once. */
function tagWriter(added: string[]): (tags: readonly string[]) => string {
  const written = new WeakMap<readonly string[], string>();
  return (tags) => {
    let json = written.get(tags);
    if (json === undefined) {
      json = JSON.stringify([...new Set([...tags, ...added])]);
      written.set(tags, json);
    }
    return json;
  };
}

const contextOf = ({ options, startedAt }: Import) => ({
  defaultRegion: options.defaultRegion,
  today: (startedAt ?? new Date()).toISOString().slice(0, 10),
});

const leads: TargetTable = {
  table: 'leads',
  columns: [
    ...OWN_COLUMNS,
    ...[
      'name',
      'email',
      'phone',
      'status',
      'source',
      'company',
      'assigned_to',
      'tags',
      'metadata',
      'image_url',
      'do_not_contact',
    ],
  ],
  reading(work, targets, unmapped, fields) {
    const mapping = targets.map((target, column) => ({ column, target }));
    const read = compileLeadRow(mapping, contextOf(work));
    const readCustomFields = customFieldsReader(fields, targets, work.options.defaultRegion);
    const own = ownValues(work);
    const writeTags = tagWriter(work.options.tags);
    const assignee = assigneeOf(work);
    const readNames = namesReader(targets);
    return (row, cells, names = NO_NAMES) => {
      const { record: lead, errors } = read(cells);
      const named = readNames(cells, names, errors);
      const metadata = metadataOf(lead.phoneExtension, cells, targets.length, unmapped, errors);
      const customFields = readCustomFields(cells, errors);
      const values = [
        ...own(row, customFields),
        lead.name,
        lead.email,
        lead.phone,
        lead.status,
        lead.source,
        lead.company,
        named.assignee ?? assignee(row),
        writeTags(lead.tags),
        metadata,
        lead.imageUrl,
        lead.doNotContact,
      ];
      return { values, errors };
    };
  },
};

/** The column of each field that a customer has beside those of every target. */
export const CUSTOMER_COLUMNS = {
  fullName: 'full_name',
  firstName: 'first_name',
  lastName: 'last_name',
  email: 'email',
  phone: 'phone',
  countryCode: 'country_code',
  dateOfBirth: 'date_of_birth',
  timezone: 'timezone',
  company: 'company',
  title: 'title',
  address: 'address',
  city: 'city',
  state: 'state',
  country: 'country',
  zipCode: 'zip_code',
  notes: 'notes',
  status: 'status',
  doNotContact: 'do_not_contact',
} as const;
const CUSTOMER_FIELDS = Object.keys(CUSTOMER_COLUMNS) as (keyof typeof CUSTOMER_COLUMNS)[];

const customers: TargetTable = {
  table: 'customers',
  columns: [...OWN_COLUMNS, ...Object.values(CUSTOMER_COLUMNS), 'owner_id', 'tags', 'metadata'],
  reading(work, targets, unmapped, fields) {
    const mapping = targets.map((target, column) => ({ column, target }));
    const read = compileCustomerRow(mapping, contextOf(work));
    const readCustomFields = customFieldsReader(fields, targets, work.options.defaultRegion);
    const own = ownValues(work);
    const writeTags = tagWriter(work.options.tags);
    const owner = assigneeOf(work);
    const readNames = namesReader(targets);
    return (row, cells, names = NO_NAMES) => {
      const { record: customer, errors } = read(cells);
      const named = readNames(cells, names, errors);
      const metadata = metadataOf(customer.phoneExtension, cells, targets.length, unmapped, errors);
      const customFields = readCustomFields(cells, errors);
      const values = [
        ...own(row, customFields),
        ...CUSTOMER_FIELDS.map((field) => customer[field]),
        named.assignee ?? owner(row),
        writeTags(customer.tags),
        metadata,
      ];
      return { values, errors };
    };
  },
};

export const TARGET_TABLES: Record<ImportTarget, TargetTable> = { leads, customers };
