import { Injectable } from '@nestjs/common';
import { Page } from '@muster/core/page';
import { Database } from '@muster/platform/database/database';
import { formatTime } from '@muster/platform/database/dialect/dialect';
import { ReadTable } from '@muster/platform/database/record-table';
import { Tx } from '@muster/platform/database/transactions';
import { Conditions, readPage } from '@muster/platform/http/list-query';
import { AUDIT_SORT_FIELDS, ListAuditQuery } from './audit.dto';
import { AuditEntry, auditTable } from './audit.entity';
import { marks } from '@muster/platform/database/sql';

const json = (value: unknown) => (value === null ? null : JSON.stringify(value));

const ENTRIES_AT_ONCE = 100;

const toRow = (entry: Omit<AuditEntry, 'id'>) => [
  formatTime(entry.occurredAt),
  entry.actorId,
  entry.apiKeyId,
  entry.action,
  entry.subjectType,
  entry.subjectId,
  json(entry.oldValues),
  json(entry.newValues),
  entry.requestId,
  entry.address,
];

/** All SQL on the audit log: it is added to and read, never changed. */
@Injectable()
export class AuditRepository {
  private readonly entries: ReadTable<AuditEntry>;

  constructor(private readonly database: Database) {
    this.entries = new ReadTable<AuditEntry>(database, auditTable);
  }

  async insertAll(tx: Tx, entries: readonly Omit<AuditEntry, 'id'>[]): Promise<void> {
    for (let start = 0; start < entries.length; start += ENTRIES_AT_ONCE) {
      const rows = entries.slice(start, start + ENTRIES_AT_ONCE).map(toRow);
      await tx.query(
        `INSERT INTO audit_log (occurred_at, actor_id, api_key_id, action, subject_type, subject_id, old_values, new_values,
           request_id, address) VALUES ${rows.map(() => '(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)').join(', ')}`,
        rows.flat(),
      );
    }
  }

  find(id: number): Promise<AuditEntry | null> {
    return this.entries.find(id, new Conditions().all);
  }

  list(query: ListAuditQuery): Promise<Page<AuditEntry>> {
    const where = new Conditions()
      .equals('actor_id', query.actorId)
      .equals('api_key_id', query.apiKeyId)
      .equals('action', query.action)
      .equals('subject_type', query.subjectType)
      .equals('subject_id', query.subjectId)
      .equals('request_id', query.requestId)
      .between('occurred_at', query.from, query.to);
    return readPage(this.entries, AUDIT_SORT_FIELDS, where.all, { ...query, sort: query.sort ?? '-occurredAt' });
  }

  /** The names of users, deleted ones too. Read here, because the users' feature says what it does in this log and not the reverse. */
  async namesOf(userIds: number[]): Promise<Map<number, string>> {
    const ids = [...new Set(userIds)];
    if (ids.length === 0) return new Map();
    const rows = await this.database.query<{ id: number; name: string }>(
      `SELECT id, name FROM users WHERE id IN (${marks(ids)})`,
      ids,
    );
    return new Map(rows.map(({ id, name }) => [Number(id), name]));
  }
}
