import { Database } from '../database/database';
import { SqlCondition } from '../database/record-table';

/** A condition that every list adds for its caller. */
export interface ScopeCondition extends SqlCondition {
  /** The same condition in parts that have no record in common, each of which has an index in the order of the list's usual sort. */
  parts?: ScopePart[];
}

export interface ScopePart extends SqlCondition {
  /** A SELECT of the values that the part's first parameter takes, one after another; without it the part stands for itself. */
  each?: SqlCondition;
}

/** More parts than these cost more than they spare. */
const MAX_PARTS = 100;

/** The condition of a scope that leaves nothing out. */
export const EVERYTHING: ScopeCondition = { sql: '1 = 1', params: [] };

export const isEverything = ({ sql }: ScopeCondition): boolean => sql === EVERYTHING.sql;

/** The parts of a scope, values filled in; null where it is one condition. */
export async function partsOf(database: Database, scope: ScopeCondition): Promise<SqlCondition[] | null> {
  if (!scope.parts) return null;
  const all: SqlCondition[] = [];
  for (const { sql, params, each } of scope.parts) {
    if (!each) {
      all.push({ sql, params });
      continue;
    }
    const rows = await database.query<Record<string, unknown>>(`${each.sql} LIMIT ${MAX_PARTS + 1}`, each.params);
    for (const row of rows) all.push({ sql, params: [Object.values(row)[0], ...params] });
    if (all.length > MAX_PARTS) return null;
  }
  return all.length === 0 ? [{ sql: '1 = 0', params: [] }] : all;
}

/** The scope as one condition only: for lists in which something else leaves fewer records. */
export const undivided = ({ sql, params }: ScopeCondition): SqlCondition => ({ sql, params });
