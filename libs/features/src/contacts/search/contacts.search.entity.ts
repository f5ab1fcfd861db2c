import { column, TableDefinition } from '@muster/platform/database/dialect/columns';

/** What records are found by: the terms of each. */
export const searchTermTable: TableDefinition = {
  name: 'search_terms',
  key: ['noun', 'term', 'recordId'],
  clustered: true,
  columns: {
    /** l (leads) | c (customers) */
    noun: column.text(1),
    term: column.text(40),
    recordId: column.id(),
  },
};

/** Ranges of records whose terms are still to be written: an import leaves them to the workers. */
export const searchBacklogTable: TableDefinition = {
  name: 'search_backlog',
  key: ['id'],
  columns: {
    id: column.serial(),
    noun: column.text(1),
    firstId: column.id(),
    lastId: column.id(),
    addedAt: column.time(),
  },
};

export const searchTables: TableDefinition[] = [searchTermTable, searchBacklogTable];
