import { Database } from '@muster/platform/database/database';
import { formatTime, parseTime } from '@muster/platform/database/dialect/dialect';
import { SqlCondition } from '@muster/platform/database/record-table';
import { marks } from '@muster/platform/database/sql';
import { Tx } from '@muster/platform/database/transactions';
import { RecordIndex } from '@muster/platform/http/indexed-page';
import type { ContactNoun } from '../memberships/contacts.memberships.service';
import { ListedChange, ListedRow, markOf } from './contacts.counts.repository';

type TaggedRow = Pick<ListedRow, 'id' | 'tags' | 'created_at'>;
type Entry = [noun: string, tag: string, recordedAt: string, recordId: number];

const DELETED_AT_ONCE = 100;
const COLUMNS = ['noun', 'tag', 'recorded_at', 'record_id'];

/** A tag as the index has it. */
const stored = (tag: string): string => JSON.stringify(tag);

/** All SQL on the index of tags. Imports leave it to the workers, with the terms of searches. */
export class TagIndex {
  constructor(
    private readonly database: Database,
    private readonly noun: ContactNoun,
  ) {}

  private entriesOf(row: TaggedRow): Entry[] {
    const recordedAt = formatTime(parseTime(row.created_at));
    const tags = new Set(JSON.parse(row.tags) as string[]);
    return [...tags].map((tag) => [markOf(this.noun), stored(tag), recordedAt, Number(row.id)]);
  }

  /** Records were made (`before` is null), changed, or deleted (`after` is null). */
  async change(tx: Tx, changes: readonly ListedChange[]): Promise<void> {
    const [gone, come]: Entry[][] = [[], []];
    const isIn = (entries: Entry[], [, tag]: Entry) => entries.some(([, other]) => other === tag);
    for (const { before, after } of changes) {
      const [old, now] = [before ? this.entriesOf(before) : [], after ? this.entriesOf(after) : []];
      gone.push(...old.filter((entry) => !isIn(now, entry)));
      come.push(...now.filter((entry) => !isIn(old, entry)));
    }
    const each = `(${COLUMNS.map((name) => `${name} = ?`).join(' AND ')})`;
    for (let start = 0; start < gone.length; start += DELETED_AT_ONCE) {
      const some = gone.slice(start, start + DELETED_AT_ONCE);
      await tx.query(`DELETE FROM contact_tags WHERE ${some.map(() => each).join(' OR ')}`, some.flat());
    }
    await this.insert(tx, come);
  }

  /** Writes the entries of records, which must be held until the transaction ends; those that are there stay. */
  async fill(tx: Tx, firstId: number, lastId: number): Promise<void> {
    const { rows } = await tx.query<TaggedRow>(
      `SELECT id, tags, created_at FROM ${this.noun} WHERE id BETWEEN ? AND ? AND tags <> '[]'`,
      [firstId, lastId],
    );
    const entries = rows.flatMap((row) => this.entriesOf(row));
    // In the order of the table, which the store fills fastest so.
    entries.sort(([, a, at, x], [, b, bt, y]) => (a < b ? -1 : a > b ? 1 : at < bt ? -1 : at > bt ? 1 : x - y));
    await this.insert(tx, entries);
  }

  private async insert(tx: Tx, entries: readonly Entry[]): Promise<void> {
    if (entries.length === 0) return;
    const buffer = this.database.dialect.bulkBuffer();
    for (const entry of entries) buffer.add(entry);
    await this.database.dialect.bulkInsert(tx.runner, 'contact_tags', COLUMNS, buffer);
  }

  /**
   * The records of a tag that few have, as a condition for a query on the noun's table alone; null where more than so many have it.
   * @param held the same as a condition that looks into each record
   */
  async few(tag: string, held: SqlCondition, most: number): Promise<SqlCondition | null> {
    const mark = markOf(this.noun);
    // Before the index is asked: a record that goes over meanwhile is seen twice, not never.
    const ranges = await this.database.query<{ first_id: number; last_id: number }>(
      'SELECT first_id, last_id FROM search_backlog WHERE noun = ?',
      [mark],
    );
    const rows = await this.database.query<{ record_id: number }>(
      `SELECT record_id FROM contact_tags WHERE noun = ? AND tag = ? LIMIT ${most + 1}`,
      [mark, stored(tag.normalize('NFC'))],
    );
    if (rows.length > most) return null;
    const named = rows.length > 0 ? `id IN (${marks(rows)})` : '1 = 0';
    const waiting = ranges.map(() => ' OR id BETWEEN ? AND ?').join('');
    return {
      sql: `(${named}${waiting}) AND ${held.sql}`,
      params: [
        ...rows.map((row) => row.record_id),
        ...ranges.flatMap((each) => [each.first_id, each.last_id]),
        ...held.params,
      ],
    };
  }

  /**
   * The records of a tag by the time when they were made: those in the index, and those whose entries are still to be written.
   * @param held the same as a condition for a query on the noun's table alone
   */
  byTime(tag: string, held: SqlCondition): RecordIndex {
    const { noun } = this;
    const mark = markOf(noun);
    return {
      ...{ isTime: true, first: true },
      sources: [
        {
          from: `contact_tags entry CROSS JOIN ${noun} ON ${noun}.id = entry.record_id`,
          value: 'entry.recorded_at',
          record: 'entry.record_id',
          where: { sql: 'entry.noun = ? AND entry.tag = ?', params: [mark, stored(tag.normalize('NFC'))] },
        },
        {
          from: `(SELECT noun AS queued, first_id, last_id FROM search_backlog) backlog
            CROSS JOIN ${noun} ON ${noun}.id BETWEEN backlog.first_id AND backlog.last_id`,
          value: `${noun}.created_at`,
          record: `${noun}.id`,
          where: { sql: `backlog.queued = ? AND ${held.sql}`, params: [mark, ...held.params] },
        },
      ],
    };
  }
}
