import { MigrationInterface, QueryRunner } from 'typeorm';
import { column, createTable, TableDefinition } from '../dialect/columns';
import { flavorOf } from '../dialect/flavor';

const TABLE: TableDefinition = {
  name: 'import_mappings',
  key: ['id'],
  columns: {
    id: column.serial(),
    name: column.text(100),
    nameKey: column.text(200),
    target: column.text(20),
    mapping: column.json(),
    headerHash: column.text(64),
    createdBy: column.id(),
    createdAt: column.time(),
  },
  indexes: [
    { name: 'uq_import_mappings_name', columns: ['createdBy', 'nameKey'], unique: true },
    { name: 'ix_import_mappings_header', columns: ['headerHash', 'target'] },
    { name: 'ix_import_mappings_created', columns: ['createdAt', 'id'] },
  ],
};

export class ImportMappings1700000000008 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await createTable(runner, TABLE, flavorOf(runner));
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.dropTable(TABLE.name, true);
  }
}
