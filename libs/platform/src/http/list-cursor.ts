import { createHash } from 'node:crypto';
import { invalid } from '@muster/core/errors';
import { columnName, TableDefinition } from '../database/dialect/columns';
import { formatTime, parseTime } from '../database/dialect/dialect';
import { SqlCondition } from '../database/record-table';

/**
 * Where a page ended: the sort it belongs to, the last record's sort value and id, the number of the page that follows, how many
 * records the list had when its first page was read, and which list that was.
 */
export type Position = [sort: string, value: string, id: number, page: number, total?: number, list?: string];

/** Names a list by its conditions: another caller's, or one with other filters, is another list. */
export const listKey = (...conditions: SqlCondition[]): string =>
  createHash('sha256')
    .update(JSON.stringify(conditions.map(({ sql, params }) => [sql, params])))
    .digest('base64url')
    .slice(0, 16);

/** The total that a cursor carries; undefined when it is that of another list. */
export const carriedTotal = (at: Position | null, list: string): number | undefined =>
  at?.[5] === list ? at[4] : undefined;

export const writeCursor = (position: Position) => Buffer.from(JSON.stringify(position)).toString('base64url');

export function readCursor(cursor: string, sort: string, isTime: boolean): Position {
  try {
    const [ofSort, value, id, page, total, list] = JSON.parse(Buffer.from(cursor, 'base64url').toString()) as Position;
    const known = ofSort === sort && typeof value === 'string' && (!isTime || formatTime(parseTime(value)) === value);
    const counted = total === undefined || (Number.isSafeInteger(total) && total >= 0);
    if (known && counted && Number.isSafeInteger(id) && id > 0 && Number.isSafeInteger(page) && page > 1)
      return [sort, value, id, page, total, list];
  } catch {
    // Falls through: not a cursor at all.
  }
  throw invalid('cursor-invalid', 'The cursor is not one of this list and sort.', [
    { field: 'cursor', code: 'cursor-invalid', message: 'take nextCursor of the page before, with the same sort' },
  ]);
}

/** A value that a list is sorted by, as cursors and conditions have it. */
export const sortText = (value: unknown): string => (value instanceof Date ? formatTime(value) : String(value));

/** The order of a list, and where the page of it begins that is asked for. */
export interface ListOrder {
  table: string;
  property: string;
  column: string;
  direction: 'ASC' | 'DESC';
  /** How what follows compares with what stands before it. */
  sign: '<' | '>';
  /** Null for a page by its number. */
  at: Position | null;
}

/**
 * @param sorts the properties to sort by, under the names that clients use
 * @param query `sort`: one of those names, with `-` before it for descending
 * @throws 422 `cursor-invalid`
 */
export function orderOf(
  { name: table, columns }: TableDefinition,
  sorts: Record<string, string>,
  { sort, cursor }: { sort: string; cursor?: string },
): ListOrder {
  const descending = sort.startsWith('-');
  const property = sorts[descending ? sort.slice(1) : sort];
  return {
    table,
    property,
    column: columnName(property),
    ...(descending ? { direction: 'DESC', sign: '<' } : { direction: 'ASC', sign: '>' }),
    at: cursor === undefined ? null : readCursor(cursor, sort, columns[property].kind === 'time'),
  };
}
