import { Database } from '@muster/platform/database/database';
import { migrations } from '@muster/platform/database/migrations/list';
import { readConfig } from '@muster/platform/config/config';
import { allTables } from '@muster/testing/database';
import { Answer, Server } from '@muster/testing/server';

const PASSWORD = 'an invented passphrase';
const NEW_PASSWORD = 'another invented passphrase';
const HIDDEN = 'hidden-value';
const NOUNS = /^\/(users|teams|leads|customers|imports|csv)\b/;

/** What one call should have left in the log; the properties of `before` and `after` that are not named may be anything. */
interface Done {
  answer: Answer;
  action: string;
  /** The admin, when left out. */
  actorId?: number;
  subjectId: number;
  before: object | null;
  after: object | null;
}

describe('the audit log', () => {
  let server: Server;
  let adminId: number;
  beforeAll(async () => {
    server = await Server.start();
    adminId = (await server.request('GET', '/auth/me')).body.id;
  }, 90_000);
  afterAll(() => server.stop());

  let count = 0;
  const next = (prefix: string) => `${prefix}${++count}`;
  const call = async (method: string, path: string, body?: unknown, token?: string): Promise<Answer> => {
    const answer = await server.request(method, path, body, token);
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer;
  };
  const person = (role = 'agent') => ({
    name: 'Ada Example',
    email: `${next('ada')}@example.com`,
    password: PASSWORD,
    role,
  });
  const newUser = async (role?: string) => (await call('POST', '/users', person(role))).body;
  const newTeam = async () => (await call('POST', '/teams', { name: next('Team ') })).body;
  const lead = (more = {}) => ({ name: 'Eve Example', email: `${next('eve')}@example.com`, source: 'web', ...more });
  const customer = (more = {}) => ({ fullName: 'Max Example', email: `${next('max')}@example.com`, ...more });
  const secrets = { token: HIDDEN, list: [{ apiKey: HIDDEN }], colour: 'red' };
  const redacted = { token: '[redacted]', list: [{ apiKey: '[redacted]' }], colour: 'red' };
  const csv = () => `name,email,source\nIda Example,${next('ida')}@example.com,fair\n`;
  const held = { target: 'leads', autoStart: 'false' };

  /** What the log keeps of a record: its groups have entries of their own. */
  const stateOf = ({ groups: _groups, ...state }: Record<string, unknown>) => state;

  const contacts = (
    noun: 'lead' | 'customer',
    make: (more?: object) => object,
  ): Record<string, () => Promise<Done>> => ({
    [`POST /${noun}s`]: async () => {
      const answer = await call('POST', `/${noun}s`, make({ metadata: secrets }));
      const after = { ...stateOf(answer.body), metadata: redacted };
      return { answer, action: `${noun}.created`, subjectId: answer.body.id, before: null, after };
    },
    [`PATCH /${noun}s/{id}`]: async () => {
      const { id } = (await call('POST', `/${noun}s`, make({ company: 'Old' }))).body;
      const answer = await call('PATCH', `/${noun}s/${id}`, { company: 'New', metadata: secrets });
      const [before, after] = [
        { company: 'Old', metadata: {} },
        { company: 'New', metadata: redacted },
      ];
      return { answer, action: `${noun}.updated`, subjectId: id, before, after };
    },
    [`PATCH /${noun}s/batch`]: async () => {
      const { id } = (await call('POST', `/${noun}s`, make({ doNotContact: true }))).body;
      const answer = await call('PATCH', `/${noun}s/batch`, { updates: [{ id, data: { doNotContact: false } }] });
      const [before, after] = [{ doNotContact: true }, { doNotContact: false }];
      return { answer, action: `${noun}.do-not-contact-cleared`, subjectId: id, before, after };
    },
    [`PUT /${noun}s/{id}`]: async () => {
      const { id, email } = (await call('POST', `/${noun}s`, make({ company: 'Old', tags: ['a'] }))).body;
      const answer = await call('PUT', `/${noun}s/${id}`, make({ email, tags: ['b'] }));
      const [before, after] = [
        { company: 'Old', tags: ['a'] },
        { company: null, tags: ['b'] },
      ];
      return { answer, action: `${noun}.updated`, subjectId: id, before, after };
    },
    [`DELETE /${noun}s/{id}`]: async () => {
      const record = (await call('POST', `/${noun}s`, make())).body;
      const answer = await call('DELETE', `/${noun}s/${record.id}`);
      return { answer, action: `${noun}.deleted`, subjectId: record.id, before: stateOf(record), after: null };
    },
  });
  const renamed = (method: string) => async (): Promise<Done> => {
    const { id, name } = await newTeam();
    const after = { name: next('Team ') };
    const answer = await call(method, `/teams/${id}`, after);
    return { answer, action: 'team.updated', subjectId: id, before: { name }, after };
  };
  const beginUpload = (content: string) => {
    const file = { fileName: 'people.csv', size: content.length, target: 'leads' };
    return call('POST', '/imports/uploads', { ...file, autoStart: false });
  };
  const uploaded = (path: string, fields: Record<string, string>) => async (): Promise<Done> => {
    const form = new FormData();
    for (const [name, value] of Object.entries(fields)) form.set(name, value);
    form.set('file', new Blob([csv()]), 'people.csv');
    const answer = await call('POST', path, form);
    const { fileSize, fileHash, options } = (await call('GET', `/imports/${answer.body.id}`)).body;
    const file = { fileName: 'people.csv', fileSize, fileHash, options };
    const after = { status: 'analyzing', target: 'leads', ...file, autoStart: fields.autoStart !== 'false' };
    return { answer, action: 'import.created', subjectId: answer.body.id, before: null, after };
  };

  const ROUTES: Record<string, () => Promise<Done>> = {
    'POST /users': async () => {
      const answer = await call('POST', '/users', person());
      return { answer, action: 'user.created', subjectId: answer.body.id, before: null, after: answer.body };
    },
    'PATCH /users/{id}': async () => {
      const { id, name } = await newUser();
      const answer = await call('PATCH', `/users/${id}`, { name: 'New Name', password: NEW_PASSWORD });
      const after = { name: 'New Name', passwordChanged: true };
      return { answer, action: 'user.updated', subjectId: id, before: { name }, after };
    },
    'DELETE /users/{id}': async () => {
      const user = await newUser();
      const answer = await call('DELETE', `/users/${user.id}`);
      return { answer, action: 'user.deleted', subjectId: user.id, before: user, after: null };
    },
    'POST /users/{id}/unlock': async () => {
      const { id, email } = await newUser();
      for (let n = 0; n < 5; n++) await server.request('POST', '/auth/login', { email, password: NEW_PASSWORD }, null);
      const answer = await call('POST', `/users/${id}/unlock`);
      return { answer, action: 'user.unlocked', subjectId: id, before: null, after: null };
    },
    'PATCH /auth/password': async () => {
      const { id, email } = await newUser();
      const token = await server.login(email, PASSWORD);
      const passwords = { currentPassword: PASSWORD, newPassword: NEW_PASSWORD };
      const answer = await call('PATCH', '/auth/password', passwords, token);
      const after = { passwordChanged: true };
      return { answer, action: 'user.updated', actorId: id, subjectId: id, before: {}, after };
    },
    'POST /teams': async () => {
      const answer = await call('POST', '/teams', { name: next('Team ') });
      return { answer, action: 'team.created', subjectId: answer.body.id, before: null, after: answer.body };
    },
    'PUT /teams/{id}': renamed('PUT'),
    'PATCH /teams/{id}': renamed('PATCH'),
    'DELETE /teams/{id}': async () => {
      const team = await newTeam();
      const answer = await call('DELETE', `/teams/${team.id}`);
      return { answer, action: 'team.deleted', subjectId: team.id, before: team, after: null };
    },
    ...contacts('lead', lead),
    ...contacts('customer', customer),
    'POST /imports': uploaded('/imports', held),
    'POST /csv/upload': uploaded('/csv/upload', { autoStart: 'false' }),
    'PUT /imports/{id}/mapping': async () => {
      const { id } = await server.import(csv(), held);
      const mapping = { name: 'name', email: 'email', source: null };
      const answer = await call('PUT', `/imports/${id}/mapping`, { mapping });
      const before = { mapping: { ...mapping, source: 'source' } };
      return { answer, action: 'import.mapping-changed', subjectId: id, before, after: { mapping } };
    },
    'POST /imports/{id}/plan': async () => {
      const { id } = await server.import(csv(), held);
      const answer = await call('POST', `/imports/${id}/plan`, { duplicates: 'update' });
      const { planId } = answer.body;
      const options = expect.objectContaining({ duplicates: 'update' });
      const after = expect.objectContaining({ planId, target: 'leads', options, excludedRows: 0 });
      return { answer, action: 'import.plan-requested', subjectId: id, before: null, after };
    },
    'POST /imports/{id}/start': async () => {
      const { id, status } = await server.import(csv(), held);
      const answer = await call('POST', `/imports/${id}/start`, {});
      const after = expect.objectContaining({ status: 'importing', target: 'leads', totalRows: 1, excludedRows: 0 });
      return { answer, action: 'import.started', subjectId: id, before: { status }, after };
    },
    'POST /imports/uploads': async () => {
      const content = csv();
      const answer = await beginUpload(content);
      const { options } = (await call('GET', `/imports/${answer.body.id}`)).body;
      const file = { fileName: 'people.csv', fileSize: content.length, options, autoStart: false };
      const after = { status: 'awaiting_upload', target: 'leads', ...file };
      return { answer, action: 'import.upload-begun', subjectId: answer.body.id, before: null, after };
    },
    'POST /imports/{id}/analyze': async () => {
      const content = csv();
      const { id, uploadUrl } = (await beginUpload(content)).body;
      await fetch(uploadUrl, { method: 'PUT', body: content });
      const answer = await call('POST', `/imports/${id}/analyze`, {});
      const [before, after] = [{ status: 'awaiting_upload' }, { status: 'analyzing' }];
      return { answer, action: 'import.uploaded', subjectId: id, before, after };
    },
    'POST /imports/{id}/cancel': async () => {
      const { id, status } = await server.import(csv(), held);
      const answer = await call('POST', `/imports/${id}/cancel`);
      const counts = { created: 0, updated: 0, unchanged: 0, skipped: 1, excluded: 0, rejected: 0 };
      const after = { status: 'cancelled', target: 'leads', fileName: 'file.csv', counts };
      return { answer, action: 'import.cancelled', subjectId: id, before: { status }, after };
    },
    'POST /imports/{id}/undo': async () => {
      const { id, status } = await server.import(csv());
      const answer = await call('POST', `/imports/${id}/undo`);
      const after = { status: 'undoing', target: 'leads', fileName: 'file.csv' };
      return { answer, action: 'import.undo-started', subjectId: id, before: { status }, after };
    },
    'POST /imports/{id}/replay': async () => {
      const { id } = await server.import(csv());
      const answer = await call('POST', `/imports/${id}/replay`, { outcomes: ['created'] });
      const after = { outcomes: ['created'], total: 1 };
      return { answer, action: 'import.replay-requested', subjectId: id, before: null, after };
    },
  };
  /** Routes that only tell. */
  const NOT_WRITING = /^POST \/imports\/\{id\}\/parts$/;
  /** Routes of other nouns below these; the tests of those nouns look at their entries. */
  const ELSEWHERE = /^\S+ \/(leads|customers)\/(fields|merges|\{id\}\/(merge|convert)$)/;

  const entriesOf = async (answer: Answer, filter = '') =>
    (await call('GET', `/audit-log?sort=occurredAt&requestId=${answer.headers.get('x-request-id')}${filter}`)).body
      .data;

  it('knows every route that changes something', async () => {
    const { paths } = (await call('GET', '/api/openapi.json')).body;
    const routes = Object.entries<object>(paths).flatMap(([path, methods]) => {
      const short = path.replace('/api/v1', '');
      if (!NOUNS.test(short)) return [];
      const writing = Object.keys(methods).filter((method) => !['get', 'head', 'options'].includes(method));
      return writing.map((method) => `${method.toUpperCase()} ${short}`);
    });
    expect(routes.length).toBeGreaterThan(15);
    expect(routes.filter((route) => !(route in ROUTES) && !ELSEWHERE.test(route) && !NOT_WRITING.test(route))).toEqual(
      [],
    );
  });

  it.each(Object.keys(ROUTES))('has one entry of %s', async (route) => {
    const { answer, action, actorId = adminId, subjectId, before, after } = await ROUTES[route]();
    // What the workers do for it later is under the same request, and the program's own.
    const entries = await entriesOf(answer, `&actorId=${actorId}`);
    expect(entries).toEqual([
      {
        id: expect.any(Number),
        occurredAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
        actorId,
        actorName: actorId === adminId ? 'Administrator' : 'Ada Example',
        apiKeyId: null,
        action,
        subjectType: action.split('.')[0],
        subjectId,
        before,
        after,
        requestId: answer.headers.get('x-request-id'),
        address: expect.stringMatching(/^(::ffff:)?127\.0\.0\.1$/),
      },
    ]);
    expect((await call('GET', `/audit-log/${entries[0].id}`)).body).toEqual(entries[0]);
  });

  it('says that who registers made themselves', async () => {
    const { name, email, password } = person();
    const answer = await call('POST', '/auth/register', { name, email, password });
    const { user } = answer.body;
    const entries = await entriesOf(answer, '&subjectType=user');
    expect(entries).toMatchObject([
      { action: 'user.created', actorId: user.id, subjectId: user.id, before: null, after: user },
    ]);
  });

  it('has no entry of what was refused, or changed nothing', async () => {
    const made = await call('POST', '/leads', lead());
    const path = `/leads/${made.body.id}`;
    const calls = [
      await server.request('POST', '/leads', lead({ email: made.body.email })),
      await server.request('PATCH', path, { email: 'nobody' }),
      await server.request('PATCH', path, { name: 'New Name' }, server.adminToken, { 'if-match': '"v9"' }),
      await server.request('PATCH', path, { name: made.body.name }),
      await server.request('DELETE', '/users/999999'),
      await server.request('POST', '/users', { ...person(), role: 'root' }),
    ];
    expect(calls.map(({ status }) => status)).toEqual([409, 422, 412, 200, 404, 422]);
    for (const answer of calls) expect(await entriesOf(answer)).toEqual([]);
  });

  it('follows an import to its end, under the request that brought the file', async () => {
    const answer = await server.upload(`${csv()}nobody,,\n`);
    const { id } = answer.body;
    await server.settled(id);
    const entries = await entriesOf(answer);
    expect(entries.map((entry: any) => [entry.action, entry.actorId, entry.subjectId])).toEqual([
      ['import.created', adminId, id],
      ['import.started', null, id],
      ['import.completed', null, id],
    ]);
    expect(entries[1].after).toMatchObject({ status: 'importing', target: 'leads', totalRows: 2 });
    expect(entries[2]).toMatchObject({
      before: { status: 'importing' },
      after: { status: 'completed', fileName: 'file.csv', counts: { created: 1, rejected: 1 } },
    });
    const empty = await server.upload('name,email,source\n');
    await server.settled(empty.body.id);
    expect((await entriesOf(empty)).at(-1)).toMatchObject({
      action: 'import.completed',
      after: { counts: { created: 0, rejected: 0 } },
    });
    const mapping = JSON.stringify({ nope: 'name' });
    const failed = await server.upload(csv(), { target: 'leads', mapping });
    await server.settled(failed.body.id);
    expect((await entriesOf(failed)).at(-1)).toMatchObject({
      ...{ action: 'import.failed', actorId: null, before: { status: 'analyzing' } },
      after: { status: 'failed', error: { code: 'mapping-invalid' } },
    });
  });

  it('is read by admins alone, and written by nobody', async () => {
    const [entry] = (await call('GET', '/audit-log?limit=1')).body.data;
    for (const role of ['agent', 'manager']) {
      const token = await server.login((await newUser(role)).email, PASSWORD);
      for (const path of ['/audit-log', `/audit-log/${entry.id}`]) {
        expect((await server.request('GET', path, undefined, token)).status).toBe(403);
      }
    }
    expect((await server.request('GET', '/audit-log', undefined, null)).status).toBe(401);
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
      for (const path of ['/audit-log', `/audit-log/${entry.id}`]) {
        expect((await server.request(method, path, method === 'DELETE' ? undefined : {})).status).toBe(404);
      }
    }
    expect((await server.request('GET', '/audit-log/999999999')).status).toBe(404);
  });

  it('goes by cursor, newest first', async () => {
    for (let n = 0; n < 5; n++) await newTeam();
    const seen: number[] = [];
    let cursor = '';
    do {
      const { body } = await call('GET', `/audit-log?action=team.created&limit=2${cursor && `&cursor=${cursor}`}`);
      seen.push(...body.data.map(({ id }: { id: number }) => id));
      expect(body.meta).toMatchObject({ limit: 2, total: expect.any(Number) });
      cursor = body.meta.nextCursor;
    } while (cursor);
    expect(seen.length).toBeGreaterThanOrEqual(5);
    expect(seen).toEqual([...new Set(seen)].toSorted((a, b) => b - a));
  });

  it.each([
    ...[
      'nope=1',
      'page=0',
      'limit=101',
      'sort=id',
      'sort=-createdAt',
      'actorId=me',
      'actorId=1&actorId=2',
      'from=today',
    ],
    ...['to=2026-02-30', 'subjectId=-1', `action=${'x'.repeat(61)}`, 'q=a'],
  ])('refuses ?%s', async (query) => {
    const { status, body } = await server.request('GET', `/audit-log?${query}`);
    expect([status, body.code]).toEqual([422, 'validation-failed']);
  });

  it('holds no password, no hash of one, no token: looked at in the table itself', async () => {
    for (const route of ['POST /users', 'PATCH /users/{id}', 'PATCH /auth/password', 'POST /leads'])
      await ROUTES[route]();
    const database = await Database.open(readConfig(server.env), allTables, migrations);
    try {
      const dump = JSON.stringify(await database.query('SELECT * FROM audit_log'));
      expect(dump).toContain('passwordChanged');
      for (const secret of [PASSWORD, NEW_PASSWORD, HIDDEN, 'passwordHash', '$argon2', server.adminToken]) {
        expect(dump).not.toContain(secret);
      }
      expect(dump).not.toMatch(/[\w-]{20,}\.[\w-]{20,}\.[\w-]{20,}/);
    } finally {
      await database.close();
    }
  });
});
