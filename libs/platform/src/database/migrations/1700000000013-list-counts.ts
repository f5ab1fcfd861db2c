import { MigrationInterface, QueryRunner, TableIndex } from 'typeorm';
import { column, createTable, TableDefinition } from '../dialect/columns';
import { formatTime } from '../dialect/dialect';
import { flavorOf } from '../dialect/flavor';

const TABLES: TableDefinition[] = [
  {
    name: 'contact_counts',
    key: ['id'],
    columns: {
      id: column.serial(),
      noun: column.text(1),
      facet: column.text(120),
      assignee: column.id({ nullable: true }),
      creator: column.id({ nullable: true }),
      n: column.integer(),
    },
    indexes: [{ name: 'ix_contact_counts_cell', columns: ['noun', 'facet', 'assignee', 'creator', 'n'] }],
  },
  {
    name: 'contact_count_checks',
    key: ['noun'],
    columns: { noun: column.text(1), checkedAt: column.time({ nullable: true }) },
  },
  {
    name: 'contact_tags',
    key: ['noun', 'tag', 'recordedAt', 'recordId'],
    clustered: true,
    columns: { noun: column.text(1), tag: column.text(110), recordedAt: column.time(), recordId: column.id() },
  },
];

const SOURCE = new TableIndex({ name: 'ix_leads_source', columnNames: ['source', 'created_at'] });

/** Counts and tags of the records that are there already are written by the workers. */
export class ListCounts1700000000013 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    for (const table of TABLES) await createTable(runner, table, flavorOf(runner));
    await runner.createIndices('leads', [SOURCE]);
    for (const table of ['leads', 'customers']) {
      await runner.query(`INSERT INTO contact_count_checks (noun, checked_at) VALUES ('${table[0]}', NULL)`);
      await runner.query(
        `INSERT INTO search_backlog (noun, first_id, last_id, added_at)
         SELECT '${table[0]}', MIN(id), MAX(id), '${formatTime(new Date())}' FROM ${table} HAVING COUNT(*) > 0`,
      );
    }
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.dropIndices('leads', [SOURCE]);
    for (const table of [...TABLES].reverse()) await runner.dropTable(table.name, true);
  }
}
