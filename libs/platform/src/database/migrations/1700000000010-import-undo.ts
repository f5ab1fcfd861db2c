import { MigrationInterface, QueryRunner } from 'typeorm';
import { addColumn, column, createTable, TableDefinition } from '../dialect/columns';
import { flavorOf } from '../dialect/flavor';

const UNDOS: TableDefinition = {
  name: 'import_undos',
  key: ['importId'],
  columns: {
    importId: column.id(),
    status: column.text(10),
    statusBefore: column.text(20),
    total: column.integer(),
    startedBy: column.id(),
    startedAt: column.time(),
    finishedAt: column.time({ nullable: true }),
  },
};

const LEDGER: TableDefinition = {
  name: 'import_undo_ledger',
  key: ['importId', 'firstRow'],
  columns: {
    importId: column.id(),
    firstRow: column.integer(),
    lastRow: column.integer(),
    outcome: column.text(10),
    recordId: column.id({ nullable: true }),
    errors: column.json({ nullable: true }),
  },
  indexes: [{ name: 'ix_import_undo_ledger_outcome', columns: ['importId', 'outcome', 'firstRow', 'lastRow'] }],
};

const RESTORES: TableDefinition = {
  name: 'record_restores',
  key: ['noun', 'recordId', 'version'],
  columns: {
    noun: column.text(20),
    recordId: column.id(),
    version: column.integer(),
    sameAs: column.integer(),
  },
};

const EMISSIONS: TableDefinition = {
  name: 'import_emissions',
  key: ['id'],
  columns: {
    id: column.serial(),
    importId: column.id(),
    kind: column.text(10),
    outcomes: column.json(),
    afterRow: column.integer(),
    emitted: column.integer(),
    total: column.integer(),
    servedAt: column.time(),
    requestId: column.text(100, { nullable: true }),
    createdBy: column.id(),
    createdAt: column.time(),
    finishedAt: column.time({ nullable: true }),
  },
  indexes: [
    { name: 'ix_import_emissions_waiting', columns: ['finishedAt', 'servedAt'] },
    { name: 'ix_import_emissions_import', columns: ['importId', 'id'] },
  ],
};

const TABLES = [UNDOS, LEDGER, RESTORES, EMISSIONS];

export class ImportUndo1700000000010 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    for (const table of TABLES) await createTable(runner, table, flavorOf(runner));
    await addColumn(
      runner,
      'outbox',
      { property: 'replayOf', definition: column.text(36, { nullable: true }) },
      flavorOf(runner),
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE outbox DROP COLUMN replay_of');
    for (const { name } of TABLES.toReversed()) await runner.dropTable(name, true);
  }
}
