import { MigrationInterface, QueryRunner } from 'typeorm';
import { column, createTable, TableDefinition } from '../dialect/columns';
import { flavorOf } from '../dialect/flavor';

/** The tables as they were on the first day: a migration never follows the living definitions. */
const TABLES: TableDefinition[] = [
  {
    name: 'outbox',
    key: ['id'],
    columns: {
      id: column.serial(),
      eventId: column.text(36),
      name: column.text(100),
      version: column.integer(),
      requestId: column.text(100, { nullable: true }),
      payload: column.json(),
      occurredAt: column.time(),
      leasedUntil: column.time({ nullable: true }),
      publishedAt: column.time({ nullable: true }),
    },
    indexes: [
      { name: 'uq_outbox_event', columns: ['eventId'], unique: true },
      { name: 'ix_outbox_unpublished', columns: ['publishedAt', 'id'] },
    ],
  },
  {
    name: 'inbox',
    key: ['consumer', 'eventId'],
    columns: {
      consumer: column.text(100),
      eventId: column.text(36),
      handledAt: column.time(),
    },
    indexes: [{ name: 'ix_inbox_handled', columns: ['handledAt'] }],
  },
  {
    name: 'failed_deliveries',
    key: ['id'],
    columns: {
      id: column.serial(),
      consumer: column.text(100),
      eventId: column.text(36),
      envelope: column.json(),
      status: column.text(20),
      attempts: column.integer(),
      error: column.longText(),
      nextAttemptAt: column.time(),
      createdAt: column.time(),
    },
    indexes: [
      { name: 'uq_failed_deliveries', columns: ['consumer', 'eventId'], unique: true },
      { name: 'ix_failed_deliveries_due', columns: ['status', 'nextAttemptAt'] },
    ],
  },
  {
    name: 'record_ids',
    key: ['sequence'],
    columns: { sequence: column.text(50), nextId: column.id() },
  },
  {
    name: 'leads',
    key: ['id'],
    columns: {
      id: column.id(),
      name: column.text(100),
      email: column.text(254, { nullable: true }),
      phone: column.text(20, { nullable: true }),
      status: column.text(20),
      source: column.text(50),
      company: column.text(200, { nullable: true }),
      assignedTo: column.id({ nullable: true }),
      tags: column.json(),
      customFields: column.json(),
      metadata: column.json(),
      imageUrl: column.text(2048, { nullable: true }),
      doNotContact: column.boolean(),
      originImportId: column.id({ nullable: true }),
      originRow: column.integer({ nullable: true }),
      createdBy: column.id({ nullable: true }),
      createdAt: column.time(),
      updatedAt: column.time(),
      version: column.integer(),
    },
    indexes: [
      { name: 'uq_leads_email', columns: ['email'], unique: true },
      { name: 'uq_leads_phone', columns: ['phone'], unique: true },
      { name: 'ix_leads_created', columns: ['createdAt', 'id'] },
      { name: 'ix_leads_assigned', columns: ['assignedTo', 'createdAt'] },
      { name: 'ix_leads_origin', columns: ['originImportId', 'originRow'] },
    ],
  },
  {
    name: 'customers',
    key: ['id'],
    columns: {
      id: column.id(),
      fullName: column.text(200),
      firstName: column.text(100, { nullable: true }),
      lastName: column.text(100, { nullable: true }),
      email: column.text(254, { nullable: true }),
      phone: column.text(20, { nullable: true }),
      countryCode: column.text(2, { nullable: true }),
      dateOfBirth: column.text(10, { nullable: true }),
      timezone: column.text(64, { nullable: true }),
      company: column.text(200, { nullable: true }),
      title: column.text(100, { nullable: true }),
      address: column.text(255, { nullable: true }),
      city: column.text(100, { nullable: true }),
      state: column.text(100, { nullable: true }),
      country: column.text(100, { nullable: true }),
      zipCode: column.text(20, { nullable: true }),
      notes: column.longText({ nullable: true }),
      status: column.text(20),
      ownerId: column.id({ nullable: true }),
      tags: column.json(),
      customFields: column.json(),
      metadata: column.json(),
      doNotContact: column.boolean(),
      originImportId: column.id({ nullable: true }),
      originRow: column.integer({ nullable: true }),
      createdBy: column.id({ nullable: true }),
      createdAt: column.time(),
      updatedAt: column.time(),
      version: column.integer(),
    },
    indexes: [
      { name: 'uq_customers_email', columns: ['email'], unique: true },
      { name: 'uq_customers_phone', columns: ['phone'], unique: true },
      { name: 'ix_customers_created', columns: ['createdAt', 'id'] },
      { name: 'ix_customers_owner', columns: ['ownerId', 'createdAt'] },
      { name: 'ix_customers_origin', columns: ['originImportId', 'originRow'] },
    ],
  },
  {
    name: 'imports',
    key: ['id'],
    columns: {
      id: column.serial(),
      target: column.text(20),
      status: column.text(20),
      fileName: column.text(255),
      fileSize: column.integer(),
      fileHash: column.text(64),
      fileKey: column.text(255),
      stagedKey: column.text(255, { nullable: true }),
      options: column.json(),
      autoStart: column.boolean(),
      mapping: column.json({ nullable: true }),
      analysis: column.json({ nullable: true }),
      totalRows: column.integer({ nullable: true }),
      recordBase: column.id({ nullable: true }),
      error: column.json({ nullable: true }),
      attempts: column.integer(),
      token: column.integer(),
      leasedUntil: column.time({ nullable: true }),
      requestId: column.text(100, { nullable: true }),
      createdBy: column.id(),
      createdAt: column.time(),
      startedAt: column.time({ nullable: true }),
      finishedAt: column.time({ nullable: true }),
    },
    indexes: [
      { name: 'ix_imports_status', columns: ['status', 'leasedUntil'] },
      { name: 'ix_imports_created', columns: ['createdAt', 'id'] },
    ],
  },
  {
    name: 'import_chunks',
    key: ['importId', 'seq'],
    columns: {
      importId: column.id(),
      seq: column.integer(),
      kind: column.text(10),
      firstRow: column.integer(),
      lastRow: column.integer(),
      status: column.text(10),
      token: column.integer(),
      leasedUntil: column.time({ nullable: true }),
    },
    indexes: [{ name: 'ix_import_chunks_status', columns: ['importId', 'status', 'seq'] }],
  },
  {
    name: 'import_ledger',
    key: ['importId', 'firstRow'],
    columns: {
      importId: column.id(),
      firstRow: column.integer(),
      lastRow: column.integer(),
      outcome: column.text(10),
      recordId: column.id({ nullable: true }),
      errors: column.json({ nullable: true }),
    },
    indexes: [{ name: 'ix_import_ledger_outcome', columns: ['importId', 'outcome', 'firstRow', 'lastRow'] }],
  },
];

export class Foundation1700000000001 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    for (const table of TABLES) await createTable(runner, table, flavorOf(runner));
    for (const sequence of ['leads', 'customers']) {
      await runner.query('INSERT INTO record_ids (sequence, next_id) VALUES (?, 1)', [sequence]);
    }
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const table of [...TABLES].reverse()) await runner.dropTable(table.name, true);
  }
}
