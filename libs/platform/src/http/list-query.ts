import { invalid } from '@muster/core/errors';
import { Page } from '@muster/core/page';
import { columnName } from '../database/dialect/columns';
import { formatTime, parseTime } from '../database/dialect/dialect';
import { RecordTable, SqlCondition, VersionedRecord } from '../database/record-table';
import { parseInstant } from './instant';
import { ListQueryDto, RecordListQueryDto } from './list-query.dto';

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

  /** Any of the columns holds the text, whatever its case; the phone column (E.164) also by the digits alone. */
  search(columns: string[], phone: string, text: string | undefined): this {
    const wanted = text?.trim().normalize('NFC');
    if (!wanted) return this;
    const any: SqlCondition[] = columns.flatMap((column) =>
      caseVariants(wanted).map((variant) => ({ sql: `INSTR(LOWER(${column}), ?) > 0`, params: [variant] })),
    );
    const digits = /^[+\d\s().\-/]+$/.test(wanted) ? wanted.replace(/\D/g, '').replace(/^0+/, '') : '';
    if (digits) any.push({ sql: `INSTR(${phone}, ?) > 0`, params: [digits] });
    return this.add(`(${any.map(({ sql }) => sql).join(' OR ')})`, ...any.flatMap(({ params }) => params));
  }

  /** The filters that {@link RecordListQueryDto} names. */
  record(query: RecordListQueryDto, searched: string[]): this {
    return this.holds('tags', query.tag)
      .search(searched, 'phone', query.q)
      .between('created_at', query.createdFrom, query.createdTo)
      .equals('origin_import_id', query.importId);
  }

  get all(): SqlCondition {
    return {
      sql: this.parts.map(({ sql }) => sql).join(' AND ') || '1 = 1',
      params: this.parts.flatMap(({ params }) => params),
    };
  }
}

/**
 * The spellings to look for in a lower-cased column. SQLite's LOWER knows ASCII only, so letters beyond it are looked for as
 * they are usually written: small, capital at the begin of words, all capital.
 */
function caseVariants(text: string): string[] {
  const small = text.toLowerCase();
  const initials = small.replace(
    /(^|[\s'-])(\p{Ll})/gu,
    (_, before: string, letter: string) => before + letter.toUpperCase(),
  );
  const asciiLower = (form: string) => form.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
  return [...new Set([small, initials, text.toUpperCase()].map(asciiLower))];
}

/** Where a page ended: the sort it belongs to, the last record's sort value and id, and the number of the page that follows. */
type Position = [sort: string, value: string, id: number, page: number];

const writeCursor = (position: Position) => Buffer.from(JSON.stringify(position)).toString('base64url');

function readCursor(cursor: string, sort: string, isTime: boolean): Position {
  try {
    const [ofSort, value, id, page] = JSON.parse(Buffer.from(cursor, 'base64url').toString()) as Position;
    const known = ofSort === sort && typeof value === 'string' && (!isTime || formatTime(parseTime(value)) === value);
    if (known && Number.isSafeInteger(id) && id > 0 && Number.isSafeInteger(page) && page > 1)
      return [sort, value, id, page];
  } catch {
    // Falls through: not a cursor at all.
  }
  throw invalid('cursor-invalid', 'The cursor is not one of this list and sort.', [
    { field: 'cursor', code: 'cursor-invalid', message: 'take nextCursor of the page before, with the same sort' },
  ]);
}

/** The rows of a list behind a position: each part is one range of the sort's index, however deep the list. */
function seek(table: string, column: string, descending: boolean, where: SqlCondition, at: Position, take: number) {
  const direction = descending ? 'DESC' : 'ASC';
  const behind = descending ? '<' : '>';
  const order = `ORDER BY ${column} ${direction}, id ${direction} LIMIT ${take}`;
  const part = (condition: string) => `SELECT * FROM ${table} WHERE ${where.sql} AND ${condition} ${order}`;
  const [, value, id] = at;
  return {
    sql: `SELECT * FROM (${part(`${column} = ? AND id ${behind} ?`)}) same
      UNION ALL SELECT * FROM (${part(`${column} ${behind} ?`)}) further ${order}`,
    params: [...where.params, value, id, ...where.params, value],
  };
}

/**
 * Reads one page of a list and counts the whole of it.
 * @param sorts the properties to sort by, under the names that clients use; they are never null
 * @param sort one of those names, with `-` before it for descending
 * @throws 422 `cursor-invalid`
 */
export async function readPage<R extends VersionedRecord>(
  records: RecordTable<R>,
  sorts: Record<string, string>,
  where: SqlCondition,
  query: ListQueryDto & { sort: string },
): Promise<Page<R>> {
  const { page = 1, limit = 20, sort } = query;
  const { name: table, columns } = records.definition;
  const descending = sort.startsWith('-');
  const property = sorts[descending ? sort.slice(1) : sort];
  const isTime = columns[property].kind === 'time';
  const column = columnName(property);
  const direction = descending ? 'DESC' : 'ASC';
  const order = `ORDER BY ${column} ${direction}, id ${direction}`;
  const at = query.cursor === undefined ? null : readCursor(query.cursor, sort, isTime);
  const offset = at ? 0 : (page - 1) * limit;
  const statement = at
    ? seek(table, column, descending, where, at, limit + 1)
    : {
        // Skips over ids, and reads whole rows only of the page.
        sql: `SELECT whole.* FROM ${table} whole JOIN (
          SELECT id FROM ${table} WHERE ${where.sql} ${order} LIMIT ? OFFSET ?
        ) page ON page.id = whole.id ORDER BY whole.${column} ${direction}, whole.id ${direction}`,
        params: [...where.params, limit + 1, offset],
      };
  const rows = await records.database.query<Record<string, unknown>>(statement.sql, statement.params);
  const data = rows.slice(0, limit).map((row) => records.fromRow(row));
  const number = at ? at[3] : page;
  const wholeSeen = !at && rows.length <= limit && (rows.length > 0 || offset === 0);
  const total = wholeSeen ? offset + rows.length : await count(records, where);
  const last = data.at(-1);
  const more = rows.length > limit && last;
  const value = last?.[property as keyof R];
  return {
    data,
    meta: {
      page: number,
      limit,
      total,
      nextCursor: more
        ? writeCursor([sort, value instanceof Date ? formatTime(value) : String(value), last.id, number + 1])
        : null,
    },
  };
}

async function count<R extends VersionedRecord>({ database, definition }: RecordTable<R>, where: SqlCondition) {
  const sql = `SELECT COUNT(*) AS total FROM ${definition.name} WHERE ${where.sql}`;
  return Number((await database.query<{ total: number }>(sql, where.params))[0].total);
}
