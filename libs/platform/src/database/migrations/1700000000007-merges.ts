import { MigrationInterface, QueryRunner } from 'typeorm';
import { addIndexedColumn, column, createTable, TableDefinition } from '../dialect/columns';
import { formatTime } from '../dialect/dialect';
import { flavorOf } from '../dialect/flavor';

const TABLES: TableDefinition[] = [
  {
    name: 'contact_merges',
    key: ['id'],
    columns: {
      id: column.serial(),
      noun: column.text(20),
      targetId: column.id(),
      sourceId: column.id(),
      targetBefore: column.json(),
      sourceBefore: column.json(),
      targetAfter: column.json(),
      moved: column.json(),
      mergedBy: column.id(),
      mergedAt: column.time(),
      undoneBy: column.id({ nullable: true }),
      undoneAt: column.time({ nullable: true }),
    },
    indexes: [
      { name: 'ix_contact_merges_target', columns: ['noun', 'targetId'] },
      { name: 'ix_contact_merges_source', columns: ['noun', 'sourceId'] },
    ],
  },
  {
    name: 'duplicate_keys',
    key: ['noun', 'kind', 'keyHash', 'recordId'],
    clustered: true,
    columns: { noun: column.text(20), kind: column.integer(), keyHash: column.id(), recordId: column.id() },
  },
];

export class Merges1700000000007 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    const flavor = flavorOf(runner);
    for (const table of TABLES) await createTable(runner, table, flavor);
    const convertedTo = {
      property: 'convertedTo',
      definition: column.id({ nullable: true }),
      index: 'ix_leads_converted',
    };
    await addIndexedColumn(runner, 'leads', convertedTo, flavor);
    // The workers write the keys of the records that are there already.
    for (const table of ['leads', 'customers']) {
      await runner.query(
        `INSERT INTO search_backlog (noun, first_id, last_id, added_at)
         SELECT '${table[0]}', MIN(id), MAX(id), '${formatTime(new Date())}' FROM ${table} HAVING COUNT(*) > 0`,
      );
    }
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.dropIndex('leads', 'ix_leads_converted');
    await runner.dropColumn('leads', 'converted_to');
    for (const table of [...TABLES].reverse()) await runner.dropTable(table.name, true);
  }
}
