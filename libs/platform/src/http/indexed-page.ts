import { Page } from '@muster/core/page';
import { formatTime, parseTime } from '../database/dialect/dialect';
import { ReadTable, SqlCondition } from '../database/record-table';
import { carriedTotal, listKey, readCursor, writeCursor } from './list-cursor';
import { count, KnownTotal } from './list-query';
import { ListQueryDto } from './list-query.dto';

/** Where the entries of an index are: rows in the order of a value and the record's id. */
export interface EntrySource {
  /** Tables, first the one that has the order, joined with the records' table; none names a column that another has too. */
  from: string;
  /** Columns of what is sorted by, which is never null, and of the record's id. */
  value: string;
  record: string;
  /** Which rows are the index. */
  where: SqlCondition;
}

/** An index of a table's records that other tables keep. */
export interface RecordIndex {
  /** A record that is in several is listed once. */
  sources: EntrySource[];
  /** The records are sorted by a time; else by a text. */
  isTime?: boolean;
  /** The entries are read first, whatever the store thinks of it: the caller knows that other conditions leave more records. */
  first?: boolean;
}

/** The index that a table with one row for each record is. */
export const entriesOf = (
  table: string,
  columns: { record: string; value: string },
  where: SqlCondition,
  records: string,
): EntrySource => ({
  from: `${table} entry JOIN ${records} ON ${records}.id = entry.${columns.record}`,
  value: `entry.${columns.value}`,
  record: `entry.${columns.record}`,
  where,
});

/**
 * Reads one page of a list in the order of an index. The index is joined with the records, so that `where` may not name a column
 * that both have.
 * @param sort what the client named it; with `-` before it for descending
 * @param countKnown gives the total where the caller has a better way to it; null where it cannot
 * @throws 422 `cursor-invalid`
 */
export async function readIndexedPage<R extends { id: number }>(
  records: ReadTable<R>,
  { sources, isTime = false, first = false }: RecordIndex,
  where: SqlCondition,
  query: ListQueryDto & { sort: string },
  countKnown: KnownTotal | null = null,
): Promise<Page<R>> {
  const { page = 1, limit = 20, sort } = query;
  const descending = sort.startsWith('-');
  const at = query.cursor === undefined ? null : readCursor(query.cursor, sort, isTime);
  const offset = at ? 0 : (page - 1) * limit;
  const { name: table } = records.definition;
  const direction = descending ? 'DESC' : 'ASC';
  const behind = descending ? '<' : '>';
  const order = `ORDER BY sort_value ${direction}, entry_id ${direction}`;
  const select = first ? 'SELECT /*! STRAIGHT_JOIN */' : 'SELECT';
  const ranges: SqlCondition[] = [];
  for (const { from, value, record, where: ofIndex } of sources) {
    const entries = `${select} ${value} AS sort_value, ${record} AS entry_id FROM ${from} WHERE ${ofIndex.sql} AND ${where.sql}`;
    const params = [...ofIndex.params, ...where.params];
    const inOrder = `ORDER BY ${value} ${direction}, ${record} ${direction} LIMIT ${offset + limit + 1}`;
    if (!at) {
      ranges.push({ sql: `${entries} ${inOrder}`, params });
      continue;
    }
    // Behind a position the list is two ranges of the index, however deep: the same value, and what follows it. The first is ordered by
    // the record alone: MariaDB sorts rows by a text of which it knows that it is the same in all of them.
    ranges.push(
      {
        sql: `${entries} AND ${value} = ? AND ${record} ${behind} ? ORDER BY ${record} ${direction} LIMIT ${limit + 1}`,
        params: [...params, at[1], at[2]],
      },
      { sql: `${entries} AND ${value} ${behind} ? ${inOrder}`, params: [...params, at[1]] },
    );
  }
  const found = ranges.map(({ sql }, index) => `SELECT * FROM (${sql}) range${index}`).join(' UNION ');
  const [rows, known] = await Promise.all([
    records.database.query<Record<string, unknown>>(
      `SELECT whole.*, found.sort_value FROM (${found} ${order} LIMIT ${limit + 1} OFFSET ${offset}) found
       JOIN ${table} whole ON whole.id = found.entry_id ORDER BY found.sort_value ${direction}, found.entry_id ${direction}`,
      ranges.flatMap(({ params }) => params),
    ),
    at ? null : countKnown?.(),
  ]);
  const data = rows.slice(0, limit).map((row) => records.fromRow(row));
  const number = at ? at[3] : page;
  const wholeSeen = !at && rows.length <= limit && (rows.length > 0 || offset === 0);
  const last = rows.length > limit ? data.at(-1) : undefined;
  const list = listKey(where, ...sources.map((source) => source.where));
  const countHere = async () => known ?? (await countKnown?.()) ?? (await countEntries(records, sources, where));
  const total = wholeSeen ? offset + rows.length : (carriedTotal(at, list) ?? (await countHere()));
  const valueOf = (row: Record<string, unknown>) =>
    isTime ? formatTime(parseTime(row.sort_value as Date | string)) : String(row.sort_value);
  const nextCursor = last ? writeCursor([sort, valueOf(rows[limit - 1]), last.id, number + 1, total, list]) : null;
  return { data, meta: { page: number, limit, total, nextCursor } };
}

/** How many records an index has. One that has all of the table is counted by the table. */
async function countEntries<R extends { id: number }>(
  records: ReadTable<R>,
  sources: EntrySource[],
  where: SqlCondition,
): Promise<number> {
  if (sources.length === 1) return count(records, where);
  const each = sources.map(
    (source) => `SELECT ${source.record} AS entry_id FROM ${source.from} WHERE ${source.where.sql} AND ${where.sql}`,
  );
  const [{ n }] = await records.database.query<{ n: number | string }>(
    `SELECT COUNT(*) AS n FROM (${each.join(' UNION ')}) entries`,
    sources.flatMap((source) => [...source.where.params, ...where.params]),
  );
  return Number(n);
}
