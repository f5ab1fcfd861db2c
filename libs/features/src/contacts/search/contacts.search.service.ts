import { partsOfWord, SearchWord, searchWords } from '@muster/core/contact/search-terms';
import { Database } from '@muster/platform/database/database';
import { columnName, TableDefinition } from '@muster/platform/database/dialect/columns';
import { RecordChange, RecordTable, SqlCondition, VersionedRecord } from '@muster/platform/database/record-table';
import { Tx } from '@muster/platform/database/transactions';
import { KnownTotal, Sought } from '@muster/platform/http/list-query';
import { EVERYTHING, isEverything, partsOf, ScopeCondition } from '@muster/platform/http/list-scope';
import { MOST_NAMED, Named } from '@muster/platform/http/named-page';
import { ContactCounts } from '../lists/contacts.counts.repository';
import type { ContactNoun } from '../memberships/contacts.memberships.service';
import { IdRange, SearchBacklog, searchedColumns, SearchIndex } from './contacts.search.repository';
import { marks } from '@muster/platform/database/sql';

/** A word that so many entries of the index have, or fewer, is rare: its records are read one by one. */
export const RARE = 2_000;
/** Of several words such a one is looked for first: the records of a rarer word are fewer to read. */
const VERY_RARE = 50;
/** Of two words and more, those with so many entries or fewer are compared here, the others in the store. */
const MANY = 60_000;
/** Records that have several words are read by name where they are so many or fewer. */
const NAMED = 5_000;
/** A scope of so many records or fewer is searched by reading them. */
const FEW = 500;
/** How many ids of records that are not in the index yet one statement looks at. */
const IDS_AT_ONCE = 20_000;
/** Of the records that are not in the index yet, so many are found. */
const MAX_PENDING = 5_000;

/** What is searched for. */
export type Search =
  /**
   * All that have the words are among these; `holds` is null where they are more than {@link MOST_NAMED}. `isWhole`: `ids` are those of
   * the scope that have the words.
   */
  | { among: Named; isWhole: boolean }
  /** Words that many records have. `total` counts those; null where only a query on the table can. */
  | {
      sought: Sought;
      total: KnownTotal;
      /** Those that have several words, where they are not very many; else null. As much work as to count them. */
      few: () => Promise<readonly number[] | null>;
    };

/** Records that have words each of which many have, in the index. */
interface Common {
  condition: SqlCondition;
  few: readonly number[] | null;
  total: KnownTotal;
}

/**
 * New records are in the lists: they are counted, and their terms and tags are left to the workers. For writes of many rows.
 * @param ranges the ids of all that were made, each once, rising
 */
export async function queueForSearch(
  tx: Tx,
  database: Database,
  noun: ContactNoun,
  ranges: readonly IdRange[],
): Promise<void> {
  await new ContactCounts(database, noun).add(tx, ranges);
  await new SearchIndex(database, noun).queue(tx, ranges);
}

/** Writes the terms of some records that were left to the workers. @returns whether there were any that nobody else is at */
export const indexSome = (tx: Tx, database: Database, records: number): Promise<boolean> =>
  new SearchBacklog(database).advance(tx, records);

/** Records that a search finds: every write of a single one keeps its terms. */
export class SearchedTable<R extends VersionedRecord> extends RecordTable<R> {
  private readonly index: SearchIndex;
  private readonly searched: string[];

  constructor(
    database: Database,
    definition: TableDefinition,
    protected readonly noun: ContactNoun,
  ) {
    super(database, definition);
    this.index = new SearchIndex(database, noun);
    const columns = searchedColumns(noun);
    this.searched = Object.keys(definition.columns).filter((property) => columns.includes(columnName(property)));
  }

  override async insert(tx: Tx, record: R): Promise<void> {
    await super.insert(tx, record);
    await this.index.change(tx, record.id, [], this.termsOf(record));
  }

  override async update(tx: Tx, id: number, changes: Partial<R>): Promise<void> {
    if (!this.searched.some((property) => property in changes)) return super.update(tx, id, changes);
    const before = await this.index.held(tx, id);
    await super.update(tx, id, changes);
    await this.index.change(tx, id, before, await this.index.held(tx, id));
  }

  override async updateAll(tx: Tx, changes: readonly RecordChange<R>[]): Promise<void> {
    await super.updateAll(tx, changes);
    await this.index.changeAll(
      tx,
      changes.map(({ before, after }) => ({
        ...{ id: after.id, before: this.termsOf(before), after: this.termsOf(after) },
      })),
    );
  }

  override async remove(tx: Tx, id: number): Promise<void> {
    await this.index.change(tx, id, await this.index.held(tx, id), []);
    await super.remove(tx, id);
  }

  override async removeAll(tx: Tx, records: readonly R[]): Promise<void> {
    await this.index.removeAll(
      tx,
      records.map((record) => ({ ...this.searchedOf(record), id: record.id })),
    );
    await super.removeAll(tx, records);
  }

  private termsOf(record: R): string[] {
    return this.index.termsOf(this.searchedOf(record));
  }

  private searchedOf(record: R): Record<string, unknown> {
    const row: Record<string, unknown> = {};
    for (const property of this.searched) row[columnName(property)] = record[property as keyof R];
    return row;
  }

  /**
   * The records that have all words of a text; null when the text is blank. A word is had when a word of a name or of the company, a
   * piece of the e-mail address, or the phone number begins with it, whatever the case and the accents; a number also when the phone
   * number ends with it.
   *
   * Where the scope holds few records, those are read instead of the index.
   *
   * Records of an import are found at once, though their terms come later: of those, the latest {@link MAX_PENDING} that have the words.
   */
  async search(text: string | undefined, scope: ScopeCondition = EVERYTHING): Promise<SqlCondition | null> {
    if (!text?.trim()) return null;
    const words = searchWords(text);
    const found = await this.seekWords(words, scope);
    if ('sought' in found) return found.sought.condition();
    const { ids, holds } = found.among;
    return named(holds ? await this.verified(ids, words) : ids);
  }

  /** The same, where words that many records have need not be looked up before it is known how many of the records are wanted. */
  async seek(text: string | undefined, scope: ScopeCondition = EVERYTHING): Promise<Search | null> {
    return text?.trim() ? this.seekWords(searchWords(text), scope) : null;
  }

  private async seekWords(words: readonly SearchWord[], scope: ScopeCondition): Promise<Search> {
    if (words.length === 0) return { among: { ids: [], holds: null }, isWhole: true };
    const few = await this.amongFew(scope, words);
    if (few) return { among: { ids: few, holds: null }, isWhole: true };
    const { backlog, having } = await this.index.glance(words, VERY_RARE);
    const rare = shortest(having) ?? (await this.rare(words));
    const holds = (row: Record<string, unknown>) => this.index.matches(row, words);
    if (rare) {
      const ids = [...new Set([...rare, ...(await this.pending(backlog, words))])];
      if (words.length > 1 && ids.length <= MOST_NAMED) return { among: { ids, holds }, isWhole: false };
      const found = words.length === 1 ? ids : await this.verified(ids, words);
      return { among: { ids: found, holds: null }, isWhole: isEverything(scope) };
    }
    const common = once(() => this.common(words));
    const condition = once(async () => {
      const pending = await this.pending(backlog, words);
      const { condition: broad } = await common();
      if (pending.length === 0) return broad;
      const { sql, params } = named(pending);
      return { sql: `((${broad.sql}) OR ${sql})`, params: [...broad.params, ...params] };
    });
    const sought = {
      key: { sql: 'q', params: words.flat() },
      condition,
      sieve: {
        columns: searchedColumns(this.noun),
        may: this.index.mayHave(words.map(partsOfWord)),
        holds,
      },
    };
    const isPending = backlog.length > 0;
    return {
      sought,
      total: async () => (isPending ? null : (await common()).total()),
      few: async () => (isPending || words.length === 1 ? null : (await common()).few),
    };
  }

  /** The records of a scope that have all words; null when the scope holds many records. */
  private async amongFew(scope: ScopeCondition, words: readonly SearchWord[]): Promise<number[] | null> {
    const parts = await partsOf(this.database, scope);
    if (!parts) return null;
    const found: number[] = [];
    let all = 0;
    for (const part of parts) {
      const { looked, ids } = await this.index.read(part, words, FEW + 1);
      all += looked;
      if (all > FEW) return null;
      found.push(...ids);
    }
    return found;
  }

  /** The records in the index that have a word which few have; null where many have each of the words. */
  private async rare(words: readonly SearchWord[]): Promise<number[] | null> {
    const frequent = await this.index.areFrequent(words, RARE);
    const word = words.find((_, nth) => !frequent[nth]);
    if (!word) return null;
    const ids = await this.index.having(word, RARE + 1);
    // It may have become frequent meanwhile.
    return ids.length <= RARE ? ids : null;
  }

  /** The records in the index that have all of some words each of which many have. */
  private async common(words: readonly SearchWord[]): Promise<Common> {
    const condition = this.index.havingAll(words);
    if (words.length === 1) return { condition, few: null, total: () => this.index.countHaving(words[0]) };
    const lists = (await this.index.havingEach(words, MANY)).filter((list) => list !== null);
    const isWhole = lists.length === words.length;
    const ids = lists.length > 0 ? inAll(lists) : null;
    const total = () => Promise.resolve(isWhole && ids ? ids.length : null);
    if (!ids || ids.length > NAMED) return { condition, few: null, total };
    const few = isWhole ? ids : await this.verified(ids, words);
    return { condition: named(few), few, total: () => Promise.resolve(few.length) };
  }

  private async verified(ids: readonly number[], words: readonly SearchWord[]): Promise<number[]> {
    return ids.length === 0 ? [] : (await this.index.read(named(ids), words)).ids;
  }

  private async pending(backlog: readonly IdRange[], words: readonly SearchWord[]): Promise<number[]> {
    const found: number[] = [];
    const parts = words.map(partsOfWord);
    for (const { firstId, lastId } of backlog) {
      for (let end = lastId; end >= firstId; end -= IDS_AT_ONCE) {
        if (found.length >= MAX_PENDING) return found;
        const range = { firstId: Math.max(firstId, end - IDS_AT_ONCE + 1), lastId: end };
        found.push(...(await this.index.read(within(range, this.index.mayHave(parts)), words)).ids);
      }
    }
    return found;
  }
}

/** Some records, as a condition for a query on the noun's table alone. */
export const named = (ids: readonly number[]): SqlCondition => ({
  sql: ids.length === 0 ? '1 = 0' : `id IN (${marks(ids)})`,
  params: [...ids],
});

/** What is in all of some lists, each once. */
function inAll(lists: readonly number[][]): number[] {
  const [first, ...others] = lists.toSorted((a, b) => a.length - b.length);
  let ids = new Set(first);
  for (const list of others) ids = new Set(list.filter((id) => ids.has(id)));
  return [...ids];
}

const shortest = (lists: readonly (number[] | null)[]): number[] | null =>
  lists.reduce((least, list) => (list && !(least && least.length <= list.length) ? list : least), null);

const within = ({ firstId, lastId }: IdRange, { sql, params }: SqlCondition): SqlCondition => ({
  sql: `id BETWEEN ? AND ? AND ${sql}`,
  params: [firstId, lastId, ...params],
});

/** Asks when it is first called. */
function once<T>(ask: () => Promise<T>): () => Promise<T> {
  let asked: Promise<T> | undefined;
  return () => (asked ??= ask());
}
