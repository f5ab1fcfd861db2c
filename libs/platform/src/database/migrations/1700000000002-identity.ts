import { MigrationInterface, QueryRunner } from 'typeorm';
import { column, createTable, TableDefinition } from '../dialect/columns';
import { formatTime } from '../dialect/dialect';
import { flavorOf } from '../dialect/flavor';

const TABLES: TableDefinition[] = [
  {
    name: 'teams',
    key: ['id'],
    columns: {
      id: column.serial(),
      name: column.text(100),
      isDefault: column.boolean(),
      createdAt: column.time(),
      updatedAt: column.time(),
      version: column.integer(),
    },
    indexes: [{ name: 'uq_teams_name', columns: ['name'], unique: true }],
  },
  {
    name: 'users',
    key: ['id'],
    columns: {
      id: column.serial(),
      name: column.text(100),
      email: column.text(254),
      emailKey: column.text(254, { nullable: true }),
      passwordHash: column.text(200),
      role: column.text(20),
      teamId: column.id({ nullable: true }),
      phone: column.text(20, { nullable: true }),
      active: column.boolean(),
      createdAt: column.time(),
      updatedAt: column.time(),
      deletedAt: column.time({ nullable: true }),
      version: column.integer(),
    },
    indexes: [
      { name: 'uq_users_email', columns: ['emailKey'], unique: true },
      { name: 'ix_users_team', columns: ['teamId', 'id'] },
      { name: 'ix_users_role', columns: ['role', 'active'] },
    ],
  },
  {
    name: 'sessions',
    key: ['id'],
    columns: {
      id: column.serial(),
      userId: column.id(),
      device: column.text(100, { nullable: true }),
      createdAt: column.time(),
      lastUsedAt: column.time(),
      expiresAt: column.time(),
      revokedAt: column.time({ nullable: true }),
    },
    indexes: [
      { name: 'ix_sessions_user', columns: ['userId', 'revokedAt'] },
      { name: 'ix_sessions_expires', columns: ['expiresAt'] },
    ],
  },
  {
    name: 'refresh_tokens',
    key: ['tokenHash'],
    columns: {
      tokenHash: column.text(64),
      sessionId: column.id(),
      expiresAt: column.time(),
      rotatedAt: column.time({ nullable: true }),
    },
    indexes: [
      { name: 'ix_refresh_tokens_session', columns: ['sessionId'] },
      { name: 'ix_refresh_tokens_expires', columns: ['expiresAt'] },
    ],
  },
  {
    name: 'login_failures',
    key: ['emailHash'],
    columns: {
      emailHash: column.text(64),
      failures: column.integer(),
      lockedUntil: column.time({ nullable: true }),
      updatedAt: column.time(),
    },
    indexes: [{ name: 'ix_login_failures_updated', columns: ['updatedAt'] }],
  },
];

export class Identity1700000000002 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    for (const table of TABLES) await createTable(runner, table, flavorOf(runner));
    const teams = (await runner.query('SELECT id FROM teams WHERE is_default = 1')) as unknown[];
    if (teams.length > 0) return; // A server commits each table by itself: an interrupted migration runs again.
    const now = formatTime(new Date());
    await runner.query('INSERT INTO teams (name, is_default, created_at, updated_at, version) VALUES (?, 1, ?, ?, 1)', [
      'Default team',
      now,
      now,
    ]);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const table of [...TABLES].reverse()) await runner.dropTable(table.name, true);
  }
}
