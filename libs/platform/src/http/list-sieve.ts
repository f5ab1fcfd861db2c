import { Database } from '../database/database';
import { SqlCondition } from '../database/record-table';

/** Tells by a record's columns whether it is looked for. */
export interface Sieve {
  columns: string[];
  /** Holds for all that are looked for, and for few others; for a query in which the records are `near`. */
  may: SqlCondition;
  holds: (row: Record<string, unknown>) => boolean;
}

/** How many records of a list are looked at first, and at most. */
const FIRST = 600;
const MOST = 4_000;
/** Where so many times as many records are looked at as should do, they mostly do. */
const MARGIN = 1.5;

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
  { columns, may, holds }: Sieve,
): Promise<number[] | null> {
  const order = `ORDER BY ${column} ${direction}, id ${direction}`;
  for (let most = Math.max(FIRST, need); most <= MOST;) {
    const walk = (where: string) =>
      `SELECT ${[...new Set(['id', column, ...columns])].join(', ')} FROM ${table} WHERE ${where} ${order} LIMIT ${most}`;
    const walks = ranges.map(({ sql }, index) => `SELECT * FROM (${walk(sql)}) range${index}`);
    const next =
      ranges.length === 1
        ? walk(ranges[0].sql)
        : `SELECT * FROM (${walks.join(' UNION ALL ')}) ranges ${order} LIMIT ${most}`;
    const rows = await database.query<Record<string, unknown>>(
      `SELECT * FROM (${next}) near WHERE ${may.sql} ${order}`,
      [...ranges.flatMap(({ params }) => params), ...may.params],
    );
    const found = rows.filter(holds).map(({ id }) => Number(id));
    if (found.length >= need) return found.slice(0, need);
    const enough = Math.ceil(((most * need) / found.length) * MARGIN);
    if (most === MOST) return null;
    most = enough < MOST * MARGIN ? Math.min(Math.max(enough, most + 1), MOST) : Infinity;
  }
  return null;
}
