import { Page } from '@muster/core/page';
import { ReadTable, SqlCondition } from '../database/record-table';
import { carriedTotal, count, listKey, readCursor, writeCursor } from './list-query';
import { ListQueryDto } from './list-query.dto';

/** An index of a table's records that another table keeps: one row for each record, its order by `value` and the record's id. */
export interface RecordIndex {
  table: string;
  /** Column of the record's id. */
  record: string;
  /** Column of the text to sort by; never null. */
  value: string;
  /** Which rows of the table are the index. */
  where: SqlCondition;
}

/**
 * Reads one page of a list in the order of an index. Both tables are joined, so that neither `where` nor the index may name a column
 * that the other table has too.
 * @param sort what the client named it; with `-` before it for descending
 * @throws 422 `cursor-invalid`
 */
export async function readIndexedPage<R extends { id: number }>(
  records: ReadTable<R>,
  index: RecordIndex,
  where: SqlCondition,
  query: ListQueryDto & { sort: string },
): Promise<Page<R>> {
  const { page = 1, limit = 20, sort } = query;
  const descending = sort.startsWith('-');
  const at = query.cursor === undefined ? null : readCursor(query.cursor, sort, false);
  const offset = at ? 0 : (page - 1) * limit;
  const { name: table } = records.definition;
  const { value, record } = index;
  const direction = descending ? 'DESC' : 'ASC';
  const behind = descending ? '<' : '>';
  const from = `FROM ${index.table} entry JOIN ${table} ON ${table}.id = entry.${record} WHERE ${index.where.sql} AND ${where.sql}`;
  const params = [...index.where.params, ...where.params];
  const entries = `SELECT entry.${value} AS sort_value, entry.${record} AS entry_id ${from}`;
  const order = `ORDER BY entry.${value} ${direction}, entry.${record} ${direction}`;
  // Behind a position the list is two ranges of the index, however deep: the same value, and what follows it. The first is ordered by
  // the record alone: MariaDB sorts rows by a text of which it knows that it is the same in all of them.
  const same = `${entries} AND entry.${value} = ? AND entry.${record} ${behind} ? ORDER BY entry.${record} ${direction} LIMIT ${limit + 1}`;
  const further = `${entries} AND entry.${value} ${behind} ? ${order} LIMIT ${limit + 1}`;
  const found = at
    ? {
        sql: `SELECT * FROM (${same}) same UNION ALL SELECT * FROM (${further}) further
          ORDER BY sort_value ${direction}, entry_id ${direction} LIMIT ${limit + 1}`,
        params: [...params, at[1], at[2], ...params, at[1]],
      }
    : { sql: `${entries} ${order} LIMIT ? OFFSET ?`, params: [...params, limit + 1, offset] };
  const rows = await records.database.query<Record<string, unknown>>(
    `SELECT whole.*, found.sort_value FROM (${found.sql}) found JOIN ${table} whole ON whole.id = found.entry_id
     ORDER BY found.sort_value ${direction}, found.entry_id ${direction}`,
    found.params,
  );
  const data = rows.slice(0, limit).map((row) => records.fromRow(row));
  const number = at ? at[3] : page;
  const wholeSeen = !at && rows.length <= limit && (rows.length > 0 || offset === 0);
  const last = rows.length > limit ? data.at(-1) : undefined;
  const list = listKey(where);
  const total = wholeSeen ? offset + rows.length : (carriedTotal(at, list) ?? (await count(records, where)));
  const nextCursor = last
    ? writeCursor([sort, String(rows[limit - 1].sort_value), last.id, number + 1, total, list])
    : null;
  return { data, meta: { page: number, limit, total, nextCursor } };
}
