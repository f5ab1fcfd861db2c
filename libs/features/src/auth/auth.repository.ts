import { Injectable } from '@nestjs/common';
import { Role } from '@muster/core/permissions';
import { Principal } from '@muster/core/principal';
import { Database } from '@muster/platform/database/database';
import { formatTime, parseTime } from '@muster/platform/database/dialect/dialect';
import { Gathered } from '@muster/platform/database/gathered';
import { SqlCondition } from '@muster/platform/database/record-table';
import { Tx } from '@muster/platform/database/transactions';
import { RefreshToken, Session } from './auth.entity';
import { AccessClaims } from './auth.tokens';

/** A refresh token with what decides whether it is still good. */
export interface StoredToken {
  sessionId: number;
  userId: number;
  expiresAt: Date;
  rotatedAt: Date | null;
  /** The session runs on and the user is active. */
  alive: boolean;
}

interface TokenRow {
  session_id: number;
  user_id: number;
  expires_at: Date | string;
  rotated_at: Date | string | null;
  revoked_at: Date | string | null;
  active: number;
}

/** A session and its user. */
interface SessionRow {
  id: number;
  user_id: number;
  role: Role;
  team_id: number | null;
}

const ALIVE: SqlCondition = { sql: 's.revoked_at IS NULL AND u.active = 1', params: [] };

/** All SQL on sessions, refresh tokens and wrong passwords. */
@Injectable()
export class AuthRepository {
  private readonly sessions: Gathered<SessionRow>;

  constructor(private readonly database: Database) {
    this.sessions = new Gathered(
      database,
      'SELECT s.id, s.user_id, u.role, u.team_id FROM sessions s JOIN users u ON u.id = s.user_id',
      's.id',
    );
  }

  /** The principal of a session that runs on, of a user who is active. */
  async principalOf({ userId, sessionId }: AccessClaims): Promise<Principal | null> {
    const row = await this.sessions.find(sessionId, ALIVE);
    if (!row || Number(row.user_id) !== userId) return null;
    return { userId, sessionId, role: row.role, teamId: row.team_id === null ? null : Number(row.team_id) };
  }

  async insertSession(tx: Tx, session: Omit<Session, 'id'>): Promise<number> {
    const { identifiers } = await tx.manager.getRepository<Session>('sessions').insert(session);
    return Number(identifiers[0].id);
  }

  async useSession(tx: Tx, id: number, lastUsedAt: Date, expiresAt: Date): Promise<void> {
    await tx.manager.getRepository<Session>('sessions').update(id, { lastUsedAt, expiresAt });
  }

  /** The user's sessions that run on, the last used first. */
  async sessionPage(userId: number, offset: number, limit: number): Promise<{ rows: Session[]; total: number }> {
    const now = formatTime(new Date());
    const [rows, total] = await this.database.read
      .getRepository<Session>('sessions')
      .createQueryBuilder('sessions')
      .where('sessions.userId = :userId AND sessions.revokedAt IS NULL AND sessions.expiresAt > :now', { userId, now })
      .orderBy('sessions.lastUsedAt', 'DESC')
      .addOrderBy('sessions.id', 'DESC')
      .offset(offset)
      .limit(limit)
      .getManyAndCount();
    return { rows, total };
  }

  /** @returns whether there was such a session and it ran */
  async endSession(tx: Tx, id: number, userId: number): Promise<boolean> {
    const { affected } = await tx.query(
      'UPDATE sessions SET revoked_at = ? WHERE id = ? AND user_id = ? AND revoked_at IS NULL',
      [formatTime(new Date()), id, userId],
    );
    return affected > 0;
  }

  /** Ends the user's sessions, all or all but one. @returns how many ran */
  async endSessions(tx: Tx, userId: number, except: number | null): Promise<number> {
    const { affected } = await tx.query(
      'UPDATE sessions SET revoked_at = ? WHERE user_id = ? AND revoked_at IS NULL AND id <> ?',
      [formatTime(new Date()), userId, except ?? 0],
    );
    return affected;
  }

  async insertToken(tx: Tx, token: Omit<RefreshToken, 'rotatedAt'>): Promise<void> {
    await tx.manager.getRepository<RefreshToken>('refresh_tokens').insert({ ...token, rotatedAt: null });
  }

  /** Marks a token as rotated, if nobody else has. @returns whether it was this call */
  async rotateToken(tx: Tx, tokenHash: string, at: Date): Promise<boolean> {
    const { affected } = await tx.query(
      'UPDATE refresh_tokens SET rotated_at = ? WHERE token_hash = ? AND rotated_at IS NULL',
      [formatTime(at), tokenHash],
    );
    return affected === 1;
  }

  async findToken(tx: Tx, tokenHash: string): Promise<StoredToken | null> {
    const { rows } = await tx.query<TokenRow>(
      `SELECT t.session_id, t.expires_at, t.rotated_at, s.user_id, s.revoked_at, u.active
       FROM refresh_tokens t JOIN sessions s ON s.id = t.session_id JOIN users u ON u.id = s.user_id
       WHERE t.token_hash = ?`,
      [tokenHash],
    );
    const row = rows[0];
    if (!row) return null;
    return {
      sessionId: Number(row.session_id),
      userId: Number(row.user_id),
      expiresAt: parseTime(row.expires_at),
      rotatedAt: row.rotated_at === null ? null : parseTime(row.rotated_at),
      alive: row.revoked_at === null && Number(row.active) === 1,
    };
  }

  /** Until when the address is locked; null when it is not. */
  async lockedUntil(emailHash: string, reader: Pick<Tx, 'query'> | null = null): Promise<Date | null> {
    const sql = 'SELECT locked_until FROM login_failures WHERE email_hash = ? AND locked_until > ?';
    const params = [emailHash, formatTime(new Date())];
    const rows = reader
      ? (await reader.query<{ locked_until: Date | string }>(sql, params)).rows
      : await this.database.query<{ locked_until: Date | string }>(sql, params);
    return rows[0] ? parseTime(rows[0].locked_until) : null;
  }

  /**
   * Counts a wrong password, unless the address is locked already. Failures before `forgetBefore`, and those that led to a
   * lock that has ended, do not count any more.
   * @returns false when it is locked
   */
  async countFailure(tx: Tx, emailHash: string, limit: number, forgetBefore: Date, lockUntil: Date): Promise<boolean> {
    const now = formatTime(new Date());
    // One statement, so that failures at the same time are all counted. The lock is worked out before the count: MySQL
    // takes assignments in order, and each sees the ones before it.
    const { affected } = await tx.query(
      `UPDATE login_failures SET
         locked_until = CASE WHEN locked_until IS NULL AND updated_at > ? AND failures + 1 >= ? THEN ? ELSE NULL END,
         failures = CASE WHEN updated_at > ? AND failures < ? THEN failures + 1 ELSE 1 END,
         updated_at = ?
       WHERE email_hash = ? AND (locked_until IS NULL OR locked_until <= ?)`,
      [formatTime(forgetBefore), limit, formatTime(lockUntil), formatTime(forgetBefore), limit, now, emailHash, now],
    );
    if (affected > 0) return true;
    const { rows } = await tx.query('SELECT 1 FROM login_failures WHERE email_hash = ?', [emailHash]);
    if (rows.length > 0) return false;
    await tx.query('INSERT INTO login_failures (email_hash, failures, updated_at) VALUES (?, 1, ?)', [emailHash, now]);
    return true;
  }

  /** Forgets the wrong passwords before a right one, unless they have locked the address. */
  async clearFailures(tx: Tx, emailHash: string): Promise<void> {
    await tx.query('DELETE FROM login_failures WHERE email_hash = ? AND (locked_until IS NULL OR locked_until <= ?)', [
      emailHash,
      formatTime(new Date()),
    ]);
  }

  /** Forgets the wrong passwords, and with them the lock. @returns whether there were any */
  async unlock(tx: Tx, emailHash: string): Promise<boolean> {
    const { affected } = await tx.query('DELETE FROM login_failures WHERE email_hash = ?', [emailHash]);
    return affected > 0;
  }

  /** Removes what nobody can use any more. */
  async prune(tx: Tx, failuresBefore: Date): Promise<void> {
    const now = formatTime(new Date());
    await tx.query('DELETE FROM refresh_tokens WHERE expires_at < ?', [now]);
    await tx.query('DELETE FROM sessions WHERE expires_at < ?', [now]);
    await tx.query('DELETE FROM login_failures WHERE updated_at < ?', [formatTime(failuresBefore)]);
  }
}
