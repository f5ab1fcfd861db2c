import { Inject, Injectable } from '@nestjs/common';
import { isRefused } from '@muster/core/contact/result';
import { normalizeEmail } from '@muster/core/contact/email';
import { normalizePhone } from '@muster/core/contact/phone';
import { conflict, FieldError, invalid, notFound, validationFailed } from '@muster/core/errors';
import { Page } from '@muster/core/page';
import { Role } from '@muster/core/permissions';
import { Principal, requireScope } from '@muster/core/principal';
import { type Config } from '@muster/platform/config/config';
import { CONFIG } from '@muster/platform/config/config.module';
import { Database } from '@muster/platform/database/database';
import { Transactions, Tx } from '@muster/platform/database/transactions';
import { requireMatch } from '@muster/platform/http/etag';
import { Outbox } from '@muster/platform/outbox/outbox';
import { Actor, AuditService } from '../audit/audit.service';
import { AuthRepository } from './auth.repository';
import { User } from './auth.entity';
import { userCreated, userDeleted, userUpdated } from './auth.events';
import { Passwords } from './auth.passwords';
import { ListUsersQuery, UpdateUserBody, userView } from './users.dto';
import { UsersRepository } from './users.repository';

export interface NewUser {
  name: string;
  email: string;
  password: string;
  role: Role;
  /** The default team, when left out. */
  teamId?: number;
  phone?: string | null;
}

/** The users of the installation: who they are, what they may do, and that one admin always remains. */
@Injectable()
export class UsersService {
  constructor(
    private readonly database: Database,
    private readonly transactions: Transactions,
    private readonly repository: UsersRepository,
    private readonly auth: AuthRepository,
    private readonly passwords: Passwords,
    private readonly outbox: Outbox,
    private readonly audit: AuditService,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  async list(principal: Principal, query: ListUsersQuery): Promise<Page<User>> {
    const all = requireScope(principal, 'users:read') === 'all';
    return this.repository.list(all ? undefined : principal.teamId, query);
  }

  async get(principal: Principal, id: number): Promise<User> {
    const user = await this.repository.find(id);
    const scope = requireScope(principal, 'users:read');
    const mine = scope === 'all' || (principal.teamId !== null && user?.teamId === principal.teamId);
    if (!user || !mine) throw notFound();
    return user;
  }

  /** The caller's own record. */
  async self(principal: Principal): Promise<User> {
    const user = await this.repository.find(principal.userId);
    if (!user) throw notFound();
    return user;
  }

  /**
   * Adds a user.
   * @param by who does it: `self` for a registration, null for the first admin and the command line
   * @param also what belongs to the same transaction
   * @throws 409 `duplicate` when the e-mail is taken; 422 for an e-mail, phone or team that cannot be
   */
  async create<T>(input: NewUser, by: Actor | 'self', also: (tx: Tx, user: User) => Promise<T>): Promise<T> {
    const { email, phone } = this.normalize(input);
    if (await this.repository.findByEmail(email!)) throw emailTaken();
    const passwordHash = await this.passwords.hash(input.password);
    return this.holdingEmail(() =>
      this.transactions.run(async (tx) => {
        const now = new Date();
        const user = await this.repository.insert(tx, {
          name: input.name,
          email: email!,
          emailKey: email!,
          passwordHash,
          role: input.role,
          teamId: await this.teamFor(tx, input.teamId),
          phone: phone ?? null,
          active: true,
          createdAt: now,
          updatedAt: now,
          deletedAt: null,
          version: 1,
        });
        const actor = by === 'self' ? { userId: user.id } : by;
        await this.audit.record(tx, actor, { action: 'user.created', subjectId: user.id, after: userView(user) });
        const creator = by === 'self' ? null : (by?.userId ?? null);
        await this.outbox.add(tx, userCreated, { userId: user.id, role: user.role, by: creator });
        return also(tx, user);
      }),
    );
  }

  /**
   * Changes a user. A new password, and a suspension, end the user's sessions (a changed password of one's own: the others).
   * @throws 409 `last-admin` when no active admin would remain
   */
  async update(principal: Principal, id: number, body: UpdateUserBody, ifMatch?: string): Promise<User> {
    const { name, role, teamId, active, password } = body;
    const normal = this.normalize(body);
    const given = { name, role, teamId, active, email: normal.email, emailKey: normal.email, phone: normal.phone };
    if (password === undefined && !Object.values(given).some((value) => value !== undefined)) {
      throw invalid('empty-patch', 'Name at least one property to change.');
    }
    const passwordHash = password === undefined ? undefined : await this.passwords.hash(password);
    return this.holdingEmail(() =>
      this.transactions.run(async (tx) => {
        const admins = await this.repository.holdAdmins(tx);
        const user = await this.repository.hold(tx, id);
        if (!user) throw notFound();
        requireMatch(ifMatch, user.version);
        if (teamId !== undefined) await this.teamFor(tx, teamId);
        const changes = changesOf(user, { ...given, passwordHash });
        const changed = Object.keys(changes).filter((property) => property !== 'emailKey');
        if (changed.length === 0) return user;
        const next: User = { ...user, ...changes, updatedAt: new Date(), version: user.version + 1 };
        if (isAdmin(user) && !isAdmin(next) && admins < 2) throw lastAdmin();
        await this.repository.update(tx, id, { ...changes, updatedAt: next.updatedAt, version: next.version });
        if (!next.active || passwordHash) {
          await this.auth.endSessions(tx, id, next.active && id === principal.userId ? principal.sessionId : null);
        }
        await this.audit.record(tx, principal, {
          action: 'user.updated',
          subjectId: id,
          before: userView(user),
          after: { ...userView(next), ...(passwordHash ? { passwordChanged: true } : {}) },
        });
        await this.outbox.add(tx, userUpdated, { userId: id, changed, by: principal.userId });
        return next;
      }),
    );
  }

  /** Deletes a user: signed out, hidden, the e-mail free again. What they made keeps naming them. @throws 409 `last-admin` */
  async remove(principal: Principal, id: number, ifMatch?: string): Promise<void> {
    await this.transactions.run(async (tx) => {
      const admins = await this.repository.holdAdmins(tx);
      const user = await this.repository.hold(tx, id);
      if (!user) throw notFound();
      requireMatch(ifMatch, user.version);
      if (isAdmin(user) && admins < 2) throw lastAdmin();
      const now = new Date();
      const version = user.version + 1;
      await this.repository.update(tx, id, { active: false, emailKey: null, deletedAt: now, updatedAt: now, version });
      await this.auth.endSessions(tx, id, null);
      await this.audit.record(tx, principal, { action: 'user.deleted', subjectId: id, before: userView(user) });
      await this.outbox.add(tx, userDeleted, { userId: id, by: principal.userId });
    });
  }

  private async teamFor(tx: Tx, teamId: number | undefined): Promise<number> {
    if (teamId === undefined) return this.repository.defaultTeamId(tx);
    if (await this.repository.holdTeam(tx, teamId)) return teamId;
    const message = 'There is no such team.';
    throw invalid('team-unknown', message, [{ field: 'teamId', code: 'team-unknown', message }]);
  }

  private normalize(input: { email?: string; phone?: string | null }): { email?: string; phone?: string | null } {
    const errors: FieldError[] = [];
    const normal: { email?: string; phone?: string | null } = {};
    if (input.email !== undefined) {
      const email = normalizeEmail(input.email);
      if (isRefused(email)) errors.push({ field: 'email', ...email });
      else normal.email = email.value;
    }
    if (input.phone === null) normal.phone = null;
    else if (input.phone !== undefined) {
      const phone = normalizePhone(input.phone, this.config.defaultRegion);
      if (isRefused(phone)) errors.push({ field: 'phone', ...phone });
      else normal.phone = phone.value.e164;
    }
    if (errors.length > 0) {
      throw validationFailed(errors);
    }
    return normal;
  }

  /** The unique index decides who gets an e-mail; its refusal is a conflict, not a fault. */
  private async holdingEmail<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw this.database.dialect.isDuplicate(error) ? emailTaken() : error;
    }
  }
}

const isAdmin = (user: User) => user.role === 'admin' && user.active;

/** The given values that differ from the user's own. */
function changesOf(user: User, given: Partial<User>): Partial<User> {
  const different = ([property, value]: [string, unknown]) =>
    value !== undefined && value !== user[property as keyof User];
  return Object.fromEntries(Object.entries(given).filter(different));
}

const emailTaken = () =>
  conflict('duplicate', 'There is a user with this e-mail.', [
    { field: 'email', code: 'duplicate-existing', message: 'belongs to another user' },
  ]);

const lastAdmin = () => conflict('last-admin', 'This is the last active admin: make another one first.');

/** One page in the shape of every list, for those that are short and go by page number alone. */
export const pageOf = <T>(data: T[], total: number, page: number, limit: number): Page<T> => ({
  data,
  meta: { page, limit, total, nextCursor: null },
});
