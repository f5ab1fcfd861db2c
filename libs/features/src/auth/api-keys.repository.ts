import { Injectable } from '@nestjs/common';
import { Page } from '@muster/core/page';
import { Permission, Role } from '@muster/core/permissions';
import { Database } from '@muster/platform/database/database';
import { formatTime, parseTime } from '@muster/platform/database/dialect/dialect';
import { RecordTable, SqlCondition } from '@muster/platform/database/record-table';
import { Tx } from '@muster/platform/database/transactions';
import { Conditions, readPage } from '@muster/platform/http/list-query';
import { API_KEY_SORT_FIELDS, ListApiKeysQuery } from './api-keys.dto';
import { ApiKey, apiKeyTable } from './auth.entity';

/** A key that may be used now, with its owner as the store knows them now. */
export interface UsableKey {
  id: number;
  userId: number;
  role: Role;
  teamId: number | null;
  permissions: Permission[];
  lastUsedAt: Date | null;
}

interface UsableRow {
  id: number;
  user_id: number;
  role: Role;
  team_id: number | null;
  permissions: string;
  last_used_at: Date | string | null;
}

/** Revoked keys, and those of deleted users, are as if absent. */
const PRESENT = 'revoked_at IS NULL AND user_id IN (SELECT id FROM users WHERE deleted_at IS NULL)';

/** All SQL on API keys. */
@Injectable()
export class ApiKeysRepository {
  private readonly records: RecordTable<ApiKey>;

  constructor(private readonly database: Database) {
    this.records = new RecordTable<ApiKey>(database, apiKeyTable);
  }

  list(visible: SqlCondition, query: ListApiKeysQuery): Promise<Page<ApiKey>> {
    const where = this.present(visible).equals('user_id', query.userId);
    return readPage(this.records, API_KEY_SORT_FIELDS, where.all, { ...query, sort: query.sort ?? '-createdAt' });
  }

  find(id: number, visible: SqlCondition): Promise<ApiKey | null> {
    return this.records.find(id, this.present(visible).all);
  }

  lock(tx: Tx, id: number, visible: SqlCondition): Promise<ApiKey | null> {
    return this.records.lock(tx, id, this.present(visible).all);
  }

  /** The key with this hash, when it and its owner are alive: one look-up by two keys. */
  async usable(keyHash: string): Promise<UsableKey | null> {
    const [row] = await this.database.select<UsableRow>(
      `SELECT k.id, k.user_id, k.permissions, k.last_used_at, u.role, u.team_id
       FROM api_keys k JOIN users u ON u.id = k.user_id
       WHERE k.key_hash = ? AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > ?) AND u.active = 1`,
      [keyHash, formatTime(new Date())],
    );
    if (!row) return null;
    return {
      id: Number(row.id),
      userId: Number(row.user_id),
      role: row.role,
      teamId: row.team_id === null ? null : Number(row.team_id),
      permissions: JSON.parse(row.permissions) as Permission[],
      lastUsedAt: row.last_used_at === null ? null : parseTime(row.last_used_at),
    };
  }

  /** How many keys of the user are neither revoked nor expired. */
  async countLive(tx: Tx, userId: number): Promise<number> {
    const { rows } = await tx.query<{ total: number }>(
      `SELECT COUNT(*) AS total FROM api_keys
       WHERE user_id = ? AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?)`,
      [userId, formatTime(new Date())],
    );
    return Number(rows[0].total);
  }

  async insert(tx: Tx, apiKey: Omit<ApiKey, 'id'>): Promise<ApiKey> {
    const { identifiers } = await tx.manager.getRepository<ApiKey>('api_keys').insert({ ...apiKey });
    return { ...apiKey, id: Number(identifiers[0].id) };
  }

  async revoke(tx: Tx, { id, version }: ApiKey): Promise<void> {
    await this.records.update(tx, id, { revokedAt: new Date(), version: version + 1 });
  }

  /** Notes a use, unless one was noted after `unlessAfter`. */
  async noteUse(tx: Tx, id: number, at: Date, unlessAfter: Date): Promise<void> {
    await tx.query(
      'UPDATE api_keys SET last_used_at = ? WHERE id = ? AND (last_used_at IS NULL OR last_used_at <= ?)',
      [formatTime(at), id, formatTime(unlessAfter)],
    );
  }

  private present({ sql, params }: SqlCondition): Conditions {
    return new Conditions().add(PRESENT).add(sql, ...params);
  }
}
