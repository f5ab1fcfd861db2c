import { randomUUID } from 'node:crypto';
import { readConfig } from '@muster/platform/config/config';
import { Database } from '@muster/platform/database/database';
import { platformTables } from '@muster/platform/database/platform.tables';
import { Answer, Server } from '@muster/testing/server';

const PASSWORD = 'a long enough passphrase';

describe('Idempotency-Key over HTTP', () => {
  let server: Server;
  let store: Database;
  let agent: string;
  let other: string;
  beforeAll(async () => {
    server = await Server.start();
    store = await Database.open(readConfig(server.env), platformTables, []);
    const join = async (email: string) => {
      const user = { name: 'Some Body', email, password: PASSWORD, role: 'agent' };
      expect((await server.request('POST', '/users', user)).status).toBe(201);
      return server.login(email, PASSWORD);
    };
    agent = await join('agent@example.com');
    other = await join('other@example.com');
  }, 90_000);
  afterAll(async () => {
    await store?.close();
    await server?.stop();
  });

  let count = 0;
  const lead = () => ({ name: 'Ada Example', email: `once${++count}@example.com`, source: 'web' });
  const post = (path: string, body: unknown, key: string, token: string | null = agent) =>
    server.request('POST', path, body, token, { 'idempotency-key': key });
  const isReplay = ({ headers }: Answer) => headers.get('idempotency-replayed') === 'true';
  const leadsOf = async (email: string) =>
    (await server.request('GET', `/leads?q=${encodeURIComponent(email)}`)).body.meta.total as number;
  const rows = async (state?: string) =>
    (await store.query<{ state: string }>('SELECT state FROM idempotency_keys')).filter(
      (row) => state === undefined || row.state === state,
    ).length;

  it('makes one record of two requests, and gives the same answer', async () => {
    const [body, key] = [lead(), randomUUID()];
    const first = await post('/leads', body, key);
    const second = await post('/leads', { source: body.source, email: body.email, name: body.name }, key);
    expect([first.status, isReplay(first), second.status, isReplay(second)]).toEqual([201, false, 201, true]);
    expect(second.body).toEqual(first.body);
    for (const name of ['etag', 'location', 'content-type']) {
      expect(first.headers.get(name)).toEqual(expect.any(String));
      expect(second.headers.get(name)).toBe(first.headers.get(name));
    }
    expect(second.headers.get('x-request-id')).not.toBe(first.headers.get('x-request-id'));
    expect(await leadsOf(body.email)).toBe(1);
  });

  it('refuses another body', async () => {
    const key = randomUUID();
    await post('/leads', lead(), key);
    const answer = await post('/leads', lead(), key);
    expect([answer.status, answer.body.code]).toEqual([422, 'idempotency-key-reused']);
  });

  it('makes one record of fifty requests at once', async () => {
    const [body, key, before] = [lead(), randomUUID(), await rows()];
    const answers = await Promise.all(Array.from({ length: 50 }, () => post('/leads', body, key)));
    const made = answers.filter((answer) => answer.status === 201 && !isReplay(answer));
    expect(made).toHaveLength(1);
    for (const answer of answers.filter((each) => each !== made[0])) {
      if (answer.status === 201) expect(answer.body).toEqual(made[0].body);
      else expect([answer.status, answer.body.code]).toEqual([409, 'idempotency-in-progress']);
      expect(isReplay(answer)).toBe(answer.status === 201);
    }
    expect([await leadsOf(body.email), (await rows()) - before, await rows('running')]).toEqual([1, 1, 0]);
  });

  it('belongs to the user and the route', async () => {
    const [body, key] = [lead(), randomUUID()];
    const mine = await post('/leads', body, key);
    const theirs = await post('/leads', { ...body, email: `else${count}@example.com` }, key, other);
    expect([theirs.status, isReplay(theirs)]).toEqual([201, false]);
    expect(theirs.body.id).not.toBe(mine.body.id);
    const elsewhere = await post('/customers', { fullName: 'Ada Example', email: body.email }, key);
    expect([elsewhere.status, isReplay(elsewhere)]).toEqual([201, false]);
  });

  it('keeps a final refusal, and asks the right to enter each time', async () => {
    const body = lead();
    await post('/leads', body, randomUUID());
    const key = randomUUID();
    const first = await post('/leads', body, key);
    const second = await post('/leads', body, key);
    expect([first.status, first.body.code, second.status, isReplay(second)]).toEqual([409, 'duplicate', 409, true]);
    expect(second.body).toEqual(first.body);
    const stranger = await post('/leads', body, key, null);
    expect([stranger.status, isReplay(stranger)]).toEqual([401, false]);
    const invalid = [await post('/leads', {}, 'the same'), await post('/leads', {}, 'the same')];
    expect(invalid.map((answer) => [answer.status, isReplay(answer)])).toEqual([
      [422, false],
      [422, true],
    ]);
  });

  it('signs in again after a lost answer, on the same session, and judges a wrong password anew', async () => {
    const [right, wrong] = [PASSWORD, 'not the passphrase'].map((password) => ({
      email: 'agent@example.com',
      password,
    }));
    const key = randomUUID();
    const first = await post('/auth/login', right, key, null);
    const second = await post('/auth/login', right, key, null);
    expect([first.status, second.status, isReplay(second)]).toEqual([200, 200, true]);
    expect(second.body.refreshToken).toBe(first.body.refreshToken);
    for (let n = 0; n < 2; n++) {
      const refused = await post('/auth/login', wrong, key, null);
      expect([refused.status, isReplay(refused)]).toEqual([401, false]);
    }
    const stored = JSON.stringify(await store.query('SELECT * FROM idempotency_keys'));
    for (const secret of [key, first.body.refreshToken, first.body.accessToken, PASSWORD, 'agent@example.com']) {
      expect(stored).not.toContain(secret);
    }
  });

  it('makes one import of a form that is sent twice, whatever its boundary', async () => {
    const form = (name: string, boundary: string) =>
      [
        `--${boundary}\r\ncontent-disposition: form-data; name="target"\r\n\r\nleads\r\n`,
        `--${boundary}\r\ncontent-disposition: form-data; name="file"; filename="a.csv"\r\n\r\n`,
        `name,email\n${name},form@once.example.com\n\r\n--${boundary}--\r\n`,
      ].join('');
    const key = randomUUID();
    const send = (name: string, boundary: string) =>
      server.request('POST', '/imports', form(name, boundary), server.adminToken, {
        'content-type': `multipart/form-data; boundary=${boundary}`,
        'idempotency-key': key,
      });
    const total = async () => (await server.request('GET', '/imports')).body.meta.total as number;
    const before = await total();
    const first = await send('Form One', 'aaa');
    const second = await send('Form One', 'bbbbbb');
    expect([first.status, second.status, isReplay(second)]).toEqual([202, 202, true]);
    expect(second.body).toEqual(first.body);
    const changed = await send('Form Two', 'aaa');
    expect([changed.status, changed.body.code]).toEqual([422, 'idempotency-key-reused']);
    expect((await total()) - before).toBe(1);
    expect((await server.settled(first.body.id)).counts.created).toBe(1);
  });

  it.each([
    ['empty', ''],
    ['too long', 'k'.repeat(256)],
  ])('refuses a key that is %s', async (_, key) => {
    const answer = await post('/leads', lead(), key);
    expect([answer.status, answer.body.code]).toEqual([400, 'idempotency-key-invalid']);
  });

  it('gives the stored answer after a kill and a start', async () => {
    const [body, key] = [lead(), randomUUID()];
    const first = await post('/leads', body, key);
    await server.api.end('SIGKILL');
    await Promise.all(server.workers.splice(0).map((worker) => worker.end()));
    await server.startProcesses();
    const second = await post('/leads', body, key);
    expect([second.status, isReplay(second), second.body]).toEqual([201, true, first.body]);
  }, 90_000);

  it('is documented on every POST, and on nothing else', async () => {
    const { body } = await server.request('GET', '/api/openapi.json');
    const operations = Object.values(body.paths as Record<string, Record<string, { parameters?: { name: string }[] }>>);
    for (const [method, { parameters = [] }] of operations.flatMap((each) => Object.entries(each))) {
      const named = parameters.filter(({ name }) => name === 'Idempotency-Key');
      expect([method, named.length]).toEqual([method, method === 'post' ? 1 : 0]);
    }
  });
});
