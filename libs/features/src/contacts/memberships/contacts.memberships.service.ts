import { Injectable } from '@nestjs/common';
import { Database } from '@muster/platform/database/database';
import { formatTime, parseTime } from '@muster/platform/database/dialect/dialect';
import { Gathered, padded, SqlCondition } from '@muster/platform/database/gathered';
import { indexedFilter } from '@muster/platform/http/indexed-filter';
import { FilterCondition } from '@muster/platform/http/list-query';
import { marks } from '@muster/platform/database/sql';
import { Tx } from '@muster/platform/database/transactions';

/** The nouns whose records can be in groups; each is the name of its table. */
export const CONTACT_NOUNS = ['leads', 'customers'] as const;
export type ContactNoun = (typeof CONTACT_NOUNS)[number];

/** One lead or customer. */
export interface ContactRef {
  noun: ContactNoun;
  id: number;
}

/** A membership as it is kept elsewhere, to be restored; the time is text, as the store has it. */
export interface StoredMembership {
  groupId: number;
  addedBy: number;
  addedAt: string;
}

const IDS_AT_ONCE = 500;
const ALL: SqlCondition = { sql: '1 = 1', params: [] };
const COLUMNS = ['group_id', 'noun', 'record_id', 'added_by', 'added_at'];

interface Membership {
  groupId: number;
  noun: ContactNoun;
  recordId: number;
  addedBy: number;
  addedAt: Date;
}

/**
 * Which records are in which groups. Knows no scope: callers name records and groups that theirs may reach. Memberships of a
 * deleted group linger until they are cleared, and count nowhere.
 */
@Injectable()
export class Memberships {
  private readonly lookUps: Gathered<{ id: number; group_id: number }>;

  constructor(private readonly database: Database) {
    const select =
      'SELECT m.record_id AS id, m.group_id FROM group_members m JOIN contact_groups g ON g.id = m.group_id';
    this.lookUps = new Gathered(database, select, 'm.record_id');
  }

  /** The committed groups of a record, by rising id. @param seen as of {@link groupsOf} */
  async groupsOfOne(noun: ContactNoun, id: number, seen: SqlCondition = ALL): Promise<number[]> {
    const where = { sql: `m.noun = ? AND ${seen.sql}`, params: [noun, ...seen.params] };
    const rows = await this.lookUps.all(id, where);
    return rows.map(({ group_id }) => Number(group_id)).sort((a, b) => a - b);
  }

  /**
   * The groups of each record, by rising id; of a record that is in none, an empty list.
   * @param tx reads what this transaction sees; without it, what is committed
   * @param seen which groups count, for a query in which the group is `g`; its text must be one of few
   */
  async groupsOf(
    noun: ContactNoun,
    ids: readonly number[],
    tx?: Tx,
    seen: SqlCondition = ALL,
  ): Promise<Map<number, number[]>> {
    const groups = new Map<number, number[]>(ids.map((id) => [id, []]));
    for (const some of chunks(ids)) {
      const asked = padded(some);
      const sql = `SELECT m.record_id, m.group_id FROM group_members m JOIN contact_groups g ON g.id = m.group_id
        WHERE m.noun = ? AND m.record_id IN (${marks(asked)}) AND ${seen.sql} ORDER BY m.group_id`;
      const params = [noun, ...asked, ...seen.params];
      type Row = { record_id: number; group_id: number };
      const rows = tx ? (await tx.query<Row>(sql, params)).rows : await this.database.select<Row>(sql, params);
      for (const { record_id, group_id } of rows) groups.get(Number(record_id))!.push(Number(group_id));
    }
    return groups;
  }

  /**
   * The records of a noun that are in a group; the condition belongs into a query on the noun's table alone.
   * @param seen which groups count, for a query in which the group is `g`; its text must be one of few
   */
  condition(noun: ContactNoun, groupId: number, seen: SqlCondition = ALL): Promise<FilterCondition> {
    const sql = `FROM group_members m JOIN contact_groups g ON g.id = m.group_id
      WHERE m.group_id = ? AND m.noun = ? AND ${seen.sql}`;
    return indexedFilter(this.database, 'm.record_id', { sql, params: [groupId, noun, ...seen.params] });
  }

  /**
   * How many records that fulfil a condition are in each group. Groups without any are left out.
   * @param where a condition for a query on the noun's table alone
   * @param groupIds counts in these groups only
   */
  async counts(noun: ContactNoun, where: SqlCondition, groupIds?: readonly number[]): Promise<Map<number, number>> {
    if (groupIds?.length === 0) return new Map();
    const only = groupIds ? ` AND m.group_id IN (${marks(groupIds)})` : '';
    const rows = await this.database.query<{ group_id: number; n: number | string }>(
      `SELECT m.group_id, COUNT(*) AS n FROM group_members m JOIN contact_groups g ON g.id = m.group_id
       WHERE m.noun = ?${only} AND m.record_id IN (SELECT id FROM ${noun} WHERE ${where.sql}) GROUP BY m.group_id`,
      [noun, ...(groupIds ?? []), ...where.params],
    );
    return new Map(rows.map(({ group_id, n }) => [Number(group_id), Number(n)]));
  }

  /**
   * Puts records into a group. Holds the group until the transaction ends, so call it late in a long one; that the records stay is
   * for the caller to see to.
   * @param by the user who does it
   * @returns the ids that were not in it before; none when the group is gone
   */
  async add(tx: Tx, groupId: number, noun: ContactNoun, ids: readonly number[], by: number): Promise<number[]> {
    if (ids.length === 0 || (await this.hold(tx, [groupId])).length === 0) return [];
    const present = await this.among(tx, groupId, noun, ids);
    const added = [...new Set(ids)].filter((id) => !present.has(id));
    const addedAt = new Date();
    await this.insert(
      tx,
      added.map((recordId) => ({ groupId, noun, recordId, addedBy: by, addedAt })),
    );
    return added;
  }

  /**
   * Puts records that this transaction has made, and that are in no group yet, into groups: by group. Holds the groups as {@link add}
   * does, by rising id, whoever else does the same; those that are gone take no one.
   */
  async addMade(tx: Tx, noun: ContactNoun, members: ReadonlyMap<number, Iterable<number>>, by: number): Promise<void> {
    const held: number[] = [];
    const wanted = [...members.keys()].sort((a, b) => a - b);
    for (const some of chunks(wanted)) held.push(...(await this.hold(tx, some)));
    const addedAt = new Date();
    await this.insert(
      tx,
      held.flatMap((groupId) =>
        [...members.get(groupId)!].map((recordId) => ({ groupId, noun, recordId, addedBy: by, addedAt })),
      ),
    );
  }

  /** Takes records out of a group. @returns the ids that were in it */
  async remove(tx: Tx, groupId: number, noun: ContactNoun, ids: readonly number[]): Promise<number[]> {
    const present = await this.among(tx, groupId, noun, ids);
    for (const some of chunks([...present])) {
      await tx.query(`DELETE FROM group_members WHERE group_id = ? AND noun = ? AND record_id IN (${marks(some)})`, [
        groupId,
        noun,
        ...some,
      ]);
    }
    return [...present];
  }

  /** Puts a record into the groups of another, also of the other noun. @returns the groups that it was not in before */
  async copy(tx: Tx, from: ContactRef, to: ContactRef): Promise<number[]> {
    // Held first, and together: who holds groups one by one while others do the same ends in deadlocks.
    const groupIds = await this.hold(tx, (await this.groupsOf(from.noun, [from.id], tx)).get(from.id)!);
    const before = (await this.groupsOf(to.noun, [to.id], tx)).get(to.id)!;
    const joined = groupIds.filter((groupId) => !before.includes(groupId));
    if (joined.length === 0) return [];
    const { rows } = await tx.query<{ group_id: number; added_by: number }>(
      `SELECT group_id, added_by FROM group_members WHERE noun = ? AND record_id = ? AND group_id IN (${marks(joined)})`,
      [from.noun, from.id, ...joined],
    );
    const addedAt = new Date();
    await this.insert(
      tx,
      rows.map(({ group_id, added_by }) => ({
        ...{ groupId: Number(group_id), noun: to.noun, recordId: to.id, addedBy: Number(added_by), addedAt },
      })),
    );
    return joined;
  }

  /**
   * Gives the groups of one record to another, also of the other noun.
   * @returns the groups that the one left, and those of them that the other was not in before: what an undo needs
   */
  async move(tx: Tx, from: ContactRef, to: ContactRef): Promise<{ left: number[]; joined: number[] }> {
    if (from.noun === to.noun && from.id === to.id) throw new Error('A record cannot give its groups to itself.');
    const joined = await this.copy(tx, from, to);
    const left = (await this.groupsOf(from.noun, [from.id], tx)).get(from.id)!;
    await this.removeAll(tx, from.noun, [from.id]);
    return { left, joined };
  }

  /** The memberships of a record, by rising group. */
  async stored(tx: Tx, { noun, id }: ContactRef): Promise<StoredMembership[]> {
    const { rows } = await tx.query<{ group_id: number; added_by: number; added_at: Date | string }>(
      'SELECT group_id, added_by, added_at FROM group_members WHERE noun = ? AND record_id = ? ORDER BY group_id',
      [noun, id],
    );
    return rows.map(({ group_id, added_by, added_at }) => ({
      ...{ groupId: Number(group_id), addedBy: Number(added_by), addedAt: formatTime(parseTime(added_at)) },
    }));
  }

  /** Gives a record memberships that were stored, but for groups that are gone. What it is in already stays as it is. */
  async restore(tx: Tx, { noun, id }: ContactRef, memberships: readonly StoredMembership[]): Promise<void> {
    const groupIds = await this.hold(
      tx,
      memberships.map(({ groupId }) => groupId),
    );
    const present = (await this.groupsOf(noun, [id], tx)).get(id)!;
    const wanted = memberships.filter(({ groupId }) => groupIds.includes(groupId) && !present.includes(groupId));
    await this.insert(
      tx,
      wanted.map(({ groupId, addedBy, addedAt }) => ({
        ...{ groupId, noun, recordId: id, addedBy, addedAt: parseTime(addedAt) },
      })),
    );
  }

  /** Takes records out of every group; for records that are deleted. */
  async removeAll(tx: Tx, noun: ContactNoun, ids: readonly number[]): Promise<void> {
    for (const some of chunks(ids)) {
      await tx.query(`DELETE FROM group_members WHERE noun = ? AND record_id IN (${marks(some)})`, [noun, ...some]);
    }
  }

  /** Removes up to `limit` memberships of each noun from a group. @returns whether there may be more */
  async clear(tx: Tx, groupId: number, limit: number): Promise<boolean> {
    let more = false;
    for (const noun of CONTACT_NOUNS) {
      const { rows } = await tx.query<{ record_id: number }>(
        `SELECT record_id FROM group_members WHERE group_id = ? AND noun = ? ORDER BY record_id LIMIT 1 OFFSET ${limit}`,
        [groupId, noun],
      );
      const next = rows[0]?.record_id;
      const before = next === undefined ? '' : ' AND record_id < ?';
      await tx.query(`DELETE FROM group_members WHERE group_id = ? AND noun = ?${before}`, [
        ...[groupId, noun],
        ...(next === undefined ? [] : [next]),
      ]);
      more ||= next !== undefined;
    }
    return more;
  }

  /** Keeps groups from being deleted, and from others who add to them, until the transaction ends. @returns those that exist */
  private async hold(tx: Tx, groupIds: readonly number[]): Promise<number[]> {
    if (groupIds.length === 0) return [];
    const { rows } = await tx.query<{ id: number }>(
      `SELECT id FROM contact_groups WHERE id IN (${marks(groupIds)}) ORDER BY id${this.database.dialect.forUpdate}`,
      [...groupIds],
    );
    return rows.map(({ id }) => Number(id));
  }

  /** Which of the records are in the group. */
  private async among(tx: Tx, groupId: number, noun: ContactNoun, ids: readonly number[]): Promise<Set<number>> {
    const present = new Set<number>();
    for (const some of chunks(ids)) {
      const { rows } = await tx.query<{ record_id: number }>(
        `SELECT record_id FROM group_members WHERE group_id = ? AND noun = ? AND record_id IN (${marks(some)})`,
        [groupId, noun, ...some],
      );
      for (const { record_id } of rows) present.add(Number(record_id));
    }
    return present;
  }

  private async insert(tx: Tx, memberships: Membership[]): Promise<void> {
    if (memberships.length === 0) return;
    const buffer = this.database.dialect.bulkBuffer();
    for (const { groupId, noun, recordId, addedBy, addedAt } of memberships) {
      buffer.add([groupId, noun, recordId, addedBy, addedAt]);
    }
    await this.database.dialect.bulkInsert(tx.runner, 'group_members', COLUMNS, buffer);
  }
}

function* chunks(ids: readonly number[]): Generator<number[]> {
  for (let start = 0; start < ids.length; start += IDS_AT_ONCE) yield ids.slice(start, start + IDS_AT_ONCE);
}
