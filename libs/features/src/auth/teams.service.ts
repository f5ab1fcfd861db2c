import { Injectable } from '@nestjs/common';
import { conflict, invalid, notFound } from '@muster/core/errors';
import { Page } from '@muster/core/page';
import { Principal, requireScope } from '@muster/core/principal';
import { Database } from '@muster/platform/database/database';
import { Transactions, Tx } from '@muster/platform/database/transactions';
import { requireMatch } from '@muster/platform/http/etag';
import { Team } from './auth.entity';
import { PageQuery } from './users.dto';
import { UsersRepository } from './users.repository';
import { pageOf } from './users.service';

/** The teams of the installation. Managers see their own. */
@Injectable()
export class TeamsService {
  constructor(
    private readonly database: Database,
    private readonly transactions: Transactions,
    private readonly repository: UsersRepository,
  ) {}

  async list(principal: Principal, { page, limit }: PageQuery): Promise<Page<Team>> {
    const own = this.ownOnly(principal);
    if (own === null) return pageOf([], 0, page, limit);
    const { rows, total } = await this.repository.teamPage(own, (page - 1) * limit, limit);
    return pageOf(rows, total, page, limit);
  }

  async get(principal: Principal, id: number): Promise<Team> {
    const own = this.ownOnly(principal);
    const team = own === undefined || own === id ? await this.repository.findTeam(id) : null;
    if (!team) throw notFound();
    return team;
  }

  /** @throws 409 `duplicate` when the name is taken */
  create(name: string): Promise<Team> {
    const now = new Date();
    const team = { name, isDefault: false, createdAt: now, updatedAt: now, version: 1 };
    return this.holdingName((tx) => this.repository.insertTeam(tx, team));
  }

  /** @throws 409 `duplicate` when the name is taken; 422 `empty-patch` */
  async rename(id: number, name: string | undefined, ifMatch?: string): Promise<Team> {
    if (name === undefined) throw invalid('empty-patch', 'Name at least one property to change.');
    return this.holdingName(async (tx) => {
      const team = await this.repository.holdTeam(tx, id);
      if (!team) throw notFound();
      requireMatch(ifMatch, team.version);
      if (team.name === name) return team;
      const changes = { name, updatedAt: new Date(), version: team.version + 1 };
      await this.repository.updateTeam(tx, id, changes);
      return { ...team, ...changes };
    });
  }

  /** @throws 409 `team-default`, `team-not-empty` */
  async remove(id: number, ifMatch?: string): Promise<void> {
    await this.transactions.run(async (tx) => {
      const team = await this.repository.holdTeam(tx, id);
      if (!team) throw notFound();
      requireMatch(ifMatch, team.version);
      if (team.isDefault) throw conflict('team-default', 'New users join this team: it cannot be deleted.');
      if (await this.repository.hasMembers(tx, id)) {
        throw conflict('team-not-empty', 'The team has members: move them to another team first.');
      }
      await this.repository.deleteTeam(tx, id);
    });
  }

  /** The one team that the principal may read; undefined means all, null none. */
  private ownOnly(principal: Principal): number | null | undefined {
    return requireScope(principal, 'users:read') === 'all' ? undefined : principal.teamId;
  }

  private async holdingName<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    try {
      return await this.transactions.run(work);
    } catch (error) {
      if (!this.database.dialect.isDuplicate(error)) throw error;
      throw conflict('duplicate', 'There is a team with this name.', [
        { field: 'name', code: 'duplicate-existing', message: 'belongs to another team' },
      ]);
    }
  }
}
