import { isDeepStrictEqual } from 'node:util';
import { Page } from '@muster/core/page';
import { Database } from '@muster/platform/database/database';
import { TableDefinition } from '@muster/platform/database/dialect/columns';
import { RecordChange, SqlCondition, VersionedRecord } from '@muster/platform/database/record-table';
import { Transactions, Tx } from '@muster/platform/database/transactions';
import { readIndexedPage } from '@muster/platform/http/indexed-page';
import { Conditions, FilterCondition, KnownTotal, readPage, Sought } from '@muster/platform/http/list-query';
import { RecordListQueryDto } from '@muster/platform/http/list-query.dto';
import { EVERYTHING, isEverything, ScopeCondition, undivided } from '@muster/platform/http/list-scope';
import { MOST_NAMED, readNamedPage } from '@muster/platform/http/named-page';
import type { ContactNoun } from '../memberships/contacts.memberships.service';
import { named, Search, SearchedTable } from '../search/contacts.search.service';
import { assigneeColumn, Cell, ContactCounts, facetName, FACETS } from './contacts.counts.repository';
import { ListKeeper } from './contacts.lists.keeper';
import { TagIndex } from './contacts.tags.repository';

export { ListKeeper } from './contacts.lists.keeper';

/** What the lists of both nouns are asked for; `assignee` is whose the records are. */
export interface ContactListQuery extends RecordListQueryDto {
  sort?: string;
  status?: string;
  source?: string;
  assignee?: number;
}

const LISTED = ['status', 'source', 'tags', 'assignedTo', 'ownerId', 'createdBy', 'originImportId'];
/** Records of a tag that so many have, or fewer, are read by name. */
const RARE = 2_000;

/**
 * Compares the counts of a noun with its records, and adds what is missing. Nobody waits for it.
 * @returns how many cells were wrong; null when somebody else was faster
 */
export async function checkCounts(
  database: Database,
  transactions: Transactions,
  noun: ContactNoun,
): Promise<number | null> {
  const counts = new ContactCounts(database, noun);
  const before = await counts.checkedAt();
  const wrong: Cell[] = [];
  for (const facet of FACETS) wrong.push(...(await counts.drift(facet)));
  return (await transactions.bookkeep((tx) => counts.correct(tx, wrong, before))) ? wrong.length : null;
}

/** Records in lists: every write keeps their terms, tags and counts. */
export class ListedTable<R extends VersionedRecord> extends SearchedTable<R> {
  private readonly counts: ContactCounts;
  private readonly tags: TagIndex;
  private readonly keeper: ListKeeper;

  /** @param sorts the properties to sort by, under the names that clients use */
  constructor(
    database: Database,
    definition: TableDefinition,
    noun: ContactNoun,
    private readonly sorts: Record<string, string>,
  ) {
    super(database, definition, noun);
    this.counts = new ContactCounts(database, noun);
    this.tags = new TagIndex(database, noun);
    this.keeper = new ListKeeper(database, noun);
  }

  override async insert(tx: Tx, record: R): Promise<void> {
    await super.insert(tx, record);
    await this.keeper.follow(tx, new Map([[record.id, null]]));
  }

  override async update(tx: Tx, id: number, changes: Partial<R>): Promise<void> {
    if (!LISTED.some((property) => property in changes)) return super.update(tx, id, changes);
    const before = await this.keeper.held(tx, [id]);
    await super.update(tx, id, changes);
    await this.keeper.follow(tx, before);
  }

  override async updateAll(tx: Tx, changes: readonly RecordChange<R>[]): Promise<void> {
    const moved = changes.filter(({ before, after }) =>
      LISTED.some((property) => !isDeepStrictEqual(before[property as keyof R], after[property as keyof R])),
    );
    const held = await this.keeper.held(
      tx,
      moved.map(({ after }) => after.id),
    );
    await super.updateAll(tx, changes);
    await this.keeper.follow(tx, held);
  }

  override async remove(tx: Tx, id: number): Promise<void> {
    const before = await this.keeper.held(tx, [id]);
    await super.remove(tx, id);
    await this.keeper.follow(tx, before);
  }

  override async removeAll(tx: Tx, records: readonly R[]): Promise<void> {
    const ids = records.map(({ id }) => id);
    const before = await this.keeper.held(tx, ids);
    await super.removeAll(tx, records);
    await this.keeper.follow(tx, before);
  }

  /** The conditions of a list, for a query on the noun's table alone. @param more beside those that the query names */
  async where(
    visible: SqlCondition,
    query: ContactListQuery,
    more: readonly SqlCondition[] = [],
  ): Promise<SqlCondition> {
    const search = await this.search(query.q);
    return this.filters(query, more).also(visible).also(search).also(holding(query.tag)).all;
  }

  /**
   * @param more conditions beside those that the query names
   * @param beside is told which records the page's are among, where these are few and known before it is read
   * @throws 422 `cursor-invalid`
   */
  async list(
    visible: ScopeCondition,
    query: ContactListQuery,
    more: readonly SqlCondition[] = [],
    beside?: (ids: readonly number[]) => void,
  ): Promise<Page<R>> {
    const sorted = { ...query, sort: query.sort ?? '-createdAt' };
    const filters = this.filters(query, more);
    const search = await this.seek(query.q, visible);
    if (search) return this.searchedPage(search, visible, sorted, filters, beside);
    const count = this.counted(visible, query, more);
    if (query.tag === undefined) {
      const sought = soughtOf(query, more);
      const where = sought ? this.filters(query, []).all : filters.all;
      return readPage(this, this.sorts, where, sorted, visible, { count, sought });
    }
    const held = holding(query.tag)!;
    if (/^-?createdAt$/.test(sorted.sort) && (await this.isTagFirst(visible, query))) {
      const where = filters.also(visible).all;
      return readIndexedPage(this, this.tags.byTime(query.tag, held), where, sorted, count);
    }
    const few = await this.tags.few(query.tag, held, RARE);
    const where = filters.also(few ?? held).all;
    return readPage(this, this.sorts, where, sorted, few ? undivided(visible) : visible, { count });
  }

  private filters(query: ContactListQuery, more: readonly SqlCondition[]): Conditions {
    const filters = new Conditions()
      .equals('status', query.status)
      .equals('source', query.source)
      .equals(assigneeColumn(this.noun), query.assignee)
      .between('created_at', query.createdFrom, query.createdTo)
      .equals('origin_import_id', query.importId);
    for (const condition of more) filters.also(condition);
    return filters;
  }

  private async searchedPage(
    search: Search,
    visible: ScopeCondition,
    query: ContactListQuery & { sort: string },
    filters: Conditions,
    beside?: (ids: readonly number[]) => void,
  ): Promise<Page<R>> {
    const held = holding(query.tag);
    const isAlone = filters.isEmpty && !held && isEverything(visible);
    const scope = undivided(visible);
    if ('among' in search) {
      const { among, isWhole } = search;
      if (among.ids.length <= MOST_NAMED) {
        beside?.(among.ids);
        return readNamedPage(this, this.sorts, among, scope, filters.also(held).all, query);
      }
      const count = isWhole && filters.isEmpty && !held ? () => Promise.resolve(among.ids.length) : null;
      return readPage(this, this.sorts, filters.also(held).also(named(among.ids)).all, query, scope, { count });
    }
    if (isAlone) {
      const { sought, total: count } = search;
      // Whoever counts those that have several words knows them: a few are not looked for in the list then.
      const few = query.cursor === undefined ? await search.few() : null;
      const ways = { sought: few ? { ...sought, sieve: null } : sought, count };
      return readPage(this, this.sorts, filters.all, query, scope, ways);
    }
    const found = await search.sought.condition();
    return readPage(this, this.sorts, filters.also(held).also(found).all, query, scope);
  }

  /** The way to the total of a list that is filtered by one facet at most; null for others. */
  private counted(
    visible: SqlCondition,
    { status, source, tag, importId, assignee, createdFrom, createdTo }: ContactListQuery,
    more: readonly FilterCondition[],
  ): KnownTotal | null {
    const facets = [
      ...(status === undefined ? [] : [facetName('status', status)]),
      ...(source === undefined ? [] : [facetName('source', source)]),
      ...(tag === undefined ? [] : [facetName('tag', tag.normalize('NFC'))]),
      ...(importId === undefined ? [] : [facetName('import', importId)]),
    ];
    const others = facets.length + (assignee === undefined ? 0 : 1);
    if (
      more.length === 1 &&
      others === 0 &&
      isEverything(visible) &&
      createdFrom === undefined &&
      createdTo === undefined
    )
      return more[0].count ?? null;
    if (facets.length > 1 || more.length > 0 || createdFrom !== undefined || createdTo !== undefined) return null;
    return () => this.counts.total(facets[0] ?? facetName('all'), this.owned(visible, assignee));
  }

  private owned(visible: SqlCondition, assignee: number | undefined): SqlCondition {
    return new Conditions().also(visible).equals(assigneeColumn(this.noun), assignee).all;
  }

  /** Whether fewer records have the tag than the caller may see: a walk through them meets the wanted ones sooner. */
  private async isTagFirst(visible: ScopeCondition, { tag, assignee }: ContactListQuery): Promise<boolean> {
    if (isEverything(visible) && assignee === undefined) return true;
    const [tagged, owned] = await Promise.all([
      this.counts.total(facetName('tag', tag!.normalize('NFC')), EVERYTHING),
      this.counts.total(facetName('all'), this.owned(visible, assignee)),
    ]);
    return tagged !== null && owned !== null && tagged <= owned;
  }
}

/** A single filter beside those that have an index in the order of the list, where many records have it. */
function soughtOf(
  { createdFrom, createdTo, importId }: ContactListQuery,
  more: readonly FilterCondition[],
): Sought | undefined {
  const [filter, ...others] = more;
  const walksFar = [createdFrom, createdTo, importId].some((each) => each !== undefined);
  if (!filter?.sieve || others.length > 0 || walksFar) return undefined;
  return { sieve: filter.sieve, condition: () => Promise.resolve(filter), key: filter };
}

/** A condition that looks into each record; null where no tag is asked for. */
const holding = (tag: string | undefined): SqlCondition | null =>
  tag === undefined ? null : new Conditions().holds('tags', tag).all;
