import { Server } from '@muster/testing/server';

const PASSWORD = 'a long enough passphrase';

describe.each(['leads', 'customers'])('the custom fields of %s over HTTP', (noun) => {
  let server: Server;
  let manager: string;
  let agent: string;

  beforeAll(async () => {
    server = await Server.start();
    const join = async (role: string) => {
      const email = `${role}@example.com`;
      const person = { name: 'Some Body', email, password: PASSWORD, role };
      expect((await server.request('POST', '/users', person)).status).toBe(201);
      return server.login(email, PASSWORD);
    };
    manager = await join('manager');
    agent = await join('agent');
  }, 90_000);
  afterAll(() => server.stop());

  let count = 0;
  const call = (method: string, path = '', body?: unknown, token?: string, headers?: Record<string, string>) =>
    server.request(method, `/${noun}/fields${path}`, body, token ?? manager, headers);
  const fresh = (values: object = {}) => ({ key: `field${++count}`, label: 'A field', type: 'text', ...values });
  const make = async (values: object = {}) => {
    const { status, body } = await call('POST', '', fresh(values));
    expect(status).toBe(201);
    return body;
  };
  const codeOf = ({ status, body }: { status: number; body: { code?: string } }) => [status, body.code];

  it('makes a field and says where it is', async () => {
    const given = {
      ...{
        key: 'shoeSize',
        label: ' Shoe size ',
        type: 'number',
        required: true,
        defaultValue: 42.5,
        filterable: true,
      },
      ...{ validation: { min: 20, max: 60, message: 'a size of 20 to 60' }, description: 'European' },
    };
    const { status, headers, body } = await call('POST', '', given);
    expect(status).toBe(201);
    expect([headers.get('location'), headers.get('etag')]).toEqual([`/api/v1/${noun}/fields/${body.id}`, '"v1"']);
    expect(body).toEqual({
      ...{ ...given, label: 'Shoe size', id: expect.any(Number), options: null, indexing: false, converting: false },
      ...{ createdAt: expect.stringMatching(/Z$/), updatedAt: expect.stringMatching(/Z$/) },
    });
    const read = await call('GET', `/${body.id}`, undefined, agent);
    expect([read.status, read.headers.get('etag'), read.body]).toEqual([200, '"v1"', body]);
    const other = noun === 'leads' ? 'customers' : 'leads';
    expect((await server.request('GET', `/${other}/fields/${body.id}`)).status).toBe(404);
  });

  it('lists them in the envelope, for everyone who reads the noun', async () => {
    const [first, second] = [await make({ label: 'Zebra' }), await make({ label: 'Zebra' })];
    const { status, body } = await call('GET', '?limit=1', undefined, agent);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      data: [{ id: second.id }],
      meta: { page: 1, limit: 1, nextCursor: expect.any(String) },
    });
    const next = await call('GET', `?limit=1&cursor=${body.meta.nextCursor}`);
    expect(next.body.data[0].id).toBe(first.id);
    expect((await call('GET', '?sort=-label&limit=2')).body.data.map(({ label }: any) => label)).toEqual([
      'Zebra',
      'Zebra',
    ]);
    expect(codeOf(await call('GET', '?sort=version'))).toEqual([422, 'validation-failed']);
    expect(codeOf(await call('GET', '?cf.x=1'))).toEqual([422, 'validation-failed']);
  });

  it('changes, replaces and deletes by version', async () => {
    const field = await make({ type: 'list', options: ['S', 'L'], defaultValue: 'S' });
    const path = `/${field.id}`;
    const patched = await call('PATCH', path, { options: ['S', 'M', 'L'] }, undefined, { 'if-match': '"v1"' });
    expect([patched.status, patched.headers.get('etag'), patched.body.options]).toEqual([200, '"v2"', ['S', 'M', 'L']]);
    expect(codeOf(await call('PATCH', path, { label: 'x' }, undefined, { 'if-match': '"v1"' }))).toEqual([
      412,
      'stale',
    ]);
    const cleared = await call('PATCH', path, { defaultValue: null, description: null });
    expect(cleared.body).toMatchObject({ defaultValue: null, description: null, label: 'A field' });
    const replaced = await call('PUT', path, { label: 'Text', type: 'text', validation: { pattern: '[A-Z]+' } });
    expect(replaced.body).toMatchObject({ ...{ key: field.key, options: null, validation: { pattern: '[A-Z]+' } } });
    expect((await call('DELETE', path, undefined, undefined, { 'if-match': '"v1"' })).status).toBe(412);
    const deleted = await call('DELETE', path);
    expect([deleted.status, deleted.body]).toEqual([204, '']);
    for (const method of ['GET', 'DELETE']) expect((await call(method, path)).status).toBe(404);
    expect(codeOf(await call('POST', '', fresh({ key: field.key })))).toEqual([201, undefined]);
  });

  it('lets in by role', async () => {
    const { id } = await make();
    const path = `/${id}`;
    for (const [method, where, body] of [
      ['POST', '', fresh()],
      ['PUT', path, { label: 'x', type: 'text' }],
      ['PATCH', path, { label: 'x' }],
      ['DELETE', path, undefined],
    ] as const) {
      expect(codeOf(await call(method, where, body, agent))).toEqual([403, 'forbidden']);
    }
    expect((await server.request('GET', `/${noun}/fields`, undefined, null)).status).toBe(401);
    expect(codeOf(await call('DELETE', `${path}?force=true`))).toEqual([403, 'forbidden']);
    expect(codeOf(await call('PATCH', `${path}?force=true`, { type: 'number' }))).toEqual([403, 'forbidden']);
    expect((await call('PATCH', `${path}?force=true`, { type: 'number' }, server.adminToken)).status).toBe(200);
    expect((await call('DELETE', `${path}?force=true`, undefined, server.adminToken)).status).toBe(204);
  });

  it.each<[string, object, number, string]>([
    ['an unknown property', { nope: 1 }, 422, 'validation-failed'],
    ['an id of its own', { id: 1 }, 422, 'validation-failed'],
    ['a key that is none', { key: 'Shoe size' }, 422, 'validation-failed'],
    ['the key of a built-in field', { key: 'email' }, 422, 'validation-failed'],
    ['a type that is none', { type: 'color' }, 422, 'validation-failed'],
    ['a list without options', { type: 'list' }, 422, 'validation-failed'],
    ['options that are no texts', { type: 'list', options: [1] }, 422, 'validation-failed'],
    ['options that are no list', { type: 'list', options: 'a' }, 422, 'validation-failed'],
    ['validation that is a text', { validation: 'x' }, 422, 'validation-failed'],
    ['validation that is a list', { validation: [] }, 422, 'validation-failed'],
    ['an unknown rule', { validation: { nope: 1 } }, 422, 'validation-failed'],
    ['a bound that is an object', { type: 'number', validation: { min: {} } }, 422, 'validation-failed'],
    ['a default of another type', { type: 'number', defaultValue: { a: [1] } }, 422, 'validation-failed'],
    ['required that is a text', { required: 'true' }, 422, 'validation-failed'],
    ['a pattern that looks ahead', { validation: { pattern: '(?=a)b' } }, 422, 'pattern-unsafe'],
    ['a pattern that refers back', { validation: { pattern: '(a)\\1' } }, 422, 'pattern-unsafe'],
    ['a pattern that explodes', { validation: { pattern: '((a{100}){100}){100}' } }, 422, 'pattern-unsafe'],
  ])('refuses %s', async (_, values, status, code) => {
    expect(codeOf(await call('POST', '', fresh(values)))).toEqual([status, code]);
  });

  it('takes a pattern that would backtrack for ever elsewhere', async () => {
    expect(await make({ validation: { pattern: '(a+)+$' } })).toMatchObject({ validation: { pattern: '(a+)+$' } });
  });

  it('names what is wrong of a field', async () => {
    const { body } = await call('POST', '', { type: 'number', validation: { min: 'x' } });
    expect(body.errors.map(({ field, code }: any) => `${field} ${code}`)).toEqual([
      'key required',
      'label required',
      'validation.min number-invalid',
    ]);
  });

  it('refuses a taken key and another key', async () => {
    const field = await make();
    expect((await call('POST', '', fresh({ key: field.key }))).body).toMatchObject({
      ...{ status: 409, code: 'duplicate', errors: [{ field: 'key', existingId: field.id }] },
    });
    for (const method of ['PUT', 'PATCH']) {
      const answer = await call(method, `/${field.id}`, { key: 'another', label: 'x', type: 'text' });
      expect(codeOf(answer)).toEqual([422, 'key-immutable']);
    }
    expect(codeOf(await call('PATCH', `/${field.id}`, {}))).toEqual([422, 'empty-patch']);
  });

  it.each(['0', 'abc', '1.5', '999999999', '99999999999999999999'])('knows no field %s', async (id) => {
    expect(codeOf(await call('GET', `/${id}`))).toEqual([404, 'not-found']);
  });

  it('leaves the index of many records to the workers', async () => {
    if (noun === 'customers') return; // the same worker
    const rows = Array.from({ length: 6_000 }, (_, n) => `Person ${n},person${n}@example.com`);
    const done = await server.import(`name,email\n${rows.join('\n')}\n`);
    expect(done.counts.created).toBe(rows.length);
    const field = await make({ filterable: true });
    let read = field;
    for (const deadline = Date.now() + 60_000; read.indexing && Date.now() < deadline;) {
      read = (await call('GET', `/${field.id}`)).body;
    }
    // A request does 5,000 records by itself: without a worker this never ends.
    expect(read.indexing).toBe(false);
  }, 120_000);

  it('says them and keeps them in the audit log', async () => {
    const field = await make({ label: 'Told' });
    await call('PATCH', `/${field.id}`, { label: 'Retold' });
    const { status, body } = await server.request('GET', `/audit-log?subjectType=custom-field&subjectId=${field.id}`);
    expect(status).toBe(200);
    expect(body.data.map(({ action }: any) => action)).toEqual(['custom-field.updated', 'custom-field.created']);
    expect(body.data[0]).toMatchObject({ before: { label: 'Told' }, after: { label: 'Retold' } });
  });
});
