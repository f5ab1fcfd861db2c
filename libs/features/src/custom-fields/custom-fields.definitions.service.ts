import { isDeepStrictEqual } from 'node:util';
import { Injectable } from '@nestjs/common';
import { MAX_CUSTOM_FIELDS } from '@muster/core/contact/custom-fields';
import {
  checkDefinition,
  checkKey,
  CustomFieldDraft,
  CustomFieldInput,
} from '@muster/core/contact/custom-fields-definition';
import { ContactTarget } from '@muster/core/contact/fields';
import { conflict, FieldError, invalid, notFound, validationFailed } from '@muster/core/errors';
import { Page } from '@muster/core/page';
import { Principal, requireScope } from '@muster/core/principal';
import { SqlCondition } from '@muster/platform/database/record-table';
import { Transactions, Tx } from '@muster/platform/database/transactions';
import { requireMatch } from '@muster/platform/http/etag';
import { readPage } from '@muster/platform/http/list-query';
import { currentRequestId } from '@muster/platform/observability/request-context';
import { Outbox } from '@muster/platform/outbox/outbox';
import { AuditService } from '../audit/audit.service';
import { FIELD_SORT_FIELDS, FieldBody, ListFieldsQuery, PatchFieldBody, ReplaceFieldBody } from './custom-fields.dto';
import { CustomField } from './custom-fields.entity';
import { customFieldCreated, customFieldDeleted, customFieldUpdated } from './custom-fields.events';
import { CustomFieldsRepository } from './custom-fields.repository';
import { CustomFieldsWorkService } from './custom-fields.work.service';

/** What a request may add to a change. */
export interface ChangeOptions {
  /** Also when records have values; admins only. */
  force: boolean;
  /** The request's `If-Match`. */
  ifMatch?: string;
}

type Work = Pick<CustomField, 'state' | 'doneTo'>;

/** The use cases of definitions. Who may read a noun may read its fields; the routes say who may define them. */
@Injectable()
export class CustomFieldDefinitionsService {
  constructor(
    private readonly transactions: Transactions,
    private readonly repository: CustomFieldsRepository,
    private readonly work: CustomFieldsWorkService,
    private readonly audit: AuditService,
    private readonly outbox: Outbox,
  ) {}

  list(noun: ContactTarget, query: ListFieldsQuery): Promise<Page<CustomField>> {
    const sort = query.sort ?? '-createdAt';
    return readPage(this.repository.records, FIELD_SORT_FIELDS, ofNoun(noun), { ...query, sort });
  }

  /** @throws 404 */
  async get(noun: ContactTarget, id: number): Promise<CustomField> {
    const field = await this.repository.records.find(id, ofNoun(noun));
    if (!field) throw notFound();
    return field;
  }

  /**
   * Makes a field. Records that are there already get no value.
   * @throws 422 `validation-failed` or `pattern-unsafe`; 409 `duplicate`, `too-many-fields`, or `field-removing` while the values of a
   * former field of this key are being taken away
   */
  async create(principal: Principal, noun: ContactTarget, body: FieldBody): Promise<CustomField> {
    const errors: FieldError[] = [];
    checkKey(noun, body.key, errors);
    const draft = checkDefinition(body, errors);
    refuse(errors);
    const now = new Date();
    const field = await this.transactions.run(async (tx) => {
      await this.repository.hold(tx, noun);
      await this.requireRoom(tx, noun, body.key);
      const created = await this.repository.insert(tx, {
        ...{ noun, fieldKey: body.key, ...draft },
        state: draft.filterable ? 'indexing' : 'ready',
        ...{ doneTo: 0, ...changedBy(principal), createdAt: now, updatedAt: now, version: 1 },
      });
      const { id } = created;
      await this.audit.record(tx, principal, {
        ...{ action: 'custom-field.created', subjectId: id },
        after: { noun, ...definitionOf(created) },
      });
      await this.outbox.add(tx, customFieldCreated, { id, noun, key: body.key, actorId: principal.userId });
      return created;
    });
    return this.worked(field);
  }

  private async requireRoom(tx: Tx, noun: ContactTarget, key: string): Promise<void> {
    const fields = await this.repository.all(noun, tx);
    const same = fields.find(({ fieldKey }) => fieldKey === key);
    if (same?.state === 'removing') {
      throw conflict(
        'field-removing',
        'Values of a deleted field of this key are still being taken away. Try again later.',
      );
    }
    if (same) {
      throw conflict('duplicate', 'There is a field of this key already.', [
        { field: 'key', code: 'duplicate-existing', message: 'is taken by another field', existingId: same.id },
      ]);
    }
    if (fields.filter(({ state }) => state !== 'removing').length >= MAX_CUSTOM_FIELDS) {
      throw conflict('too-many-fields', `There are ${MAX_CUSTOM_FIELDS} fields already.`);
    }
  }

  /**
   * Replaces a definition but for its key.
   * @throws as {@link patch}
   */
  replace(principal: Principal, noun: ContactTarget, id: number, body: ReplaceFieldBody, options: ChangeOptions) {
    return this.change(principal, noun, id, body, () => body, options);
  }

  /**
   * Changes what the body names. With another type, options, validation and default of the old one go unless they are named.
   * @throws 404; 412 `stale`; 403 `forbidden` (force); 409 `field-in-use`; 422 `validation-failed`, `pattern-unsafe`, `key-immutable` or
   * `empty-patch`
   */
  async patch(principal: Principal, noun: ContactTarget, id: number, body: PatchFieldBody, options: ChangeOptions) {
    if (Object.values(body).every((value) => value === undefined)) {
      throw invalid('empty-patch', 'Name at least one property to change.');
    }
    return this.change(principal, noun, id, body, (current) => completed(body, current), options);
  }

  private async change(
    principal: Principal,
    noun: ContactTarget,
    id: number,
    body: PatchFieldBody,
    inputFor: (current: CustomField) => CustomFieldInput,
    { force, ifMatch }: ChangeOptions,
  ): Promise<CustomField> {
    if (force) requireScope(principal, 'custom-fields:force');
    const committed = await this.get(noun, id);
    const { draft } = this.checked(committed, body, inputFor);
    if (draft.type !== committed.type && !force) await this.requireUnused(committed);
    const field = await this.transactions.run(async (tx) => {
      await this.repository.hold(tx, noun);
      const current = await this.repository.records.lock(tx, id, ofNoun(noun));
      if (!current) throw notFound();
      requireMatch(ifMatch, current.version);
      const { draft: next, changed } = this.checked(current, body, inputFor);
      if (changed.length === 0) return current;
      const retyped = next.type !== current.type;
      const used = retyped && (force || !(await this.requireUnused(current, tx)));
      const values = {
        ...next,
        ...workAfter(current, next, used),
        ...{ ...changedBy(principal), updatedAt: new Date(), version: current.version + 1 },
      };
      await this.repository.records.update(tx, id, values);
      const updated = { ...current, ...values };
      await this.audit.record(tx, principal, {
        ...{ action: 'custom-field.updated', subjectId: id },
        ...{ before: definitionOf(current), after: definitionOf(updated) },
      });
      const said = { id, noun, key: current.fieldKey, actorId: principal.userId, fields: changed };
      await this.outbox.add(tx, customFieldUpdated, said);
      return updated;
    });
    return this.worked(field);
  }

  private checked(current: CustomField, body: PatchFieldBody, inputFor: (current: CustomField) => CustomFieldInput) {
    if (body.key !== undefined && body.key !== current.fieldKey) {
      const message = 'The key of a field never changes.';
      throw invalid('key-immutable', message, [{ field: 'key', code: 'key-immutable', message }]);
    }
    const errors: FieldError[] = [];
    const draft = checkDefinition(inputFor(current), errors);
    refuse(errors);
    const names = Object.keys(draft) as (keyof CustomFieldDraft)[];
    return { draft, changed: names.filter((name) => !isDeepStrictEqual(draft[name], current[name])) };
  }

  /**
   * Deletes a field: at once for everyone, values that records have of it bit by bit.
   * @throws 404; 412 `stale`; 403 `forbidden` (force); 409 `field-in-use`
   */
  async remove(
    principal: Principal,
    noun: ContactTarget,
    id: number,
    { force, ifMatch }: ChangeOptions,
  ): Promise<void> {
    if (force) requireScope(principal, 'custom-fields:force');
    else await this.requireUnused(await this.get(noun, id));
    await this.transactions.run(async (tx) => {
      await this.repository.hold(tx, noun);
      const current = await this.repository.records.lock(tx, id, ofNoun(noun));
      if (!current) throw notFound();
      requireMatch(ifMatch, current.version);
      if (!force) await this.requireUnused(current, tx);
      await this.repository.records.update(tx, id, {
        state: 'removing',
        // Without values only the index is to go: behind the last id no record is looked at.
        doneTo: force ? 0 : Number.MAX_SAFE_INTEGER,
        ...{ ...changedBy(principal), updatedAt: new Date(), version: current.version + 1 },
      });
      await this.audit.record(tx, principal, {
        ...{ action: 'custom-field.deleted', subjectId: id },
        before: { noun, ...definitionOf(current) },
      });
      await this.outbox.add(tx, customFieldDeleted, { id, noun, key: current.fieldKey, actorId: principal.userId });
    });
    await this.work.begin(noun, id);
  }

  /**
   * Looked at first without the lock, for which all writers of the noun would wait, and with it only where no value was found.
   * @returns true: no record has a value
   * @throws 409 `field-in-use`
   */
  private async requireUnused({ noun, fieldKey }: CustomField, tx?: Tx): Promise<true> {
    if (!(await this.repository.isUsed(noun, fieldKey, tx))) return true;
    throw conflict(
      'field-in-use',
      'Records have values of this field. An admin may change it by force; the audit log keeps the values.',
    );
  }

  /** Begins what follows from a change, and reads the field again. */
  private async worked(field: CustomField): Promise<CustomField> {
    if (field.state === 'ready') return field;
    await this.work.begin(field.noun, field.id);
    return {
      ...field,
      state: (await this.repository.records.find(field.id, ofNoun(field.noun)))?.state ?? field.state,
    };
  }
}

const ofNoun = (noun: ContactTarget): SqlCondition => ({ sql: `noun = ? AND state <> 'removing'`, params: [noun] });

const changedBy = ({ userId, apiKeyId }: Principal) => ({
  changedBy: userId,
  changedByKey: apiKeyId ?? null,
  changedIn: currentRequestId(),
});

/** What of a field people define: how far the program is with it does not belong into the audit log. */
function definitionOf(field: CustomField) {
  const { fieldKey: key, label, type, required, defaultValue, options, validation, filterable, description } = field;
  return { key, label, type, required, defaultValue, options, validation, filterable, description };
}

/** A patch as a whole definition. */
function completed(body: PatchFieldBody, current: CustomField): CustomFieldInput {
  const named = Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined)) as CustomFieldInput;
  const retyped = named.type !== undefined && named.type !== current.type;
  const hasOptions = named.type === 'list' || named.type === 'multi-list';
  const carried = retyped
    ? { ...current, validation: null, defaultValue: null, options: hasOptions ? current.options : null }
    : current;
  return { ...carried, ...named };
}

/** What is to be done to the records when a definition changes. @param used records may have values of the former type */
function workAfter(current: CustomField, next: CustomFieldDraft, used: boolean): Work {
  if (used) return { state: 'converting', doneTo: 0 };
  if (next.filterable === current.filterable) return { state: current.state, doneTo: current.doneTo };
  if (current.state === 'converting') return { state: 'converting', doneTo: next.filterable ? 0 : current.doneTo };
  return { state: next.filterable ? 'indexing' : 'unindexing', doneTo: 0 };
}

/** @throws 422 `pattern-unsafe` or `validation-failed` */
function refuse(errors: FieldError[]): void {
  if (errors.length === 0) return;
  const unsafe = errors.some(({ code }) => code === 'pattern-unsafe');
  throw unsafe
    ? invalid('pattern-unsafe', 'The pattern could not be matched in linear time, or is no pattern.', errors)
    : validationFailed(errors);
}
