import { Server } from '@muster/testing/server';

const PASSWORD = 'a long enough passphrase';

/** People, groups and numbers are invented. */
describe('groups over HTTP', () => {
  let server: Server;
  let manager: { id: number; teamId: number; token: string };
  let agent: { id: number; token: string };
  let stranger: { id: number; token: string };

  const join = async (role: string, teamId?: number) => {
    const email = `${role}${++count}@example.com`;
    const input = { name: 'Some Body', email, password: PASSWORD, role, ...(teamId ? { teamId } : {}) };
    const { status, body } = await server.request('POST', '/users', input);
    expect(status).toBe(201);
    const token = await server.login(email, PASSWORD);
    return { id: body.id as number, teamId: body.teamId as number, token };
  };
  beforeAll(async () => {
    server = await Server.start();
    manager = await join('manager');
    agent = await join('agent');
    const team = await server.request('POST', '/teams', { name: 'Another team' });
    stranger = await join('manager', team.body.id as number);
  }, 90_000);
  afterAll(() => server.stop());

  let count = 0;
  const call = (method: string, path: string, body?: unknown, token?: string, headers?: Record<string, string>) =>
    server.request(method, `/groups${path}`, body, token ?? manager.token, headers);
  const make = async (values: object = {}, token = manager.token) => {
    const { status, body } = await call('POST', '', { name: `Group ${++count}`, ...values }, token);
    expect(status).toBe(201);
    return body;
  };
  const record = async (noun: 'leads' | 'customers', token = manager.token): Promise<number> => {
    const named = noun === 'leads' ? { name: 'Ada Example', source: 'web' } : { fullName: 'Ada Example' };
    const { status, body } = await server.request(
      'POST',
      `/${noun}`,
      { ...named, email: `person${++count}@example.com` },
      token,
    );
    expect(status).toBe(201);
    return body.id as number;
  };

  it('makes a group and says where it is', async () => {
    const { status, headers, body } = await call('POST', '', { name: 'VIPs', description: 'Who matters' });
    expect(status).toBe(201);
    expect(headers.get('location')).toBe(`/api/v1/groups/${body.id}`);
    expect(headers.get('etag')).toBe('"v1"');
    expect(body).toEqual({
      ...{ id: expect.any(Number), name: 'VIPs', description: 'Who matters', teamId: manager.teamId },
      ...{ customerCount: 0, leadCount: 0, createdBy: manager.id },
      createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      updatedAt: expect.any(String),
    });
    const read = await call('GET', `/${body.id}`);
    expect([read.status, read.headers.get('etag'), read.body]).toEqual([200, '"v1"', body]);
    const again = await call('POST', '', { name: ' vips' });
    expect([again.status, again.body.code, again.body.errors[0].existingId]).toEqual([409, 'duplicate', body.id]);
  });

  it('replaces and deletes by version', async () => {
    const { id, name } = await make({ description: 'old' });
    const changed = await call('PUT', `/${id}`, { name }, undefined, { 'if-match': '"v1"' });
    expect([changed.status, changed.headers.get('etag'), changed.body.description]).toEqual([200, '"v2"', null]);
    const stale = await call('DELETE', `/${id}`, undefined, undefined, { 'if-match': '"v1"' });
    expect([stale.status, stale.body.code]).toEqual([412, 'stale']);
    const deleted = await call('DELETE', `/${id}`, undefined, undefined, { 'if-match': '"v2"' });
    expect([deleted.status, deleted.body]).toEqual([204, '']);
    for (const method of ['GET', 'DELETE']) expect((await call(method, `/${id}`)).status).toBe(404);
  });

  it('puts records in and takes them out, by a body also on DELETE', async () => {
    const { id } = await make();
    const [leadIds, customerIds] = [[await record('leads'), await record('leads')], [await record('customers')]];
    const path = `/${id}/members`;
    const missing = [{ noun: 'leads', id: 987_654 }];
    const added = await call('POST', path, { leadIds: [...leadIds, 987_654], customerIds });
    expect([added.status, added.body]).toEqual([200, { added: 3, alreadyMembers: 0, notFound: missing }]);
    expect((await call('POST', path, { leadIds })).body).toEqual({ added: 0, alreadyMembers: 2, notFound: [] });
    expect((await call('GET', `/${id}`)).body).toMatchObject({ leadCount: 2, customerCount: 1 });
    const removed = await call('DELETE', path, { leadIds: [leadIds[0], 987_654] });
    expect([removed.status, removed.body]).toEqual([200, { removed: 1, notMembers: 0, notFound: missing }]);
    expect((await call('DELETE', path, { leadIds })).body).toEqual({ removed: 1, notMembers: 1, notFound: [] });
    expect((await call('GET', `/${id}`)).body).toMatchObject({ leadCount: 0, customerCount: 1 });
    expect((await call('DELETE', `/${id}`)).status).toBe(204);
    const kept = await server.request('GET', `/customers/${customerIds[0]}`, undefined, manager.token);
    expect(kept.status).toBe(200);
  });

  it('takes 1,000 records in one call, and no more', async () => {
    const { id } = await make();
    const ids = Array.from({ length: 1_001 }, (_, index) => 5_000_000 + index);
    const most = await call('POST', `/${id}/members`, { leadIds: ids.slice(0, 400), customerIds: ids.slice(0, 600) });
    expect([most.status, most.body.added, most.body.notFound.length]).toEqual([200, 0, 1_000]);
    for (const method of ['POST', 'DELETE']) {
      const one = await call(method, `/${id}/members`, { leadIds: ids });
      expect([one.status, one.body.code]).toEqual([422, 'validation-failed']);
      const both = await call(method, `/${id}/members`, { leadIds: ids.slice(0, 500), customerIds: ids.slice(0, 501) });
      expect([both.status, both.body.code]).toEqual([422, 'too-many-members']);
    }
  });

  it.each([
    ['nothing', undefined, 422, 'members-missing'],
    ['no list', {}, 422, 'members-missing'],
    ['an empty list', { leadIds: [] }, 422, 'validation-failed'],
    ['null', { leadIds: null }, 422, 'validation-failed'],
    ['a text', { leadIds: '1' }, 422, 'validation-failed'],
    ['texts', { leadIds: ['1'] }, 422, 'validation-failed'],
    ['an id of zero', { customerIds: [0] }, 422, 'validation-failed'],
    ['half an id', { customerIds: [1.5] }, 422, 'validation-failed'],
    ['an id beyond numbers', { customerIds: [2 ** 53] }, 422, 'validation-failed'],
    ['an unknown property', { leadIds: [1], userIds: [1] }, 422, 'validation-failed'],
    ['a broken body', '{"leadIds":[1', 400, 'malformed'],
  ])('refuses members that are %s', async (_, body, status, code) => {
    const { id } = await make();
    for (const method of ['POST', 'DELETE']) {
      const answer = await call(method, `/${id}/members`, body);
      expect([answer.status, answer.body.code]).toEqual([status, code]);
    }
  });

  it.each([
    ['no name', { description: 'x' }, 422, 'validation-failed'],
    ['a number for a name', { name: 1 }, 422, 'validation-failed'],
    ['an unknown property', { name: 'x', nameKey: 'y' }, 422, 'validation-failed'],
    ['a team that is a text', { name: 'x', teamId: '1' }, 422, 'validation-failed'],
    ['the team of others', { name: 'x', teamId: 987_654 }, 403, 'team-forbidden'],
  ])('refuses a group with %s', async (_, body, status, code) => {
    const answer = await call('POST', '', body);
    expect([answer.status, answer.body.code]).toEqual([status, code]);
  });

  it.each(['nope=1', 'sort=teamId', 'limit=101', 'page=0', 'q=a&q=b'])('refuses the list ?%s', async (query) => {
    const { status, body } = await call('GET', `?${query}`);
    expect([status, body.code]).toEqual([422, 'validation-failed']);
  });

  it('keeps to the scope of the caller on every door', async () => {
    const foreign = await make({}, stranger.token);
    const [mine, theirs] = [await record('leads'), await record('leads', stranger.token)];
    const path = `/${foreign.id}`;
    for (const [method, at, body] of [
      ['GET', path, undefined],
      ['PUT', path, { name: 'Mine' }],
      ['DELETE', path, undefined],
      ['POST', `${path}/members`, { leadIds: [mine] }],
      ['DELETE', `${path}/members`, { leadIds: [mine] }],
    ] as const) {
      const { status, body: problem } = await call(method, at, body);
      expect([method, at, status, problem.code]).toEqual([method, at, 404, 'not-found']);
      expect((await call(method, at, body, agent.token)).status).toBe(method === 'GET' ? 404 : 403);
      expect((await server.request(method, `/groups${at}`, body, null)).status).toBe(401);
    }
    const every = await make({}, server.adminToken);
    const added = await call('POST', `/${every.id}/members`, { leadIds: [theirs, mine] });
    expect(added.body).toEqual({ added: 1, alreadyMembers: 0, notFound: [{ noun: 'leads', id: theirs }] });
    await call('POST', `/${every.id}/members`, { leadIds: [theirs] }, server.adminToken);
    const seen = async (token: string) => (await call('GET', `?q=${every.name}`, undefined, token)).body;
    expect((await seen(manager.token)).data[0].leadCount).toBe(1);
    expect((await seen(server.adminToken)).data[0].leadCount).toBe(2);
    expect(await seen(agent.token)).toMatchObject({ data: [], meta: { total: 0 } });
    const own = await record('customers', agent.token);
    await call('POST', `/${every.id}/members`, { customerIds: [own] });
    expect((await seen(agent.token)).data).toEqual([
      expect.objectContaining({ id: every.id, leadCount: 0, customerCount: 1 }),
    ]);
  });

  it('adds once what many add at the same time', async () => {
    const { id } = await make();
    const leadIds = [await record('leads'), await record('leads')];
    const answers = await Promise.all(Array.from({ length: 10 }, () => call('POST', `/${id}/members`, { leadIds })));
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 10 }, () => 200));
    expect(answers.reduce((sum, { body }) => sum + (body.added as number), 0)).toBe(2);
    expect((await call('GET', `/${id}`)).body.leadCount).toBe(2);
  });
});
