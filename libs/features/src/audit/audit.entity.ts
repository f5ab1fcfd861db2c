import { column, TableDefinition } from '@muster/platform/database/dialect/columns';

/** One mutation: who did what to which record. Written in the mutation's own transaction, and never changed. */
export interface AuditEntry {
  id: number;
  occurredAt: Date;
  /** The user; null for the program itself (the first admin, the command line). */
  actorId: number | null;
  /** The API key through which the user acted. */
  apiKeyId: number | null;
  /** Noun and verb, such as `lead.updated`. */
  action: string;
  subjectType: string;
  subjectId: number | null;
  /** What the mutation changed, as it was and as it is. Null where there was, or is, nothing. */
  oldValues: Record<string, unknown> | null;
  newValues: Record<string, unknown> | null;
  requestId: string | null;
  /** The caller's network address. */
  address: string | null;
}

export const auditTable: TableDefinition = {
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
};
