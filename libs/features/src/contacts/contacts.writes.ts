import { checkCustomFields, CustomInput } from '@muster/core/contact/custom-fields';
import { CheckContext } from '@muster/core/contact/row';
import {
  conflict,
  FieldError,
  forbidden,
  invalid,
  notFound,
  ProblemError,
  validationFailed,
} from '@muster/core/errors';
import { holds, Principal } from '@muster/core/principal';
import { RecordTable } from '@muster/platform/database/record-table';
import { Tx } from '@muster/platform/database/transactions';
import { requireMatch } from '@muster/platform/http/etag';
import { LoadedFields } from '../custom-fields/custom-fields.service';
import { changedFields, changesOf } from './contacts.changed';
import { takenValues, WantedValues } from './contacts.holders';
import {
  ContactBody,
  ContactFields,
  ContactKind,
  ContactPermissions,
  ContactRecord,
  permissionsOf,
} from './contacts.kind';
import { checkMetadata, keepExtension } from './contacts.metadata';
import { ContactTools } from './contacts.tools.service';

/** What a request gives a record, checked as far as it can be without the record and the custom fields. */
export interface CheckedBody<R> {
  mode: 'create' | 'replace' | 'patch';
  fields: ContactFields<R>;
  customFields: CustomInput;
  /** Undefined stays as it is, like the assignee. */
  metadata?: Record<string, unknown>;
  assignee?: number | null;
  /** Why the caller may not give a record to the assignee; null when they may. */
  refusal: Error | null;
}

/** Why a user may not be given records; null when they may be. */
export type RefusalToAssign = (assignee: number) => Promise<Error | null>;

/** A duplicate that is gone before it can be named is tried again, this many times. */
const ATTEMPTS = 3;

/** The writes of one noun, each a part of a transaction: every record that a person makes or changes goes through here. */
export class ContactWrites<R extends ContactRecord, B extends ContactBody> {
  private readonly permissions: ContactPermissions;
  private readonly context: CheckContext;

  constructor(
    private readonly kind: ContactKind<R, B>,
    private readonly records: RecordTable<R>,
    private readonly tools: ContactTools,
  ) {
    this.permissions = permissionsOf(kind.noun);
    this.context = { defaultRegion: tools.config.defaultRegion };
  }

  /**
   * Checks a body before the transaction, in which nothing else is read.
   * @throws 422 `validation-failed`, `empty-patch`
   */
  async check(
    principal: Principal,
    body: B,
    mode: CheckedBody<R>['mode'],
    refusalOf: RefusalToAssign = (assignee) => this.refusalToAssign(principal, assignee),
  ): Promise<CheckedBody<R>> {
    const errors: FieldError[] = [];
    const fields = this.checkFields(body, mode, errors);
    const given = body.metadata === null || mode === 'replace' ? (body.metadata ?? {}) : body.metadata;
    const metadata = checkMetadata(given, errors);
    const { customFields } = body;
    if (errors.length > 0) {
      // The others are checked in the transaction; a client is told of all at once.
      errors.push(
        ...checkCustomFields(await this.tools.customFields.current(this.kind.noun), customFields, mode).errors,
      );
      refuse(errors);
    }
    const named = this.assigneeOf(body);
    const clears = mode === 'replace' && named === undefined && holds(principal, this.permissions.assign);
    const assignee = clears ? null : named;
    const refusal = typeof assignee === 'number' ? await refusalOf(assignee) : null;
    return { mode, fields, customFields, metadata, assignee, refusal };
  }

  private checkFields(body: B, mode: CheckedBody<R>['mode'], errors: FieldError[]): ContactFields<R> {
    if (mode === 'patch') {
      if (Object.values(body).every((value) => value === undefined)) {
        throw invalid('empty-patch', 'The change names no field.');
      }
      const patch = this.kind.checkPatch(body, this.context);
      errors.push(...patch.errors);
      return patch.changes;
    }
    const whole = this.kind.check(body, this.context);
    errors.push(...whole.errors);
    const fields = { ...whole.record };
    if (mode === 'replace' && body.doNotContact === undefined) delete fields.doNotContact;
    return fields;
  }

  /** Why the principal may not give a record to this user; null when they may. */
  async refusalToAssign(principal: Principal, assignee: number): Promise<Error | null> {
    try {
      await this.tools.auth.assignableTo(principal, assignee, this.permissions.assign);
      return null;
    } catch (error) {
      if (!(error instanceof ProblemError) || !error.errors) return error as Error;
      const errors = error.errors.map((each) => ({ ...each, field: this.kind.assignee }));
      return new ProblemError(error.kind, error.status, error.code, error.message, errors);
    }
  }

  /** The custom fields that a write needs, to be had before records are locked; null when it leaves them alone. */
  async fieldsFor(tx: Tx, bodies: readonly CheckedBody<R>[]): Promise<LoadedFields | null> {
    const needed = bodies.some(({ mode, customFields }) => mode !== 'patch' || customFields !== undefined);
    return needed ? this.tools.customFields.load(tx, this.kind.noun) : null;
  }

  /**
   * Makes a record.
   * @param id taken before the transaction
   * @throws 422 `validation-failed` or `user-unknown`, 403 `assign-forbidden`, 409 `duplicate`
   */
  async create(tx: Tx, principal: Principal, id: number, body: CheckedBody<R>): Promise<R> {
    if (body.refusal) throw body.refusal;
    const set = (await this.fieldsFor(tx, [body]))!;
    const { values, errors } = checkCustomFields(set, body.customFields, 'create');
    refuse(errors);
    const { phoneExtension, ...fields } = body.fields;
    const now = new Date();
    const created = {
      ...this.kind.initial,
      ...fields,
      id,
      [this.kind.assignee]: body.assignee ?? null,
      customFields: values,
      metadata: phoneExtension ? { ...body.metadata, phoneExtension } : (body.metadata ?? {}),
      originImportId: null,
      originRow: null,
      createdBy: principal.userId,
      createdAt: now,
      updatedAt: now,
      version: 1,
    } as unknown as R;
    const { noun, events } = this.kind;
    await this.claiming(tx, principal, created, () => this.records.insert(tx, created));
    await this.tools.customFields.mirror(tx, set, [{ recordId: id, values }], true);
    await this.tools.followers.changed(tx, principal, noun, [{ before: null, after: created }]);
    await this.note(tx, principal, 'created', null, created);
    await this.tools.outbox.add(tx, events.created, { id, actorId: principal.userId });
    await this.sayAssigned(tx, principal, id, null, body.assignee ?? null);
    return created;
  }

  /**
   * Changes a record.
   * @param current as it is locked in this transaction; null when it is absent or not the caller's
   * @param ifMatch the request's `If-Match`
   * @param set what {@link fieldsFor} gave
   * @returns the record as it is now: the same object when nothing is different
   * @throws 404, 412 `stale`, 422 `validation-failed` or `user-unknown`, 403 `assign-forbidden` or `forbidden` (clearing
   * `doNotContact`), 409 `duplicate`. Of a change that throws, nothing is written, and the transaction may go on
   */
  async change(
    tx: Tx,
    principal: Principal,
    current: R | null,
    body: CheckedBody<R>,
    set: LoadedFields | null,
    ifMatch?: string,
  ): Promise<R> {
    if (!current) throw notFound();
    requireMatch(ifMatch, current.version);
    const next = this.changed(current, body, set);
    const changed = changedFields(current, next);
    if (changed.length === 0) return current;
    const clears = changed.includes('doNotContact') && !next.doNotContact;
    if (clears && !holds(principal, this.permissions.delete)) {
      throw forbidden('Only managers and admins may clear doNotContact.');
    }
    if (changed.includes(this.kind.assignee)) {
      if (body.refusal) throw body.refusal;
      this.requireReassign(principal, current);
    }
    Object.assign(next, { updatedAt: new Date(), version: current.version + 1 });
    const stored = changesOf(current, next);
    const { id } = current;
    const { noun, events } = this.kind;
    const { email, phone } = stored;
    await this.claiming(tx, principal, { id, email, phone }, () => this.records.update(tx, id, stored));
    if (set && changed.includes('customFields')) {
      await this.tools.customFields.mirror(tx, set, [{ recordId: id, values: next.customFields }]);
    }
    await this.tools.followers.changed(tx, principal, noun, [{ before: current, after: next }]);
    await this.note(tx, principal, clears ? 'do-not-contact-cleared' : 'updated', current, next);
    await this.tools.outbox.add(tx, events.updated, { id, actorId: principal.userId, fields: changed });
    await this.sayAssigned(tx, principal, id, this.assigneeOf(current) ?? null, this.assigneeOf(next) ?? null);
    return next;
  }

  /** What a record becomes, as a new object. @throws 422 `validation-failed` */
  private changed(current: R, body: CheckedBody<R>, set: LoadedFields | null): R {
    const errors: FieldError[] = [];
    const { phoneExtension, ...changes } = this.kind.complete(current, body.fields, errors);
    const { phone } = changes as Partial<R>;
    const next = {
      ...current,
      ...changes,
      metadata: keepExtension(current, { phone, phoneExtension, metadata: body.metadata }),
    } as R;
    if (body.assignee !== undefined) Object.assign(next, { [this.kind.assignee]: body.assignee });
    if (body.mode !== 'patch' || body.customFields !== undefined) {
      const custom = checkCustomFields(set!, body.customFields, body.mode, current.customFields);
      errors.push(...custom.errors);
      next.customFields = custom.values;
    }
    refuse(errors);
    return next;
  }

  /** Deletes a record, with all that is kept about it. @throws 404, 412 `stale` */
  async remove(tx: Tx, principal: Principal, current: R | null, ifMatch?: string): Promise<void> {
    if (!current) throw notFound();
    requireMatch(ifMatch, current.version);
    const { id } = current;
    const { noun, events } = this.kind;
    await this.records.remove(tx, id);
    await this.tools.customFields.unmirror(tx, noun, [id]);
    await this.tools.followers.changed(tx, principal, noun, [{ before: current, after: null }]);
    await this.note(tx, principal, 'deleted', current, null);
    await this.tools.outbox.add(tx, events.deleted, { id, actorId: principal.userId });
  }

  /**
   * Runs the statement that claims unique values. The store refuses it alone, not the transaction, so we may ask there who holds them:
   * also a record that this very transaction has changed.
   * @throws 409 `duplicate`
   */
  private async claiming(
    tx: Tx,
    principal: Principal,
    wanted: WantedValues,
    write: () => Promise<void>,
  ): Promise<void> {
    const { dialect } = this.records.database;
    for (let attempt = 1; ; attempt++) {
      try {
        return await write();
      } catch (error) {
        if (!dialect.isDuplicate(error)) throw error;
        const errors = await this.holdersOf(tx, principal, wanted);
        if (errors.length > 0) throw conflict('duplicate', 'Another record has the same value already.', errors);
        if (attempt === ATTEMPTS) throw error;
      }
    }
  }

  private holdersOf(tx: Tx, principal: Principal, wanted: WantedValues): Promise<FieldError[]> {
    const { read } = this.permissions;
    const visible = holds(principal, read) ? this.kind.visible(principal, read) : { sql: '1 = 0', params: [] };
    const inTx = { query: async <T>(sql: string, params?: unknown[]) => (await tx.query<T>(sql, params)).rows };
    return takenValues(inTx, this.kind.noun, visible, wanted);
  }

  /** Who may not assign may take what is nobody's and give up what is his own. */
  private requireReassign(principal: Principal, current: R): void {
    const holder = this.assigneeOf(current) ?? null;
    if (holds(principal, this.permissions.assign) || holder === null || holder === principal.userId) return;
    throw new ProblemError(
      'user',
      403,
      'assign-forbidden',
      'It is assigned to someone else: a manager may reassign it.',
    );
  }

  /** Writes the audit log. */
  private note(tx: Tx, principal: Principal, verb: string, before: R | null, after: R | null): Promise<void> {
    return this.tools.audit.record(tx, principal, {
      action: `${this.kind.subject}.${verb}`,
      subjectId: (after ?? before)!.id,
      before: before && this.kind.view(before),
      after: after && this.kind.view(after),
    });
  }

  private async sayAssigned(
    tx: Tx,
    principal: Principal,
    id: number,
    from: number | null,
    to: number | null,
  ): Promise<void> {
    if (from === to) return;
    await this.tools.outbox.add(tx, this.kind.events.assigned, { id, actorId: principal.userId, from, to });
  }

  private assigneeOf(values: R | B): number | null | undefined {
    return (values as Record<string, unknown>)[this.kind.assignee] as number | null | undefined;
  }
}

function refuse(errors: FieldError[]): void {
  if (errors.length > 0) throw validationFailed(errors);
}
