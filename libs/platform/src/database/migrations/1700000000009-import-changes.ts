import { MigrationInterface, QueryRunner } from 'typeorm';
import { column, createTable, TableDefinition } from '../dialect/columns';
import { flavorOf } from '../dialect/flavor';

const TABLE: TableDefinition = {
  name: 'import_changes',
  key: ['importId', 'fileRow'],
  columns: {
    importId: column.id(),
    fileRow: column.integer(),
    recordId: column.id(),
    before: column.json(),
    versionAfter: column.integer(),
  },
  indexes: [{ name: 'ix_import_changes_record', columns: ['importId', 'recordId', 'fileRow'] }],
};

export class ImportChanges1700000000009 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await createTable(runner, TABLE, flavorOf(runner));
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.dropTable(TABLE.name, true);
  }
}
