import { ProblemError } from '@muster/core/errors';
import { formatTime } from '@muster/platform/database/dialect/dialect';
import { buildAuth } from '@muster/testing/auth';
import { openTestDatabase, TestDatabase } from '@muster/testing/database';
import { Passwords } from './auth.passwords';
import { SignIn } from './auth.service';
import { sha256, Tokens } from './auth.tokens';

const PASSWORD = 'correct horse battery';

describe('sessions', () => {
  let store: TestDatabase;
  let services: ReturnType<typeof buildAuth>;
  let people = 0;
  beforeAll(async () => {
    store = await openTestDatabase();
    services = buildAuth(store);
  });
  afterAll(() => store.close());

  const register = (): Promise<SignIn> =>
    services.auth.register({ name: 'Ada Example', email: `ada${++people}@example.com`, password: PASSWORD });
  const refresh = (token: string) => services.auth.refresh(token);
  const login = (email: string, password = PASSWORD) => services.auth.login({ email, password });
  const codeOf = async (work: Promise<unknown>) =>
    work.then(
      () => 'accepted',
      (error: ProblemError) => error.code ?? error,
    );
  const change = (sql: string, ...params: unknown[]) => store.transactions.run((tx) => tx.query(sql, params));
  const count = async (sql: string, ...params: unknown[]) =>
    Number((await store.database.query<{ n: number }>(sql, params))[0].n);
  const liveLeaves = (signIn: SignIn) =>
    count(
      `SELECT COUNT(*) AS n FROM refresh_tokens t JOIN sessions s ON s.id = t.session_id
       WHERE s.user_id = ? AND s.revoked_at IS NULL AND t.rotated_at IS NULL`,
      signIn.user.id,
    );
  const ageRotation = (token: string, seconds: number) =>
    change(
      'UPDATE refresh_tokens SET rotated_at = ? WHERE token_hash = ?',
      formatTime(new Date(Date.now() - seconds * 1000)),
      sha256(token),
    );

  const auditOf = async (action: string, subjectId: number) => {
    const rows = await store.database.query<{ actor_id: number | null; new_values: string | null }>(
      'SELECT actor_id, new_values FROM audit_log WHERE action = ? AND subject_id = ? ORDER BY id',
      [action, subjectId],
    );
    return rows.map(({ actor_id, new_values }) => ({
      actor: actor_id === null ? null : Number(actor_id),
      now: new_values === null ? null : (JSON.parse(new_values) as object),
    }));
  };

  describe('refresh tokens', () => {
    it('are stored as hashes only', async () => {
      const { refreshToken } = await register();
      expect(await count('SELECT COUNT(*) AS n FROM refresh_tokens WHERE token_hash = ?', refreshToken)).toBe(0);
      expect(await count('SELECT COUNT(*) AS n FROM refresh_tokens WHERE token_hash = ?', sha256(refreshToken))).toBe(
        1,
      );
    });

    it('rotate: each leads to another, in the same session', async () => {
      const first = await register();
      const second = await refresh(first.refreshToken);
      const third = await refresh(second.refreshToken);
      expect(new Set([first.refreshToken, second.refreshToken, third.refreshToken]).size).toBe(3);
      const principals = await Promise.all(
        [first, second, third].map(({ accessToken }) => services.auth.authenticate(accessToken)),
      );
      expect(new Set(principals.map(({ sessionId }) => sessionId)).size).toBe(1);
      expect(await liveLeaves(first)).toBe(1);
    });

    it('give the same next token again within ten seconds', async () => {
      const first = await register();
      const second = await refresh(first.refreshToken);
      await ageRotation(first.refreshToken, 9);
      expect((await refresh(first.refreshToken)).refreshToken).toBe(second.refreshToken);
      expect(await liveLeaves(first)).toBe(1);
    });

    it('end their session when used later than that, and that session alone', async () => {
      const first = await register();
      const elsewhere = await login(first.user.email);
      const second = await refresh(first.refreshToken);
      await ageRotation(first.refreshToken, 11);
      expect(await codeOf(refresh(first.refreshToken))).toBe('refresh-token-invalid');
      expect(await codeOf(refresh(second.refreshToken))).toBe('refresh-token-invalid');
      expect(await codeOf(services.auth.authenticate(second.accessToken))).toBe('session-ended');
      expect(await codeOf(services.auth.authenticate(elsewhere.accessToken))).toBe('accepted');
      expect(await codeOf(refresh(elsewhere.refreshToken))).toBe('accepted');
      const events = await store.database.query<{ payload: string }>(
        `SELECT payload FROM outbox WHERE name = 'session.token-reused'`,
      );
      expect(events.map(({ payload }) => (JSON.parse(payload) as { userId: number }).userId)).toContain(first.user.id);
    });

    it('end their session at once when the next token has been used: its answer was not lost', async () => {
      const first = await register();
      const second = await refresh(first.refreshToken);
      const third = await refresh(second.refreshToken);
      expect(await codeOf(refresh(first.refreshToken))).toBe('refresh-token-invalid');
      expect(await codeOf(refresh(third.refreshToken))).toBe('refresh-token-invalid');
    });

    it('leave one live leaf after 50 refreshes at once', async () => {
      const first = await register();
      const answers = await Promise.all(Array.from({ length: 50 }, () => refresh(first.refreshToken)));
      expect(new Set(answers.map(({ refreshToken }) => refreshToken)).size).toBe(1);
      expect(await liveLeaves(first)).toBe(1);
      expect(await count('SELECT COUNT(*) AS n FROM sessions WHERE user_id = ?', first.user.id)).toBe(1);
      expect(await codeOf(refresh(answers[49].refreshToken))).toBe('accepted');
    });

    it('expire', async () => {
      const first = await register();
      const past = formatTime(new Date(Date.now() - 1));
      await change('UPDATE refresh_tokens SET expires_at = ? WHERE token_hash = ?', past, sha256(first.refreshToken));
      expect(await codeOf(refresh(first.refreshToken))).toBe('refresh-token-invalid');
      await services.auth.prune();
      expect(
        await count('SELECT COUNT(*) AS n FROM refresh_tokens WHERE token_hash = ?', sha256(first.refreshToken)),
      ).toBe(0);
    });

    it('give the same next token again when the secrets are exchanged meanwhile', async () => {
      const using = (...secrets: string[]) => buildAuth(store, {}, new Passwords(), new Tokens(secrets)).auth;
      const [older, newer] = ['an invented secret for tests, 40 letters', 'another invented secret, just as long...'];
      const { refreshToken } = await register();
      const second = await using(older).refresh(refreshToken);
      expect((await using(newer, older).refresh(refreshToken)).refreshToken).toBe(second.refreshToken);
      expect(await codeOf(using(newer).refresh(second.refreshToken))).toBe('accepted');
    });

    it('are refused when nobody gave them out', async () => {
      expect(await codeOf(refresh('bm9ib2R5'))).toBe('refresh-token-invalid');
    });
  });

  describe('wrong passwords', () => {
    const wrong = (email: string) => codeOf(login(email, 'wrong password'));
    const expireLock = (email: string) =>
      change(
        'UPDATE login_failures SET locked_until = ? WHERE email_hash = ?',
        formatTime(new Date(Date.now() - 1)),
        sha256(email),
      );

    it('lock the account after five, also for the right one, known address or not', async () => {
      const { user } = await register();
      for (const email of [user.email, 'nobody@example.com', 'no address']) {
        for (let n = 0; n < 5; n++) expect(await wrong(email)).toBe('invalid-credentials');
        expect(await wrong(email)).toBe('account-locked');
        expect(await codeOf(login(email))).toBe('account-locked');
      }
      expect(await codeOf(login(user.email.toUpperCase()))).toBe('account-locked');
      await expect(login(user.email)).rejects.toMatchObject({ status: 423, retryAfter: expect.any(Number) as number });
    });

    it('unlock when the time is over, and count anew', async () => {
      const { user } = await register();
      for (let n = 0; n < 6; n++) await wrong(user.email);
      await expireLock(user.email);
      for (let n = 0; n < 5; n++) expect(await wrong(user.email)).toBe('invalid-credentials');
      expect(await wrong(user.email)).toBe('account-locked');
      await expireLock(user.email);
      expect(await codeOf(login(user.email))).toBe('accepted');
    });

    it('are forgotten after a right one, and after a quarter of an hour', async () => {
      const { user } = await register();
      for (let n = 0; n < 4; n++) await wrong(user.email);
      expect(await codeOf(login(user.email))).toBe('accepted');
      for (let n = 0; n < 4; n++) expect(await wrong(user.email)).toBe('invalid-credentials');
      const past = formatTime(new Date(Date.now() - 16 * 60_000));
      await change('UPDATE login_failures SET updated_at = ? WHERE email_hash = ?', past, sha256(user.email));
      for (let n = 0; n < 5; n++) expect(await wrong(user.email)).toBe('invalid-credentials');
      expect(await wrong(user.email)).toBe('account-locked');
    });

    it('tell at most five times that they are wrong, however many come at once', async () => {
      const { user } = await register();
      const codes = await Promise.all(Array.from({ length: 20 }, () => wrong(user.email)));
      expect(codes.filter((code) => code === 'invalid-credentials')).toHaveLength(5);
      expect(codes.filter((code) => code === 'account-locked')).toHaveLength(15);
    });

    it('lock out the right one that was being checked meanwhile', async () => {
      const { user } = await register();
      class Slow extends Passwords {
        override async fits(hash: string | null, password: string): Promise<boolean> {
          const fits = await super.fits(hash, password);
          for (let n = 0; n < 5; n++) await wrong(user.email);
          return fits;
        }
      }
      const slow = buildAuth(store, {}, new Slow());
      expect(await codeOf(slow.auth.login({ email: user.email, password: PASSWORD }))).toBe('account-locked');
    });

    it('cost one check of a hash, whoever is asked for, and none while locked', async () => {
      const [known, suspended] = [await register(), await register()];
      await change('UPDATE users SET active = 0 WHERE id = ?', suspended.user.id);
      const checked: (string | null)[] = [];
      class Counting extends Passwords {
        override fits(hash: string | null, password: string): Promise<boolean> {
          checked.push(hash);
          return super.fits(hash, password);
        }
      }
      const counting = buildAuth(store, {}, new Counting());
      for (const email of [known.user.email, suspended.user.email, 'unknown@example.com', 'unknown@@', '']) {
        checked.length = 0;
        const attempt = () => codeOf(counting.auth.login({ email, password: 'wrong password' }));
        expect([email, await attempt(), checked.length]).toEqual([email, 'invalid-credentials', 1]);
        for (let n = 1; n < 5; n++) await attempt();
        expect([email, await attempt(), checked.length]).toEqual([email, 'account-locked', 5]);
      }
    });

    it('are forgotten when an admin says so', async () => {
      const { user } = await register();
      const admin = await services.admins.createAdmin(`admin${++people}@example.com`, PASSWORD);
      const principal = { userId: admin.id, role: admin.role, teamId: admin.teamId, sessionId: null };
      for (let n = 0; n < 6; n++) await wrong(user.email);
      expect(await codeOf(login(user.email))).toBe('account-locked');
      await services.auth.unlock(principal, user.id);
      await services.auth.unlock(principal, user.id);
      expect(await codeOf(login(user.email))).toBe('accepted');
      expect(await auditOf('user.unlocked', user.id)).toEqual([{ actor: admin.id, now: null }]);
      expect(await codeOf(services.auth.unlock(principal, 999_999))).toBe('not-found');
    });

    it('do not lock out right ones at once', async () => {
      const { user } = await register();
      const codes = await Promise.all(Array.from({ length: 12 }, () => codeOf(login(user.email))));
      expect(codes).toEqual(Array.from({ length: 12 }, () => 'accepted'));
    });

    it('count when the password is changed, too', async () => {
      const { accessToken } = await register();
      const principal = await services.auth.authenticate(accessToken);
      const attempt = () =>
        codeOf(services.auth.changePassword(principal, { currentPassword: 'wrong', newPassword: 'new password' }));
      for (let n = 0; n < 5; n++) expect(await attempt()).toBe('current-password-wrong');
      expect(await attempt()).toBe('account-locked');
    });
  });

  it('do not begin with a password that was changed while it was being checked', async () => {
    const { user, accessToken } = await register();
    const principal = await services.auth.authenticate(accessToken);
    class Slow extends Passwords {
      override async fits(hash: string | null, password: string): Promise<boolean> {
        const fits = await super.fits(hash, password);
        await services.users.update(principal, user.id, { password: 'a new passphrase' });
        return fits;
      }
    }
    const slow = buildAuth(store, {}, new Slow());
    expect(await codeOf(slow.auth.login({ email: user.email, password: PASSWORD }))).toBe('invalid-credentials');
  });

  it('are audited: who began and ended them, and never a token', async () => {
    const [first, thief] = [await register(), await register()];
    const userId = first.user.id;
    const second = await services.auth.login({ email: first.user.email, password: PASSWORD, device: 'Telephone' });
    expect(await auditOf('session.started', first.sessionId)).toEqual([
      { actor: userId, now: { userId, device: null } },
    ]);
    expect(await auditOf('session.started', second.sessionId)).toEqual([
      { actor: userId, now: { userId, device: 'Telephone' } },
    ]);
    const principal = await services.auth.authenticate(first.accessToken);
    await services.auth.endSession(principal, second.sessionId);
    await services.auth.logout(principal, {});
    await services.auth.logout(principal, {});
    const ended = (cause: string) => [{ actor: userId, now: { userId, cause } }];
    expect(await auditOf('session.ended', second.sessionId)).toEqual(ended('revoked'));
    expect(await auditOf('session.ended', first.sessionId)).toEqual(ended('logout'));
    await refresh(thief.refreshToken);
    await ageRotation(thief.refreshToken, 11);
    await codeOf(refresh(thief.refreshToken));
    expect(await auditOf('session.ended', thief.sessionId)).toEqual([
      { actor: null, now: { userId: thief.user.id, cause: 'token-reused' } },
    ]);
    const rows = JSON.stringify(await store.database.query('SELECT * FROM audit_log'));
    for (const { refreshToken, accessToken } of [first, second, thief]) {
      for (const secret of [refreshToken, sha256(refreshToken), accessToken]) expect(rows).not.toContain(secret);
    }
  });

  it('are not refreshed by a request that is not genuine, and live on', async () => {
    const { refreshToken, sessionId } = await register();
    const asked: number[] = [];
    const forged = services.auth.refresh(refreshToken, (session) => asked.push(session) === 0);
    expect(await codeOf(forged)).toBe('csrf-invalid');
    expect(asked).toEqual([sessionId]);
    const second = await services.auth.refresh(refreshToken, () => true);
    await ageRotation(refreshToken, 11);
    expect(await codeOf(services.auth.refresh(refreshToken, () => false))).toBe('csrf-invalid');
    expect(await codeOf(refresh(second.refreshToken))).toBe('accepted');
  });

  it('end, all but one, when the password changes', async () => {
    const here = await register();
    const there = await login(here.user.email);
    const principal = await services.auth.authenticate(here.accessToken);
    await services.auth.changePassword(principal, { currentPassword: PASSWORD, newPassword: 'a new passphrase' });
    expect(await codeOf(services.auth.authenticate(there.accessToken))).toBe('session-ended');
    expect(await codeOf(refresh(there.refreshToken))).toBe('refresh-token-invalid');
    expect(await codeOf(refresh(here.refreshToken))).toBe('accepted');
    expect(await codeOf(login(here.user.email))).toBe('invalid-credentials');
    expect(await codeOf(login(here.user.email, 'a new passphrase'))).toBe('accepted');
  });

  it('end by logout: this one, the one of a token, or all; never those of others', async () => {
    const [other, first] = [await register(), await register()];
    const [second, third] = [await login(first.user.email), await login(first.user.email)];
    const principal = await services.auth.authenticate(first.accessToken);
    const alive = async () =>
      Promise.all(
        [first, second, third, other].map(async ({ accessToken }) =>
          codeOf(services.auth.authenticate(accessToken)).then((code) => code === 'accepted'),
        ),
      );
    await services.auth.logout(principal, { refreshToken: second.refreshToken });
    expect(await alive()).toEqual([true, false, true, true]);
    await services.auth.logout(principal, { refreshToken: other.refreshToken });
    expect(await alive()).toEqual([false, false, true, true]);
    await services.auth.logout(principal, { allDevices: true });
    expect(await alive()).toEqual([false, false, false, true]);
  });

  it('are listed and ended by their owner only', async () => {
    const [mine, theirs] = [await register(), await register()];
    await login(mine.user.email);
    const principal = await services.auth.authenticate(mine.accessToken);
    const stranger = await services.auth.authenticate(theirs.accessToken);
    const { data, meta } = await services.auth.sessions(principal, 1, 20);
    expect(meta.total).toBe(2);
    expect(data.map(({ userId }) => userId)).toEqual([mine.user.id, mine.user.id]);
    expect(await codeOf(services.auth.endSession(stranger, data[0].id))).toBe('not-found');
    await services.auth.endSession(principal, data[0].id);
    expect(await codeOf(services.auth.endSession(principal, data[0].id))).toBe('not-found');
    expect((await services.auth.sessions(principal, 1, 20)).meta.total).toBe(1);
  });

  it('are not opened by registration when it is closed', async () => {
    const closed = buildAuth(store, { AUTH_REGISTRATION: 'closed' });
    const attempt = closed.auth.register({ name: 'Ada', email: 'late@example.com', password: PASSWORD });
    expect(await codeOf(attempt)).toBe('registration-closed');
  });

  it('give one of two registrations at once the address', async () => {
    const twice = ['Race@example.com', 'race@Example.com'].map((email) =>
      codeOf(services.auth.register({ name: 'Ada', email, password: PASSWORD })),
    );
    expect((await Promise.all(twice)).sort()).toEqual(['accepted', 'duplicate']);
  });
});
