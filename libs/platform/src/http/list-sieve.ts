import { Database } from '../database/database';
import { SqlCondition } from '../database/record-table';

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

/**
 * Walks a list and picks what is looked for.
 * @param ranges conditions that have no record in common, all of which leave what follows in the list
 * @param need how many are to be found
 * @returns their ids, more or as many; null when there are not so many nearby
 */
export async function sift(
  database: Database,
  ranges: readonly SqlCondition[],
  { table, column, direction }: { table: string; column: string; direction: 'ASC' | 'DESC' },
  need: number,
  sieve: Sieve,
): Promise<number[] | null> {
  const order = `ORDER BY ${column} ${direction}, id ${direction}`;
  for (let most = Math.max(FIRST, need); most <= MOST;) {
    const walk = (where: string) =>
      `SELECT ${[...new Set(['id', column, ...sieve.columns])].join(', ')} FROM ${table} WHERE ${where} ${order} LIMIT ${most}`;
    const walks = ranges.map(({ sql }, index) => `SELECT * FROM (${walk(sql)}) range${index}`);
    const next =
      ranges.length === 1
        ? walk(ranges[0].sql)
        : `SELECT * FROM (${walks.join(' UNION ALL ')}) ranges ${order} LIMIT ${most}`;
    const stretch = { sql: `(${next}) near`, params: ranges.flatMap(({ params }) => params) };
    const may = (await together(database, stretch, most, sieve)) ?? sieve.may;
    const rows = await database.query<Record<string, unknown>>(
      `SELECT * FROM ${stretch.sql} WHERE ${may.sql} ${order}`,
      [...stretch.params, ...may.params],
    );
    const found = rows.filter(sieve.holds).map(({ id }) => Number(id));
    if (found.length >= need) return found.slice(0, need);
    const enough = Math.ceil(((most * need) / found.length) * MARGIN);
    if (most === MOST) return null;
    most = enough < MOST * MARGIN ? Math.min(Math.max(enough, most + 1), MOST) : Infinity;
  }
  return null;
}

/** What is looked for in a stretch of the list, read from its index at once; null where the ids lie too far from each other. */
async function together(
  database: Database,
  stretch: SqlCondition,
  most: number,
  { within }: Sieve,
): Promise<SqlCondition | null> {
  if (!within) return null;
  const [ends] = await database.query<Record<'first' | 'last', number | null>>(
    `SELECT MIN(id) AS first, MAX(id) AS last FROM ${stretch.sql}`,
    stretch.params,
  );
  const [first, last] = [Number(ends.first), Number(ends.last)];
  if (last - first >= most * SPREAD) return null;
  const { sql, params } = within(first, last);
  return { sql: `id IN (${sql})`, params };
}
