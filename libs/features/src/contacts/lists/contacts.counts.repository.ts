import { Database } from '@muster/platform/database/database';
import { formatTime, parseTime } from '@muster/platform/database/dialect/dialect';
import { SqlCondition } from '@muster/platform/database/record-table';
import { marks } from '@muster/platform/database/sql';
import { Tx } from '@muster/platform/database/transactions';
import type { ContactNoun } from '../memberships/contacts.memberships.service';

/** Records by their ids, both ends included. */
interface IdRange {
  firstId: number;
  lastId: number;
}

/** What lists are filtered by, one of them at a time. A record is counted once under each, and once under each of its tags. */
export const FACETS = ['all', 'status', 'source', 'import', 'tag'] as const;
export type Facet = (typeof FACETS)[number];

/** What of a record its lists are kept by, as the store has it. */
export interface ListedRow {
  id: number | string;
  created_at: Date | string;
  status: string;
  source: string | null;
  /** A JSON list. */
  tags: string;
  origin_import_id: number | string | null;
  assignee: number | string | null;
  creator: number | string | null;
}

/** A record before and after a write. */
export interface ListedChange {
  before: ListedRow | null;
  after: ListedRow | null;
}
type CountedRow = Omit<ListedRow, 'id' | 'created_at'>;

/** Records that are counted together; less than none where some were taken away. */
export interface Cell {
  facet: string;
  assignee: number | null;
  creator: number | null;
  n: number;
}

/** The columns that say whose a record is, or null where a noun has none. */
const ASSIGNEES: Record<ContactNoun, string> = { leads: 'assigned_to', customers: 'owner_id' };
const SOURCES: Record<ContactNoun, string> = { leads: 'source', customers: 'NULL' };
export const assigneeColumn = (noun: ContactNoun): string => ASSIGNEES[noun];
/** How a noun is called in the tables of its lists. */
export const markOf = (noun: ContactNoun): string => noun[0];

/** The name of what is counted: a tag is named by its JSON, everything else as it is. */
export function facetName(facet: Facet, value?: string | number): string {
  if (facet === 'all') return 'all';
  return `${facet}=${facet === 'tag' ? JSON.stringify(value) : value}`;
}

const tagsOf = (json: string): string[] => [...new Set(JSON.parse(json) as string[])];
const idOf = (value: number | string | null): number | null => (value === null ? null : Number(value));

const IDS_AT_ONCE = 500;
const RANGES_AT_ONCE = 400;
const ROWS_BY_INSERT = 200;
const COLUMNS = ['noun', 'facet', 'assignee', 'creator', 'n'];
/** Behind every name that begins with the text before it. */
const LAST = '\u{10FFFF}';

/** Sums by cell. */
class Tally {
  private readonly cells = new Map<string, Cell>();

  add(facet: string, assignee: number | null, creator: number | null, n: number): void {
    const key = `${assignee} ${creator} ${facet}`;
    const cell = this.cells.get(key);
    if (cell) cell.n += n;
    else this.cells.set(key, { facet, assignee, creator, n });
  }

  /** Counts records that are alike. */
  addRecord(row: CountedRow, n: number): void {
    const [assignee, creator] = [idOf(row.assignee), idOf(row.creator)];
    const names = [facetName('all'), facetName('status', row.status)];
    if (row.source !== null) names.push(facetName('source', row.source));
    if (row.origin_import_id !== null) names.push(facetName('import', Number(row.origin_import_id)));
    for (const tag of tagsOf(row.tags)) names.push(facetName('tag', tag));
    for (const name of names) this.add(name, assignee, creator, n);
  }

  get changed(): Cell[] {
    return [...this.cells.values()].filter(({ n }) => n !== 0);
  }
}

/** All SQL on the counts of one noun's records. */
export class ContactCounts {
  constructor(
    private readonly database: Database,
    readonly noun: ContactNoun,
  ) {}

  /** The columns that are counted by. */
  private get columns(): string {
    const { noun } = this;
    return `status, ${SOURCES[noun]} AS source, tags, origin_import_id, ${ASSIGNEES[noun]} AS assignee, created_by AS creator`;
  }

  /**
   * What records are listed by, as the transaction sees it; until its end nobody else changes them.
   * @returns by id; null where there is no record
   */
  async held(tx: Tx, ids: readonly number[]): Promise<Map<number, ListedRow | null>> {
    const held = new Map<number, ListedRow | null>(ids.map((id) => [id, null]));
    for (let start = 0; start < ids.length; start += IDS_AT_ONCE) {
      const some = ids.slice(start, start + IDS_AT_ONCE);
      const { rows } = await tx.query<ListedRow>(
        `SELECT id, created_at, ${this.columns} FROM ${this.noun} WHERE id IN (${marks(some)})${this.database.dialect.forUpdate}`,
        some,
      );
      for (const row of rows) held.set(Number(row.id), row);
    }
    return held;
  }

  /** Records were made (`before` is null), changed, or deleted (`after` is null). */
  async change(tx: Tx, changes: readonly ListedChange[]): Promise<void> {
    const tally = new Tally();
    for (const { before, after } of changes) {
      if (before) tally.addRecord(before, -1);
      if (after) tally.addRecord(after, 1);
    }
    await this.write(tx, tally.changed);
  }

  /** Records were made, many at once. @param ranges all of their ids, each once */
  async add(tx: Tx, ranges: readonly IdRange[]): Promise<void> {
    const tally = new Tally();
    for (let start = 0; start < ranges.length; start += RANGES_AT_ONCE) {
      const some = ranges.slice(start, start + RANGES_AT_ONCE);
      const { rows } = await tx.query<CountedRow & { n: number }>(
        `SELECT ${this.columns}, COUNT(*) AS n FROM ${this.noun} WHERE ${some.map(() => 'id BETWEEN ? AND ?').join(' OR ')}
         GROUP BY 1, 2, 3, 4, 5, 6`,
        some.flatMap(({ firstId, lastId }) => [firstId, lastId]),
      );
      for (const row of rows) tally.addRecord(row, Number(row.n));
    }
    await this.write(tx, tally.changed);
  }

  private async write(tx: Tx, changed: readonly Cell[]): Promise<void> {
    const mark = markOf(this.noun);
    const cells = changed.map(({ facet, assignee, creator, n }) => [mark, facet, assignee, creator, n]);
    if (cells.length === 0) return;
    if (cells.length <= ROWS_BY_INSERT) {
      const sql = `INSERT INTO contact_counts (${COLUMNS.join(', ')}) VALUES ${cells.map(() => '(?, ?, ?, ?, ?)').join(', ')}`;
      await tx.query(sql, cells.flat());
      return;
    }
    const buffer = this.database.dialect.bulkBuffer();
    for (const cell of cells) buffer.add(cell);
    await this.database.dialect.bulkInsert(tx.runner, 'contact_counts', COLUMNS, buffer);
  }

  /**
   * How many records there are.
   * @param where names no other columns than those of the assignee and the creator
   * @returns null while the counts have not been checked for the first time
   */
  async total(facet: string, where: SqlCondition): Promise<number | null> {
    const [{ checked, total }] = await this.database.query<{ checked: number; total: number | string }>(
      `SELECT (SELECT COUNT(*) FROM contact_count_checks WHERE noun = ? AND checked_at IS NOT NULL) AS checked,
         COALESCE(SUM(n), 0) AS total
       FROM (SELECT assignee AS ${ASSIGNEES[this.noun]}, creator AS created_by, n FROM contact_counts
             WHERE noun = ? AND facet = ?) counted
       WHERE ${where.sql}`,
      [markOf(this.noun), markOf(this.noun), facet, ...where.params],
    );
    return Number(checked) === 0 ? null : Number(total);
  }

  /** When the counts were last checked; null before the first time. */
  async checkedAt(): Promise<Date | null> {
    const [{ checked_at: at }] = await this.database.query<{ checked_at: Date | string | null }>(
      'SELECT checked_at FROM contact_count_checks WHERE noun = ?',
      [markOf(this.noun)],
    );
    return at === null ? null : parseTime(at);
  }

  /**
   * What is to be added to the counts of a facet so that they are those of the records. Both are read by one statement: what others
   * write meanwhile is in neither or in both, so it is right to add this at any later time.
   */
  async drift(facet: Facet): Promise<Cell[]> {
    const tally = new Tally();
    const [first, last] = facet === 'all' ? ['all', 'all'] : [`${facet}=`, `${facet}=${LAST}`];
    const rows = await this.database.query<Omit<Cell, 'n'> & { kept: number; n: number | string }>(
      `SELECT 0 AS kept, ${this.valueOf(facet)} AS facet, ${ASSIGNEES[this.noun]} AS assignee, created_by AS creator, COUNT(*) AS n
       FROM ${this.noun} GROUP BY 2, 3, 4
       UNION ALL
       SELECT 1 AS kept, facet, assignee, creator, SUM(n) AS n
       FROM contact_counts WHERE noun = ? AND facet >= ? AND facet <= ? GROUP BY 2, 3, 4`,
      [markOf(this.noun), first, last],
    );
    for (const row of rows) {
      const [assignee, creator, n] = [idOf(row.assignee), idOf(row.creator), Number(row.n)];
      if (Number(row.kept) === 1) tally.add(row.facet, assignee, creator, -n);
      else if (facet === 'all') tally.add('all', assignee, creator, n);
      else if (row.facet !== null) {
        const values = facet === 'tag' ? tagsOf(row.facet) : [row.facet];
        for (const value of values) tally.add(facetName(facet, value), assignee, creator, n);
      }
    }
    return tally.changed;
  }

  private valueOf(facet: Facet): string {
    if (facet === 'all') return `'all'`;
    if (facet === 'source') return SOURCES[this.noun];
    if (facet === 'import') return 'origin_import_id';
    return facet === 'tag' ? 'tags' : 'status';
  }

  /**
   * Adds what was found by {@link drift} of all facets.
   * @param before when the counts had last been checked before that
   * @returns whether it was added: not when somebody else has checked them since
   */
  async correct(tx: Tx, cells: readonly Cell[], before: Date | null): Promise<boolean> {
    // Later than before, whatever the clocks say: a check is told from another by its time.
    const now = new Date(Math.max(Date.now(), (before?.getTime() ?? 0) + 1));
    const { affected } = await tx.query(
      `UPDATE contact_count_checks SET checked_at = ? WHERE noun = ? AND checked_at ${before ? '= ?' : 'IS NULL'}`,
      [formatTime(now), markOf(this.noun), ...(before ? [formatTime(before)] : [])],
    );
    if (affected === 0) return false;
    await this.write(tx, cells);
    return true;
  }
}

/** Puts the rows of some cells together, each into one; not those that others are at. @returns of how many cells */
export async function compactCounts(tx: Tx, database: Database, cells: number): Promise<number> {
  const { rows: full } = await tx.query<{ noun: string } & Omit<Cell, 'n'>>(
    `SELECT noun, facet, assignee, creator FROM contact_counts
     GROUP BY noun, facet, assignee, creator HAVING COUNT(*) > 1 OR SUM(n) = 0 LIMIT ${cells}`,
  );
  for (const { noun, facet, ...owners } of full) {
    const [assignee, creator] = [idOf(owners.assignee), idOf(owners.creator)];
    const ids = [assignee, creator].filter((id) => id !== null);
    const { rows } = await tx.query<{ id: number; n: number }>(
      `SELECT id, n FROM contact_counts WHERE noun = ? AND facet = ? AND assignee ${is(assignee)} AND creator ${is(creator)}
       LIMIT ${ROWS_BY_CELL}${database.dialect.skipLocked}`,
      [noun, facet, ...ids],
    );
    if (rows.length === 0) continue;
    const sum = rows.reduce((total, { n }) => total + Number(n), 0);
    await tx.query(
      `DELETE FROM contact_counts WHERE id IN (${marks(rows)})`,
      rows.map(({ id }) => id),
    );
    if (sum === 0) continue;
    await tx.query(`INSERT INTO contact_counts (${COLUMNS.join(', ')}) VALUES (?, ?, ?, ?, ?)`, [
      ...[noun, facet, assignee, creator, sum],
    ]);
  }
  return full.length;
}

/** Rows that are put together at once. */
const ROWS_BY_CELL = 1_000;
const is = (value: number | null): string => (value === null ? 'IS NULL' : '= ?');
