import { Server } from '@muster/testing/server';

const PASSWORD = 'an invented passphrase';

describe('lists of users, teams and imports', () => {
  let server: Server;
  beforeAll(async () => {
    server = await Server.start();
    const header = 'name,email,source\n';
    for (let n = 1; n <= 5; n++) {
      const team = await made('/teams', { name: `Team ${n}` });
      const email = `person${n}@example.com`;
      const role = n % 2 ? 'agent' : 'manager';
      await made('/users', { name: `Person ${n}`, email, password: PASSWORD, role, teamId: team.id });
      const target = n % 2 ? 'leads' : 'customers';
      const { body } = await server.upload(header, { target, autoStart: n === 5 ? 'true' : 'false' });
      await server.settled(body.id);
    }
  }, 90_000);
  afterAll(() => server.stop());

  const made = async (path: string, values: object) => {
    const { status, body } = await server.request('POST', path, values);
    expect(status).toBe(201);
    return body;
  };
  /** The ids of all pages, and the totals and page numbers that they said. */
  const walk = async (path: string, query: string) => {
    const [ids, pages]: [number[], number[]] = [[], []];
    const totals = new Set<number>();
    let cursor = '';
    do {
      const { status, body } = await server.request('GET', `${path}?limit=2&${query}${cursor && `&cursor=${cursor}`}`);
      expect(status).toBe(200);
      ids.push(...body.data.map(({ id }: { id: number }) => id));
      pages.push(body.meta.page);
      totals.add(body.meta.total);
      cursor = body.meta.nextCursor;
    } while (cursor);
    expect(pages).toEqual(pages.map((_, index) => index + 1));
    expect([...totals]).toEqual([ids.length]);
    return ids;
  };
  const byNumber = async (path: string, query: string) => {
    const { body } = await server.request('GET', `${path}?limit=100&${query}`);
    expect(body.meta).toEqual({ page: 1, limit: 100, total: body.data.length, nextCursor: null });
    return body.data.map(({ id }: { id: number }) => id) as number[];
  };

  it.each(['/users', '/teams', '/imports', '/csv/logs'])(
    '%s goes by cursor as by number, in any order',
    async (path) => {
      const newest = await byNumber(path, '');
      expect(newest.length).toBeGreaterThanOrEqual(5);
      expect(newest).toEqual(newest.toSorted((a, b) => b - a));
      expect(await walk(path, '')).toEqual(newest);
      expect(await walk(path, 'sort=-createdAt')).toEqual(newest);
      expect(await walk(path, 'sort=createdAt')).toEqual(newest.toReversed());
      const { body } = await server.request('GET', `${path}?limit=2&page=2`);
      expect(body.data.map(({ id }: { id: number }) => id)).toEqual(newest.slice(2, 4));
      expect(body.meta).toMatchObject({ page: 2, limit: 2, total: newest.length });
    },
  );

  it.each(['/users', '/teams'])('%s goes by name', async (path) => {
    const { body } = await server.request('GET', `${path}?sort=name&limit=100`);
    const names = body.data.map(({ name }: { name: string }) => name);
    expect(names).toEqual(names.toSorted());
    const ids = body.data.map(({ id }: { id: number }) => id);
    expect(await walk(path, 'sort=name')).toEqual(ids);
    expect(await walk(path, 'sort=-name')).toEqual(ids.toReversed());
  });

  it('filters users and imports', async () => {
    const read = async (path: string) => (await server.request('GET', path)).body;
    const managers = await read('/users?role=manager&sort=name&limit=1');
    expect(managers.meta.total).toBe(2);
    const second = await read(`/users?role=manager&sort=name&limit=1&cursor=${managers.meta.nextCursor}`);
    expect([...managers.data, ...second.data].map(({ name }) => name)).toEqual(['Person 2', 'Person 4']);
    const { teamId } = managers.data[0];
    expect((await read(`/users?teamId=${teamId}&active=true`)).data.map(({ name }: any) => name)).toEqual(['Person 2']);
    expect((await read(`/users?teamId=${teamId}&active=false`)).data).toEqual([]);
    expect(await walk('/imports', 'target=customers')).toHaveLength(2);
    expect(await walk('/imports', 'status=completed')).toHaveLength(1);
    expect(await walk('/imports', 'status=ready&target=leads')).toHaveLength(2);
    expect(await walk('/imports', 'status=failed')).toEqual([]);
  });

  it('keeps a manager to their team, by cursor too', async () => {
    const token = await server.login('person2@example.com', PASSWORD);
    const read = async (path: string) => (await server.request('GET', path, undefined, token)).body;
    const whole = await server.request('GET', '/users?limit=1');
    const { data, meta } = await read(`/users?limit=1&cursor=${whole.body.meta.nextCursor}`);
    expect([meta.total, data.map(({ name }: any) => name)]).toEqual([1, ['Person 2']]);
    expect((await read('/teams')).data.map(({ name }: any) => name)).toEqual(['Team 2']);
    expect((await read('/imports')).meta.total).toBe(5); // all by the admin
  });

  it.each([
    ...[
      '/users?sort=email',
      '/users?sort=passwordHash',
      '/teams?sort=updatedAt',
      '/imports?sort=name',
      '/teams?role=admin',
    ],
    ...['/imports?status=none', '/imports?target=dataset', '/users?page=0', '/imports?page=1e300', '/teams?limit=101'],
    ...['/users?cursor=a&cursor=b', '/imports?outcome=created', '/users?active=1', '/users?sort='],
  ])('refuses %s', async (path) => {
    const { status, body } = await server.request('GET', path);
    expect([status, body.code]).toEqual([422, 'validation-failed']);
  });

  it('refuses a cursor of another sort or list', async () => {
    const { body } = await server.request('GET', '/users?sort=name&limit=1');
    for (const path of ['/users?sort=-name&', '/users?sort=createdAt&', '/imports?']) {
      const answer = await server.request('GET', `${path}cursor=${body.meta.nextCursor}`);
      expect([path, answer.status, answer.body.code]).toEqual([path, 422, 'cursor-invalid']);
    }
  });
});
