import { Process, Server } from '@muster/testing/server';
import { lendDirectory, testProfile } from '@muster/testing/profile';

describe('the running program', () => {
  let server: Server;
  beforeAll(async () => {
    server = await Server.start({ IMPORT_BATCH_ROWS: '200', LOG_LEVEL: 'info' });
  }, 90_000);
  afterAll(() => server.stop());

  it('is alive and ready', async () => {
    expect((await server.request('GET', '/health/live', undefined, null)).body).toEqual({ status: 'ok' });
    const ready = await server.request('GET', '/health/ready', undefined, null);
    expect([ready.status, ready.body]).toEqual([
      200,
      { status: 'ok', checks: { store: 'ok', broker: 'ok', storage: 'ok' } },
    ]);
  });

  it('tells its figures to Prometheus', async () => {
    await server.import(`name,email\nMetric One,metric@one.example.com\n`);
    const { body, headers } = await server.request('GET', '/metrics', undefined, null);
    expect(headers.get('content-type')).toContain('text/plain');
    expect(body).toContain('muster_http_request_duration_seconds_count');
    expect(body).toContain('route="/api/v1/imports/:id"');
  });

  it('documents itself', async () => {
    const { status, body } = await server.request('GET', '/api/openapi.json', undefined, null);
    expect(status).toBe(200);
    expect(Object.keys(body.paths)).toEqual(expect.arrayContaining(['/api/v1/imports', '/api/v1/leads/{id}']));
    expect((await server.request('GET', '/api/docs', undefined, null)).status).toBe(200);
  });

  it.each<[string, string, string, unknown, number, string]>([
    ['a route that does not exist', 'GET', '/nothing', undefined, 404, 'not-found'],
    ['a body that is no JSON', 'POST', '/leads', '{"name":', 400, 'malformed'],
    ['a form where JSON belongs', 'POST', '/imports', { target: 'leads' }, 415, 'multipart-expected'],
    ['a body that is too large', 'POST', '/leads', { name: 'x'.repeat(1_100_000) }, 413, 'too-large'],
    ['an empty body', 'POST', '/leads', {}, 422, 'validation-failed'],
  ])('answers %s with a problem', async (_, method, path, body, status, code) => {
    const answer = await server.request(method, path, body);
    expect([answer.status, answer.body.code]).toEqual([status, code]);
    expect(answer.headers.get('content-type')).toContain('application/problem+json');
    expect(answer.body).toMatchObject({
      status,
      title: expect.any(String),
      requestId: answer.headers.get('x-request-id'),
    });
  });

  it('sends security headers', async () => {
    const { headers } = await server.request('GET', '/leads');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('content-security-policy')).toContain("default-src 'none'");
    const docs = await server.request('GET', '/api/docs', undefined, null);
    expect(docs.headers.get('content-security-policy')).toContain("default-src 'self'");
  });

  it('writes no personal data and no secret into its log', () => {
    const said = server.api.said + server.workers.map((worker) => worker.said).join('');
    expect(said).toContain('"route":"/api/v1/imports"');
    for (const secret of ['metric@one.example.com', 'correct horse', server.adminToken])
      expect(said).not.toContain(secret);
  });

  it('stops in order when asked to, and goes on where it stood when started again', async () => {
    const rows = Array.from({ length: 20_000 }, (_, n) => `Stop ${n},stop${n}@halt.example.com`);
    const { body } = await server.upload(`name,email\n${rows.join('\n')}\n`);
    for (;;) {
      const { body: now } = await server.request('GET', `/imports/${body.id}`);
      if (now.progress.processed > 0) break;
    }
    const working = [...server.workers, ...(server.workers.length === 0 ? [server.api] : [])];
    // Nest ends the process with the signal that asked it to, after everything is closed.
    for (const each of working) expect(['SIGTERM', 0]).toContain(await each.end('SIGTERM'));
    for (const each of working) expect(each.said).not.toContain('"level":"error"');
    server.workers = [];
    if (working[0] === server.api) await server.startProcesses();
    else await server.addWorker();
    expect(await server.settled(body.id)).toMatchObject({
      status: 'completed',
      counts: { total: 20_000, created: 20_000 },
    });
  }, 120_000);

  it('shares one import among several workers', async () => {
    if (testProfile() === 'embedded') return; // one process is the profile's point
    await server.addWorker();
    const rows = Array.from({ length: 10_000 }, (_, n) => `Share ${n},share${n}@share.example.com`);
    const done = await server.import(`name,email\n${rows.join('\n')}\n`);
    expect(done.counts).toMatchObject({ total: 10_000, created: 10_000 });
  }, 60_000);
});

describe('a start that cannot work', () => {
  it.each<[Record<string, string>, RegExp]>([
    [{ PORT: 'many' }, /PORT: /],
    [{ PROCESS: 'both' }, /PROCESS: /],
    [{ PROCESS: 'worker' }, /PROCESS: worker needs DATABASE_URL and BROKER_URL/],
    [{ DATABASE_URL: 'postgres://x' }, /DATABASE_URL: must be a URL that starts with mysql/],
    [{ DATABASE_URL: 'mysql://root@127.0.0.1:1/x' }, /JWT_SECRETS: must be set/],
    [{ JWT_SECRETS: 'changeme-changeme-changeme-changeme' }, /JWT_SECRETS: each must have 32 random/],
    [{ STORAGE_URL: 's3://bucket?colour=red' }, /STORAGE_URL: unknown parameter "colour"/],
    [{ IMPORT_MAX_ROW: '5' }, /IMPORT_MAX_ROW: there is no such setting/],
  ])('says what is wrong: %j', async (env, message) => {
    const directory = lendDirectory();
    const program = new Process('apps/api/src/main.js', { DATA_DIR: directory.value, PORT: '0', ...env });
    await program.says(message);
    expect(await program.exited()).toBe(1);
    await directory.remove();
  });
});
