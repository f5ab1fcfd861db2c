import { Injectable } from '@nestjs/common';
import { type RowError, take } from '@muster/core/contact/result';
import { cleanText, nameKeyOf } from '@muster/core/contact/text';
import { conflict, invalid, notFound, ProblemError, validationFailed } from '@muster/core/errors';
import { Page } from '@muster/core/page';
import { holds, Principal, requireScope } from '@muster/core/principal';
import { Transactions, Tx } from '@muster/platform/database/transactions';
import { requireMatch } from '@muster/platform/http/etag';
import { Outbox } from '@muster/platform/outbox/outbox';
import { AuditService } from '../audit/audit.service';
import { Memberships } from '../contacts/memberships/contacts.memberships.service';
import { CountedGroup, GroupInput, ListGroupsQuery } from './groups.dto';
import { Group } from './groups.entity';
import { groupCreated, groupDeleted, groupPartlyCleared, groupUpdated } from './groups.events';
import { changeableGroups, readableRecords, visibleGroups } from './groups.policy';
import { GroupsRepository } from './groups.repository';

const NAME_MAX = 100;
const DESCRIPTION_MAX = 500;
/** How many memberships of a deleted group one transaction removes, of each noun. */
const CLEARED_AT_ONCE = 5_000;

type Fields = Pick<Group, 'name' | 'nameKey' | 'description'>;

/** The use cases of groups themselves; their members are in `groups.members.service.ts`. */
@Injectable()
export class GroupsService {
  constructor(
    private readonly transactions: Transactions,
    private readonly repository: GroupsRepository,
    private readonly memberships: Memberships,
    private readonly audit: AuditService,
    private readonly outbox: Outbox,
  ) {}

  async list(principal: Principal, query: ListGroupsQuery): Promise<Page<CountedGroup>> {
    const { data, meta } = await this.repository.list(visibleGroups(principal, 'groups:read'), query);
    return { data: await this.counted(principal, data), meta };
  }

  /** @throws 404 when it is absent or not the caller's */
  async get(principal: Principal, id: number): Promise<CountedGroup> {
    const group = await this.repository.records.find(id, visibleGroups(principal, 'groups:read'));
    if (!group) throw notFound();
    return this.countedOne(principal, group);
  }

  /** Whether there is such a group that the caller may put records into. */
  async isAddable(principal: Principal, id: number): Promise<boolean> {
    return (await this.repository.records.find(id, visibleGroups(principal, 'groups:write'))) !== null;
  }

  /** The groups that the caller may put records into, of those with some names as `nameKeyOf` has them: by name. */
  async addableByName(principal: Principal, nameKeys: readonly string[]): Promise<Map<string, number>> {
    if (nameKeys.length === 0 || !holds(principal, 'groups:write')) return new Map();
    return this.repository.named(nameKeys, visibleGroups(principal, 'groups:write'));
  }

  /** @throws 422 `validation-failed` or `team-unknown`, 403 `team-forbidden`, 409 `duplicate` when the name is taken */
  async create(principal: Principal, body: GroupInput): Promise<CountedGroup> {
    const fields = check(body);
    const own = this.mayChooseTeam(principal) ? null : principal.teamId;
    const teamId = this.teamFor(principal, body, own);
    const now = new Date();
    const values = { ...fields, teamId, createdBy: principal.userId, createdAt: now, updatedAt: now, version: 1 };
    return this.holdingName(principal, fields.nameKey, async (tx) => {
      await this.requireTeam(tx, teamId);
      const group = await this.repository.insert(tx, values);
      await this.audit.record(tx, principal, { action: 'group.created', subjectId: group.id, after: said(group) });
      await this.outbox.add(tx, groupCreated, { id: group.id, actorId: principal.userId });
      return { ...group, customerCount: 0, leadCount: 0 };
    });
  }

  /**
   * Replaces name, description and, for admins, the team: what the body leaves out is cleared. The team stays as it is when the
   * caller may not choose it.
   * @param ifMatch the request's `If-Match`
   * @throws 404 when it is absent or not the caller's (a manager's are those of the team), 412 `stale`, and as {@link create}
   */
  async replace(principal: Principal, id: number, body: GroupInput, ifMatch?: string): Promise<CountedGroup> {
    const fields = check(body);
    const changeable = changeableGroups(principal);
    const group = await this.holdingName(principal, fields.nameKey, async (tx) => {
      const current = await this.repository.records.lock(tx, id, changeable);
      if (!current) throw notFound();
      requireMatch(ifMatch, current.version);
      const teamId = this.teamFor(principal, body, this.mayChooseTeam(principal) ? null : current.teamId);
      const next: Group = { ...current, ...fields, teamId };
      const changed = (['name', 'description', 'teamId'] as const).filter((field) => next[field] !== current[field]);
      if (changed.length === 0) return current;
      if (changed.includes('teamId')) await this.requireTeam(tx, teamId);
      Object.assign(next, { updatedAt: new Date(), version: current.version + 1 });
      const { updatedAt, version } = next;
      await this.repository.records.update(tx, id, { ...fields, teamId, updatedAt, version });
      await this.audit.record(tx, principal, {
        action: 'group.updated',
        subjectId: id,
        before: said(current),
        after: said(next),
      });
      await this.outbox.add(tx, groupUpdated, { id, actorId: principal.userId, fields: changed });
      return next;
    });
    return this.countedOne(principal, group);
  }

  /**
   * Deletes a group; the records in it stay. At once it has no members any more; the workers remove the rows that say who they were.
   * @throws 404 when it is absent or not the caller's, 412 `stale`
   */
  async remove(principal: Principal, id: number, ifMatch?: string): Promise<void> {
    const changeable = changeableGroups(principal);
    await this.transactions.run(async (tx) => {
      const current = await this.repository.records.lock(tx, id, changeable);
      if (!current) throw notFound();
      requireMatch(ifMatch, current.version);
      await this.repository.records.remove(tx, id);
      await this.audit.record(tx, principal, { action: 'group.deleted', subjectId: id, before: said(current) });
      await this.outbox.add(tx, groupDeleted, { id, actorId: principal.userId });
    });
  }

  /** Removes some memberships of a deleted group, and asks for another turn while there are more. */
  async clear(tx: Tx, id: number): Promise<void> {
    if (await this.memberships.clear(tx, id, CLEARED_AT_ONCE)) await this.outbox.add(tx, groupPartlyCleared, { id });
  }

  private async counted(principal: Principal, groups: Group[]): Promise<CountedGroup[]> {
    const ids = groups.map(({ id }) => id);
    const [customers, leads] = await Promise.all(
      (['customers', 'leads'] as const).map((noun) =>
        this.memberships.counts(noun, readableRecords(principal, noun), ids),
      ),
    );
    return groups.map((group) => ({
      ...group,
      customerCount: customers.get(group.id) ?? 0,
      leadCount: leads.get(group.id) ?? 0,
    }));
  }

  private async countedOne(principal: Principal, group: Group): Promise<CountedGroup> {
    const [counted] = await this.counted(principal, [group]);
    return counted;
  }

  private mayChooseTeam(principal: Principal): boolean {
    return requireScope(principal, 'groups:write') === 'all';
  }

  /** The team that a body asks for. @param otherwise the team when it names none, and the only one for who may not choose */
  private teamFor(principal: Principal, { teamId }: GroupInput, otherwise: number | null): number | null {
    if (teamId === undefined || teamId === otherwise) return otherwise;
    if (this.mayChooseTeam(principal)) return teamId;
    throw new ProblemError('user', 403, 'team-forbidden', 'Only an admin may choose the team of a group.');
  }

  private async requireTeam(tx: Tx, teamId: number | null): Promise<void> {
    if (teamId === null || (await this.repository.holdTeam(tx, teamId))) return;
    const message = 'There is no such team.';
    throw invalid('team-unknown', message, [{ field: 'teamId', code: 'team-unknown', message }]);
  }

  /** The unique index decides who gets a name; its refusal is a conflict, not a fault. */
  private async holdingName<T>(principal: Principal, nameKey: string, work: (tx: Tx) => Promise<T>): Promise<T> {
    try {
      return await this.transactions.run(work);
    } catch (error) {
      if (!this.repository.records.database.dialect.isDuplicate(error)) throw error;
      const existingId = await this.repository.findByKey(nameKey, visibleGroups(principal, 'groups:read'));
      throw conflict('duplicate', 'There is a group with this name.', [
        {
          ...{ field: 'name', code: 'duplicate-existing', message: 'belongs to another group' },
          ...(existingId === undefined ? {} : { existingId }),
        },
      ]);
    }
  }
}

/** The fields of a body, normalised. @throws 422 `validation-failed` */
function check({ name, description }: GroupInput): Fields {
  const errors: RowError[] = [];
  const cleanName = take(cleanText(name ?? '', NAME_MAX, 1), 'name', errors);
  const cleanDescription = take(cleanText(description ?? '', DESCRIPTION_MAX, 0, true), 'description', errors);
  if (cleanName === null || errors.length > 0) {
    throw validationFailed(errors);
  }
  return { name: cleanName, nameKey: nameKeyOf(cleanName), description: cleanDescription || null };
}

/** What the audit log keeps of a group. */
const said = ({ name, description, teamId }: Group) => ({ name, description, teamId });
