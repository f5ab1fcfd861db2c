import { Page } from '@muster/core/page';
import { padded } from '../database/gathered';
import { ReadTable, SqlCondition } from '../database/record-table';
import { marks } from '../database/sql';
import { orderOf, sortText, writeCursor } from './list-cursor';
import { both } from './list-query';
import { ListQueryDto } from './list-query.dto';
import { isEverything } from './list-scope';

/** Records among which are all of a list. */
export interface Named {
  ids: readonly number[];
  /** Tells by its row whether one of them is searched for; null where all are. */
  holds: ((row: Record<string, unknown>) => boolean) | null;
}

/** So many records or fewer are read whole to list some of them. */
export const MOST_NAMED = 64;

/**
 * Reads one page of a list all of whose records are among a few, by one statement: the whole list, which thus counts itself.
 * @param named {@link MOST_NAMED} at most, each once
 * @param scope the text of its condition must be one of few
 * @param where further conditions
 * @throws 422 `cursor-invalid`
 */
export async function readNamedPage<R extends { id: number }>(
  records: ReadTable<R>,
  sorts: Record<string, string>,
  { ids, holds }: Named,
  scope: SqlCondition,
  where: SqlCondition,
  query: ListQueryDto & { sort: string },
): Promise<Page<R>> {
  const { page = 1, limit = 20, sort } = query;
  const { database, definition } = records;
  const { property, column, direction, sign, at } = orderOf(definition, sorts, query);
  const number = at ? at[3] : page;
  if (ids.length === 0) return { data: [], meta: { page: number, limit, total: 0, nextCursor: null } };
  const behind = at ? `, (${column} ${sign} ? OR (${column} = ? AND id ${sign} ?)) AS is_behind` : '';
  const asked = padded(ids);
  const holding = both(scope, where);
  const sql = `SELECT ${definition.name}.*${behind} FROM ${definition.name} WHERE id IN (${marks(asked)}) AND ${holding.sql}
     ORDER BY ${column} ${direction}, id ${direction}`;
  const params = [...(at ? [at[1], at[1], at[2]] : []), ...asked, ...holding.params];
  // Filters make many texts, of which the store would keep each.
  const found = await (isEverything(where) ? database.select(sql, params) : database.query(sql, params));
  const all = holds ? found.filter(holds) : found;
  const next = at ? all.filter((row) => Number(row.is_behind) === 1) : all.slice((page - 1) * limit);
  const data = next.slice(0, limit).map((row) => records.fromRow(row));
  const last = next.length > limit ? data.at(-1) : undefined;
  const nextCursor = last ? writeCursor([sort, sortText(last[property as keyof R]), last.id, number + 1]) : null;
  return { data, meta: { page: number, limit, total: all.length, nextCursor } };
}
