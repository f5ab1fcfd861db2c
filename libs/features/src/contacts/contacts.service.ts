import { notFound } from '@muster/core/errors';
import { Page } from '@muster/core/page';
import { Principal } from '@muster/core/principal';
import { SqlCondition } from '@muster/platform/database/record-table';
import { CustomFilters } from '@muster/platform/http/custom-filters';
import { FilterCondition } from '@muster/platform/http/list-query';
import { ListQueryDto } from '@muster/platform/http/list-query.dto';
import { BatchInput, BatchView, ContactBatches } from './batch/contacts.batch.service';
import { ContactBulk } from './contacts.bulk.service';
import {
  ContactBody,
  ContactKind,
  ContactPermissions,
  ContactRecord,
  ContactRepository,
  Grouped,
  permissionsOf,
} from './contacts.kind';
import { groupsSeen } from './contacts.policy';
import {
  ContactStatistics,
  ContactStatisticsMaker,
  readStatisticsQuery,
  StatisticsRequest,
} from './statistics/contacts.statistics.service';
import { ContactTools } from './contacts.tools.service';
import { CheckedBody, ContactWrites } from './contacts.writes';

export { ContactBulk } from './contacts.bulk.service';
export type { ContactBody, ContactFields, ContactKind, ContactRecord, Grouped } from './contacts.kind';

/** What the lists of both nouns may be asked for. */
export type ContactQuery = ListQueryDto & { sort?: string; groupId?: number };

const NO_FILTERS: CustomFilters = new Map();

/** The use cases that leads and customers share: scope, uniqueness, versions, assignment, custom fields and events. */
export abstract class ContactsService<R extends ContactRecord, B extends ContactBody, Q extends ContactQuery> {
  private readonly permissions: ContactPermissions;
  private readonly writes: ContactWrites<R, B>;
  private readonly batches: ContactBatches<R, B>;
  private readonly figures: ContactStatisticsMaker;
  /** Writes of many records that the program makes. */
  readonly bulk: ContactBulk<R>;

  constructor(
    private readonly kind: ContactKind<R, B>,
    private readonly repository: ContactRepository<R, Q>,
    private readonly tools: ContactTools,
  ) {
    this.permissions = permissionsOf(kind.noun);
    this.writes = new ContactWrites(kind, repository.records, tools);
    this.batches = new ContactBatches(kind, repository.records, tools, this.writes);
    this.bulk = new ContactBulk(kind as ContactKind<R, ContactBody>, repository.records, tools);
    this.figures = new ContactStatisticsMaker(kind, repository.records.database, tools);
  }

  /** @throws 422 `field-not-filterable`, `filter-invalid` and the like for custom fields, `cursor-invalid`; 409 `field-indexing` */
  async list(principal: Principal, query: Q, filters: CustomFilters = NO_FILTERS): Promise<Page<Grouped<R>>> {
    const visible = this.kind.visible(principal, this.permissions.read);
    const more = await this.conditions(principal, query, filters);
    // Asked for beside the records, so that they wait for the store once; what goes wrong is said when it is waited for.
    let known: Promise<Map<number, number[]>> | undefined;
    const beside = (ids: readonly number[]) => {
      known = this.groupsOfAll(principal, ids);
      known.catch(() => undefined);
    };
    const { data, meta } =
      (await this.sortedByField(query, () => this.repository.where(visible, query, more))) ??
      (await this.repository.list(visible, query, more, beside));
    return { data: await this.grouped(principal, data, known), meta };
  }

  private async sortedByField(query: Q, where: () => Promise<SqlCondition>): Promise<Page<R> | null> {
    const { sort } = query;
    if (!sort || !/^-?cf\./.test(sort)) return null;
    const { records } = this.repository;
    return this.tools.customFields.page(records, this.kind.noun, await where(), { ...query, sort });
  }

  /** The conditions of a query that its noun's table does not know. */
  private async conditions(principal: Principal, { groupId }: Q, filters: CustomFilters): Promise<FilterCondition[]> {
    const { noun } = this.kind;
    const ofFields = await this.tools.customFields.conditions(noun, filters);
    if (groupId === undefined) return ofFields;
    return [...ofFields, await this.tools.memberships.condition(noun, groupId, groupsSeen(principal))];
  }

  /**
   * Figures about the records that a list with the same filters has.
   * @throws 422 `validation-failed`, and as {@link list}
   */
  async statistics(
    principal: Principal,
    request: Q & StatisticsRequest,
    filters: CustomFilters = NO_FILTERS,
  ): Promise<ContactStatistics> {
    const query = readStatisticsQuery(request) as Q & StatisticsRequest;
    const visible = this.kind.visible(principal, this.permissions.read);
    const where = await this.repository.where(visible, query, await this.conditions(principal, query, filters));
    return this.figures.make(principal, query, filters, where);
  }

  /** Records with those of their groups that the caller may see. @param known the groups, if they are asked for already */
  async grouped(
    principal: Principal,
    records: readonly R[],
    known?: Promise<Map<number, number[]>>,
  ): Promise<Grouped<R>[]> {
    if (records.length === 0) return [];
    const groups = await (known ??
      this.groupsOfAll(
        principal,
        records.map(({ id }) => id),
      ));
    return records.map((record) => ({ ...record, groups: groups.get(record.id)! }));
  }

  private groupsOfAll(principal: Principal, ids: readonly number[]): Promise<Map<number, number[]>> {
    return this.tools.memberships.groupsOf(this.kind.noun, ids, undefined, groupsSeen(principal));
  }

  private groupsOf(principal: Principal, id: number): Promise<number[]> {
    return this.tools.memberships.groupsOfOne(this.kind.noun, id, groupsSeen(principal));
  }

  /** @throws 404 when it is absent or not the caller's */
  async get(principal: Principal, id: number): Promise<Grouped<R>> {
    const visible = this.kind.visible(principal, this.permissions.read);
    // Asked for together, so that they wait for the store once.
    const [record, groups] = await Promise.all([
      this.repository.records.find(id, visible),
      this.groupsOf(principal, id),
    ]);
    if (!record) throw notFound();
    return { ...record, groups };
  }

  /** @throws 422 `validation-failed` or `user-unknown`, 403 `assign-forbidden`, 409 `duplicate` */
  async create(principal: Principal, body: B): Promise<Grouped<R>> {
    const checked = await this.writes.check(principal, body, 'create');
    if (checked.refusal) throw checked.refusal;
    const id = await this.tools.recordIds.next(this.kind.noun);
    const record = await this.tools.transactions.run((tx) => this.writes.create(tx, principal, id, checked));
    return { ...record, groups: [] };
  }

  /**
   * Replaces every field: what the body leaves out is cleared, or has its default again. `doNotContact` stays as it is, and so
   * does the assignee when the caller may not assign.
   * @throws as {@link patch}
   */
  async replace(principal: Principal, id: number, body: B, ifMatch?: string): Promise<Grouped<R>> {
    return this.change(principal, id, await this.writes.check(principal, body, 'replace'), ifMatch);
  }

  /**
   * Changes the fields that the body names.
   * @param ifMatch the request's `If-Match`
   * @throws 404 when it is absent or not the caller's, 412 `stale`, 422 `validation-failed`, `empty-patch` or `user-unknown`,
   * 403 `assign-forbidden` or `forbidden` (clearing `doNotContact`), 409 `duplicate`
   */
  async patch(principal: Principal, id: number, body: B, ifMatch?: string): Promise<Grouped<R>> {
    return this.change(principal, id, await this.writes.check(principal, body, 'patch'), ifMatch);
  }

  private async change(
    principal: Principal,
    id: number,
    checked: CheckedBody<R>,
    ifMatch?: string,
  ): Promise<Grouped<R>> {
    const visible = this.kind.visible(principal, this.permissions.write);
    const record = await this.tools.transactions.run(async (tx) => {
      const set = await this.writes.fieldsFor(tx, [checked]);
      const current = await this.repository.records.lock(tx, id, visible);
      return this.writes.change(tx, principal, current, checked, set, ifMatch);
    });
    return { ...record, groups: await this.groupsOf(principal, id) };
  }

  /**
   * Changes many records, each as {@link patch} does.
   * @param atomic all or none
   * @throws 422 `validation-failed` for an id that is named twice, `batch-failed` when it is atomic and a change fails
   */
  batch(principal: Principal, input: BatchInput, atomic: boolean): Promise<BatchView> {
    return this.batches.run(principal, input, atomic);
  }

  /** @throws 404 when it is absent or not the caller's, 412 `stale` */
  async remove(principal: Principal, id: number, ifMatch?: string): Promise<void> {
    const visible = this.kind.visible(principal, this.permissions.delete);
    await this.tools.transactions.run(async (tx) => {
      const current = await this.repository.records.lock(tx, id, visible);
      await this.writes.remove(tx, principal, current, ifMatch);
    });
  }
}
