import { Injectable } from '@nestjs/common';
import { CompiledField, compileFieldSet, FieldSet } from '@muster/core/contact/custom-fields';
import { parseNumber } from '@muster/core/contact/custom-fields-cell';
import { sortKeyOf } from '@muster/core/contact/custom-fields-sort-key';
import { CustomValue, exactDate } from '@muster/core/contact/custom-fields-value';
import { ContactTarget } from '@muster/core/contact/fields';
import { conflict, invalid, ProblemError } from '@muster/core/errors';
import { Page } from '@muster/core/page';
import { padded } from '@muster/platform/database/gathered';
import { ReadTable, SqlCondition } from '@muster/platform/database/record-table';
import { Tx } from '@muster/platform/database/transactions';
import { CustomFilters } from '@muster/platform/http/custom-filters';
import { entriesOf, readIndexedPage } from '@muster/platform/http/indexed-page';
import { FilterCondition } from '@muster/platform/http/list-query';
import { ListQueryDto } from '@muster/platform/http/list-query.dto';
import { CustomField } from './custom-fields.entity';
import { CustomFieldIndex, RecordValues } from './custom-fields.index.repository';
import { marks } from '@muster/platform/database/sql';
import { CustomFieldsRepository } from './custom-fields.repository';

/** The fields of a noun as they are at one revision of their definitions. */
export interface LoadedFields extends FieldSet {
  revision: number;
  /** Keys of the fields whose index is being built. */
  indexing: ReadonlySet<string>;
}

/** How often the values of a field occur among the records that the caller may see. */
export interface FieldDistribution {
  /** The most frequent first. */
  values: { value: CustomValue; count: number }[];
  /** Records without a value. */
  blank: number;
  /** What the values beyond those listed count together. */
  others: number;
  /** Of a number; null where there is none. */
  sum: number | null;
  min: number | null;
  max: number | null;
}

/** What follows `cf.<key>` in a parameter that names an end of a range. */
const ENDS = /^cf\.([^.]+)\.(from|to)$/;

/**
 * Custom fields for whoever keeps records. A write, in its transaction, in this order:
 *
 *     const fields = await customFields.load(tx, 'leads');        // first of all: before the record is locked
 *     const { values, errors } = checkCustomFields(fields, input, 'create' | 'replace' | 'patch', current.customFields);
 *     …write the record with customFields: values…
 *     await customFields.mirror(tx, fields, [{ recordId, values }], isNew);
 *     await customFields.unmirror(tx, 'leads', [recordId]);       // beside the deletion of a record
 *
 * `mirror` takes any number of records at once, and each record, also one without values. The cells of a file are read by
 * `customCellReader`; what they give is the `input` of `checkCustomFields`, which knows what is required and what has a default.
 *
 * A list: its DTO is marked `@AcceptsCustomFilters()`, its `sort` is checked by `@IsListSort(SORTS)`, its route takes
 * `@CustomFilterQuery() filters` and is documented by `@ApiCustomFilters()`. Then
 *
 *     const where = …conditions of the list…  + await customFields.conditions('leads', filters)
 *     const page = (await customFields.page(records, 'leads', where, query)) ?? (await readPage(records, SORTS, where, query))
 */
@Injectable()
export class CustomFieldsService {
  private readonly loaded = new Map<ContactTarget, LoadedFields>();

  constructor(
    private readonly repository: CustomFieldsRepository,
    private readonly index: CustomFieldIndex,
  ) {}

  /**
   * The fields of a noun, which nobody changes until the transaction ends. Costs one read of one row while no definition changes.
   */
  async load(tx: Tx, noun: ContactTarget): Promise<LoadedFields> {
    const revision = await this.repository.share(tx, noun);
    return this.known(noun, revision) ?? this.keep(noun, revision, await this.repository.all(noun, tx));
  }

  /** The fields of a noun as they are committed, for reading. */
  async current(noun: ContactTarget): Promise<LoadedFields> {
    const revision = await this.repository.revision(noun);
    return this.known(noun, revision) ?? this.keep(noun, revision, await this.repository.all(noun));
  }

  private known(noun: ContactTarget, revision: number): LoadedFields | undefined {
    const loaded = this.loaded.get(noun);
    return loaded?.revision === revision ? loaded : undefined;
  }

  private keep(noun: ContactTarget, revision: number, stored: CustomField[]): LoadedFields {
    const loaded = {
      ...compileFields(noun, stored),
      revision,
      indexing: new Set(stored.filter(isIndexing).map(({ fieldKey }) => fieldKey)),
    };
    this.loaded.set(noun, loaded);
    return loaded;
  }

  /**
   * Brings the index to what records hold now; to be called with every record that is made or whose custom fields change.
   * @param isNew the records are made in this transaction: their index is empty
   */
  async mirror(tx: Tx, { fields }: FieldSet, records: readonly RecordValues[], isNew = false): Promise<void> {
    await this.index.write(
      tx,
      fields.filter(({ filterable }) => filterable),
      records,
      isNew,
    );
  }

  /** Takes records out of the index, beside their deletion. They must be locked or deleted already. */
  async unmirror(tx: Tx, noun: ContactTarget, recordIds: readonly number[]): Promise<void> {
    const fields = await this.repository.all(noun, tx);
    await this.index.remove(
      tx,
      recordIds,
      fields.map(({ id }) => id),
    );
  }

  /**
   * The conditions of a list's filters, for a query on the noun's table alone: `cf.<key>` any of the values (texts and options in any
   * case; blank: no value), `cf.<key>.from` and `cf.<key>.to` of numbers and dates, both ends included.
   * @throws 422 `field-not-filterable`, `filter-invalid`, `number-invalid`, `date-invalid` or `boolean-invalid`, naming the parameter;
   * 409 `field-indexing` while the index is being built
   */
  async conditions(noun: ContactTarget, filters: CustomFilters): Promise<FilterCondition[]> {
    if (filters.size === 0) return [];
    const loaded = await this.current(noun);
    return Promise.all(
      [...filters].map(([name, values]) => {
        const end = ENDS.exec(name);
        const field = filterableField(loaded, end ? end[1] : name.slice('cf.'.length), name);
        return this.index.condition(field, end ? rangeOf(field, name, end[2], values) : anyOf(field, name, values));
      }),
    );
  }

  /**
   * Reads a page of a list that is sorted by a custom field: records in the order of its values, those without one before all others,
   * equal ones by id. A page by cursor costs the same however deep it is. A multi-list is sorted by its first option.
   * @param records the noun's table; `where` is for a query on it and qualifies no column
   * @returns null when `query.sort` does not name a custom field
   * @throws 422 `field-not-filterable` or `cursor-invalid`; 409 `field-indexing`
   */
  async page<R extends { id: number }>(
    records: ReadTable<R>,
    noun: ContactTarget,
    where: SqlCondition,
    query: ListQueryDto & { sort: string },
  ): Promise<Page<R> | null> {
    const key = /^-?cf\.(.+)$/.exec(query.sort)?.[1];
    if (key === undefined) return null;
    const field = filterableField(await this.current(noun), key, 'sort');
    const entries = entriesOf(
      'custom_field_values',
      { record: 'record_id', value: 'sort_key' },
      { sql: 'entry.field_id = ? AND entry.ordinal = 0', params: [field.id] },
      records.definition.name,
    );
    return readIndexedPage(records, { sources: [entries] }, where, query);
  }

  /**
   * How often each value of a filterable field occurs among the records of a condition.
   * @param visible for a query on the noun's table; qualifies no column
   * @param most how many values are listed
   * @throws as {@link conditions}
   */
  async distribution(noun: ContactTarget, key: string, visible: SqlCondition, most = 50): Promise<FieldDistribution> {
    const field = filterableField(await this.current(noun), key, `cf.${key}`);
    const [frequent, sums] = [
      await this.index.frequent(noun, field.id, visible, most + 1),
      await this.index.sums(noun, field.id, visible),
    ];
    const listed = frequent.filter(({ sortKey }) => sortKey !== '').slice(0, most);
    const examples = await this.index.valuesOf(
      noun,
      listed.map(({ example }) => example),
    );
    const values = listed.map(({ sortKey, count, example }) => {
      const held = examples.get(example)?.[field.key];
      // The example may have changed since it was counted.
      const value = [held].flat().find((each) => sortKeyOf(field.type, each) === sortKey) as CustomValue | undefined;
      return { value: value ?? sortKey, count };
    });
    const counted = listed.reduce((total, { count }) => total + count, 0);
    const { blank, sum, min, max } = sums;
    return { values, blank, others: sums.entries - blank - counted, sum, min, max };
  }
}

/** What is visible of stored definitions, ready to check values. */
export function compileFields(noun: ContactTarget, stored: readonly CustomField[]): FieldSet {
  const visible = stored.filter(({ state }) => state !== 'removing');
  return compileFieldSet(
    noun,
    visible.map(({ fieldKey, ...definition }) => ({ ...definition, key: fieldKey })),
  );
}

/** Whether the index of a field is being built. */
export const isIndexing = ({ state, filterable }: CustomField) =>
  filterable && (state === 'indexing' || state === 'converting');

function filterableField(loaded: LoadedFields, key: string, parameter: string): CompiledField {
  const field = loaded.byKey.get(key);
  if (!field?.filterable) {
    throw refused(parameter, 'field-not-filterable', 'names no custom field that is filterable');
  }
  if (!loaded.indexing.has(key)) return field;
  const message = `The index of "${key}" is being built; ask again later.`;
  throw conflict('field-indexing', message, [{ field: parameter, code: 'field-indexing', message }]);
}

function refused(parameter: string, code: string, message: string): ProblemError {
  const field = parameter.slice(0, 100);
  return invalid(code, `${field} ${message}.`, [{ field, code, message }]);
}

function anyOf(field: CompiledField, name: string, values: readonly string[]): SqlCondition {
  const keys = padded([...new Set(values.map((value) => filterKey(field, name, value)))]);
  return { sql: `sort_key IN (${marks(keys)})`, params: keys };
}

function rangeOf(field: CompiledField, name: string, end: string, values: readonly string[]): SqlCondition {
  if (field.type !== 'number' && field.type !== 'date') {
    throw refused(name, 'filter-invalid', 'is for numbers and dates only');
  }
  const [value] = values;
  if (values.length !== 1 || value.trim() === '') throw refused(name, 'filter-invalid', 'takes one value');
  const key = filterKey(field, name, value);
  return end === 'from'
    ? { sql: 'sort_key >= ?', params: [key] }
    : { sql: `sort_key > '' AND sort_key <= ?`, params: [key] };
}

/** The key of a filter's text. */
function filterKey({ type }: CompiledField, name: string, text: string): string {
  const given = text.trim();
  if (given === '') return '';
  const value = filterValue(type, given);
  if (typeof value === 'object') throw refused(name, value.code, value.message);
  return sortKeyOf(type, value) ?? '';
}

function filterValue(type: CompiledField['type'], text: string) {
  if (type === 'number') {
    const number = parseNumber(text);
    return 'code' in number ? number : number.value;
  }
  if (type === 'date') {
    const date = exactDate(text);
    return 'code' in date ? date : date.value;
  }
  if (type !== 'boolean') return text;
  if (text === 'true' || text === 'false') return text === 'true';
  return { code: 'boolean-invalid', message: 'is neither true nor false' };
}
