import { Injectable } from '@nestjs/common';
import { conflict, invalid, notFound } from '@muster/core/errors';
import { Page } from '@muster/core/page';
import { Principal, requireScope } from '@muster/core/principal';
import { Database } from '@muster/platform/database/database';
import { Transactions, Tx } from '@muster/platform/database/transactions';
import { requireMatch } from '@muster/platform/http/etag';
import { Outbox } from '@muster/platform/outbox/outbox';
import { AuditService } from '../audit/audit.service';
import { Team } from './auth.entity';
import { teamCreated, teamDeleted, teamUpdated } from './auth.events';
import { ListTeamsQuery, teamView } from './users.dto';
import { UsersRepository } from './users.repository';

/** The teams of the installation. Managers see their own. */
@Injectable()
export class TeamsService {
  constructor(
    private readonly database: Database,
    private readonly transactions: Transactions,
    private readonly repository: UsersRepository,
    private readonly audit: AuditService,
    private readonly outbox: Outbox,
  ) {}

  async list(principal: Principal, query: ListTeamsQuery): Promise<Page<Team>> {
    return this.repository.listTeams(this.ownOnly(principal), query);
  }

  async get(principal: Principal, id: number): Promise<Team> {
    const own = this.ownOnly(principal);
    const team = own === undefined || own === id ? await this.repository.findTeam(id) : null;
    if (!team) throw notFound();
    return team;
  }

  /** @throws 409 `duplicate` when the name is taken */
  create(principal: Principal, name: string): Promise<Team> {
    const now = new Date();
    return this.holdingName(async (tx) => {
      const values = { name, isDefault: false, createdAt: now, updatedAt: now, version: 1 };
      const team = await this.repository.insertTeam(tx, values);
      await this.audit.record(tx, principal, { action: 'team.created', subjectId: team.id, after: teamView(team) });
      await this.outbox.add(tx, teamCreated, { teamId: team.id, by: principal.userId });
      return team;
    });
  }

  /** @throws 409 `duplicate` when the name is taken; 422 `empty-patch` */
  async rename(principal: Principal, id: number, name: string | undefined, ifMatch?: string): Promise<Team> {
    if (name === undefined) throw invalid('empty-patch', 'Name at least one property to change.');
    return this.holdingName(async (tx) => {
      const team = await this.repository.holdTeam(tx, id);
      if (!team) throw notFound();
      requireMatch(ifMatch, team.version);
      if (team.name === name) return team;
      const changes = { name, updatedAt: new Date(), version: team.version + 1 };
      await this.repository.updateTeam(tx, id, changes);
      const next = { ...team, ...changes };
      const [before, after] = [teamView(team), teamView(next)];
      await this.audit.record(tx, principal, { action: 'team.updated', subjectId: id, before, after });
      await this.outbox.add(tx, teamUpdated, { teamId: id, by: principal.userId });
      return next;
    });
  }

  /** @throws 409 `team-default`, `team-not-empty` */
  async remove(principal: Principal, id: number, ifMatch?: string): Promise<void> {
    await this.transactions.run(async (tx) => {
      const team = await this.repository.holdTeam(tx, id);
      if (!team) throw notFound();
      requireMatch(ifMatch, team.version);
      if (team.isDefault) throw conflict('team-default', 'New users join this team: it cannot be deleted.');
      if (await this.repository.hasMembers(tx, id)) {
        throw conflict('team-not-empty', 'The team has members: move them to another team first.');
      }
      await this.repository.deleteTeam(tx, id);
      await this.audit.record(tx, principal, { action: 'team.deleted', subjectId: id, before: teamView(team) });
      await this.outbox.add(tx, teamDeleted, { teamId: id, by: principal.userId });
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
