import { CustomFieldType, CustomFieldValidation, CustomValue } from '@muster/core/contact/custom-fields-value';
import { ContactTarget } from '@muster/core/contact/fields';
import { column, TableDefinition } from '@muster/platform/database/dialect/columns';

/**
 * What still has to be done to a noun's records because of a change of a field: `indexing` (write its index), `converting` (their
 * values are of another type; writes the index too), `unindexing` (take its index away), `removing` (take its values away, then the
 * field; nobody sees it any more).
 */
export type FieldState = 'ready' | 'indexing' | 'converting' | 'unindexing' | 'removing';

/** A field's definition as it is stored. */
export interface CustomField {
  id: number;
  noun: ContactTarget;
  fieldKey: string;
  label: string;
  type: CustomFieldType;
  required: boolean;
  defaultValue: CustomValue | null;
  options: string[] | null;
  validation: CustomFieldValidation | null;
  filterable: boolean;
  description: string | null;
  state: FieldState;
  /** The last record to which `state` has been done, in the order of ids; 0 before the first. */
  doneTo: number;
  /** Who changed it last, through which API key and in which request: the audit log names them for what follows from it. */
  changedBy: number | null;
  changedByKey: number | null;
  changedIn: string | null;
  createdAt: Date;
  updatedAt: Date;
  /** Counts the changes of the definition; the ETag. */
  version: number;
}

/**
 * One row a noun. Whoever writes records holds it (shared) until the commit, whoever changes definitions has it alone: so no record is
 * checked against fields that are no more. `revision` rises with every change.
 */
export const customFieldSetTable: TableDefinition = {
  name: 'custom_field_sets',
  key: ['noun'],
  columns: { noun: column.text(20), revision: column.integer() },
};

export const customFieldTable: TableDefinition = {
  name: 'custom_fields',
  key: ['id'],
  columns: {
    id: column.serial(),
    noun: column.text(20),
    fieldKey: column.text(40),
    label: column.text(100),
    type: column.text(20),
    required: column.boolean(),
    defaultValue: column.json({ nullable: true }),
    options: column.json({ nullable: true }),
    validation: column.json({ nullable: true }),
    filterable: column.boolean(),
    description: column.text(500, { nullable: true }),
    state: column.text(20),
    doneTo: column.id(),
    changedBy: column.id({ nullable: true }),
    changedByKey: column.id({ nullable: true }),
    changedIn: column.text(100, { nullable: true }),
    createdAt: column.time(),
    updatedAt: column.time(),
    version: column.integer(),
  },
  indexes: [
    { name: 'uq_custom_fields_key', columns: ['noun', 'fieldKey'], unique: true },
    { name: 'ix_custom_fields_state', columns: ['state', 'id'] },
  ],
};

/**
 * The index of the filterable fields: every record has at least one row for each of them, a multi-list one for each option. The key
 * begins with the record, so that the rows of new records are appended; filters and sorts are ranges of the other index.
 */
export const customFieldValueTable: TableDefinition = {
  name: 'custom_field_values',
  key: ['recordId', 'fieldId', 'ordinal'],
  columns: {
    recordId: column.id(),
    fieldId: column.id(),
    /** 0 for the first; above it the further options of a multi-list. */
    ordinal: column.integer(),
    /** Compared by bytes it has the order of the values; '' where there is none. */
    sortKey: column.text(191),
    numberValue: column.number({ nullable: true }),
  },
  indexes: [{ name: 'ix_custom_field_values_sort', columns: ['fieldId', 'sortKey', 'recordId', 'ordinal'] }],
};

export const customFieldTables: TableDefinition[] = [customFieldSetTable, customFieldTable, customFieldValueTable];
