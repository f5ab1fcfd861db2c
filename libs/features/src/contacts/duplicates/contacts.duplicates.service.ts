import { Injectable } from '@nestjs/common';
import { DUPLICATE_REASONS, DuplicateReason } from '@muster/core/contact/duplicate-keys';
import { invalid } from '@muster/core/errors';
import { Database } from '@muster/platform/database/database';
import { ReadTable, SqlCondition } from '@muster/platform/database/record-table';
import { ScopeCondition } from '@muster/platform/http/list-scope';
import { Tx } from '@muster/platform/database/transactions';
import { Actor } from '../../audit/audit.service';
import { DuplicatesMeta, DuplicatesQuery } from './contacts.duplicates.dto';
import { visibleGroups, VisibleGroups } from './contacts.duplicates.groups';
import { DuplicateGroup, DuplicateKeys, isSame, reasonOf, storedKeys } from './contacts.duplicates.repository';
import { ContactChange, ContactFollower, ContactFollowers } from '../contacts.followers.service';
import type { ContactNoun } from '../memberships/contacts.memberships.service';
import { marks } from '@muster/platform/database/sql';

export { DuplicateGroupView, DuplicatesMeta, DuplicatesQuery } from './contacts.duplicates.dto';

/** Records that may be the same person. */
export interface Duplicates<R> {
  reason: DuplicateReason;
  records: R[];
  count: number;
}

/** A page of groups; of how many is not counted. */
export interface DuplicatesPage<R> {
  data: Duplicates<R>[];
  meta: DuplicatesMeta;
}

const RECORDS_SHOWN = 10;
/** Where a page ended: kind and hash of its last group. */
type Position = [kind: number, keyHash: number];

/** Finds records that may be the same person, by keys that every write of a record keeps; the workers write those of imports. */
@Injectable()
export class ContactDuplicates implements ContactFollower {
  readonly name = 'duplicates';
  private readonly keys: DuplicateKeys;

  constructor(database: Database, followers: ContactFollowers) {
    this.keys = new DuplicateKeys(database);
    followers.register(this);
  }

  changed(tx: Tx, _by: Actor, noun: ContactNoun, changes: readonly ContactChange[]): Promise<void> {
    return this.keys.change(tx, noun, changes);
  }

  /**
   * Groups of near duplicates, by reason. A pair that has two things in common is in two groups.
   * @param scope what the caller may see, for a query on the noun's table alone; and whether that is everything
   * @throws 422 `cursor-invalid`
   */
  async list<R extends { id: number }>(
    records: ReadTable<R>,
    noun: ContactNoun,
    scope: { visible: ScopeCondition; seesAll: boolean },
    { limit = 20, cursor }: DuplicatesQuery,
  ): Promise<DuplicatesPage<R>> {
    const within = scope.seesAll ? null : scope.visible;
    const data: Duplicates<R>[] = [];
    const visible = await visibleGroups(this.keys, noun, within);
    let [kind, after]: Position = cursor === undefined ? [0, -1] : readPosition(cursor);
    while (kind < DUPLICATE_REASONS.length) {
      const wanted = limit - data.length;
      const groups = await visible.next(kind, after, wanted + 1);
      const taken = groups.slice(0, wanted);
      data.push(...(await this.filled(records, taken, visible, within)));
      const last = taken.at(-1);
      if (groups.length > wanted && data.length === limit) {
        return { data, meta: { limit, nextCursor: writePosition([kind, last!.keyHash]) } };
      }
      if (groups.length > wanted) after = last!.keyHash;
      else [kind, after] = [kind + 1, -1];
      const isFull = data.length === limit;
      if (isFull && (await hasMore(visible, kind))) {
        return { data, meta: { limit, nextCursor: writePosition([kind, -1]) } };
      }
      if (isFull) break;
    }
    return { data, meta: { limit, nextCursor: null } };
  }

  /** Groups with their records. A group that is none, because its records have changed meanwhile, is left out. */
  private async filled<R extends { id: number }>(
    records: ReadTable<R>,
    groups: DuplicateGroup[],
    visible: VisibleGroups,
    within: SqlCondition | null,
  ): Promise<Duplicates<R>[]> {
    const members = new Map<DuplicateGroup, number[]>();
    for (const group of groups) members.set(group, await visible.members(group, RECORDS_SHOWN));
    const found = await this.read(records, [...new Set([...members.values()].flat())], within);
    return [...members].flatMap(([{ kind, keyHash, count }, ids]) => {
      const held = ids.flatMap((id) => found.get(id) ?? []);
      const alike = held.filter((record) => storedKeys(record).some((key) => isSame(key, [kind, keyHash])));
      if (alike.length < 2) return [];
      return [{ reason: reasonOf(kind), records: alike, count: count - (ids.length - alike.length) }];
    });
  }

  private async read<R extends { id: number }>(
    records: ReadTable<R>,
    ids: number[],
    within: SqlCondition | null,
  ): Promise<Map<number, R>> {
    if (ids.length === 0) return new Map();
    const scope = within ?? { sql: '1 = 1', params: [] };
    const rows = await records.database.query<Record<string, unknown>>(
      `SELECT * FROM ${records.definition.name} WHERE id IN (${marks(ids)}) AND ${scope.sql}`,
      [...ids, ...scope.params],
    );
    return new Map(rows.map((row) => [Number(row.id), records.fromRow(row)]));
  }
}

async function hasMore(visible: VisibleGroups, first: number): Promise<boolean> {
  for (let kind = first; kind < DUPLICATE_REASONS.length; kind++) {
    if ((await visible.next(kind, -1, 1)).length > 0) return true;
  }
  return false;
}

const writePosition = (position: Position) => Buffer.from(JSON.stringify(position)).toString('base64url');

function readPosition(cursor: string): Position {
  try {
    const position = JSON.parse(Buffer.from(cursor, 'base64url').toString()) as unknown;
    if (Array.isArray(position) && position.length === 2 && position.every(Number.isSafeInteger)) {
      const [kind, hash] = position as Position;
      if (kind >= 0 && kind < DUPLICATE_REASONS.length && hash >= -1) return [kind, hash];
    }
  } catch {
    // Falls through: not a cursor at all.
  }
  throw invalid('cursor-invalid', 'The cursor is not one of this list.', [
    { field: 'cursor', code: 'cursor-invalid', message: 'take nextCursor of the page before' },
  ]);
}
