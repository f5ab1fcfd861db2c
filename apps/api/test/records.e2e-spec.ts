import { Server } from '@muster/testing/server';

/** Leads and customers answer alike; people and numbers are invented. */
const NOUNS = [
  { noun: 'leads', assignee: 'assignedTo', named: (name: string) => ({ name, source: 'web' }), nameField: 'name' },
  { noun: 'customers', assignee: 'ownerId', named: (fullName: string) => ({ fullName }), nameField: 'fullName' },
];
const PASSWORD = 'a long enough passphrase';

describe.each(NOUNS)('$noun over HTTP', ({ noun, assignee, named, nameField }) => {
  let server: Server;
  let agent: { id: number; token: string };
  let other: { id: number; token: string };
  let manager: { id: number; token: string };

  beforeAll(async () => {
    server = await Server.start();
    const join = async (role: string) => {
      const email = `${role}${++count}@example.com`;
      const { status, body } = await server.request('POST', '/users', {
        name: 'Some Body',
        email,
        password: PASSWORD,
        role,
      });
      expect(status).toBe(201);
      return { id: body.id as number, token: await server.login(email, PASSWORD) };
    };
    agent = await join('agent');
    other = await join('agent');
    manager = await join('manager');
  }, 90_000);
  afterAll(() => server.stop());

  let count = 0;
  const fresh = (values: object = {}) => ({
    ...named('Ada Example'),
    email: `person${++count}@example.com`,
    ...values,
  });
  const call = (method: string, path: string, body?: unknown, token?: string, headers?: Record<string, string>) =>
    server.request(method, `/${noun}${path}`, body, token ?? agent.token, headers);
  const make = async (values: object = {}, token = agent.token) => {
    const { status, body } = await call('POST', '', fresh(values), token);
    expect(status).toBe(201);
    return body;
  };

  it('makes a record and says where it is', async () => {
    const { status, headers, body } = await call('POST', '', fresh({ phone: '(201) 555-0100 x7', tags: ['vip'] }));
    expect(status).toBe(201);
    expect(headers.get('location')).toBe(`/api/v1/${noun}/${body.id}`);
    expect(headers.get('etag')).toBe('"v1"');
    expect(body).toMatchObject({
      ...{ id: expect.any(Number), [nameField]: 'Ada Example', phone: '+12015550100', tags: ['vip'], [assignee]: null },
      ...{ company: null, customFields: {}, metadata: { phoneExtension: '7' }, doNotContact: false, origin: null },
      ...{ createdBy: agent.id, createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/) },
    });
    expect(body).not.toHaveProperty('version');
    const read = await call('GET', `/${body.id}`);
    expect([read.status, read.headers.get('etag'), read.body]).toEqual([200, '"v1"', body]);
  });

  it('changes, replaces and deletes by version', async () => {
    const made = await make({ company: 'Old' });
    const path = `/${made.id}`;
    const patched = await call('PATCH', path, { company: 'New' }, undefined, { 'if-match': '"v1"' });
    expect([patched.status, patched.headers.get('etag'), patched.body.company]).toEqual([200, '"v2"', 'New']);
    const stale = await call('PATCH', path, { company: 'Newer' }, undefined, { 'if-match': '"v1"' });
    expect([stale.status, stale.body.code]).toEqual([412, 'stale']);
    const replaced = await call('PUT', path, { ...named('Eva Example'), email: made.email }, undefined, {
      'if-match': '*',
    });
    expect(replaced.body).toMatchObject({ [nameField]: 'Eva Example', company: null });
    expect((await call('DELETE', path)).status).toBe(403);
    const deleted = await call('DELETE', path, undefined, server.adminToken);
    expect([deleted.status, deleted.body]).toEqual([204, '']);
    expect((await call('GET', path)).status).toBe(404);
    expect((await call('DELETE', path, undefined, server.adminToken)).status).toBe(404);
  });

  it.each(['0', '-1', '1.5', '1e3', 'abc', '01', '99999999999999999999', '9007199254740993', '%00', '999999999'])(
    'knows no record %s',
    async (id) => {
      const { status, headers, body } = await call('GET', `/${id}`);
      expect([status, body.code, headers.get('content-type')]).toEqual([
        ...[404, 'not-found', 'application/problem+json; charset=utf-8'],
      ]);
    },
  );

  it.each([
    ['an unknown property', { nope: 1 }, 'validation-failed'],
    ['an id of its own', { id: 1 }, 'validation-failed'],
    ['custom fields without definitions', { customFields: { nope: 1 } }, 'validation-failed'],
    ['custom fields that are a list', { customFields: [] }, 'validation-failed'],
    ['groups, which have routes of their own', { groups: [] }, 'validation-failed'],
    ['an e-mail that is none', { email: 'nobody' }, 'validation-failed'],
    ['a phone that is none', { phone: '12' }, 'validation-failed'],
    ['a status that is none', { status: 'New' }, 'validation-failed'],
    ['metadata that is a list', { metadata: [] }, 'validation-failed'],
    ['a user that is none', { [assignee]: 987_654 }, 'user-unknown'],
    ['nothing', {}, 'empty-patch'],
  ])('refuses %s', async (_, change, code) => {
    const made = await make();
    const { status, body } = await call('PATCH', `/${made.id}`, change, manager.token);
    expect([status, body.code]).toEqual([422, code]);
  });

  it('names wrong fields by the codes of rows', async () => {
    const { status, body } = await call('POST', '', { email: 'nobody', phone: '12' });
    expect(status).toBe(422);
    expect(body.errors).toEqual(
      expect.arrayContaining([
        { field: nameField, code: 'required', message: expect.any(String) },
        { field: 'email', code: 'email-invalid', message: expect.any(String) },
        { field: 'phone', code: 'phone-invalid', message: expect.any(String) },
      ]),
    );
  });

  it('gives a unique value to one of two who ask at once', async () => {
    const same = fresh();
    const [first, second] = await Promise.all([call('POST', '', same), call('POST', '', same)]);
    expect([first.status, second.status].toSorted()).toEqual([201, 409]);
    const [made, refused] = first.status === 201 ? [first, second] : [second, first];
    expect(refused.body).toMatchObject({
      code: 'duplicate',
      errors: [{ field: 'email', code: 'duplicate-existing', existingId: made.body.id }],
    });
    const blind = await call('POST', '', same, other.token);
    expect(blind.status).toBe(409);
    expect(blind.body.errors[0]).not.toHaveProperty('existingId');
  });

  it('keeps to the scope of the caller on every door', async () => {
    const mine = await make({ tags: ['scope'] });
    const theirs = await make({ tags: ['scope'] }, other.token);
    const path = `/${theirs.id}`;
    for (const [method, body] of [
      ['GET', undefined],
      ['PATCH', { company: 'Mine' }],
      ['PUT', fresh()],
    ] as const) {
      expect((await call(method, path, body)).status).toBe(404);
    }
    const seen = async (token: string) => {
      const { body } = await call('GET', '?tag=scope', undefined, token);
      expect(body.meta.total).toBe(body.data.length);
      return body.data.map(({ id }: { id: number }) => id);
    };
    expect(await seen(agent.token)).toEqual([mine.id]);
    expect(await seen(manager.token)).toEqual([theirs.id, mine.id]);
    const given = await call('PATCH', path, { [assignee]: agent.id }, manager.token);
    expect(given.status).toBe(200);
    expect((await call('GET', path)).body[assignee]).toBe(agent.id);
    const forbidden = await call('PATCH', path, { [assignee]: other.id });
    expect([forbidden.status, forbidden.body.code]).toEqual([403, 'assign-forbidden']);
    expect((await server.request('GET', `/${noun}`, undefined, null)).status).toBe(401);
  });

  it('lists by cursor until the end', async () => {
    const made: number[] = [];
    for (let n = 0; n < 7; n++) made.push((await make({ tags: ['pages'] })).id);
    const seen: number[] = [];
    let cursor = '';
    do {
      const { status, body } = await call('GET', `?tag=pages&limit=3${cursor && `&cursor=${cursor}`}`);
      expect([status, body.meta.total, body.meta.limit]).toEqual([200, 7, 3]);
      seen.push(...body.data.map(({ id }: { id: number }) => id));
      cursor = body.meta.nextCursor;
    } while (cursor);
    expect(seen).toEqual(made.toReversed());
    const second = await call('GET', '?tag=pages&limit=3&page=2&sort=createdAt');
    expect(second.body.data.map(({ id }: { id: number }) => id)).toEqual(made.slice(3, 6));
  });

  it.each([
    ...['nope=1', 'page=0', 'page=x', 'limit=0', 'limit=101', 'limit=2&limit=3', 'sort=email', 'sort=createdAt%20desc'],
    ...[
      'status=none',
      'createdFrom=yesterday',
      'createdTo=2026-02-30',
      'importId=-1',
      'groupId=x',
      `${assignee}=me`,
      'q=a&q=b',
    ],
  ])('refuses the list ?%s', async (query) => {
    const { status, body } = await call('GET', `?${query}`);
    expect([status, body.code]).toEqual([422, 'validation-failed']);
  });

  it('refuses a broken cursor', async () => {
    const { status, body } = await call('GET', '?cursor=broken');
    expect([status, body.code]).toEqual([422, 'cursor-invalid']);
  });
});
