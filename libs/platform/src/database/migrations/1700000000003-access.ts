import { MigrationInterface, QueryRunner } from 'typeorm';
import { makeAppendOnly } from '../dialect/append-only';
import { column, createTable, TableDefinition } from '../dialect/columns';
import { flavorOf } from '../dialect/flavor';

const TABLES: TableDefinition[] = [
  {
    name: 'audit_log',
    key: ['id'],
    columns: {
      id: column.serial(),
      occurredAt: column.time(),
      actorId: column.id({ nullable: true }),
      apiKeyId: column.id({ nullable: true }),
      action: column.text(60),
      subjectType: column.text(40),
      subjectId: column.id({ nullable: true }),
      oldValues: column.json({ nullable: true }),
      newValues: column.json({ nullable: true }),
      requestId: column.text(100, { nullable: true }),
      address: column.text(45, { nullable: true }),
    },
    indexes: [
      { name: 'ix_audit_log_occurred', columns: ['occurredAt', 'id'] },
      { name: 'ix_audit_log_subject', columns: ['subjectType', 'subjectId', 'occurredAt', 'id'] },
      { name: 'ix_audit_log_type', columns: ['subjectType', 'occurredAt', 'id'] },
      { name: 'ix_audit_log_actor', columns: ['actorId', 'occurredAt', 'id'] },
      { name: 'ix_audit_log_key', columns: ['apiKeyId', 'occurredAt', 'id'] },
      { name: 'ix_audit_log_action', columns: ['action', 'occurredAt', 'id'] },
      { name: 'ix_audit_log_request', columns: ['requestId', 'occurredAt', 'id'] },
    ],
  },
  {
    name: 'api_keys',
    key: ['id'],
    columns: {
      id: column.serial(),
      userId: column.id(),
      name: column.text(100),
      prefix: column.text(20),
      keyHash: column.text(64),
      permissions: column.json(),
      createdAt: column.time(),
      expiresAt: column.time({ nullable: true }),
      lastUsedAt: column.time({ nullable: true }),
      revokedAt: column.time({ nullable: true }),
      version: column.integer(),
    },
    indexes: [
      { name: 'uq_api_keys_hash', columns: ['keyHash'], unique: true },
      { name: 'ix_api_keys_user', columns: ['userId', 'id'] },
    ],
  },
  {
    name: 'idempotency_keys',
    key: ['keyHash'],
    columns: {
      keyHash: column.text(64),
      fingerprint: column.text(64),
      state: column.text(20),
      claimId: column.text(36),
      lockedUntil: column.time(),
      status: column.integer({ nullable: true }),
      answer: column.longText({ nullable: true }),
      expiresAt: column.time(),
    },
    indexes: [{ name: 'ix_idempotency_keys_expires', columns: ['expiresAt'] }],
  },
];

export class Access1700000000003 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    for (const table of TABLES) await createTable(runner, table, flavorOf(runner));
    await makeAppendOnly(runner, 'audit_log');
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const table of [...TABLES].reverse()) await runner.dropTable(table.name, true);
  }
}
