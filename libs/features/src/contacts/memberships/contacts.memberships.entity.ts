import { column, TableDefinition } from '@muster/platform/database/dialect/columns';

/** Which leads and customers are in which group. */
export const groupMemberTable: TableDefinition = {
  name: 'group_members',
  key: ['groupId', 'noun', 'recordId'],
  columns: {
    groupId: column.id(),
    /** leads | customers */
    noun: column.text(20),
    recordId: column.id(),
    addedBy: column.id(),
    addedAt: column.time(),
  },
  indexes: [{ name: 'ix_group_members_record', columns: ['noun', 'recordId', 'groupId'] }],
};
