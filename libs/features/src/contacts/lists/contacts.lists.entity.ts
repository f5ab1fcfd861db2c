import { column, TableDefinition } from '@muster/platform/database/dialect/columns';

/**
 * How many records there are, by what lists are filtered by: the sum of `n` over the rows of a facet. Rows are only added, each in the
 * transaction of the write that it counts, so that writers never wait for each other; workers put rows of one cell together.
 */
export const contactCountTable: TableDefinition = {
  name: 'contact_counts',
  key: ['id'],
  columns: {
    id: column.serial(),
    /** l (leads) | c (customers) */
    noun: column.text(1),
    facet: column.text(120),
    /** Whose the records are and who made them: what scopes ask for. */
    assignee: column.id({ nullable: true }),
    creator: column.id({ nullable: true }),
    n: column.integer(),
  },
  indexes: [{ name: 'ix_contact_counts_cell', columns: ['noun', 'facet', 'assignee', 'creator', 'n'] }],
};

/** When the counts of a noun were last compared with its records; before the first time they count nothing. */
export const contactCountCheckTable: TableDefinition = {
  name: 'contact_count_checks',
  key: ['noun'],
  columns: { noun: column.text(1), checkedAt: column.time({ nullable: true }) },
};

/** The records of each tag in the order in which they were made. */
export const contactTagTable: TableDefinition = {
  name: 'contact_tags',
  key: ['noun', 'tag', 'recordedAt', 'recordId'],
  clustered: true,
  columns: {
    noun: column.text(1),
    /** As JSON, in quotes: no text is a blank longer than another. */
    tag: column.text(110),
    /** When the record was made; that never changes. */
    recordedAt: column.time(),
    recordId: column.id(),
  },
};

export const contactListTables: TableDefinition[] = [contactCountTable, contactCountCheckTable, contactTagTable];
