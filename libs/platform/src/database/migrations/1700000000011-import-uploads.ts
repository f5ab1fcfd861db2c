import { MigrationInterface, QueryRunner } from 'typeorm';
import { addColumn, Column, column, createTable, makeNullable, TableDefinition } from '../dialect/columns';
import { flavorOf } from '../dialect/flavor';

const UPLOADS: TableDefinition = {
  name: 'import_uploads',
  key: ['id'],
  columns: {
    id: column.id(),
    key: column.text(255),
    uploadId: column.text(1024, { nullable: true }),
    opened: column.boolean(),
    partSize: column.integer(),
    sha256: column.text(64, { nullable: true }),
    expiresAt: column.time(),
    completedAt: column.time({ nullable: true }),
  },
  indexes: [{ name: 'ix_import_uploads_expires', columns: ['expiresAt'] }],
};

const COLUMNS: Record<string, Column> = {
  waitingCode: column.text(50, { nullable: true }),
  waitingUntil: column.time({ nullable: true }),
  filesExpiredAt: column.time({ nullable: true }),
};

export class ImportUploads1700000000011 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    const flavor = flavorOf(runner);
    await createTable(runner, UPLOADS, flavor);
    for (const [property, definition] of Object.entries(COLUMNS)) {
      await addColumn(runner, 'imports', { property, definition }, flavor);
    }
    await makeNullable(runner, 'imports', 'fileHash');
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const name of ['waiting_code', 'waiting_until', 'files_expired_at']) await runner.dropColumn('imports', name);
    await runner.dropTable(UPLOADS.name, true);
  }
}
