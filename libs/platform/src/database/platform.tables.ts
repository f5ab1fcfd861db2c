import { column, TableDefinition } from './dialect/columns';

/** Events that were said in a transaction and wait to be published. */
export const outboxTable: TableDefinition = {
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
    /** The event that this one says again. */
    replayOf: column.text(36, { nullable: true }),
  },
  indexes: [
    { name: 'uq_outbox_event', columns: ['eventId'], unique: true },
    { name: 'ix_outbox_unpublished', columns: ['publishedAt', 'id'] },
  ],
};

/** Which consumer has handled which event: written in the transaction of the handler's effect. */
export const inboxTable: TableDefinition = {
  name: 'inbox',
  key: ['consumer', 'eventId'],
  columns: {
    consumer: column.text(100),
    eventId: column.text(36),
    handledAt: column.time(),
  },
  indexes: [{ name: 'ix_inbox_handled', columns: ['handledAt'] }],
};

/** Deliveries that failed: retried with backoff, then dead letters that an admin can read and replay. */
export const failedDeliveryTable: TableDefinition = {
  name: 'failed_deliveries',
  key: ['id'],
  columns: {
    id: column.serial(),
    consumer: column.text(100),
    eventId: column.text(36),
    envelope: column.json(),
    /** retrying | dead */
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
};

/** Where each sequence of application-given ids stands. */
export const recordIdsTable: TableDefinition = {
  name: 'record_ids',
  key: ['sequence'],
  columns: { sequence: column.text(50), nextId: column.id() },
};

/** Requests that named an `Idempotency-Key`, by the SHA-256 of caller, route and key. See `http/idempotency.ts`. */
export const idempotencyKeyTable: TableDefinition = {
  name: 'idempotency_keys',
  key: ['keyHash'],
  columns: {
    keyHash: column.text(64),
    /** SHA-256 of the request's body and query. */
    fingerprint: column.text(64),
    /** running | committed (its effect is stored, its answer not yet) | answered */
    state: column.text(20),
    /** Whose it is: each request that takes the key brings an id of its own, and writes only while it is this one. */
    claimId: column.text(36),
    /** Until when the request that runs is taken to be alive. */
    lockedUntil: column.time(),
    status: column.integer({ nullable: true }),
    /** Headers and body, sealed with the key itself: only who knows the key can read them. */
    answer: column.longText({ nullable: true }),
    expiresAt: column.time(),
  },
  indexes: [{ name: 'ix_idempotency_keys_expires', columns: ['expiresAt'] }],
};

export const platformTables = [outboxTable, inboxTable, failedDeliveryTable, recordIdsTable, idempotencyKeyTable];
