import { isDeepStrictEqual } from 'node:util';
import { CheckContext } from '@muster/core/contact/row';
import { conflict, FieldError, forbidden, invalid, notFound, ProblemError } from '@muster/core/errors';
import { EventType } from '@muster/core/events';
import { Page } from '@muster/core/page';
import { Permission, scopeOf } from '@muster/core/permissions';
import { Principal } from '@muster/core/principal';
import { Config } from '@muster/platform/config/config';
import { RecordIds } from '@muster/platform/database/record-ids';
import { RecordTable, SqlCondition } from '@muster/platform/database/record-table';
import { Transactions, Tx } from '@muster/platform/database/transactions';
import { requireMatch } from '@muster/platform/http/etag';
import { Outbox } from '@muster/platform/outbox/outbox';
import { AuthService } from '../auth/auth.service';
import { checkMetadata, keepExtension } from './contacts.metadata';

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

/** What a request may say of every contact record; each noun adds its fields. */
export interface ContactBody {
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
  /** The property that says whose the record is. */
  assignee: keyof R & keyof B & string;
  events: ContactEvents;
  visible(principal: Principal, permission: Permission): SqlCondition;
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
  list(visible: SqlCondition, query: Q): Promise<Page<R>>;
}

type Permissions = Record<'read' | 'write' | 'delete' | 'assign', Permission>;

/** A duplicate that is gone before it can be named makes the write run again, this many times. */
const ATTEMPTS = 3;

/** The use cases that leads and customers share: scope, uniqueness, versions, assignment and events. */
export abstract class ContactsService<R extends ContactRecord, B extends ContactBody, Q> {
  private readonly permissions: Permissions;
  private readonly context: CheckContext;

  constructor(
    private readonly kind: ContactKind<R, B>,
    private readonly repository: ContactRepository<R, Q>,
    private readonly transactions: Transactions,
    private readonly recordIds: RecordIds,
    private readonly outbox: Outbox,
    private readonly auth: AuthService,
    config: Config,
  ) {
    const { noun } = kind;
    this.permissions = {
      read: `${noun}:read`,
      write: `${noun}:write`,
      delete: `${noun}:delete`,
      assign: `${noun}:assign`,
    };
    this.context = { defaultRegion: config.defaultRegion };
  }

  list(principal: Principal, query: Q): Promise<Page<R>> {
    return this.repository.list(this.kind.visible(principal, this.permissions.read), query);
  }

  /** @throws 404 when it is absent or not the caller's */
  async get(principal: Principal, id: number): Promise<R> {
    const record = await this.repository.records.find(id, this.kind.visible(principal, this.permissions.read));
    if (!record) throw notFound();
    return record;
  }

  /** @throws 422 `validation-failed` or `user-unknown`, 403 `assign-forbidden`, 409 `duplicate` */
  async create(principal: Principal, body: B): Promise<R> {
    const { record, errors } = this.kind.check(body, this.context);
    const metadata = checkMetadata(body.metadata, errors);
    refuse(errors);
    const { phoneExtension, ...fields } = record;
    const assignee = this.assigneeOf(body) ?? null;
    const refusal = await this.refusalToAssign(principal, assignee);
    if (refusal) throw refusal;
    const now = new Date();
    const created = {
      ...fields,
      id: await this.recordIds.next(this.kind.noun),
      [this.kind.assignee]: assignee,
      customFields: {},
      metadata: phoneExtension ? { ...metadata, phoneExtension } : (metadata ?? {}),
      originImportId: null,
      originRow: null,
      createdBy: principal.userId,
      createdAt: now,
      updatedAt: now,
      version: 1,
    } as unknown as R;
    return this.write(principal, created, async (tx) => {
      await this.repository.records.insert(tx, created);
      await this.outbox.add(tx, this.kind.events.created, { id: created.id, actorId: principal.userId });
      await this.sayAssigned(tx, principal, created.id, null, assignee);
      return created;
    });
  }

  /**
   * Replaces every field: what the body leaves out is cleared, or has its default again. `doNotContact` stays as it is, and so
   * does the assignee when the caller may not assign.
   * @throws as {@link patch}
   */
  replace(principal: Principal, id: number, body: B, ifMatch?: string): Promise<R> {
    const { record, errors } = this.kind.check(body, this.context);
    const changes = { ...record };
    if (body.doNotContact === undefined) delete changes.doNotContact;
    const given = this.assigneeOf(body);
    const assignee = given === undefined && this.holds(principal, 'assign') ? null : given;
    return this.change(principal, id, changes, errors, { metadata: body.metadata ?? {}, assignee }, ifMatch);
  }

  /**
   * Changes the fields that the body names.
   * @param ifMatch the request's `If-Match`
   * @throws 404 when it is absent or not the caller's, 412 `stale`, 422 `validation-failed`, `empty-patch` or `user-unknown`,
   * 403 `assign-forbidden` or `forbidden` (clearing `doNotContact`), 409 `duplicate`
   */
  async patch(principal: Principal, id: number, body: B, ifMatch?: string): Promise<R> {
    if (Object.values(body).every((value) => value === undefined)) {
      throw invalid('empty-patch', 'The change names no field.');
    }
    const { changes, errors } = this.kind.checkPatch(body, this.context);
    const metadata = body.metadata === null ? {} : body.metadata;
    return this.change(principal, id, changes, errors, { metadata, assignee: this.assigneeOf(body) }, ifMatch);
  }

  /** @throws 404 when it is absent or not the caller's, 412 `stale` */
  async remove(principal: Principal, id: number, ifMatch?: string): Promise<void> {
    const visible = this.kind.visible(principal, this.permissions.delete);
    await this.transactions.run(async (tx) => {
      const current = await this.repository.records.lock(tx, id, visible);
      if (!current) throw notFound();
      requireMatch(ifMatch, current.version);
      await this.repository.records.remove(tx, id);
      await this.outbox.add(tx, this.kind.events.deleted, { id, actorId: principal.userId });
    });
  }

  private async change(
    principal: Principal,
    id: number,
    fields: ContactFields<R>,
    errors: FieldError[],
    given: { metadata?: Record<string, unknown>; assignee?: number | null },
    ifMatch?: string,
  ): Promise<R> {
    const metadata = checkMetadata(given.metadata, errors);
    refuse(errors);
    const { assignee } = given;
    // Asked beforehand, because nothing else is read while a transaction is open; it counts only if the assignee changes.
    const refusal = await this.refusalToAssign(principal, assignee);
    const visible = this.kind.visible(principal, this.permissions.write);
    const values = fields as Pick<ContactRecord, 'email' | 'phone'>;
    return this.write(principal, { id, email: values.email, phone: values.phone }, async (tx) => {
      const current = await this.repository.records.lock(tx, id, visible);
      if (!current) throw notFound();
      requireMatch(ifMatch, current.version);
      const incomplete: FieldError[] = [];
      const { phoneExtension, ...changes } = this.kind.complete(current, fields, incomplete);
      refuse(incomplete);
      const next = {
        ...current,
        ...changes,
        metadata: keepExtension(current, { phone: (changes as Partial<R>).phone, phoneExtension, metadata }),
      } as R;
      if (assignee !== undefined) Object.assign(next, { [this.kind.assignee]: assignee });
      const changed = (Object.keys(next) as (keyof R & string)[]).filter(
        (field) => !isDeepStrictEqual(next[field], current[field]),
      );
      if (changed.length === 0) return current;
      if (changed.includes('doNotContact') && !next.doNotContact && !this.holds(principal, 'delete')) {
        throw forbidden('Only managers and admins may clear doNotContact.');
      }
      if (changed.includes(this.kind.assignee)) {
        if (refusal) throw refusal;
        this.requireReassign(principal, current);
      }
      Object.assign(next, { updatedAt: new Date(), version: current.version + 1 });
      const stored = Object.fromEntries(
        [...changed, 'updatedAt', 'version'].map((field) => [field, next[field as keyof R]]),
      );
      await this.repository.records.update(tx, id, stored as Partial<R>);
      await this.outbox.add(tx, this.kind.events.updated, { id, actorId: principal.userId, fields: changed });
      await this.sayAssigned(tx, principal, id, this.assigneeOf(current) ?? null, this.assigneeOf(next) ?? null);
      return next;
    });
  }

  /** Why the principal may not give a record to this user; null when they may. */
  private async refusalToAssign(principal: Principal, assignee: number | null | undefined): Promise<Error | null> {
    if (assignee === null || assignee === undefined) return null;
    try {
      await this.auth.assignableTo(principal, assignee);
      return null;
    } catch (error) {
      if (!(error instanceof ProblemError) || !error.errors) return error as Error;
      const errors = error.errors.map((each) => ({ ...each, field: this.kind.assignee }));
      return new ProblemError(error.kind, error.status, error.code, error.message, errors);
    }
  }

  /** Who may not assign may take what is nobody's and give up what is his own. */
  private requireReassign(principal: Principal, current: R): void {
    const holder = this.assigneeOf(current) ?? null;
    if (this.holds(principal, 'assign') || holder === null || holder === principal.userId) return;
    throw new ProblemError(
      'user',
      403,
      'assign-forbidden',
      'It is assigned to someone else: a manager may reassign it.',
    );
  }

  private async sayAssigned(
    tx: Tx,
    principal: Principal,
    id: number,
    from: number | null,
    to: number | null,
  ): Promise<void> {
    if (from !== to) await this.outbox.add(tx, this.kind.events.assigned, { id, actorId: principal.userId, from, to });
  }

  private assigneeOf(values: R | B): number | null | undefined {
    return (values as Record<string, unknown>)[this.kind.assignee] as number | null | undefined;
  }

  private holds(principal: Principal, action: keyof Permissions): boolean {
    return scopeOf(principal.role, this.permissions[action]) !== null;
  }

  /** Runs a write; where the store says that a unique value is taken, tells which, and by whom. */
  private async write(
    principal: Principal,
    wanted: { id: number; email?: string | null; phone?: string | null },
    work: (tx: Tx) => Promise<R>,
  ): Promise<R> {
    const { dialect } = this.repository.records.database;
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.transactions.run(work);
      } catch (error) {
        if (!dialect.isDuplicate(error)) throw error;
        const errors = await this.duplicates(principal, wanted);
        if (errors.length > 0) throw conflict('duplicate', 'Another record has the same value already.', errors);
        if (attempt === ATTEMPTS) throw error;
      }
    }
  }

  private async duplicates(
    principal: Principal,
    wanted: { id: number; email?: string | null; phone?: string | null },
  ): Promise<FieldError[]> {
    const visible = this.kind.visible(principal, this.permissions.read);
    const { email = null, phone = null } = wanted;
    const holders = await this.repository.records.database.query<{
      id: number;
      email: string;
      phone: string;
      visible: number;
    }>(
      `SELECT id, email, phone, CASE WHEN ${visible.sql} THEN 1 ELSE 0 END AS visible
       FROM ${this.kind.noun} WHERE (email = ? OR phone = ?) AND id <> ?`,
      [...visible.params, email, phone, wanted.id],
    );
    return (['email', 'phone'] as const).flatMap((field) => {
      const value = wanted[field];
      const holder = value ? holders.find((row) => row[field] === value) : undefined;
      if (!holder) return [];
      const existing = Number(holder.visible) === 1 ? { existingId: Number(holder.id) } : {};
      return [{ field, code: 'duplicate-existing', message: 'is taken by another record', ...existing }];
    });
  }
}

function refuse(errors: FieldError[]): void {
  if (errors.length > 0) throw invalid('validation-failed', 'The request is well-formed but not valid.', errors);
}
