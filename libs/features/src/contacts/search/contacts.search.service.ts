import { matchesWords, partsOfWord, SearchWord, searchWords } from '@muster/core/contact/search-terms';
import { Database } from '@muster/platform/database/database';
import { columnName, TableDefinition } from '@muster/platform/database/dialect/columns';
import { RecordTable, SqlCondition, VersionedRecord } from '@muster/platform/database/record-table';
import { Tx } from '@muster/platform/database/transactions';
import { EVERYTHING, partsOf, ScopeCondition } from '@muster/platform/http/list-scope';
import type { ContactNoun } from '../memberships/contacts.memberships.service';
import { FoundRecord, IdRange, SearchBacklog, searchedColumns, SearchIndex } from './contacts.search.repository';
import { marks } from '@muster/platform/database/sql';

/** A word that so many entries of the index have, or fewer, is rare: its records are read one by one. */
export const RARE = 2_000;
/** Of several words such a one is looked for first: the records of a rarer word are fewer to read. */
const VERY_RARE = 50;
/** Of two words and more, those with so many entries or fewer are compared here, the others in the store. */
const MANY = 60_000;
/** A scope of so many records or fewer is searched by reading them. */
const FEW = 500;
/** How many ids of records that are not in the index yet one statement looks at. */
const IDS_AT_ONCE = 20_000;
/** Of the records that are not in the index yet, so many are found. */
const MAX_PENDING = 5_000;

/** What is searched for, as a condition for a query on the noun's table alone. */
export interface SearchCondition extends SqlCondition {
  /** Counts the records that fulfil it; null where only a query on the table can. */
  total: (() => Promise<number>) | null;
}

/** Leaves the terms of new records to the workers, for writes of many rows. @param ranges their ids, rising */
export const queueForSearch = (
  tx: Tx,
  database: Database,
  noun: ContactNoun,
  ranges: readonly IdRange[],
): Promise<void> => new SearchIndex(database, noun).queue(tx, ranges);

/** Writes the terms of some records that were left to the workers. @returns whether there were any that nobody else is at */
export const indexSome = (tx: Tx, database: Database, records: number): Promise<boolean> =>
  new SearchBacklog(database).advance(tx, records);

/** Records that a search finds: every write of a single one keeps its terms. */
export class SearchedTable<R extends VersionedRecord> extends RecordTable<R> {
  private readonly index: SearchIndex;
  private readonly searched: string[];

  constructor(database: Database, definition: TableDefinition, noun: ContactNoun) {
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
  async search(text: string | undefined, scope: ScopeCondition = EVERYTHING): Promise<SearchCondition | null> {
    if (!text?.trim()) return null;
    const words = searchWords(text);
    if (words.length === 0) return named([]);
    const few = await this.amongFew(scope, words);
    if (few) return named(few);
    // Before the index is asked: a record that goes over meanwhile is seen twice, not never.
    const backlog = await this.index.backlog();
    const pending = await this.pending(backlog, words);
    const found = await this.lookUp(words);
    if (Array.isArray(found)) return named([...new Set([...found, ...pending])]);
    if (pending.length === 0) return found;
    const { sql, params } = named(pending);
    return { sql: `((${found.sql}) OR ${sql})`, params: [...found.params, ...params], total: null };
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

  /** The records in the index that have all words: by name when they are few. */
  private async lookUp(words: readonly SearchWord[]): Promise<number[] | SearchCondition> {
    for (const most of words.length === 1 ? [RARE] : [VERY_RARE, RARE]) {
      for (const word of words) {
        const ids = await this.index.having(word, most + 1);
        if (ids.length <= most) return words.length === 1 ? ids : this.verified([...new Set(ids)], words);
      }
    }
    const broad = this.index.havingAll(words);
    if (words.length === 1) return { ...broad, total: () => this.index.countHaving(words[0]) };
    const sets: Set<number>[] = [];
    for (const word of words) {
      const ids = await this.index.having(word, MANY + 1);
      if (ids.length <= MANY) sets.push(new Set(ids));
    }
    const [first, ...others] = sets;
    const common = first && [...first].filter((id) => others.every((set) => set.has(id)));
    if (common && common.length <= RARE) return this.verified(common, words);
    const total = common && sets.length === words.length ? common.length : null;
    return { ...broad, total: total === null ? null : () => Promise.resolve(total) };
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
        const records = await this.index.read(this.index.mayHave(range, parts));
        for (const { id, terms } of records) if (matchesWords(terms, words)) found.push(id);
      }
    }
    return found;
  }
}

const named = (ids: readonly number[]): SearchCondition => ({
  sql: ids.length === 0 ? '1 = 0' : `id IN (${marks(ids)})`,
  params: [...ids],
  total: null,
});
