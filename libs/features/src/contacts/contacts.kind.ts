import { CustomInput } from '@muster/core/contact/custom-fields';
import { CheckContext } from '@muster/core/contact/row';
import { FieldError } from '@muster/core/errors';
import { EventType } from '@muster/core/events';
import { Page } from '@muster/core/page';
import { Permission } from '@muster/core/permissions';
import { Principal } from '@muster/core/principal';
import { RecordTable, SqlCondition } from '@muster/platform/database/record-table';
import { FilterCondition } from '@muster/platform/http/list-query';

/** What leads and customers have in common. */
export interface ContactRecord {
  id: number;
  /** Normalised and unique, like `phone`. */
  email: string | null;
  phone: string | null;
  customFields: Record<string, unknown>;
  metadata: Record<string, unknown>;
  doNotContact: boolean;
  originImportId: number | null;
  originRow: number | null;
  createdBy: number | null;
  createdAt: Date;
  updatedAt: Date;
  version: number;
}

/** A record with those of its groups that the caller may see, by rising id. */
export type Grouped<R> = R & { groups: number[] };

/** What a request may say of every contact record; each noun adds its fields. */
export interface ContactBody {
  customFields?: CustomInput;
  metadata?: Record<string, unknown> | null;
  doNotContact?: boolean;
}

/** Normalised fields, and the phone's extension, which is kept in the metadata. */
export type ContactFields<R> = Partial<R> & { phoneExtension?: string | null };

/** Payloads name records, people and fields; they never hold personal data. */
export interface ContactEvents {
  created: EventType<{ id: number; actorId: number }>;
  updated: EventType<{ id: number; actorId: number; fields: string[] }>;
  deleted: EventType<{ id: number; actorId: number }>;
  assigned: EventType<{ id: number; actorId: number; from: number | null; to: number | null }>;
}

/** What makes one noun different from the other. */
export interface ContactKind<R extends ContactRecord, B extends ContactBody> {
  noun: 'leads' | 'customers';
  /** What one record is called in the audit log. */
  subject: 'lead' | 'customer';
  /** The property that says whose the record is. */
  assignee: keyof R & keyof B & string;
  events: ContactEvents;
  /** The DTO of a change, for changes that do not come as a body of their own. */
  patch: new () => B;
  /** All statuses, in the order of their meaning. */
  statuses: readonly string[];
  /** Whether a record says where it comes from. */
  hasSource: boolean;
  /** What a new record has beside what a request gives. */
  initial?: Partial<R>;
  visible(principal: Principal, permission: Permission): SqlCondition;
  /** The record as clients see it, but for its groups. */
  view(record: R): object;
  /** Checks a whole record. */
  check(body: B, context: CheckContext): { record: ContactFields<R>; errors: FieldError[] };
  /** Checks the fields that a change names. */
  checkPatch(body: B, context: CheckContext): { changes: ContactFields<R>; errors: FieldError[] };
  /** Completes a change by what follows from the record it is made to. */
  complete(current: R, changes: ContactFields<R>, errors: FieldError[]): ContactFields<R>;
}

/** The SQL of one noun. */
export interface ContactRepository<R extends ContactRecord, Q> {
  readonly records: RecordTable<R>;
  /** The conditions of a list, for a query on the noun's table alone. @param more beside those that the query names */
  where(visible: SqlCondition, query: Q, more?: readonly SqlCondition[]): Promise<SqlCondition>;
  /** @param beside is told which records the page's are among, where these are few and known before it is read */
  list(
    visible: SqlCondition,
    query: Q,
    more?: readonly FilterCondition[],
    beside?: (ids: readonly number[]) => void,
  ): Promise<Page<R>>;
}

/** What a caller may do with the records of a noun. */
export type ContactPermissions = Record<'read' | 'write' | 'delete' | 'assign' | 'batch', Permission>;

export const permissionsOf = (noun: 'leads' | 'customers'): ContactPermissions => ({
  read: `${noun}:read`,
  write: `${noun}:write`,
  delete: `${noun}:delete`,
  assign: `${noun}:assign`,
  batch: `${noun}:batch`,
});
