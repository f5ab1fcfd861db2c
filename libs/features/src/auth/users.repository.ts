import { Injectable } from '@nestjs/common';
import { IsNull } from 'typeorm';
import { Page } from '@muster/core/page';
import { Database } from '@muster/platform/database/database';
import { ReadTable, SqlCondition } from '@muster/platform/database/record-table';
import { marks } from '@muster/platform/database/sql';
import { Tx } from '@muster/platform/database/transactions';
import { Conditions, readPage } from '@muster/platform/http/list-query';
import { Team, teamTable, User, userTable } from './auth.entity';
import { ListTeamsQuery, ListUsersQuery, PEOPLE_SORT_FIELDS } from './users.dto';

/** How many e-mails one look-up names. */
const KEYS_AT_ONCE = 500;

/** All SQL on users and teams. Deleted users are as if absent. */
@Injectable()
export class UsersRepository {
  private readonly userList: ReadTable<User>;
  private readonly teamList: ReadTable<Team>;

  constructor(private readonly database: Database) {
    this.userList = new ReadTable<User>(database, userTable);
    this.teamList = new ReadTable<Team>(database, teamTable);
  }

  private get users() {
    return this.database.read.getRepository<User>('users');
  }

  private get teams() {
    return this.database.read.getRepository<Team>('teams');
  }

  find(id: number): Promise<User | null> {
    return this.users.findOneBy({ id, deletedAt: IsNull() });
  }

  findByEmail(email: string): Promise<User | null> {
    return this.users.findOneBy({ emailKey: email });
  }

  findFirstAdmin(): Promise<User | null> {
    return this.users.findOne({ where: { role: 'admin', active: true }, order: { id: 'ASC' } });
  }

  /** The active users who fulfil a condition and have one of some normalised e-mails, by e-mail. */
  async activeByEmail(emails: readonly string[], where: SqlCondition): Promise<Map<string, number>> {
    const users = new Map<string, number>();
    for (let start = 0; start < emails.length; start += KEYS_AT_ONCE) {
      const some = emails.slice(start, start + KEYS_AT_ONCE);
      const rows = await this.database.query<{ id: number; email_key: string }>(
        `SELECT id, email_key FROM users WHERE email_key IN (${marks(some)}) AND active = 1 AND ${where.sql}`,
        [...some, ...where.params],
      );
      for (const { id, email_key } of rows) users.set(email_key, Number(id));
    }
    return users;
  }

  /** The active users who fulfil a condition, with their names. */
  async activeNames(where: SqlCondition): Promise<{ id: number; name: string }[]> {
    const rows = await this.database.query<{ id: number; name: string }>(
      `SELECT id, name FROM users WHERE active = 1 AND ${where.sql}`,
      [...where.params],
    );
    return rows.map(({ id, name }) => ({ id: Number(id), name }));
  }

  /** @param teamId the one team whose users may be seen; undefined means all, null none */
  list(teamId: number | null | undefined, query: ListUsersQuery): Promise<Page<User>> {
    const where = only('team_id', teamId)
      .add('deleted_at IS NULL')
      .equals('team_id', query.teamId)
      .equals('role', query.role)
      .equals('active', query.active === undefined ? undefined : Number(query.active));
    return readPage(this.userList, PEOPLE_SORT_FIELDS, where.all, { ...query, sort: query.sort ?? '-createdAt' });
  }

  async insert(tx: Tx, user: Omit<User, 'id'>): Promise<User> {
    const { identifiers } = await tx.manager.getRepository<User>('users').insert({ ...user });
    return { ...user, id: Number(identifiers[0].id) };
  }

  /** Reads a user and holds the row until the transaction ends, so that changes of one user follow one another. */
  async hold(tx: Tx, id: number): Promise<User | null> {
    await tx.query('UPDATE users SET version = version WHERE id = ?', [id]);
    return tx.manager.getRepository<User>('users').findOneBy({ id, deletedAt: IsNull() });
  }

  async update(tx: Tx, id: number, values: Partial<User>): Promise<void> {
    await tx.manager.getRepository<User>('users').update(id, values);
  }

  /** Holds every active admin until the transaction ends. @returns how many there are */
  async holdAdmins(tx: Tx): Promise<number> {
    const { affected } = await tx.query(`UPDATE users SET version = version WHERE role = 'admin' AND active = 1`);
    return affected;
  }

  findTeam(id: number): Promise<Team | null> {
    return this.teams.findOneBy({ id });
  }

  /** @param id the one team that may be seen; undefined means all, null none */
  listTeams(id: number | null | undefined, query: ListTeamsQuery): Promise<Page<Team>> {
    const sort = query.sort ?? '-createdAt';
    return readPage(this.teamList, PEOPLE_SORT_FIELDS, only('id', id).all, { ...query, sort });
  }

  /** Reads a team and holds the row until the transaction ends: nobody joins a team while it is being deleted. */
  async holdTeam(tx: Tx, id: number): Promise<Team | null> {
    await tx.query('UPDATE teams SET version = version WHERE id = ?', [id]);
    return tx.manager.getRepository<Team>('teams').findOneBy({ id });
  }

  async defaultTeamId(tx: Tx): Promise<number> {
    const team = await tx.manager.getRepository<Team>('teams').findOneBy({ isDefault: true });
    if (!team) throw new Error('There is no default team.');
    return team.id;
  }

  async insertTeam(tx: Tx, team: Omit<Team, 'id'>): Promise<Team> {
    const { identifiers } = await tx.manager.getRepository<Team>('teams').insert({ ...team });
    return { ...team, id: Number(identifiers[0].id) };
  }

  async updateTeam(tx: Tx, id: number, values: Partial<Team>): Promise<void> {
    await tx.manager.getRepository<Team>('teams').update(id, values);
  }

  async hasMembers(tx: Tx, teamId: number): Promise<boolean> {
    return tx.manager.getRepository<User>('users').existsBy({ teamId, deletedAt: IsNull() });
  }

  /** Removes a team; its deleted members count as the default team's from now on, with the records they made. */
  async deleteTeam(tx: Tx, id: number): Promise<void> {
    const heir = await this.defaultTeamId(tx);
    await tx.manager.getRepository<User>('users').update({ teamId: id }, { teamId: heir });
    await tx.manager.getRepository<Team>('teams').delete(id);
  }
}

const only = (column: string, id: number | null | undefined) =>
  id === null ? new Conditions().add('1 = 0') : new Conditions().equals(column, id);
