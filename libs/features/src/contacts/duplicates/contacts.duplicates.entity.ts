import { column, TableDefinition } from '@muster/platform/database/dialect/columns';

/** What near duplicates have in common: records with the same hash under the same kind are a group. */
export const duplicateKeyTable: TableDefinition = {
  name: 'duplicate_keys',
  key: ['noun', 'kind', 'keyHash', 'recordId'],
  clustered: true,
  columns: {
    /** leads | customers */
    noun: column.text(20),
    /** The place of the reason among `DUPLICATE_REASONS`. */
    kind: column.integer(),
    /** 52 bits. */
    keyHash: column.id(),
    recordId: column.id(),
  },
};
