import { conflict, FieldError, invalid, notFound, ProblemError } from '@muster/core/errors';
import { EventType } from '@muster/core/events';
import { Permission } from '@muster/core/permissions';
import { Principal, requireScope, scopeFor } from '@muster/core/principal';
import { RecordTable, SqlCondition } from '@muster/platform/database/record-table';
import { Tx } from '@muster/platform/database/transactions';
import { requireMatch } from '@muster/platform/http/etag';
import { LoadedFields } from '../../custom-fields/custom-fields.service';
import { ContactDuplicates, DuplicatesPage, DuplicatesQuery } from '../duplicates/contacts.duplicates.service';
import { changedFields, changesOf } from '../contacts.changed';
import { takenValues } from '../contacts.holders';
import { fittingValues, MergeChoices, mergeRecords, MergeRules, unmergeRecord } from './contacts.merge';
import { ContactMerge } from './contacts.merge.entity';
import { fromStored, MergesRepository } from './contacts.merge.repository';
import { ContactBody, ContactKind, ContactRecord } from '../contacts.kind';
import { ContactTools } from '../contacts.tools.service';

// What the nouns need for merging, through the one door.
export { takenValues, type WantedValues } from '../contacts.holders';
export { mergeRecords } from './contacts.merge';
export { MergeInput } from './contacts.merge.dto';
export { MergesRepository } from './contacts.merge.repository';

/** A contact record, as far as merging it goes. */
export interface MergeableRecord extends ContactRecord {
  tags: string[];
}

/** Payloads name records, people and fields; they never hold personal data. `id` is the record that remains. */
export interface MergeEvents {
  merged: EventType<{ id: number; sourceId: number; mergeId: number; actorId: number; fields: string[] }>;
  undone: EventType<{ id: number; sourceId: number; mergeId: number; actorId: number; fields: string[] }>;
}

/** What makes the merging of one noun different from the other's. */
export interface MergeKind<R extends MergeableRecord> extends MergeRules {
  events: MergeEvents;
  /** Completes a merged record by what follows from the noun's own rules. */
  settle?(merged: R, target: R, choices: MergeChoices): R;
}

/** What a request to merge says. */
export interface MergeRequest {
  sourceId: number;
  fields?: MergeChoices;
  sourceVersion?: number;
}

/** A merge that was undone. */
export interface Unmerged<R> {
  source: R;
  target: R;
  /** Fields of the target that were changed since the merge, and stayed so. */
  kept: string[];
  /** Values that cannot be put back, because their custom field is gone or changed, or what they name is gone. */
  notRestored: string[];
}

/** What was to be unique when a merge was undone. */
type Attempt<R> = Pick<Unmerged<R>, 'source' | 'target'>;

/** A duplicate that is gone before it can be named makes the undo run again, this many times. */
const ATTEMPTS = 3;

/** Merges two records of a noun into one, and takes that back. */
export abstract class ContactMergesService<R extends MergeableRecord, B extends ContactBody> {
  private readonly permission: Permission;

  constructor(
    private readonly kind: ContactKind<R, B>,
    private readonly merging: MergeKind<R>,
    private readonly records: RecordTable<R>,
    private readonly merges: MergesRepository,
    private readonly tools: ContactTools,
    private readonly near: ContactDuplicates,
  ) {
    this.permission = `${kind.noun}:merge`;
  }

  /** Groups of records that may be the same person, among those that the caller may see. @throws 422 `cursor-invalid` */
  duplicates(principal: Principal, query: DuplicatesQuery): Promise<DuplicatesPage<R>> {
    const { noun } = this.kind;
    const permission = `${noun}:read` as const;
    const scope = {
      visible: this.kind.visible(principal, permission),
      seesAll: scopeFor(principal, permission) === 'all',
    };
    return this.near.list(this.records, noun, scope, query);
  }

  /**
   * Makes the source part of the target. What belongs to the source goes over; the source is deleted, and can come back by {@link undo}.
   * @param ifMatch the request's `If-Match`, for the target
   * @throws 404 when either is absent or not the caller's, 412 `stale`, 422 `merge-with-itself` or `validation-failed`
   */
  async merge(
    principal: Principal,
    targetId: number,
    { sourceId, fields: choices = {}, sourceVersion }: MergeRequest,
    ifMatch?: string,
  ): Promise<{ mergeId: number; record: R }> {
    if (sourceId === targetId) {
      const message = 'A record cannot be merged with itself.';
      throw invalid('merge-with-itself', message, [{ field: 'sourceId', code: 'merge-with-itself', message }]);
    }
    const { noun } = this.kind;
    const visible = this.visible(principal);
    return this.tools.transactions.run(async (tx) => {
      const set = await this.tools.customFields.load(tx, noun);
      const locked = new Map<number, R | null>();
      for (const id of [targetId, sourceId].toSorted((a, b) => a - b)) {
        locked.set(id, await this.records.lock(tx, id, visible));
      }
      const [target, source] = [locked.get(targetId), locked.get(sourceId)];
      if (!target || !source) throw notFound();
      requireMatch(ifMatch, target.version);
      if (sourceVersion !== undefined && sourceVersion !== source.version) throw staleSource();
      const next = this.mergedOf(target, source, choices, set);
      const moved = await this.tools.followers.hand(tx, principal, { noun, id: sourceId }, { noun, id: targetId });
      await this.records.remove(tx, sourceId);
      await this.tools.customFields.unmirror(tx, noun, [sourceId]);
      await this.tools.followers.changed(tx, principal, noun, [{ before: source, after: null }]);
      await this.store(tx, principal, target, next, set);
      const stored = (record: R) => ({ ...record }) as Record<string, unknown>;
      const mergeId = await this.merges.insert(tx, {
        ...{ noun, targetId, sourceId, moved },
        ...{ targetBefore: stored(target), sourceBefore: stored(source), targetAfter: stored(next) },
        ...{ mergedBy: principal.userId, mergedAt: next.updatedAt },
      });
      await this.note(tx, principal, 'merged', this.view(target), {
        ...this.view(next),
        mergeId,
        mergedFrom: sourceId,
      });
      await this.note(tx, principal, 'mergedAway', this.view(source), { id: sourceId, mergeId, mergedInto: targetId });
      const said = { id: targetId, sourceId, mergeId, actorId: principal.userId, fields: changedFields(target, next) };
      await this.tools.outbox.add(tx, this.merging.events.merged, said);
      await this.sayAssigned(tx, principal, target, next);
      return { mergeId, record: next };
    });
  }

  /** @throws 422 `validation-failed` when the choices are wrong, or leave a record that could not be made */
  private mergedOf(target: R, source: R, choices: MergeChoices, set: LoadedFields): R {
    const { merged, errors } = mergeRecords(target, source, choices, this.merging, set);
    const settled = this.merging.settle?.(merged, target, choices) ?? merged;
    if (errors.length === 0) this.kind.complete(target, settled, errors);
    if (errors.length > 0) throw invalid('validation-failed', 'The records cannot be merged so.', errors);
    return { ...settled, updatedAt: new Date(), version: target.version + 1 };
  }

  /**
   * Takes a merge back: the source is as it was, with its id; it has again what belonged to it; and the target is as it was, but for
   * what was changed since.
   * @throws 404 when the merge is absent or not the caller's; 409 `merge-already-undone`, `merge-target-gone`, `duplicate` when
   * another record has an e-mail or phone that the source or the target had, or `merge-undo-incomplete` when what was changed since
   * would leave the target neither
   */
  async undo(principal: Principal, mergeId: number): Promise<Unmerged<R>> {
    const { dialect } = this.records.database;
    for (let attempt = 1; ; attempt++) {
      let wanted: Attempt<R> | undefined;
      try {
        return await this.tools.transactions.run((tx) =>
          this.undoIn(tx, principal, mergeId, (tried) => (wanted = tried)),
        );
      } catch (error) {
        if (!dialect.isDuplicate(error) || !wanted) throw error;
        const errors = await this.taken(principal, wanted);
        if (errors.length > 0)
          throw conflict('duplicate', 'Another record has a value now that has to come back.', errors);
        if (attempt === ATTEMPTS) throw error;
      }
    }
  }

  private async undoIn(
    tx: Tx,
    principal: Principal,
    mergeId: number,
    tries: (wanted: Attempt<R>) => void,
  ): Promise<Unmerged<R>> {
    const { noun } = this.kind;
    const visible = this.visible(principal);
    const set = await this.tools.customFields.load(tx, noun);
    const merge = await this.merges.lock(tx, noun, mergeId);
    if (!merge) throw notFound();
    const { targetId, sourceId } = merge;
    const current = await this.records.lock(tx, targetId, visible);
    if (!current) throw await this.whyGone(tx, principal, merge);
    if (merge.undoneAt) throw conflict('merge-already-undone', 'This merge was undone already.');
    const { source, target, kept, notRestored } = await this.unmergedOf(tx, merge, current, set);
    tries({ source, target });
    await this.store(tx, principal, current, target, set);
    await this.records.insert(tx, source);
    await this.tools.customFields.mirror(tx, set, [{ recordId: sourceId, values: source.customFields }], true);
    await this.tools.followers.changed(tx, principal, noun, [{ before: null, after: source }]);
    if (!(await this.records.lock(tx, sourceId, visible))) throw notFound();
    await this.tools.followers.giveBack(tx, principal, { noun, id: sourceId }, { noun, id: targetId }, merge.moved);
    await this.merges.setUndone(tx, mergeId, principal.userId, new Date());
    await this.note(tx, principal, 'mergeUndone', this.view(current), {
      ...this.view(target),
      mergeId,
      unmergedFrom: sourceId,
    });
    await this.note(tx, principal, 'restored', null, { ...this.view(source), mergeId, unmergedFrom: targetId });
    const said = { id: targetId, sourceId, mergeId, actorId: principal.userId, fields: changedFields(current, target) };
    await this.tools.outbox.add(tx, this.merging.events.undone, said);
    await this.sayAssigned(tx, principal, current, target);
    return { source, target, kept, notRestored };
  }

  /** Why the target of a merge cannot be had: that it is deleted is told to who knew it. */
  private async whyGone(tx: Tx, principal: Principal, { targetId, mergedBy }: ContactMerge): Promise<ProblemError> {
    const { rows } = await tx.query(`SELECT id FROM ${this.kind.noun} WHERE id = ?`, [targetId]);
    const knew = mergedBy === principal.userId || requireScope(principal, this.permission) === 'all';
    if (rows.length > 0 || !knew) return notFound();
    return conflict('merge-target-gone', 'The record that the other became part of is deleted, or part of a third.');
  }

  private async unmergedOf(tx: Tx, merge: ContactMerge, current: R, set: LoadedFields): Promise<Unmerged<R>> {
    const [before, after, source] = [merge.targetBefore, merge.targetAfter, merge.sourceBefore].map((stored) =>
      fromStored<R>(this.records.definition, stored),
    );
    const { restored, kept } = unmergeRecord(before, after, current, this.merging);
    const errors: FieldError[] = [];
    this.kind.complete(current, restored, errors);
    if (errors.length > 0) {
      throw conflict('merge-undo-incomplete', 'What was changed since the merge leaves the record incomplete.', errors);
    }
    const now = new Date();
    // Of the target, values of a field that is gone are not brought back; those that it has are not touched.
    const unfit = fittingValues(set, restored.customFields).left.filter((key) => !(key in current.customFields));
    const target = {
      ...restored,
      customFields: without(restored.customFields, unfit),
      ...{ updatedAt: now, version: current.version + 1 },
    };
    const fitting = fittingValues(set, source.customFields);
    const gone = await this.goneReferences(tx, source);
    const notRestored = [...fitting.left.map((key) => `customFields.${key}`), ...Object.keys(gone)];
    const mended =
      notRestored.length === 0
        ? source
        : { ...source, ...gone, customFields: fitting.values, updatedAt: now, version: source.version + 1 };
    return {
      source: mended,
      target,
      kept,
      notRestored: [...notRestored, ...unfit.map((key) => `customFields.${key}`)],
    };
  }

  /** The fields of a record that name what is gone, with what they are to be instead. */
  protected goneReferences(_tx: Tx, _record: R): Promise<Partial<R>> {
    return Promise.resolve({});
  }

  /** Writes a changed record, and what follows from it. */
  private async store(tx: Tx, principal: Principal, current: R, next: R, set: LoadedFields): Promise<void> {
    const { noun } = this.kind;
    await this.records.update(tx, next.id, changesOf(current, next));
    await this.tools.customFields.mirror(tx, set, [{ recordId: next.id, values: next.customFields }]);
    await this.tools.followers.changed(tx, principal, noun, [{ before: current, after: next }]);
  }

  /** Who has the values that an undo wants for both records. What the target has itself, it was to give up. */
  private async taken(principal: Principal, { source, target }: Attempt<R>): Promise<FieldError[]> {
    const visible = this.kind.visible(principal, `${this.kind.noun}:read`);
    const { database } = this.records;
    const of = ({ email, phone }: R) => takenValues(database, this.kind.noun, visible, { id: target.id, email, phone });
    const between = (['email', 'phone'] as const).flatMap((field) =>
      source[field] !== null && source[field] === target[field]
        ? { field, code: 'duplicate-existing', message: 'is now the other record’s', existingId: target.id }
        : [],
    );
    const errors = [...between, ...(await of(source)), ...(await of(target))];
    return errors.filter(({ field }, index) => errors.findIndex((other) => other.field === field) === index);
  }

  private visible(principal: Principal): SqlCondition {
    return this.kind.visible(principal, this.permission);
  }

  private view(record: R): object {
    return this.kind.view(record);
  }

  private note(tx: Tx, principal: Principal, verb: string, before: object | null, after: object): Promise<void> {
    const { subject } = this.kind;
    const subjectId = (after as { id: number }).id;
    return this.tools.audit.record(tx, principal, { action: `${subject}.${verb}`, subjectId, before, after });
  }

  private async sayAssigned(tx: Tx, principal: Principal, before: R, after: R): Promise<void> {
    const [from, to] = [before, after].map((record) => record[this.kind.assignee] as number | null);
    if (from === to) return;
    await this.tools.outbox.add(tx, this.kind.events.assigned, { id: after.id, actorId: principal.userId, from, to });
  }
}

const without = (values: Record<string, unknown>, keys: string[]) =>
  Object.fromEntries(Object.entries(values).filter(([key]) => !keys.includes(key)));

const staleSource = () =>
  new ProblemError('user', 412, 'stale', 'The source was changed since you read it. Read it again, then merge.');
