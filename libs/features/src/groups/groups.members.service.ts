import { Injectable } from '@nestjs/common';
import { invalid, notFound } from '@muster/core/errors';
import { EventType } from '@muster/core/events';
import { Principal } from '@muster/core/principal';
import { Transactions, Tx } from '@muster/platform/database/transactions';
import { Outbox } from '@muster/platform/outbox/outbox';
import { AuditService } from '../audit/audit.service';
import {
  CONTACT_NOUNS,
  ContactNoun,
  ContactRef,
  Memberships,
} from '../contacts/memberships/contacts.memberships.service';
import { GroupMembersAddedView, GroupMembersInput, GroupMembersRemovedView, MAX_MEMBERS_AT_ONCE } from './groups.dto';
import { groupMembersAdded, GroupMembersChanged, groupMembersRemoved } from './groups.events';
import { visibleGroups, writableRecords } from './groups.policy';
import { GroupsRepository } from './groups.repository';

/** How the records of a request fared. */
interface Outcome {
  /** Those whose membership changed. */
  changed: Record<ContactNoun, number[]>;
  changedCount: number;
  unchangedCount: number;
  /** Absent, or not the caller's to change; in the order of the request. */
  notFound: ContactRef[];
}

/** What a record is called in the audit log. */
const SUBJECTS = { leads: 'lead', customers: 'customer' } as const;

/** Does its work for the records of one noun that the caller may change. @returns the ids whose membership it changed */
type Change = (tx: Tx, noun: ContactNoun, ids: number[]) => Promise<number[]>;

/** Who is in a group. Both calls may be repeated: what is so already stays so, and is counted apart. */
@Injectable()
export class GroupMembersService {
  constructor(
    private readonly transactions: Transactions,
    private readonly repository: GroupsRepository,
    private readonly memberships: Memberships,
    private readonly audit: AuditService,
    private readonly outbox: Outbox,
  ) {}

  /**
   * Puts records into a group.
   * @throws 404 when the group is absent or not the caller's, 422 `members-missing` or `too-many-members`
   */
  async add(principal: Principal, id: number, body: GroupMembersInput): Promise<GroupMembersAddedView> {
    const change: Change = (tx, noun, ids) => this.memberships.add(tx, id, noun, ids, principal.userId);
    const outcome = await this.change(principal, id, body, change, 'group.members-added', groupMembersAdded);
    return { added: outcome.changedCount, alreadyMembers: outcome.unchangedCount, notFound: outcome.notFound };
  }

  /** Takes records out of a group. @throws as {@link add} */
  async remove(principal: Principal, id: number, body: GroupMembersInput): Promise<GroupMembersRemovedView> {
    const change: Change = (tx, noun, ids) => this.memberships.remove(tx, id, noun, ids);
    const outcome = await this.change(principal, id, body, change, 'group.members-removed', groupMembersRemoved);
    return { removed: outcome.changedCount, notMembers: outcome.unchangedCount, notFound: outcome.notFound };
  }

  private async change(
    principal: Principal,
    id: number,
    body: GroupMembersInput,
    change: Change,
    action: 'group.members-added' | 'group.members-removed',
    event: EventType<GroupMembersChanged>,
  ): Promise<Outcome> {
    const visible = visibleGroups(principal, 'groups:write');
    const wanted = wantedOf(body).map((each) => ({ ...each, writable: writableRecords(principal, each.noun) }));
    return this.transactions.run(async (tx) => {
      if (!(await this.repository.records.lock(tx, id, visible))) throw notFound();
      const changed: Outcome['changed'] = { leads: [], customers: [] };
      const missing: ContactRef[] = [];
      let unchangedCount = 0;
      for (const { noun, ids, writable } of wanted) {
        const held = await this.repository.holdRecords(tx, noun, ids.toSorted(ascending), writable);
        const found = ids.filter((each) => held.has(each));
        changed[noun] = await change(tx, noun, found);
        unchangedCount += found.length - changed[noun].length;
        missing.push(...ids.filter((each) => !held.has(each)).map((each) => ({ noun, id: each })));
      }
      const changedCount = changed.leads.length + changed.customers.length;
      if (changedCount > 0) {
        const isAdded = action === 'group.members-added';
        await this.audit.record(tx, principal, {
          action,
          subjectId: id,
          ...(isAdded ? { after: changed } : { before: changed }),
        });
        const [verb, state] = isAdded ? ['groupAdded', 'after'] : ['groupRemoved', 'before'];
        const noted = CONTACT_NOUNS.flatMap((noun) =>
          changed[noun].map((subjectId) => ({
            ...{ action: `${SUBJECTS[noun]}.${verb}` as const, subjectId, [state]: { groupId: id } },
          })),
        );
        await this.audit.recordAll(tx, principal, noted);
        await this.outbox.add(tx, event, { id, actorId: principal.userId, ...changed });
      }
      return { changed, changedCount, unchangedCount, notFound: missing };
    });
  }
}

const ascending = (a: number, b: number) => a - b;

/** The records that a request names, each once. @throws 422 `members-missing`, `too-many-members` */
export function wantedOf({ leadIds, customerIds }: GroupMembersInput): { noun: ContactNoun; ids: number[] }[] {
  const given = { leads: leadIds, customers: customerIds };
  const wanted = CONTACT_NOUNS.map((noun) => ({ noun, ids: [...new Set(given[noun])] })).filter(
    ({ ids }) => ids.length > 0,
  );
  const total = wanted.reduce((sum, { ids }) => sum + ids.length, 0);
  if (total === 0) throw invalid('members-missing', 'Name records by leadIds, customerIds or both.');
  if (total > MAX_MEMBERS_AT_ONCE) {
    throw invalid('too-many-members', `One call takes at most ${MAX_MEMBERS_AT_ONCE} records, not ${total}.`);
  }
  return wanted;
}
