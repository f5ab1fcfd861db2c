import { Injectable } from '@nestjs/common';
import { nameKeyOf } from '@muster/core/contact/text';
import { Page } from '@muster/core/page';
import { Database } from '@muster/platform/database/database';
import { RecordTable, SqlCondition } from '@muster/platform/database/record-table';
import { Tx } from '@muster/platform/database/transactions';
import { Conditions, readPage } from '@muster/platform/http/list-query';
import { ContactNoun } from '../contacts/memberships/contacts.memberships.service';
import { GROUP_SORT_FIELDS, ListGroupsQuery } from './groups.dto';
import { Group, groupTable } from './groups.entity';
import { marks } from '@muster/platform/database/sql';

const IDS_AT_ONCE = 500;

/** All SQL on groups. */
@Injectable()
export class GroupsRepository {
  readonly records: RecordTable<Group>;

  constructor(private readonly database: Database) {
    this.records = new RecordTable<Group>(database, groupTable);
  }

  list(visible: SqlCondition, query: ListGroupsQuery): Promise<Page<Group>> {
    const where = new Conditions().add(visible.sql, ...visible.params);
    const wanted = nameKeyOf(query.q ?? '');
    if (wanted) where.add('INSTR(name_key, ?) > 0', wanted);
    return readPage(this.records, GROUP_SORT_FIELDS, where.all, { ...query, sort: query.sort ?? '-createdAt' });
  }

  /** The group that has the name, when the condition holds for it. */
  async findByKey(nameKey: string, visible: SqlCondition): Promise<number | undefined> {
    const [row] = await this.database.query<{ id: number }>(
      `SELECT id FROM contact_groups WHERE name_key = ? AND ${visible.sql}`,
      [nameKey, ...visible.params],
    );
    return row && Number(row.id);
  }

  /** The groups that have some names and fulfil a condition, by name. */
  async named(nameKeys: readonly string[], where: SqlCondition): Promise<Map<string, number>> {
    const groups = new Map<string, number>();
    for (let start = 0; start < nameKeys.length; start += IDS_AT_ONCE) {
      const some = nameKeys.slice(start, start + IDS_AT_ONCE);
      const rows = await this.database.query<{ id: number; name_key: string }>(
        `SELECT id, name_key FROM contact_groups WHERE name_key IN (${marks(some)}) AND ${where.sql}`,
        [...some, ...where.params],
      );
      for (const { id, name_key } of rows) groups.set(name_key, Number(id));
    }
    return groups;
  }

  /** @returns the group with the id that the store gave it */
  async insert(tx: Tx, values: Omit<Group, 'id'>): Promise<Group> {
    const { identifiers } = await tx.manager.getRepository<Group>('contact_groups').insert(values);
    return { ...values, id: Number(identifiers[0].id) };
  }

  /** Keeps a team from being deleted until the transaction ends. @returns whether there is one */
  async holdTeam(tx: Tx, teamId: number): Promise<boolean> {
    const { forShare } = this.database.dialect;
    const { rows } = await tx.query(`SELECT id FROM teams WHERE id = ?${forShare}`, [teamId]);
    return rows.length > 0;
  }

  /** Keeps records from being deleted or given away until the transaction ends. @returns the ids for which the condition holds */
  async holdRecords(tx: Tx, noun: ContactNoun, ids: number[], where: SqlCondition): Promise<Set<number>> {
    const held = new Set<number>();
    const { forShare } = this.database.dialect;
    for (let start = 0; start < ids.length; start += IDS_AT_ONCE) {
      const some = ids.slice(start, start + IDS_AT_ONCE);
      const { rows } = await tx.query<{ id: number }>(
        `SELECT id FROM ${noun} WHERE id IN (${marks(some)}) AND ${where.sql}${forShare}`,
        [...some, ...where.params],
      );
      for (const { id } of rows) held.add(Number(id));
    }
    return held;
  }
}
