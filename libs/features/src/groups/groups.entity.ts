import { column, TableDefinition } from '@muster/platform/database/dialect/columns';

/** A named set of leads and customers. Its members are `group_members`, which belong to the contact records. */
export interface Group {
  id: number;
  name: string;
  /** The name as names are compared: whatever the case and the spaces. Unique. */
  nameKey: string;
  description: string | null;
  /** The team whose group it is; null: everyone's. */
  teamId: number | null;
  createdBy: number;
  createdAt: Date;
  updatedAt: Date;
  /** Counts the changes of the group itself, not of its members; the ETag. */
  version: number;
}

/** Not called `groups`, which is a reserved word of MySQL. */
export const groupTable: TableDefinition = {
  name: 'contact_groups',
  key: ['id'],
  columns: {
    id: column.serial(),
    name: column.text(100),
    nameKey: column.text(200),
    description: column.text(500, { nullable: true }),
    teamId: column.id({ nullable: true }),
    createdBy: column.id(),
    createdAt: column.time(),
    updatedAt: column.time(),
    version: column.integer(),
  },
  indexes: [
    { name: 'uq_contact_groups_name', columns: ['nameKey'], unique: true },
    { name: 'ix_contact_groups_created', columns: ['createdAt', 'id'] },
  ],
};
