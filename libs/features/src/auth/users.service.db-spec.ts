import { ProblemError } from '@muster/core/errors';
import { Role } from '@muster/core/permissions';
import { Principal } from '@muster/core/principal';
import { buildAuth } from '@muster/testing/auth';
import { openTestDatabase, TestDatabase } from '@muster/testing/database';
import { User } from './auth.entity';

const PASSWORD = 'correct horse battery';
const FIRST_PAGE = { page: 1, limit: 100 };

describe('users and teams', () => {
  let store: TestDatabase;
  let services: ReturnType<typeof buildAuth>;
  let admin: Principal;
  let people = 0;
  beforeAll(async () => {
    store = await openTestDatabase();
    services = buildAuth(store);
    await services.admins.ensureAdmin();
    admin = await services.auth.systemPrincipal();
  });
  afterAll(() => store.close());

  const create = (role: Role, more: Partial<{ teamId: number; email: string; phone: string }> = {}) =>
    services.users.create(
      { name: 'Ada Example', email: `user${++people}@example.com`, password: PASSWORD, role, ...more },
      admin,
      async (_, user) => user,
    );
  const principalOf = ({ id, role, teamId }: User): Principal => ({ userId: id, role, teamId, sessionId: null });
  const login = (user: User) => services.auth.login({ email: user.email, password: PASSWORD });
  const codeOf = async (work: Promise<unknown>) =>
    work.then(
      () => 'accepted',
      (error: ProblemError) => error.code ?? error,
    );

  describe('the first admin', () => {
    it('is made once, by processes that start at once', async () => {
      const empty = await openTestDatabase();
      try {
        const processes = [buildAuth(empty), buildAuth(empty), buildAuth(empty)];
        const made = (await Promise.all(processes.map(({ admins }) => admins.ensureAdmin()))).filter(Boolean);
        expect(made).toHaveLength(1);
        expect(made[0]!.email).toBe('admin@muster.local');
        expect(made[0]!.password).toMatch(/^[A-Za-z2-9]{20}$/);
        expect(await processes[0].admins.ensureAdmin()).toBeNull();
        const signedIn = await processes[1].auth.login({ email: made[0]!.email, password: made[0]!.password! });
        expect(signedIn.user.role).toBe('admin');
      } finally {
        await empty.close();
      }
    });

    it('has the configured e-mail and password, which are not told', async () => {
      const empty = await openTestDatabase();
      try {
        const env = { ADMIN_EMAIL: 'Boss@Example.com', ADMIN_PASSWORD: 'an invented passphrase' };
        const { admins, auth } = buildAuth(empty, env);
        expect(await admins.ensureAdmin()).toEqual({ email: 'boss@example.com', password: null });
        expect((await auth.login({ email: 'boss@example.com', password: env.ADMIN_PASSWORD })).user.role).toBe('admin');
      } finally {
        await empty.close();
      }
    });

    it('needs a password of the right length', async () => {
      expect(await codeOf(services.admins.createAdmin('short@example.com', 'short'))).toBe('validation-failed');
    });
  });

  describe('the last admin', () => {
    it('stays: not deleted, not demoted, not suspended', async () => {
      const { userId } = admin;
      expect(await codeOf(services.users.remove(admin, userId))).toBe('last-admin');
      expect(await codeOf(services.users.update(admin, userId, { role: 'agent' }))).toBe('last-admin');
      expect(await codeOf(services.users.update(admin, userId, { active: false }))).toBe('last-admin');
      expect(await codeOf(services.users.update(admin, userId, { name: 'Another Name' }))).toBe('accepted');
    });

    it('stays when all are demoted at once', async () => {
      for (let round = 0; round < 3; round++) {
        const others = await Promise.all([create('admin'), create('admin'), create('admin'), create('admin')]);
        const ids = [admin.userId, ...others.map(({ id }) => id)];
        const codes = await Promise.all(ids.map((id) => codeOf(services.users.update(admin, id, { role: 'agent' }))));
        expect(codes.sort()).toEqual(['accepted', 'accepted', 'accepted', 'accepted', 'last-admin']);
        admin = await services.auth.systemPrincipal();
      }
    });

    it('is not counted among the suspended', async () => {
      const suspended = await create('admin');
      await services.users.update(admin, suspended.id, { active: false });
      expect(await codeOf(services.users.remove(admin, admin.userId))).toBe('last-admin');
      expect(await codeOf(services.users.remove(admin, suspended.id))).toBe('accepted');
    });
  });

  describe('a user', () => {
    it('loses everything with the next request when suspended, and does not get it back', async () => {
      const user = await create('agent');
      const { accessToken, refreshToken } = await login(user);
      await services.users.update(admin, user.id, { active: false });
      expect(await codeOf(services.auth.authenticate(accessToken))).toBe('session-ended');
      expect(await codeOf(services.auth.refresh(refreshToken))).toBe('refresh-token-invalid');
      expect(await codeOf(login(user))).toBe('account-suspended');
      await services.users.update(admin, user.id, { active: true });
      expect(await codeOf(services.auth.authenticate(accessToken))).toBe('session-ended');
      expect(await codeOf(login(user))).toBe('accepted');
    });

    it('has the new role and team with the next request', async () => {
      const user = await create('manager');
      const team = await services.teams.create(admin, `Team of ${user.email}`);
      const { accessToken } = await login(user);
      await services.users.update(admin, user.id, { role: 'agent', teamId: team.id });
      expect(await services.auth.authenticate(accessToken)).toMatchObject({ role: 'agent', teamId: team.id });
    });

    it('is hidden when deleted, signed out, and the e-mail is free again', async () => {
      const user = await create('agent');
      const { accessToken } = await login(user);
      await services.users.remove(admin, user.id);
      expect(await codeOf(services.auth.authenticate(accessToken))).toBe('session-ended');
      const open = 'SELECT id FROM sessions WHERE user_id = ? AND revoked_at IS NULL';
      expect(await store.database.query(open, [user.id])).toEqual([]);
      expect(await codeOf(login(user))).toBe('invalid-credentials');
      expect(await codeOf(services.users.get(admin, user.id))).toBe('not-found');
      expect(await codeOf(services.users.update(admin, user.id, { active: true }))).toBe('not-found');
      expect(await codeOf(services.users.remove(admin, user.id))).toBe('not-found');
      const { data } = await services.users.list(admin, FIRST_PAGE);
      expect(data.map(({ id }) => id)).not.toContain(user.id);
      expect(await services.auth.userExists(user.id)).toBe(false);
      const next = await create('agent', { email: user.email });
      expect(next.id).not.toBe(user.id);
      expect((await login(next)).user.id).toBe(next.id);
    });

    it('joins the default team, or the named one if there is such', async () => {
      const { data } = await services.teams.list(admin, FIRST_PAGE);
      const standard = data.find(({ isDefault }) => isDefault)!;
      expect((await create('agent')).teamId).toBe(standard.id);
      expect(await codeOf(create('agent', { teamId: 999_999 }))).toBe('team-unknown');
    });

    it('has an e-mail and a phone that can be, in normal form', async () => {
      const user = await create('agent', { email: ' Grace@Example.COM ', phone: '(201) 555-0123' });
      expect(user).toMatchObject({ email: 'grace@example.com', phone: '+12015550123' });
      const attempt = create('agent', { email: 'no address', phone: 'no number' });
      await expect(attempt).rejects.toMatchObject({
        status: 422,
        errors: [
          { field: 'email', code: 'email-invalid' },
          { field: 'phone', code: 'phone-invalid' },
        ],
      });
      const other = await create('agent');
      expect(await codeOf(create('agent', { email: 'GRACE@example.com' }))).toBe('duplicate');
      expect(await codeOf(services.users.update(admin, other.id, { email: 'grace@example.com' }))).toBe('duplicate');
      expect((await services.users.update(admin, user.id, { phone: null })).phone).toBeNull();
    });

    it('is changed under a condition, and not by an empty change', async () => {
      const user = await create('agent');
      const changed = await services.users.update(admin, user.id, { name: 'New Name' }, '"v1"');
      expect(changed.version).toBe(2);
      expect(await codeOf(services.users.update(admin, user.id, { name: 'Newer' }, '"v1"'))).toBe('stale');
      expect((await services.users.update(admin, user.id, { name: 'New Name' })).version).toBe(2);
      expect(await codeOf(services.users.update(admin, user.id, {}))).toBe('empty-patch');
      expect(await codeOf(services.users.remove(admin, user.id, '"v1"'))).toBe('stale');
    });

    it('is signed out by a new password from an admin', async () => {
      const user = await create('agent');
      const { accessToken } = await login(user);
      await services.users.update(admin, user.id, { password: 'another passphrase' });
      expect(await codeOf(services.auth.authenticate(accessToken))).toBe('session-ended');
      expect(await codeOf(login(user))).toBe('invalid-credentials');
    });
  });

  describe('scope', () => {
    it('shows a manager the own team only, and tells foreign and absent users alike', async () => {
      const [red, blue] = [await services.teams.create(admin, 'Red'), await services.teams.create(admin, 'Blue')];
      const manager = await create('manager', { teamId: red.id });
      const mine = await create('agent', { teamId: red.id });
      const foreign = await create('agent', { teamId: blue.id });
      const caller = principalOf(manager);
      const { data, meta } = await services.users.list(caller, FIRST_PAGE);
      expect(data.map(({ id }) => id)).toEqual([mine.id, manager.id]);
      expect(meta.total).toBe(2);
      expect((await services.users.list(caller, { ...FIRST_PAGE, teamId: blue.id })).data).toEqual([]);
      expect((await services.users.list(caller, { ...FIRST_PAGE, role: 'agent' })).data).toHaveLength(1);
      expect(await codeOf(services.users.get(caller, mine.id))).toBe('accepted');
      expect(await codeOf(services.users.get(caller, foreign.id))).toBe('not-found');
      expect(await codeOf(services.users.get(caller, 999_999))).toBe('not-found');
      expect((await services.teams.list(caller, FIRST_PAGE)).data.map(({ id }) => id)).toEqual([red.id]);
      expect(await codeOf(services.teams.get(caller, blue.id))).toBe('not-found');
      expect(await codeOf(services.users.list(principalOf(mine), FIRST_PAGE))).toBe('forbidden');
      expect((await services.users.list({ ...caller, teamId: null }, FIRST_PAGE)).data).toEqual([]);
      expect(await codeOf(services.users.get({ ...caller, teamId: null }, mine.id))).toBe('not-found');
    });

    it('limits to whom records are given', async () => {
      const team = await services.teams.create(admin, 'Green');
      const manager = principalOf(await create('manager', { teamId: team.id }));
      const agent = principalOf(await create('agent', { teamId: team.id }));
      const foreign = principalOf(await create('agent'));
      const suspended = await create('agent', { teamId: team.id });
      await services.users.update(admin, suspended.id, { active: false });
      const may = (principal: Principal, id: number) =>
        codeOf(services.auth.assignableTo(principal, id, 'leads:assign'));
      expect(await may(admin, foreign.userId)).toBe('accepted');
      expect(await may(admin, suspended.id)).toBe('user-unknown');
      expect(await may(admin, 999_999)).toBe('user-unknown');
      expect(await may(manager, agent.userId)).toBe('accepted');
      expect(await may(manager, foreign.userId)).toBe('user-unknown');
      expect(await may({ ...manager, teamId: null }, manager.userId)).toBe('accepted');
      expect(await may(agent, agent.userId)).toBe('accepted');
      expect(await may(agent, manager.userId)).toBe('assign-forbidden');
    });
  });

  describe('a team', () => {
    it('has a name of its own, changed under a condition', async () => {
      const team = await services.teams.create(admin, 'Yellow');
      expect(await codeOf(services.teams.create(admin, 'Yellow'))).toBe('duplicate');
      const renamed = await services.teams.rename(admin, team.id, 'Amber', '"v1"');
      expect(renamed).toMatchObject({ name: 'Amber', version: 2 });
      expect(await codeOf(services.teams.rename(admin, team.id, 'Gold', '"v1"'))).toBe('stale');
      expect(await codeOf(services.teams.rename(admin, team.id, undefined))).toBe('empty-patch');
      expect(await codeOf(services.teams.rename(admin, 999_999, 'Gold'))).toBe('not-found');
    });

    it('goes only when it is empty and not the default', async () => {
      const { data } = await services.teams.list(admin, FIRST_PAGE);
      const standard = data.find(({ isDefault }) => isDefault)!;
      expect(await codeOf(services.teams.remove(admin, standard.id))).toBe('team-default');
      const team = await services.teams.create(admin, 'Violet');
      const member = await create('agent', { teamId: team.id });
      expect(await codeOf(services.teams.remove(admin, team.id))).toBe('team-not-empty');
      await services.users.remove(admin, member.id);
      await services.teams.remove(admin, team.id);
      expect(await codeOf(services.teams.get(admin, team.id))).toBe('not-found');
    });

    it('is never left with a member when both happen at once', async () => {
      for (let round = 0; round < 5; round++) {
        const team = await services.teams.create(admin, `Round ${round}`);
        const member = await create('agent');
        const codes = await Promise.all([
          codeOf(services.teams.remove(admin, team.id)),
          codeOf(services.users.update(admin, member.id, { teamId: team.id })),
        ]);
        expect([
          ['accepted', 'team-unknown'],
          ['team-not-empty', 'accepted'],
        ]).toContainEqual(codes);
      }
    });
  });
});
