import { Database } from '@muster/platform/database/database';
import { SqlCondition } from '@muster/platform/database/record-table';
import { GroupCount, TagCount } from './contacts.statistics.dto';
import { ContactNoun } from '../memberships/contacts.memberships.service';

/** Entries of a distribution, the most frequent first, and what those beyond them count together. */
export interface Frequent<T> {
  entries: T[];
  others: number;
}

/** Records that are read at once for their tags. */
const RECORDS_AT_ONCE = 5_000;
/** How many different tags are counted at a time: memory does not grow with the store. */
const TAGS_AT_ONCE = 100_000;

/** The SQL of figures about a noun's records. Each condition is for a query on the noun's table alone. */
export class ContactFigures {
  constructor(
    private readonly database: Database,
    private readonly noun: ContactNoun,
    private readonly tagsAtOnce = TAGS_AT_ONCE,
  ) {}

  async total(where: SqlCondition): Promise<number> {
    const sql = `SELECT COUNT(*) AS n FROM ${this.noun} WHERE ${where.sql}`;
    const [row] = await this.database.query<{ n: number | string }>(sql, where.params);
    return Number(row.n);
  }

  /** How often the most frequent texts of a column occur. */
  async frequent(
    column: 'status' | 'source',
    where: SqlCondition,
    most: number,
  ): Promise<{ text: string; count: number }[]> {
    const rows = await this.database.query<{ said: string; n: number | string }>(
      `SELECT ${column} AS said, COUNT(*) AS n FROM ${this.noun} WHERE ${where.sql}
       GROUP BY ${column} ORDER BY n DESC, said LIMIT ?`,
      [...where.params, most],
    );
    return rows.map(({ said, n }) => ({ text: said, count: Number(n) }));
  }

  /** How many of the records are in each group. @param seen which groups count, for a query in which the group is `g` */
  async groups(where: SqlCondition, seen: SqlCondition, most: number): Promise<Frequent<GroupCount>> {
    const rows = await this.database.query<{ id: number; name: string; n: number | string }>(
      `SELECT g.id, g.name, COUNT(*) AS n FROM group_members m JOIN contact_groups g ON g.id = m.group_id
       WHERE m.noun = ? AND ${seen.sql} AND m.record_id IN (SELECT id FROM ${this.noun} WHERE ${where.sql})
       GROUP BY g.id, g.name ORDER BY n DESC, g.id`,
      [this.noun, ...seen.params, ...where.params],
    );
    return cut(
      rows.map(({ id, name, n }) => ({ groupId: Number(id), name, count: Number(n) })),
      most,
    );
  }

  /** How many of the records were created on each day in UTC that has any. */
  async days(where: SqlCondition): Promise<Map<string, number>> {
    const rows = await this.database.query<{ on_day: string; n: number | string }>(
      `SELECT SUBSTR(created_at, 1, 10) AS on_day, COUNT(*) AS n FROM ${this.noun} WHERE ${where.sql}
       GROUP BY SUBSTR(created_at, 1, 10)`,
      where.params,
    );
    return new Map(rows.map(({ on_day, n }) => [on_day, Number(n)]));
  }

  /**
   * How often each tag occurs. Tags are counted in the order of their spelling, as many at a time as memory is meant for: a pass that
   * meets more leaves the upper half to the next.
   */
  async tags(where: SqlCondition, most: number): Promise<Frequent<TagCount>> {
    let best: TagCount[] = [];
    let others = 0;
    for (let from: string | null = ''; from !== null;) {
      const { counts, next }: TagPass = await this.passOverTags(where, from);
      const sorted = [...best, ...[...counts].map(([tag, count]) => ({ tag, count }))].toSorted(
        (one, other) => other.count - one.count || compare(one.tag, other.tag),
      );
      const found = cut(sorted, most);
      best = found.entries;
      others += found.others;
      from = next;
    }
    return { entries: best, others };
  }

  private async passOverTags(where: SqlCondition, from: string): Promise<TagPass> {
    const counts = new Map<string, number>();
    let next: string | null = null;
    for await (const tags of this.tagLists(where)) {
      for (const tag of tags) {
        if (tag < from || (next !== null && tag >= next)) continue;
        counts.set(tag, (counts.get(tag) ?? 0) + 1);
      }
      if (counts.size > this.tagsAtOnce) {
        const spellings = [...counts.keys()].toSorted(compare);
        next = spellings[this.tagsAtOnce >> 1];
        for (const spelling of spellings.slice(this.tagsAtOnce >> 1)) counts.delete(spelling);
      }
    }
    return { counts, next };
  }

  private async *tagLists(where: SqlCondition): AsyncGenerator<string[]> {
    for (let after = 0; ;) {
      const rows = await this.database.query<{ id: number | string; tags: string }>(
        `SELECT id, tags FROM ${this.noun} WHERE ${where.sql} AND tags <> '[]' AND id > ? ORDER BY id LIMIT ${RECORDS_AT_ONCE}`,
        [...where.params, after],
      );
      for (const { tags } of rows) yield JSON.parse(tags) as string[];
      if (rows.length < RECORDS_AT_ONCE) return;
      after = Number(rows.at(-1)!.id);
    }
  }
}

/** What one pass counted, and from which tag on the next has to count; null when it counted all. */
interface TagPass {
  counts: Map<string, number>;
  next: string | null;
}

const compare = (one: string, other: string) => (one < other ? -1 : one > other ? 1 : 0);

function cut<T extends { count: number }>(sorted: T[], most: number): Frequent<T> {
  return { entries: sorted.slice(0, most), others: sorted.slice(most).reduce((sum, { count }) => sum + count, 0) };
}
