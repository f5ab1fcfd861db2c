import { MigrationInterface, QueryRunner, TableIndex } from 'typeorm';
import { column, createTable, TableDefinition } from '../dialect/columns';
import { formatTime } from '../dialect/dialect';
import { flavorOf } from '../dialect/flavor';

const TABLES: TableDefinition[] = [
  {
    name: 'search_terms',
    key: ['noun', 'term', 'recordId'],
    clustered: true,
    columns: { noun: column.text(1), term: column.text(40), recordId: column.id() },
  },
  {
    name: 'search_backlog',
    key: ['id'],
    columns: {
      id: column.serial(),
      noun: column.text(1),
      firstId: column.id(),
      lastId: column.id(),
      addedAt: column.time(),
    },
  },
];

/** What someone made, what has a status, and the sorts of lists. */
const INDEXES: Record<string, TableIndex[]> = {
  leads: [
    new TableIndex({ name: 'ix_leads_creator', columnNames: ['created_by', 'assigned_to', 'created_at'] }),
    new TableIndex({ name: 'ix_leads_updated', columnNames: ['updated_at'] }),
    new TableIndex({ name: 'ix_leads_name', columnNames: ['name'] }),
    new TableIndex({ name: 'ix_leads_status', columnNames: ['status', 'created_at'] }),
  ],
  customers: [
    new TableIndex({ name: 'ix_customers_creator', columnNames: ['created_by', 'owner_id', 'created_at'] }),
    new TableIndex({ name: 'ix_customers_updated', columnNames: ['updated_at'] }),
    new TableIndex({ name: 'ix_customers_name', columnNames: ['full_name'] }),
    new TableIndex({ name: 'ix_customers_status', columnNames: ['status', 'created_at'] }),
  ],
};

export class Search1700000000006 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    for (const table of TABLES) await createTable(runner, table, flavorOf(runner));
    for (const [table, indexes] of Object.entries(INDEXES)) await runner.createIndices(table, indexes);
    // The workers write the terms of the records that are there already.
    for (const table of ['leads', 'customers']) {
      await runner.query(
        `INSERT INTO search_backlog (noun, first_id, last_id, added_at)
         SELECT '${table[0]}', MIN(id), MAX(id), '${formatTime(new Date())}' FROM ${table} HAVING COUNT(*) > 0`,
      );
    }
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const [table, indexes] of Object.entries(INDEXES)) await runner.dropIndices(table, indexes);
    for (const table of [...TABLES].reverse()) await runner.dropTable(table.name, true);
  }
}
