import {
  matchesWords,
  mayMatch,
  partsOfWord,
  Searchable,
  searchTerms,
  SearchWord,
} from '@muster/core/contact/search-terms';
import { Database } from '@muster/platform/database/database';
import { formatTime, parseTime } from '@muster/platform/database/dialect/dialect';
import { SqlCondition } from '@muster/platform/database/record-table';
import { marks } from '@muster/platform/database/sql';
import { Tx } from '@muster/platform/database/transactions';
import { DuplicateKeys } from '../duplicates/contacts.duplicates.repository';
import { TagIndex } from '../lists/contacts.tags.repository';
import type { ContactNoun } from '../memberships/contacts.memberships.service';

/** The texts of each noun that a search looks into, beside e-mail and phone: columns. */
const TEXTS: Record<ContactNoun, string[]> = {
  leads: ['name', 'company'],
  customers: ['full_name', 'first_name', 'last_name', 'company'],
};

/** How a noun is called in the index. */
const markOf = (noun: ContactNoun): string => noun[0];
const NOUNS: Record<string, ContactNoun> = { l: 'leads', c: 'customers' };

/** Above every character that a term has, so that `prefix + LAST` is behind all that begins with the prefix. */
const LAST = '\u{10FFFF}';
const COLUMNS = ['noun', 'term', 'record_id'];
const TERMS_AT_ONCE = 500;
/** Ranges of records whose neighbours are nearer than this are one: what lies between is written again, to no effect. */
const GAP = 1_000;

/** Records by their ids, both ends included. */
export interface IdRange {
  firstId: number;
  lastId: number;
}

/** What {@link SearchIndex.read} finds. */
export interface ReadRecords {
  /** How many records were looked at. */
  looked: number;
  /** Those that have all the words. */
  ids: number[];
}

type Row = { id: number | string; email: string | null; phone: string | null } & Record<string, unknown>;

/** What {@link SearchIndex.glance} sees. */
export interface Glance {
  /** The records whose terms are still to be written, the latest first. */
  backlog: IdRange[];
  /** Of each word the records that have it, in the index, each once; null where there are more than were asked for. */
  having: (number[] | null)[];
}

/** One range of the table's key. */
const WITH_PREFIX = 'noun = ? AND term >= ? AND term < ?';

/** The columns that a record is found by. */
export const searchedColumns = (noun: ContactNoun): string[] => [...TEXTS[noun], 'email', 'phone'];

/** All SQL on the index of searches. */
export class SearchIndex {
  constructor(
    private readonly database: Database,
    readonly noun: ContactNoun,
  ) {}

  /** The terms of a row of the noun's table. */
  termsOf(row: Record<string, unknown>): string[] {
    return searchTerms(this.searchable(row));
  }

  /** Whether a row has all the words. */
  matches(row: Record<string, unknown>, words: readonly SearchWord[]): boolean {
    return mayMatch(this.searchable(row), words.map(partsOfWord)) && matchesWords(this.termsOf(row), words);
  }

  private searchable(row: Record<string, unknown>): Searchable {
    const texts = TEXTS[this.noun].map((column) => row[column] as string | null);
    return { texts, email: row.email, phone: row.phone } as Searchable;
  }

  /** Brings a record's terms from what they were to what they are; nothing is written where they are the same. */
  async change(tx: Tx, id: number, before: readonly string[], after: readonly string[]): Promise<void> {
    const mark = markOf(this.noun);
    const gone = before.filter((term) => !after.includes(term));
    const come = after.filter((term) => !before.includes(term));
    if (gone.length > 0) {
      const sql = `DELETE FROM search_terms WHERE noun = ? AND record_id = ? AND term IN (${marks(gone)})`;
      await tx.query(sql, [mark, id, ...gone]);
    }
    if (come.length > 0) {
      const sql = `INSERT INTO search_terms (noun, term, record_id) VALUES ${come.map(() => '(?, ?, ?)').join(', ')}`;
      await tx.query(
        sql,
        come.flatMap((term) => [mark, term, id]),
      );
    }
  }

  /** The same for many records. What comes may be there already, from a worker that was faster. */
  async changeAll(
    tx: Tx,
    changes: readonly { id: number; before: readonly string[]; after: readonly string[] }[],
  ): Promise<void> {
    const { dialect } = this.database;
    const mark = markOf(this.noun);
    const gone: (string | number)[][] = [];
    const come = dialect.bulkBuffer();
    for (const { id, before, after } of changes) {
      for (const term of before) if (!after.includes(term)) gone.push([mark, term, id]);
      for (const term of after) if (!before.includes(term)) come.add([mark, term, id]);
    }
    await dialect.bulkDelete(tx.runner, 'search_terms', COLUMNS, gone);
    await dialect.bulkInsert(tx.runner, 'search_terms', COLUMNS, come);
  }

  /** Takes away the terms of rows that are deleted. */
  removeAll(tx: Tx, rows: readonly ({ id: number } & Record<string, unknown>)[]): Promise<void> {
    return this.changeAll(
      tx,
      rows.map((row) => ({ id: row.id, before: this.termsOf(row), after: [] })),
    );
  }

  /** What a record is found by now, as the transaction sees it; until its end nobody else changes it. */
  async held(tx: Tx, id: number): Promise<string[]> {
    const sql = `SELECT ${searchedColumns(this.noun).join(', ')} FROM ${this.noun} WHERE id = ?`;
    const { rows } = await tx.query<Row>(sql + this.database.dialect.forUpdate, [id]);
    return rows[0] ? this.termsOf(rows[0]) : [];
  }

  /** Leaves the terms of records to the workers. @param ranges rising */
  async queue(tx: Tx, ranges: readonly IdRange[]): Promise<void> {
    const joined: IdRange[] = [];
    for (const { firstId, lastId } of ranges) {
      const last = joined.at(-1);
      if (last && firstId - last.lastId <= GAP) last.lastId = lastId;
      else joined.push({ firstId, lastId });
    }
    const addedAt = formatTime(new Date());
    for (let start = 0; start < joined.length; start += TERMS_AT_ONCE) {
      const some = joined.slice(start, start + TERMS_AT_ONCE);
      await tx.query(
        `INSERT INTO search_backlog (noun, first_id, last_id, added_at) VALUES ${some.map(() => '(?, ?, ?, ?)').join(', ')}`,
        some.flatMap(({ firstId, lastId }) => [markOf(this.noun), firstId, lastId, addedAt]),
      );
    }
  }

  /** What the index says of some words, and what it does not know yet, as of one moment. @param most entries that begin with a prefix */
  async glance(words: readonly SearchWord[], most: number): Promise<Glance> {
    const mark = markOf(this.noun);
    const prefixes = words.flat();
    const each = prefixes.map(
      (_, place) => `SELECT * FROM (SELECT ${place} AS place, record_id AS first_id, 0 AS last_id FROM search_terms
         WHERE ${WITH_PREFIX} LIMIT ${most + 1}) entries${place}`,
    );
    const rows = await this.database.select<{ place: number; first_id: number; last_id: number }>(
      `SELECT -1 AS place, first_id, last_id FROM search_backlog WHERE noun = ? UNION ALL ${each.join(' UNION ALL ')}`,
      [mark, ...prefixes.flatMap((prefix) => [mark, prefix, prefix + LAST])],
    );
    const found = Map.groupBy(rows, ({ place }) => Number(place));
    const backlog = (found.get(-1) ?? []).map((row) => ({
      firstId: Number(row.first_id),
      lastId: Number(row.last_id),
    }));
    let place = 0;
    const having = words.map((word) => {
      const lists = word.map(() => found.get(place++) ?? []);
      if (lists.some(({ length }) => length > most)) return null;
      return [...new Set(lists.flat().map((row) => Number(row.first_id)))];
    });
    return { backlog: backlog.sort((a, b) => b.lastId - a.lastId), having };
  }

  /** The records that have a word, in the index: at most so many, not in order. */
  async having(word: SearchWord, limit: number): Promise<number[]> {
    const { sql, params } = this.wordWhere(word);
    const rows = await this.database.query<{ record_id: number | string }>(
      `SELECT record_id FROM search_terms WHERE ${sql} LIMIT ${limit}`,
      params,
    );
    return rows.map((row) => Number(row.record_id));
  }

  /** Which of some words have more entries in the index than so many. */
  async areFrequent(words: readonly SearchWord[], most: number): Promise<boolean[]> {
    const parts = words.map((word) => this.wordWhere(word));
    const each = parts.map(
      ({ sql }, nth) => `(SELECT record_id FROM search_terms WHERE ${sql} LIMIT 1 OFFSET ${most}) AS next${nth}`,
    );
    const [rest] = await this.database.query<Record<string, number | string | null>>(
      `SELECT ${each.join(', ')}`,
      parts.flatMap(({ params }) => params),
    );
    return words.map((_, nth) => rest[`next${nth}`] !== null);
  }

  /**
   * The records that have each of some words, in the index, as of one moment: of each word in no order, some twice; null where there are
   * more entries than so many.
   */
  async havingEach(words: readonly SearchWord[], most: number): Promise<(number[] | null)[]> {
    const parts = words.map((word) => this.wordWhere(word));
    // As one text: a row for each would take several times as long to read.
    const each = parts.map(
      ({ sql }, nth) =>
        `(SELECT GROUP_CONCAT(record_id) FROM (SELECT record_id FROM search_terms WHERE ${sql} LIMIT ${most + 1}) all${nth}) AS ids${nth}`,
    );
    const [lists] = await this.database.query<Record<string, string | null>>(
      `SELECT ${each.join(', ')}`,
      parts.flatMap(({ params }) => params),
    );
    return words.map((_, nth) => {
      const ids = idsIn(lists[`ids${nth}`]);
      return ids.length > most ? null : ids;
    });
  }

  /** How many records have a word, in the index. */
  async countHaving(word: SearchWord): Promise<number> {
    const { sql, params } = this.wordWhere(word);
    const rows = await this.database.query<{ n: number | string }>(
      `SELECT COUNT(DISTINCT record_id) AS n FROM search_terms WHERE ${sql}`,
      params,
    );
    return Number(rows[0].n);
  }

  /**
   * The records that have all the words, in the index; a condition for a query on the noun's table alone. The OR, which adds nothing,
   * and the hint keep the databases from going from the words' many entries to a record each: they walk the list instead, and look
   * each record up in what they have read of the index once.
   */
  havingAll(words: readonly SearchWord[]): SqlCondition {
    const parts = words.map((word) => this.wordWhere(word));
    const each = ({ sql }: SqlCondition) =>
      `(id IN (SELECT /*+ SUBQUERY(MATERIALIZATION) */ record_id FROM search_terms WHERE ${sql}) OR id < 0)`;
    return { sql: parts.map(each).join(' AND '), params: parts.flatMap(({ params }) => params) };
  }

  private wordWhere(word: SearchWord): SqlCondition {
    const mark = markOf(this.noun);
    return {
      sql: `(${word.map(() => `(${WITH_PREFIX})`).join(' OR ')})`,
      params: word.flatMap((prefix) => [mark, prefix, prefix + LAST]),
    };
  }

  /** Which of some records have all the words, by the records themselves: looks at so many at most, not in order. */
  async read(where: SqlCondition, words: readonly SearchWord[], limit?: number): Promise<ReadRecords> {
    const sql = `SELECT id, ${searchedColumns(this.noun).join(', ')} FROM ${this.noun} WHERE ${where.sql}`;
    const rows = await this.database.query<Row>(limit ? `${sql} LIMIT ${limit}` : sql, where.params);
    const ids = rows.filter((row) => this.matches(row, words)).map(({ id }) => Number(id));
    return { looked: rows.length, ids };
  }

  /**
   * Records that may have all the words, judged by their own columns, without the index: those with letters beyond ASCII, whose spelling
   * the store cannot judge, and those that have the words somewhere.
   * @param parts of each word what is to be found, one of them
   */
  mayHave(parts: readonly (readonly string[])[]): SqlCondition {
    const { charLength } = this.database.dialect;
    const text = `LOWER(REPLACE(${concat(searchedColumns(this.noun))}, '''', ''))`;
    const each = parts.map((any) => `(${any.map(() => `INSTR(${text}, ?) > 0`).join(' OR ')})`).join(' AND ');
    return { sql: `(OCTET_LENGTH(${text}) > ${charLength}(${text}) OR (${each}))`, params: parts.flat() };
  }
}

/** The work that is left of the index of searches, of all nouns. */
export class SearchBacklog {
  constructor(private readonly database: Database) {}

  /** When the oldest and the newest range came; null when there is none. */
  async age(): Promise<{ oldest: Date; newest: Date } | null> {
    const [{ oldest, newest }] = await this.database.query<{ oldest: Date | string | null; newest: Date | string }>(
      'SELECT MIN(added_at) AS oldest, MAX(added_at) AS newest FROM search_backlog',
    );
    return oldest === null ? null : { oldest: parseTime(oldest), newest: parseTime(newest) };
  }

  /**
   * Writes the terms of the oldest range's first records, and shortens the range by them. Until the transaction ends nobody changes these
   * records: else their terms could be those of before.
   * @returns whether there was a range that nobody else is at
   */
  async advance(tx: Tx, records: number): Promise<boolean> {
    const { dialect } = this.database;
    const { rows } = await tx.query<{ id: number; noun: string; first_id: number; last_id: number }>(
      `SELECT id, noun, first_id, last_id FROM search_backlog ORDER BY id LIMIT 1${dialect.skipLocked}`,
    );
    const range = rows[0];
    if (!range) return false;
    const noun = NOUNS[range.noun];
    const index = new SearchIndex(this.database, noun);
    const { rows: found } = await tx.query<Row>(
      `SELECT id, ${searchedColumns(noun).join(', ')} FROM ${noun} WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ${records}${dialect.forShare}`,
      [range.first_id, range.last_id],
    );
    await this.write(tx, range.noun, found, index);
    if (found.length > 0) {
      const [first, last] = [found[0].id, found[found.length - 1].id].map(Number);
      await new DuplicateKeys(this.database).fill(tx, noun, first, last);
      await new TagIndex(this.database, noun).fill(tx, first, last);
    }
    if (found.length < records) await tx.query('DELETE FROM search_backlog WHERE id = ?', [range.id]);
    else {
      const next = Number(found[found.length - 1].id) + 1;
      await tx.query('UPDATE search_backlog SET first_id = ? WHERE id = ?', [next, range.id]);
    }
    return true;
  }

  private async write(tx: Tx, mark: string, found: Row[], index: SearchIndex): Promise<void> {
    const entries: [term: string, id: number][] = [];
    for (const row of found) {
      const id = Number(row.id);
      for (const term of index.termsOf(row)) entries.push([term, id]);
    }
    // In the order of the index, which the store fills fastest so.
    entries.sort(([a, x], [b, y]) => (a < b ? -1 : a > b ? 1 : x - y));
    const buffer = this.database.dialect.bulkBuffer();
    for (const [term, id] of entries) buffer.add([mark, term, id]);
    await this.database.dialect.bulkInsert(tx.runner, 'search_terms', COLUMNS, buffer);
  }
}

/** The ids of a text in which commas part them. */
function idsIn(text: string | null): number[] {
  const ids: number[] = [];
  if (text === null) return ids;
  let id = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === COMMA) {
      ids.push(id);
      id = 0;
    } else id = id * 10 + code - ZERO;
  }
  ids.push(id);
  return ids;
}

const COMMA = 44;
const ZERO = 48;

/** The texts of columns, one after another with a sign between that no word has. */
function concat(columns: string[]): string {
  return `CONCAT_WS('|', ${columns.join(', ')})`;
}
