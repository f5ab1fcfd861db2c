import { Inject, Injectable } from '@nestjs/common';
import { isRefused } from '@muster/core/contact/result';
import { normalizeEmail } from '@muster/core/contact/email';
import { nameKeyOf } from '@muster/core/contact/text';
import { invalid, notFound, ProblemError, unauthorized } from '@muster/core/errors';
import { Page } from '@muster/core/page';
import { Permission } from '@muster/core/permissions';
import { Principal, scopeFor } from '@muster/core/principal';
import { type Config } from '@muster/platform/config/config';
import { CONFIG } from '@muster/platform/config/config.module';
import { Database } from '@muster/platform/database/database';
import { Transactions, Tx } from '@muster/platform/database/transactions';
import { logOf } from '@muster/platform/observability/logger';
import { Outbox } from '@muster/platform/outbox/outbox';
import { Actor, AuditService } from '../audit/audit.service';
import { ApiKeysService, KEY_MARK } from './api-keys.service';
import { LoginBody, LogoutBody, PasswordBody, RegisterBody } from './auth.dto';
import { Session, User } from './auth.entity';
import { assignableUsers } from './auth.policy';
import { tokenReused } from './auth.events';
import { Passwords } from './auth.passwords';
import { AuthRepository, StoredToken } from './auth.repository';
import { ACCESS_SECONDS, REFRESH_SECONDS, sha256, Tokens } from './auth.tokens';
import { UsersRepository } from './users.repository';
import { pageOf, UsersService } from './users.service';

/** Wrong passwords in a row that lock an address. */
const MAX_FAILURES = 5;
/** How long it is locked, and how soon a wrong password is forgotten, in milliseconds. */
const LOCK_TIME = 15 * 60_000;
/** How long after a rotation the same answer is given again to who lost it, in milliseconds. */
const GRACE = 10_000;

/** What a sign-in gives: the tokens, and who it is. */
export interface SignIn {
  accessToken: string;
  refreshToken: string;
  /** Seconds until the access token expires. */
  expiresIn: number;
  user: User;
  sessionId: number;
}

/** What became of a refresh token. */
type Rotation =
  | { kind: 'next'; refreshToken: string; token: StoredToken }
  | { kind: 'unknown' }
  | { kind: 'reused' }
  | { kind: 'forged' };

/** Why a session ended, as the audit log says it. */
type EndCause = 'logout' | 'revoked' | 'token-reused';

/** Signs people in and out, and says who acts. */
@Injectable()
export class AuthService {
  private readonly log = logOf('auth');

  constructor(
    private readonly database: Database,
    private readonly transactions: Transactions,
    private readonly repository: AuthRepository,
    private readonly usersRepository: UsersRepository,
    private readonly users: UsersService,
    private readonly passwords: Passwords,
    private readonly tokens: Tokens,
    private readonly apiKeys: ApiKeysService,
    private readonly outbox: Outbox,
    private readonly audit: AuditService,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** Makes an agent of the default team and signs in. @throws 403 `registration-closed`; 409 `duplicate` */
  async register({ name, email, password }: RegisterBody): Promise<SignIn> {
    if (this.config.auth.registration === 'closed') {
      throw new ProblemError('user', 403, 'registration-closed', 'Ask an administrator for an account.');
    }
    return this.users.create({ name, email, password, role: 'agent' }, 'self', (tx, user) =>
      this.begin(tx, user, null),
    );
  }

  /**
   * Signs in on a new session. An unknown e-mail, a wrong password and a locked address look and last the same, whoever asks.
   * @throws 401 `invalid-credentials`, `account-suspended` (right password only); 423 `account-locked`
   */
  async login({ email, password, device }: LoginBody): Promise<SignIn> {
    const checked = normalizeEmail(email);
    const address = isRefused(checked) ? email.trim().toLowerCase() : checked.value;
    const user = await this.usersRepository.findByEmail(address);
    await this.checkPassword(address, user, password, wrongCredentials);
    return this.transactions.run(async (tx) => {
      // Read again and held: a password that is changed meanwhile ends all sessions, and must not miss this one.
      const current = await this.usersRepository.hold(tx, user!.id);
      if (current?.passwordHash !== user!.passwordHash) throw wrongCredentials();
      if (!current.active) throw unauthorized('account-suspended', 'This account is suspended.');
      return this.begin(tx, current, device || null);
    });
  }

  /**
   * Gives the next pair for a refresh token. For some seconds after it, the same next token is given again (its answer may have
   * been lost, or several calls ran at once); a later use means that two parties hold the token, and ends the session.
   * @param isGenuine whether the request may use this session's token; if not, nothing happens to the session
   * @throws 401 `refresh-token-invalid`; 403 `csrf-invalid` when it is not genuine
   */
  async refresh(refreshToken: string, isGenuine: (sessionId: number) => boolean = () => true): Promise<SignIn> {
    const rotation = await this.transactions.run((tx) => this.rotate(tx, refreshToken, isGenuine));
    if (rotation.kind === 'forged') {
      throw new ProblemError('user', 403, 'csrf-invalid', 'The X-CSRF-Token header is not the one of the session.');
    }
    if (rotation.kind === 'reused') this.log.warn({}, 'A refresh token was used twice; its session is ended.');
    const user = rotation.kind === 'next' ? await this.usersRepository.find(rotation.token.userId) : null;
    if (rotation.kind !== 'next' || !user) {
      throw unauthorized('refresh-token-invalid', 'The refresh token is not valid: sign in again.');
    }
    return this.answer(user, rotation.token.sessionId, rotation.refreshToken);
  }

  /** Ends the session of the given refresh token, else the caller's, or all of the caller's. */
  async logout(principal: Principal, { refreshToken, allDevices }: LogoutBody): Promise<void> {
    await this.transactions.run(async (tx) => {
      if (allDevices) {
        const sessions = await this.repository.endSessions(tx, principal.userId, null);
        const after = { userId: principal.userId, cause: 'logout', sessions };
        return this.audit.record(tx, principal, { action: 'session.ended', subjectId: null, after });
      }
      const named = refreshToken ? await this.repository.findToken(tx, sha256(refreshToken)) : null;
      const sessionId = named?.userId === principal.userId ? named.sessionId : principal.sessionId;
      if (sessionId !== null) await this.end(tx, principal, sessionId, principal.userId, 'logout');
    });
  }

  /** Changes the caller's password and ends their other sessions. @throws 422 `current-password-wrong`; 423 `account-locked` */
  async changePassword(principal: Principal, { currentPassword, newPassword }: PasswordBody): Promise<void> {
    const user = await this.users.self(principal);
    await this.checkPassword(user.email, user, currentPassword, () =>
      invalid('current-password-wrong', 'The current password is wrong.', [
        { field: 'currentPassword', code: 'current-password-wrong', message: 'is not the current password' },
      ]),
    );
    await this.users.update(principal, user.id, { password: newPassword });
  }

  /** The caller's sessions that run on, the last used first. */
  async sessions(principal: Principal, page: number, limit: number): Promise<Page<Session>> {
    const { rows, total } = await this.repository.sessionPage(principal.userId, (page - 1) * limit, limit);
    return pageOf(rows, total, page, limit);
  }

  async endSession(principal: Principal, id: number): Promise<void> {
    const ended = await this.transactions.run((tx) => this.end(tx, principal, id, principal.userId, 'revoked'));
    if (!ended) throw notFound();
  }

  /** Ends a user's lockout: their wrong passwords are forgotten. @throws 404 */
  async unlock(principal: Principal, userId: number): Promise<void> {
    const user = await this.usersRepository.find(userId);
    if (!user) throw notFound();
    await this.transactions.run(async (tx) => {
      if (!(await this.repository.unlock(tx, sha256(user.email)))) return;
      await this.audit.record(tx, principal, { action: 'user.unlocked', subjectId: userId });
    });
  }

  /** Who sends an access token or an API key, as the store knows them now. @throws 401 */
  async authenticate(bearer: string): Promise<Principal> {
    if (bearer.startsWith(KEY_MARK)) return this.apiKeys.authenticate(bearer);
    const principal = await this.repository.principalOf(this.tokens.verifyAccess(bearer));
    if (!principal) throw unauthorized('session-ended', 'The session has ended: sign in again.');
    return principal;
  }

  /** A user as who acts without a session, for work that goes on in their name; null when they are gone or suspended. */
  async principalOf(userId: number): Promise<Principal | null> {
    const user = await this.usersRepository.find(userId);
    return user?.active ? { userId, role: user.role, teamId: user.teamId, sessionId: null } : null;
  }

  /** Whether there is such a user, active. */
  async userExists(id: number): Promise<boolean> {
    return (await this.usersRepository.find(id))?.active ?? false;
  }

  /**
   * Holds a principal to the users they may give records to, by the scope in which they may assign: any active user, those of
   * their team, or nobody but themselves.
   * @param permission the one to assign records of this noun
   * @throws 403 `assign-forbidden`; 422 `user-unknown`
   */
  async assignableTo(principal: Principal, userId: number, permission: Permission): Promise<void> {
    if (userId === principal.userId) return;
    const scope = scopeFor(principal, permission);
    if (!scope) {
      throw new ProblemError('user', 403, 'assign-forbidden', 'You may assign records to yourself only.');
    }
    const user = await this.usersRepository.find(userId);
    const reachable = scope === 'all' || (user?.teamId === principal.teamId && principal.teamId !== null);
    if (user?.active && reachable) return;
    const message = 'There is no such user whom you may assign records to.';
    throw invalid('user-unknown', message, [{ field: 'assignedTo', code: 'user-unknown', message }]);
  }

  /**
   * The users to whom a principal may give records, as {@link assignableTo} has it, of those that some texts mean: each by its e-mail
   * address, or by a full name that only one of them has, whatever the case and the spaces. Texts that mean nobody are left out.
   */
  async assignableByName(
    principal: Principal,
    permission: Permission,
    texts: readonly string[],
  ): Promise<Map<string, number>> {
    const where = assignableUsers(principal, permission);
    const emails = new Map<string, string>();
    const names: string[] = [];
    for (const text of texts) {
      const email = normalizeEmail(text);
      if (isRefused(email)) names.push(text);
      else emails.set(text, email.value);
    }
    const found = new Map<string, number>();
    const held = await this.usersRepository.activeByEmail([...new Set(emails.values())], where);
    for (const [text, email] of emails) if (held.has(email)) found.set(text, held.get(email)!);
    if (names.length === 0) return found;
    const ids = new Map<string, number | null>();
    for (const { id, name } of await this.usersRepository.activeNames(where)) {
      ids.set(nameKeyOf(name), ids.has(nameKeyOf(name)) ? null : id);
    }
    for (const name of names) {
      const id = ids.get(nameKeyOf(name)) ?? null;
      if (id !== null) found.set(name, id);
    }
    return found;
  }

  /** The principal of the first admin, for work from the command line. @throws when there is none */
  async systemPrincipal(): Promise<Principal> {
    const admin = await this.usersRepository.findFirstAdmin();
    if (!admin) throw new Error('There is no administrator yet: create one first.');
    return { userId: admin.id, role: admin.role, teamId: admin.teamId, sessionId: null };
  }

  /** Removes expired sessions and tokens, and wrong passwords that no longer count. */
  async prune(): Promise<void> {
    const failuresBefore = new Date(Date.now() - 2 * LOCK_TIME);
    await this.transactions.run((tx) => this.repository.prune(tx, failuresBefore));
  }

  /**
   * Checks a password and keeps the count of wrong ones. A locked address learns nothing: not even a right password gets in,
   * also when it was being checked while the others failed.
   */
  private async checkPassword(
    email: string,
    user: User | null,
    password: string,
    wrong: () => ProblemError,
  ): Promise<void> {
    const emailHash = sha256(email);
    const before = await this.repository.lockedUntil(emailHash);
    if (before) throw locked(before);
    if (await this.passwords.fits(user?.passwordHash ?? null, password)) {
      const until = await this.transactions.run(async (tx) => {
        await this.repository.clearFailures(tx, emailHash);
        return this.repository.lockedUntil(emailHash, tx);
      });
      if (until) throw locked(until);
      return;
    }
    if (!(await this.countFailure(emailHash))) throw locked(new Date(Date.now() + LOCK_TIME));
    throw wrong();
  }

  private async countFailure(emailHash: string): Promise<boolean> {
    const count = (tx: Tx) => {
      const now = Date.now();
      const [forgetBefore, lockUntil] = [new Date(now - LOCK_TIME), new Date(now + LOCK_TIME)];
      return this.repository.countFailure(tx, emailHash, MAX_FAILURES, forgetBefore, lockUntil);
    };
    try {
      return await this.transactions.run(count);
    } catch (error) {
      // Two first failures at once: the row is there now.
      if (!this.database.dialect.isDuplicate(error)) throw error;
      return this.transactions.run(count);
    }
  }

  private async begin(tx: Tx, user: User, device: string | null): Promise<SignIn> {
    const now = new Date();
    const expiresAt = expiryFrom(now);
    const session = { userId: user.id, device, createdAt: now, lastUsedAt: now, expiresAt, revokedAt: null };
    const sessionId = await this.repository.insertSession(tx, session);
    const refreshToken = this.tokens.newRefresh();
    await this.repository.insertToken(tx, { tokenHash: sha256(refreshToken), sessionId, expiresAt });
    const after = { userId: user.id, device };
    await this.audit.record(tx, { userId: user.id }, { action: 'session.started', subjectId: sessionId, after });
    return this.answer(user, sessionId, refreshToken);
  }

  private answer(user: User, sessionId: number, refreshToken: string): SignIn {
    const accessToken = this.tokens.signAccess({ userId: user.id, sessionId });
    return { accessToken, refreshToken, expiresIn: ACCESS_SECONDS, user, sessionId };
  }

  /** @returns whether there was such a session and it ran */
  private async end(tx: Tx, actor: Actor, id: number, userId: number, cause: EndCause): Promise<boolean> {
    const ended = await this.repository.endSession(tx, id, userId);
    if (ended) await this.audit.record(tx, actor, { action: 'session.ended', subjectId: id, after: { userId, cause } });
    return ended;
  }

  private async rotate(tx: Tx, refreshToken: string, isGenuine: (sessionId: number) => boolean): Promise<Rotation> {
    const tokenHash = sha256(refreshToken);
    const children = this.tokens.childrenOf(refreshToken);
    const now = new Date();
    const token = await this.repository.findToken(tx, tokenHash);
    if (!token?.alive || token.expiresAt <= now) return { kind: 'unknown' };
    if (!isGenuine(token.sessionId)) return { kind: 'forged' };
    if (!token.rotatedAt && (await this.repository.rotateToken(tx, tokenHash, now))) {
      const next = children[0];
      const expiresAt = expiryFrom(now);
      await this.repository.insertToken(tx, { tokenHash: sha256(next), sessionId: token.sessionId, expiresAt });
      await this.repository.useSession(tx, token.sessionId, now, expiresAt);
      return { kind: 'next', refreshToken: next, token };
    }
    // Rotated: long ago, or a moment ago by a call at the same time.
    const rotatedAt = token.rotatedAt ?? now;
    if (now.getTime() - rotatedAt.getTime() <= GRACE) {
      for (const next of children) {
        const child = await this.repository.findToken(tx, sha256(next));
        if (child && !child.rotatedAt) return { kind: 'next', refreshToken: next, token };
      }
    }
    await this.end(tx, null, token.sessionId, token.userId, 'token-reused');
    await this.outbox.add(tx, tokenReused, { userId: token.userId, sessionId: token.sessionId });
    return { kind: 'reused' };
  }
}

const wrongCredentials = () => unauthorized('invalid-credentials', 'The e-mail or the password is wrong.');

const expiryFrom = (now: Date) => new Date(now.getTime() + REFRESH_SECONDS * 1000);

function locked(until: Date): ProblemError {
  const seconds = Math.max(1, Math.ceil((until.getTime() - Date.now()) / 1000));
  const message = 'Too many wrong passwords: the account is locked for some minutes.';
  return new ProblemError('user', 423, 'account-locked', message, undefined, seconds);
}
