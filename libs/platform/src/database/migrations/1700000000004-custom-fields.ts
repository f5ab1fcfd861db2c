import { MigrationInterface, QueryRunner } from 'typeorm';
import { column, createTable, TableDefinition } from '../dialect/columns';
import { flavorOf } from '../dialect/flavor';

const TABLES: TableDefinition[] = [
  {
    name: 'custom_field_sets',
    key: ['noun'],
    columns: { noun: column.text(20), revision: column.integer() },
  },
  {
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
  },
  {
    name: 'custom_field_values',
    key: ['recordId', 'fieldId', 'ordinal'],
    columns: {
      recordId: column.id(),
      fieldId: column.id(),
      ordinal: column.integer(),
      sortKey: column.text(191),
      numberValue: column.number({ nullable: true }),
    },
    indexes: [{ name: 'ix_custom_field_values_sort', columns: ['fieldId', 'sortKey', 'recordId', 'ordinal'] }],
  },
];

export class CustomFields1700000000004 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    for (const table of TABLES) await createTable(runner, table, flavorOf(runner));
    const sets = (await runner.query('SELECT noun FROM custom_field_sets')) as unknown[];
    if (sets.length > 0) return; // A server commits each table by itself: an interrupted migration runs again.
    await runner.query(`INSERT INTO custom_field_sets (noun, revision) VALUES ('leads', 1), ('customers', 1)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const table of [...TABLES].reverse()) await runner.dropTable(table.name, true);
  }
}
