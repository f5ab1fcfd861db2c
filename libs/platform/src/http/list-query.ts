import { Page } from '@muster/core/page';
import { formatTime } from '../database/dialect/dialect';
import { padded } from '../database/gathered';
import { ReadTable, SqlCondition } from '../database/record-table';
import { marks } from '../database/sql';
import { parseInstant } from './instant';
import { carriedTotal, ListOrder, listKey, orderOf, sortText, writeCursor } from './list-cursor';
import { ListQueryDto } from './list-query.dto';
import { EVERYTHING, partsOf, ScopeCondition } from './list-scope';
import { Sieve, sift } from './list-sieve';

/** Collects the conditions of a list; all of them must hold. A filter that was not given adds none. */
export class Conditions {
  private readonly parts: SqlCondition[] = [];

  add(sql: string, ...params: unknown[]): this {
    this.parts.push({ sql, params });
    return this;
  }

  equals(column: string, value: string | number | undefined): this {
    return value === undefined ? this : this.add(`${column} = ?`, value);
  }

  /** A time column within a stretch; both ends are part of it. */
  between(column: string, from: string | undefined, to: string | undefined): this {
    const first = from === undefined ? null : parseInstant(from);
    const last = to === undefined ? null : parseInstant(to);
    if (first) this.add(`${column} >= ?`, formatTime(first.first));
    if (last) this.add(`${column} <= ?`, formatTime(last.last));
    return this;
  }

  /** A JSON list of texts that holds this one. */
  holds(column: string, text: string | undefined): this {
    if (text === undefined) return this;
    // Inside a text a quote is escaped, so `["` and `,"` begin one. No wildcards: INSTR compares bytes on every database.
    const quoted = JSON.stringify(text.normalize('NFC'));
    return this.add(`(INSTR(${column}, ?) > 0 OR INSTR(${column}, ?) > 0)`, `[${quoted}`, `,${quoted}`);
  }

  /** One more condition; null adds none. */
  also(condition: SqlCondition | null): this {
    return condition ? this.add(condition.sql, ...condition.params) : this;
  }

  get isEmpty(): boolean {
    return this.parts.length === 0;
  }

  get all(): SqlCondition {
    return {
      sql: this.parts.map(({ sql }) => sql).join(' AND ') || '1 = 1',
      params: this.parts.flatMap(({ params }) => params),
    };
  }
}

/** Counts a list in a better way than record by record; null where that cannot be done just now. */
export type KnownTotal = () => Promise<number | null>;

export const both = (one: SqlCondition, other: SqlCondition): SqlCondition => ({
  sql: `${one.sql} AND ${other.sql}`,
  params: [...one.params, ...other.params],
});

/** What lies behind a position: each part is one range of the sort's index, however deep the list. */
function behind([value, id]: readonly [string, number], { column, sign }: ListOrder): SqlCondition[] {
  return [
    { sql: `${column} = ? AND id ${sign} ?`, params: [value, id] },
    { sql: `${column} ${sign} ?`, params: [value] },
  ];
}

/** From here on a page by number reads the whole scope in the sort's order: each of its parts would be read as deep. */
const DEEP = 10_000;

/** A filter that another table is asked about. */
export interface FilterCondition extends SqlCondition {
  /** Where many records have it: looks into each. */
  sieve?: Sieve;
  /** How many records have it, of all. */
  count?: KnownTotal;
}

/** Better ways to a page that the caller of {@link readPage} has. */
export interface PageWays {
  count?: KnownTotal | null;
  /** What is searched for beside `where`, where many records have it. */
  sought?: Sought;
}

/** A condition that many records fulfil: the next of them are found by looking at each in the order of the list. */
export interface Sought {
  /** Null where the condition alone finds them sooner. */
  sieve: Sieve | null;
  /** The condition itself, for when they are not near. */
  condition(): Promise<SqlCondition>;
  /** Tells it from others. */
  key: SqlCondition;
}

/**
 * Reads one page of a list and counts the whole of it: with the first page, whose cursor carries the total on.
 * @param sorts the properties to sort by, under the names that clients use; they are never null
 * @param sort one of those names, with `-` before it for descending
 * @param scope a further condition, which may be in parts
 * @throws 422 `cursor-invalid`
 */
export async function readPage<R extends { id: number }>(
  records: ReadTable<R>,
  sorts: Record<string, string>,
  where: SqlCondition,
  query: ListQueryDto & { sort: string },
  scope: ScopeCondition = EVERYTHING,
  { count: countKnown, sought }: PageWays = {},
): Promise<Page<R>> {
  const { page = 1, limit = 20, sort } = query;
  const { database, definition } = records;
  const order = orderOf(definition, sorts, query);
  const { table, property, column, direction, at } = order;
  const offset = at ? 0 : (page - 1) * limit;
  const list = listKey(scope, where, ...(sought ? [sought.key] : []));
  const carried = carriedTotal(at, list);
  // Asked for beside the page; what goes wrong is said when it is waited for.
  const known = carried === undefined ? countKnown?.() : undefined;
  known?.catch(() => undefined);
  const parts = offset < DEEP ? await partsOf(database, scope) : null;
  const start = at && ([at[1], at[2]] as const);
  const rangesOf = (conditions: SqlCondition[], last = start) =>
    last ? conditions.flatMap((each) => behind(last, order).map((range) => both(each, range))) : conditions;
  const open = (parts ?? [scope]).map((part) => both(part, where));
  const ids = sought?.sieve
    ? await sift(database, (last) => rangesOf(open, last ?? start), order, offset + limit + 1, sought.sieve)
    : null;
  /** Those of the list, with what is searched for. */
  const whole = async () => {
    const searched = await sought?.condition();
    return searched ? open.map((each) => both(each, searched)) : open;
  };
  // Skips over ids, and reads whole rows only of the page.
  const skip = (from: string, take: number, over: number) =>
    `SELECT id, ${column} FROM ${from} ORDER BY ${column} ${direction}, id ${direction} LIMIT ${take} OFFSET ${over}`;
  const readRanges = (ranges: SqlCondition[]) => {
    const each = ranges.map(
      ({ sql }, index) => `SELECT * FROM (${skip(`${table} WHERE ${sql}`, offset + limit + 1, 0)}) range${index}`,
    );
    const found =
      ranges.length === 1
        ? skip(`${table} WHERE ${ranges[0].sql}`, limit + 1, offset)
        : skip(`(${each.join(' UNION ALL ')}) ranges`, limit + 1, offset);
    return database.query<Record<string, unknown>>(
      `SELECT whole.* FROM ${table} whole JOIN (${found}) page ON page.id = whole.id
       ORDER BY whole.${column} ${direction}, whole.id ${direction}`,
      ranges.flatMap(({ params }) => params),
    );
  };
  const rows = await (ids ? readWhole(records, ids.slice(offset), order) : readRanges(rangesOf(await whole())));
  const data = rows.slice(0, limit).map((row) => records.fromRow(row));
  const number = at ? at[3] : page;
  // Of those that were picked one may be gone meanwhile; there is more of the list all the same.
  const isCut = ids !== null || rows.length > limit;
  const wholeSeen = !at && !isCut && (rows.length > 0 || offset === 0);
  const total = wholeSeen
    ? offset + rows.length
    : (carried ?? (await known) ?? (await countAll(records, await whole())));
  const last = data.at(-1);
  const more = isCut && last;
  const nextCursor = more
    ? writeCursor([sort, sortText(last[property as keyof R]), last.id, number + 1, total, list])
    : null;
  return { data, meta: { page: number, limit, total, nextCursor } };
}

/** Records by their ids, in the order of a list. */
function readWhole<R extends { id: number }>(
  { database, definition }: ReadTable<R>,
  ids: number[],
  { column, direction }: { column: string; direction: 'ASC' | 'DESC' },
): Promise<Record<string, unknown>[]> {
  const asked = padded(ids);
  return database.select(
    `SELECT * FROM ${definition.name} WHERE id IN (${marks(asked)}) ORDER BY ${column} ${direction}, id ${direction}`,
    asked,
  );
}

/** How many records fulfil one of some conditions, no two of which hold for the same record. */
async function countAll<R extends { id: number }>({ database, definition }: ReadTable<R>, any: SqlCondition[]) {
  const each = any.map(({ sql }) => `SELECT COUNT(*) AS n FROM ${definition.name} WHERE ${sql}`).join(' UNION ALL ');
  const counts = await database.query<{ n: number }>(
    each,
    any.flatMap(({ params }) => params),
  );
  return counts.reduce((sum, { n }) => sum + Number(n), 0);
}

export const count = <R extends { id: number }>(records: ReadTable<R>, where: SqlCondition) =>
  countAll(records, [where]);
