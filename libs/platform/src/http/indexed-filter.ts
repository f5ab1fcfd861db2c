import { Database } from '../database/database';
import { SqlCondition } from '../database/record-table';
import { FilterCondition } from './list-query';

/** So many records, or fewer, are read by name. */
const FEW = 2_000;

/**
 * The records of a list that another table has entries of, for a query on the list's table alone.
 * @param record the column of the entries' records, by which they are in order in an index
 * @param entries what follows SELECT; its text must be one of few
 * @param repeats whether a record may have several entries: leaving out the same ones costs as much again as counting
 */
export async function indexedFilter(
  database: Database,
  record: string,
  { sql: entries, params }: SqlCondition,
  repeats = false,
): Promise<FilterCondition> {
  const condition = { sql: `id IN (SELECT ${record} ${entries})`, params };
  const more = await database.select(`SELECT ${record} ${entries} LIMIT 1 OFFSET ${FEW}`, params);
  if (more.length === 0) return condition;
  return {
    ...condition,
    // Not EXISTS, of which stores make a join that begins with all the entries.
    sieve: {
      columns: [],
      may: { sql: `(SELECT COUNT(*) ${entries} AND ${record} = near.id) > 0`, params },
      holds: () => true,
      within: (firstId, lastId) => ({
        sql: `SELECT ${record} ${entries} AND ${record} BETWEEN ? AND ?`,
        params: [...params, firstId, lastId],
      }),
    },
    count: async () => {
      const [{ total }] = await database.select<{ total: number | string }>(
        `SELECT COUNT(${repeats ? `DISTINCT ${record}` : '*'}) AS total ${entries}`,
        params,
      );
      return Number(total);
    },
  };
}
