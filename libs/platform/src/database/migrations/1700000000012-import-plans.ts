import { MigrationInterface, QueryRunner } from 'typeorm';
import { column, createTable, TableDefinition } from '../dialect/columns';
import { flavorOf } from '../dialect/flavor';

const TABLE: TableDefinition = {
  name: 'import_plans',
  key: ['id'],
  columns: {
    id: column.serial(),
    importId: column.id(),
    status: column.text(10),
    options: column.json(),
    excluded: column.json(),
    mappingHash: column.text(64),
    optionsHash: column.text(64),
    result: column.json({ nullable: true }),
    error: column.json({ nullable: true }),
    attempts: column.integer(),
    token: column.integer(),
    leasedUntil: column.time({ nullable: true }),
    requestId: column.text(100, { nullable: true }),
    createdBy: column.id(),
    createdAt: column.time(),
    finishedAt: column.time({ nullable: true }),
  },
  indexes: [
    { name: 'ix_import_plans_import', columns: ['importId', 'id'] },
    { name: 'ix_import_plans_status', columns: ['status', 'leasedUntil'] },
  ],
};

export class ImportPlans1700000000012 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await createTable(runner, TABLE, flavorOf(runner));
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.dropTable(TABLE.name, true);
  }
}
