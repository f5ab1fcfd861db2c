import { matchesWords, partsOfWord, SearchWord, searchWords } from '@muster/core/contact/search-terms';
import { Database } from '@muster/platform/database/database';
import { columnName, TableDefinition } from '@muster/platform/database/dialect/columns';
import { RecordTable, SqlCondition, VersionedRecord } from '@muster/platform/database/record-table';
import { Tx } from '@muster/platform/database/transactions';
import { KnownTotal, Sought } from '@muster/platform/http/list-query';
import { EVERYTHING, partsOf, ScopeCondition } from '@muster/platform/http/list-scope';
import { ContactCounts } from '../lists/contacts.counts.repository';
import type { ContactNoun } from '../memberships/contacts.memberships.service';
import { FoundRecord, IdRange, SearchBacklog, searchedColumns, SearchIndex } from './contacts.search.repository';
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
  /** As a condition for a query on the noun's table alone. */
  | { where: SqlCondition }
  /** Words that many records have. `total` counts those; null where only a query on the table can. */
  | { sought: Sought; total: KnownTotal };

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
    const found = await this.seek(text, scope);
    if (!found) return null;
    return 'where' in found ? found.where : found.sought.condition();
  }

  /** The same, where words that many records have need not be looked up before it is known how many of the records are wanted. */
  async seek(text: string | undefined, scope: ScopeCondition = EVERYTHING): Promise<Search | null> {
    if (!text?.trim()) return null;
    const words = searchWords(text);
    if (words.length === 0) return { where: named([]) };
    const few = await this.amongFew(scope, words);
    if (few) return { where: named(few) };
    // Before the index is asked: a record that goes over meanwhile is seen twice, not never.
    const backlog = await this.index.backlog();
    const found = await this.rare(words);
    if (found) return { where: named([...new Set([...found, ...(await this.pending(backlog, words))])]) };
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
        holds: (row: Record<string, unknown>) => matchesWords(this.index.termsOf(row), words),
      },
    };
    return { sought, total: async () => (backlog.length > 0 ? null : (await common()).total()) };
  }

  /** The records of a scope that have all words; null when the scope holds many records. */
  private async amongFew(scope: ScopeCondition, words: readonly SearchWord[]): Promise<number[] | null> {
    const parts = await partsOf(this.database, scope);
    if (!parts) return null;
    const records: FoundRecord[] = [];
    for (const part of parts) {
      records.push(...(await this.index.read(part, FEW + 1)));
      if (records.length > FEW) return null;
    }
    return records.filter(({ terms }) => matchesWords(terms, words)).map(({ id }) => id);
  }

  /** The records in the index that have all words, one of which few have; else null. */
  private async rare(words: readonly SearchWord[]): Promise<number[] | null> {
    for (const most of [VERY_RARE, RARE]) {
      const frequent = await Promise.all(words.map((word) => this.index.isFrequent(word, most)));
      const word = words.find((_, nth) => !frequent[nth]);
      if (!word) continue;
      const ids = await this.index.having(word, most + 1);
      // It may have become frequent meanwhile.
      if (ids.length <= most) return words.length === 1 ? ids : this.verified([...new Set(ids)], words);
    }
    return null;
  }

  /** The records in the index that have all of some words each of which many have. */
  private async common(words: readonly SearchWord[]): Promise<{ condition: SqlCondition; total: KnownTotal }> {
    const condition = this.index.havingAll(words);
    if (words.length === 1) return { condition, total: () => this.index.countHaving(words[0]) };
    const lists = await Promise.all(words.map((word) => this.index.having(word, MANY + 1)));
    const sets = lists.filter((ids) => ids.length <= MANY).map((ids) => new Set(ids));
    const [first, ...others] = sets;
    const ids = first && [...first].filter((id) => others.every((set) => set.has(id)));
    const total = () => Promise.resolve(ids && sets.length === words.length ? ids.length : null);
    if (!ids || ids.length > NAMED) return { condition, total };
    const few = await this.verified(ids, words);
    return { condition: named(few), total: () => Promise.resolve(few.length) };
  }

  private async verified(ids: number[], words: readonly SearchWord[]): Promise<number[]> {
    if (ids.length === 0) return [];
    const records = await this.index.read(named(ids));
    return records.filter(({ terms }) => matchesWords(terms, words)).map(({ id }) => id);
  }

  private async pending(backlog: readonly IdRange[], words: readonly SearchWord[]): Promise<number[]> {
    const found: number[] = [];
    const parts = words.map(partsOfWord);
    for (const { firstId, lastId } of backlog) {
      for (let end = lastId; end >= firstId; end -= IDS_AT_ONCE) {
        if (found.length >= MAX_PENDING) return found;
        const range = { firstId: Math.max(firstId, end - IDS_AT_ONCE + 1), lastId: end };
        const records = await this.index.read(within(range, this.index.mayHave(parts)));
        for (const { id, terms } of records) if (matchesWords(terms, words)) found.push(id);
      }
    }
    return found;
  }
}

const named = (ids: readonly number[]): SqlCondition => ({
  sql: ids.length === 0 ? '1 = 0' : `id IN (${marks(ids)})`,
  params: [...ids],
});

const within = ({ firstId, lastId }: IdRange, { sql, params }: SqlCondition): SqlCondition => ({
  sql: `id BETWEEN ? AND ? AND ${sql}`,
  params: [firstId, lastId, ...params],
});

/** Asks when it is first called. */
function once<T>(ask: () => Promise<T>): () => Promise<T> {
  let asked: Promise<T> | undefined;
  return () => (asked ??= ask());
}
