import { MigrationInterface, QueryRunner } from 'typeorm';
import { column, createTable, TableDefinition } from '../dialect/columns';
import { flavorOf } from '../dialect/flavor';

const TABLES: TableDefinition[] = [
  {
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
  },
  {
    name: 'group_members',
    key: ['groupId', 'noun', 'recordId'],
    columns: {
      groupId: column.id(),
      noun: column.text(20),
      recordId: column.id(),
      addedBy: column.id(),
      addedAt: column.time(),
    },
    indexes: [{ name: 'ix_group_members_record', columns: ['noun', 'recordId', 'groupId'] }],
  },
];

export class Groups1700000000005 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    for (const table of TABLES) await createTable(runner, table, flavorOf(runner));
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const table of [...TABLES].reverse()) await runner.dropTable(table.name, true);
  }
}
