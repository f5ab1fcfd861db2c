import { Principal } from '@muster/core/principal';
import { withRequestId } from '@muster/platform/observability/request-context';
import { buildAudit } from '@muster/testing/audit';
import { buildAuth } from '@muster/testing/auth';
import { openTestDatabase, TestDatabase } from '@muster/testing/database';
import { ListAuditQuery } from './audit.dto';
import { Actor, AuditService, Mutation } from './audit.service';

describe('the audit log', () => {
  let store: TestDatabase;
  let audit: AuditService;
  let services: ReturnType<typeof buildAuth>;
  let admin: Principal;

  beforeAll(async () => {
    store = await openTestDatabase();
    audit = buildAudit(store);
    services = buildAuth(store);
    await services.admins.ensureAdmin();
    admin = await services.auth.systemPrincipal();
  });
  afterAll(() => store.close());

  const record = (actor: Actor, mutation: Mutation) =>
    store.transactions.run((tx) => audit.record(tx, actor, mutation));
  const list = (query: Partial<ListAuditQuery> = {}) => audit.list(Object.assign(new ListAuditQuery(), query));
  const total = async (query: Partial<ListAuditQuery> = {}) => (await list(query)).meta.total;
  const note = (subjectId: number, actor: Actor = null, action: Mutation['action'] = 'page.made') =>
    record(actor, { action, subjectId, after: { subjectId } });

  it('keeps who did what, from where, in which request', async () => {
    const actor = { userId: admin.userId, apiKeyId: 7 };
    await withRequestId(
      'request-1',
      () =>
        record(actor, {
          action: 'thing.updated',
          subjectId: 5,
          before: { name: 'old', tags: [], token: 'x1', updatedAt: new Date(0) },
          after: { name: 'new', tags: [], token: 'x2', updatedAt: new Date(1) },
        }),
      '192.0.2.7',
    );
    const { data } = await list({ requestId: 'request-1' });
    expect(data).toEqual([
      {
        id: expect.any(Number),
        occurredAt: expect.any(Date),
        actorId: admin.userId,
        actorName: 'Administrator',
        apiKeyId: 7,
        action: 'thing.updated',
        subjectType: 'thing',
        subjectId: 5,
        before: { name: 'old', token: '[redacted]' },
        after: { name: 'new', token: '[redacted]' },
        requestId: 'request-1',
        address: '192.0.2.7',
      },
    ]);
    expect(await audit.get(data[0].id)).toEqual(data[0]);
    await expect(audit.get(999_999)).rejects.toMatchObject({ status: 404 });
  });

  it('keeps no address that is none, however long', async () => {
    for (const address of ['not an address', 'a'.repeat(5000), `fe80::1%${'a'.repeat(50)}`]) {
      await withRequestId('request-2', () => note(1), address);
    }
    expect((await list({ requestId: 'request-2' })).data.map(({ address }) => address)).toEqual([null, null, null]);
  });

  it('takes the longest values that there are', async () => {
    const text = '字'.repeat(200_000);
    await withRequestId('x'.repeat(100), () =>
      record(admin, { action: 'long.made', subjectId: Number.MAX_SAFE_INTEGER, after: { text } }),
    );
    const [entry] = (await list({ action: 'long.made' })).data;
    expect(entry).toMatchObject({ subjectId: Number.MAX_SAFE_INTEGER, after: { text } });
  });

  it('says that the program itself made the first admin, and whom a registration made', async () => {
    const [first] = (await list({ action: 'user.created', sort: 'occurredAt' })).data;
    expect(first).toMatchObject({ actorId: null, actorName: null, subjectId: admin.userId, before: null });
    const person = { name: 'Ada Example', email: 'ada@example.com', password: 'correct horse battery' };
    const { user } = await services.auth.register(person);
    const [entry] = (await list({ action: 'user.created' })).data;
    expect(entry).toMatchObject({ actorId: user.id, subjectId: user.id, after: { email: 'ada@example.com' } });
  });

  describe('is part of the mutation', () => {
    it('so that one that is taken back leaves no entry', async () => {
      const before = await total();
      const work = store.transactions.run(async (tx) => {
        await audit.record(tx, admin, { action: 'thing.made', subjectId: 1, after: {} });
        throw new Error('stop');
      });
      await expect(work).rejects.toThrow('stop');
      await services.teams.create(admin, 'Red');
      await expect(services.teams.create(admin, 'Red')).rejects.toMatchObject({ code: 'duplicate' });
      expect(await total()).toBe(before + 1);
    });

    it('and one whose entry cannot be written is taken back', async () => {
      const rename = (from: string, to: string) => store.database.writer.query(`ALTER TABLE ${from} RENAME TO ${to}`);
      const teams = async () => (await services.teams.list(admin, {})).meta.total;
      const before = await teams();
      await rename('audit_log', 'audit_log_away');
      try {
        await expect(services.teams.create(admin, 'Blue')).rejects.toThrow(/audit_log/);
      } finally {
        await rename('audit_log_away', 'audit_log');
      }
      expect(await teams()).toBe(before);
      await services.teams.create(admin, 'Blue');
      expect(await teams()).toBe(before + 1);
    });
  });

  it.each([
    ['UPDATE', `UPDATE audit_log SET action = 'x.y'`],
    ['an UPDATE that changes nothing', 'UPDATE audit_log SET action = action'],
    ['DELETE', 'DELETE FROM audit_log'],
    [
      'REPLACE',
      `REPLACE INTO audit_log (id, occurred_at, action, subject_type) SELECT id, occurred_at, 'x.y', 'x' FROM audit_log`,
    ],
  ])('is append-only: the store refuses %s', async (_, sql) => {
    const dump = () => store.database.query('SELECT * FROM audit_log ORDER BY id');
    const before = await dump();
    expect(before.length).toBeGreaterThan(0);
    await expect(store.transactions.run((tx) => tx.query(sql))).rejects.toThrow(/append-only/);
    expect(await dump()).toEqual(before);
  });

  describe('lists', () => {
    it('filter by each property, and by all together', async () => {
      const key = { userId: admin.userId, apiKeyId: 42 };
      const start = new Date();
      await note(71, admin, 'filter.made');
      await note(72, key, 'filter.made');
      await withRequestId('request-3', () => note(72, key, 'filter.ended'));
      const subjects = async (query: Partial<ListAuditQuery>) =>
        (await list({ subjectType: 'filter', sort: 'occurredAt', ...query })).data.map(
          ({ action, subjectId }) => `${action} ${subjectId}`,
        );
      const all = ['filter.made 71', 'filter.made 72', 'filter.ended 72'];
      expect(await subjects({})).toEqual(all);
      expect(await subjects({ actorId: admin.userId })).toEqual(all);
      expect(await subjects({ actorId: 999_999 })).toEqual([]);
      expect(await subjects({ apiKeyId: 42 })).toEqual(all.slice(1));
      expect(await subjects({ action: 'filter.made' })).toEqual(all.slice(0, 2));
      expect(await subjects({ action: 'filter' })).toEqual([]);
      expect(await subjects({ subjectId: 72 })).toEqual(all.slice(1));
      expect(await subjects({ requestId: 'request-3' })).toEqual(all.slice(2));
      expect(await subjects({ from: start.toISOString() })).toEqual(all);
      expect(await subjects({ to: new Date(start.getTime() - 1).toISOString() })).toEqual([]);
      const one = { apiKeyId: 42, action: 'filter.ended', subjectId: 72, requestId: 'request-3' };
      expect(await subjects({ ...one, actorId: admin.userId, from: start.toISOString() })).toEqual(all.slice(2));
    });

    it('go by cursor to the end, in both directions, while entries are added', async () => {
      for (let n = 1; n <= 7; n++) await note(n, null, 'cursor.made');
      for (const [sort, expected] of [
        ['-occurredAt', [7, 6, 5, 4, 3, 2, 1]],
        ['occurredAt', [1, 2, 3, 4, 5, 6, 7]],
      ] as const) {
        const seen: (number | null)[] = [];
        let cursor: string | undefined;
        do {
          const { data, meta } = await list({ action: 'cursor.made', sort, limit: 3, cursor });
          expect(meta.total).toBe(7);
          seen.push(...data.map(({ subjectId }) => subjectId));
          cursor = meta.nextCursor ?? undefined;
          await note(1, null, 'other.made');
        } while (cursor);
        expect(seen).toEqual(expected);
      }
      const second = await list({ action: 'cursor.made', page: 2, limit: 3 });
      expect(second.data.map(({ subjectId }) => subjectId)).toEqual([4, 3, 2]);
    });

    it('find their entries by an index', async () => {
      const sqlite = store.database.dialect.flavor === 'sqlite';
      const filters = {
        ix_audit_log_actor: 'actor_id = 1',
        ix_audit_log_key: 'api_key_id = 1',
        ix_audit_log_action: `action = 'a.b'`,
        ix_audit_log_subject: `subject_type = 'a' AND subject_id = 1`,
        ix_audit_log_type: `subject_type = 'a'`,
        ix_audit_log_request: `request_id = 'a'`,
      };
      for (const [index, filter] of Object.entries(filters)) {
        const sql = `SELECT id FROM audit_log WHERE ${filter} ORDER BY occurred_at DESC, id DESC LIMIT 20`;
        const plan = JSON.stringify(await store.database.query(`EXPLAIN ${sqlite ? 'QUERY PLAN' : ''} ${sql}`));
        expect(plan).toContain(index);
        if (sqlite) expect(plan).not.toContain('TEMP B-TREE');
      }
    });
  });
});
