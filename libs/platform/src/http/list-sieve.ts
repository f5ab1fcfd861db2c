import { Database } from '../database/database';
import { SqlCondition } from '../database/record-table';
import { ListOrder, sortText } from './list-cursor';

/** Tells by a record's columns whether it is looked for. */
export interface Sieve {
  columns: string[];
  /** Holds for all that are looked for, and for few others; for a query in which the records are `near`. */
  may: SqlCondition;
  holds: (row: Record<string, unknown>) => boolean;
  /** Where an index has exactly those that are looked for, by their ids: a SELECT of the ids from one to another, both ends included. */
  within?: (firstId: number, lastId: number) => SqlCondition;
}

/** How many records of a list are looked at first, and at most. */
const FIRST = 600;
const MOST = 4_000;
/** Where so many times as many records are looked at as should do, they mostly do. */
const MARGIN = 1.5;
/** The ids of a stretch of the list lie near each other when it has at least one of so many. */
const SPREAD = 4;

/** What stands behind a record in the list, by its value and id; null for the beginning. The conditions have no record in common. */
export type Behind = (last: [value: string, id: number] | null) => SqlCondition[];

/**
 * Walks a list and picks what is looked for.
 * @param need how many are to be found
 * @returns their ids, as many; null when there are not so many nearby
 */
export async function sift(
  database: Database,
  behind: Behind,
  order: ListOrder,
  need: number,
  sieve: Sieve,
): Promise<number[] | null> {
  const found = sieve.within ? await siftTogether(database, behind, order, need, sieve.within) : 'apart';
  return found === 'apart' ? siftEach(database, behind(null), order, need, sieve) : found;
}

/** Looks into each record. */
async function siftEach(
  database: Database,
  ranges: readonly SqlCondition[],
  order: ListOrder,
  need: number,
  { columns, may, holds }: Sieve,
): Promise<number[] | null> {
  for (let most = Math.max(FIRST, need); ;) {
    const stretch = walk(ranges, order, most, columns);
    const rows = await database.query<Record<string, unknown>>(
      `SELECT * FROM (${stretch.sql}) near WHERE ${may.sql} ${sorted(order)}`,
      [...stretch.params, ...may.params],
    );
    const found = rows.filter(holds).map(({ id }) => Number(id));
    if (found.length >= need) return found.slice(0, need);
    const enough = enoughFor(need, found.length, most);
    if (enough === null) return null;
    most = enough;
  }
}

/** Compares stretches of the list with the index of what is looked for; `apart` where their ids lie too far from each other. */
async function siftTogether(
  database: Database,
  behind: Behind,
  order: ListOrder,
  need: number,
  within: NonNullable<Sieve['within']>,
): Promise<number[] | 'apart' | null> {
  const found: number[] = [];
  let last: [string, number] | null = null;
  for (let seen = 0, most = Math.max(FIRST, need); ;) {
    const { sql, params } = walk(behind(last), order, most - seen);
    const rows = (await database.lists(sql, params)) as [id: number | string, value: unknown][];
    const ids = rows.map(([id]) => Number(id));
    if (ids.length > 0) {
      const [lowest, highest] = [Math.min(...ids), Math.max(...ids)];
      if (highest - lowest >= (most - seen) * SPREAD) return 'apart';
      const range = within(lowest, highest);
      const held = new Set((await database.lists(range.sql, range.params)).map(([id]) => Number(id)));
      found.push(...ids.filter((id) => held.has(id)));
    }
    if (found.length >= need) return found.slice(0, need);
    if (ids.length < most - seen) return null;
    const enough = enoughFor(need, found.length, most);
    if (enough === null) return null;
    last = [sortText(rows.at(-1)![1]), ids.at(-1)!];
    seen = most;
    most = enough;
  }
}

/** How many records of the list should do, when so many are not enough; null for more than are looked at. */
function enoughFor(need: number, found: number, most: number): number | null {
  const enough = Math.ceil(((most * need) / found) * MARGIN);
  return most < MOST && enough < MOST * MARGIN ? Math.min(Math.max(enough, most + 1), MOST) : null;
}

const sorted = ({ column, direction }: ListOrder) => `ORDER BY ${column} ${direction}, id ${direction}`;

/** The next records of a list: their ids and values, and some columns. */
function walk(ranges: readonly SqlCondition[], order: ListOrder, most: number, columns: string[] = []): SqlCondition {
  const taken = [...new Set(['id', order.column, ...columns])].join(', ');
  const each = ranges.map(
    ({ sql }) => `SELECT ${taken} FROM ${order.table} WHERE ${sql} ${sorted(order)} LIMIT ${most}`,
  );
  const params = ranges.flatMap((range) => range.params);
  if (ranges.length === 1) return { sql: each[0], params };
  const all = each.map((range, index) => `SELECT * FROM (${range}) range${index}`).join(' UNION ALL ');
  return { sql: `SELECT * FROM (${all}) ranges ${sorted(order)} LIMIT ${most}`, params };
}
