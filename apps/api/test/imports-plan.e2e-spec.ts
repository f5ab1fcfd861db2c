import { Server } from '@muster/testing/server';

type Json = any;

/** Each test waits for work in the background. */
jest.setTimeout(60_000);

describe('plans and updates of imports', () => {
  let server: Server;
  beforeAll(async () => {
    server = await Server.start({ IMPORT_BATCH_ROWS: '50' });
  }, 90_000);
  afterAll(() => server.stop());

  let salt = 0;
  const unique = () => `u${++salt}`;
  const call = (method: string, path: string, body?: unknown, token?: string) =>
    server.request(method, path, body, token ?? server.adminToken);

  async function ready(content: string, options: object = {}): Promise<Json> {
    const fields = { target: 'leads', autoStart: 'false', options: JSON.stringify(options) };
    const work = await server.import(content, fields);
    expect(work.status).toBe('ready');
    return work;
  }
  const addLead = async (values: object): Promise<Json> => {
    const { status, body } = await call('POST', '/leads', { source: 'web', ...values });
    expect(status).toBe(201);
    return body;
  };
  const planOf = async (id: number, body: object = {}): Promise<Json> => {
    const answer = await call('POST', `/imports/${id}/plan`, body);
    expect([answer.status, answer.body.status]).toEqual([200, 'ready']);
    return answer.body;
  };
  const rowsOf = async (id: number): Promise<Json[]> => (await call('GET', `/imports/${id}/rows?limit=100`)).body.data;

  it('tells what an import would do, does nothing, and the import does it', async () => {
    const tag = unique();
    const ann = await addLead({ name: 'Ann Lee', email: `a@${tag}.example.com`, company: 'Acme', tags: ['vip'] });
    const lines = Array.from({ length: 120 }, (_, n) => `P ${n}x,n${n}@${tag}.example.com,New`);
    const work = await ready(
      `Name,Email,Company\nAnn Lee,a@${tag}.example.com,Blue\nAnn Lee,a@${tag}.example.com,Blue\n,b@${tag}.example.com,\n${lines.join('\n')}\n`,
    );
    const plan = await planOf(work.id, { duplicates: 'update', matchOn: 'email', excludedRows: ['100-109'] });
    const counts = { created: 110, updated: 1, unchanged: 1, skipped: 0, excluded: 10, rejected: 1 };
    expect(plan).toMatchObject({
      counts,
      samples: [{ row: 1, recordId: ann.id, changes: { company: { old: 'Acme', new: 'Blue' } } }],
    });
    expect(plan.rejected).toMatchObject([{ row: 3, errors: [{ field: 'name', code: 'required' }] }]);
    expect((await call('GET', `/leads/${ann.id}`)).body).toEqual(ann);
    expect((await call('GET', `/imports/${work.id}`)).body).toMatchObject({ status: 'ready', counts: { created: 0 } });
    expect((await call('GET', `/imports/${work.id}/plan`)).body).toEqual(plan);
    const same = { duplicates: 'update', matchOn: 'email', excludedRows: ['100-109'], ifPlan: plan.planId };
    const other = await call('POST', `/imports/${work.id}/start`, { ...same, blankClears: true });
    expect([other.status, other.body.code]).toEqual([409, 'plan-mismatch']);
    expect((await call('POST', `/imports/${work.id}/start`, same)).status).toBe(202);
    expect((await server.settled(work.id)).counts).toEqual({ total: 123, ...counts });
    const now = (await call('GET', `/leads/${ann.id}`)).body;
    expect(now).toMatchObject({ company: 'Blue', tags: ['vip'] });
    const { body: found } = await call('GET', `/leads?q=${encodeURIComponent('blue')}&limit=100`);
    expect(found.data.map(({ id }: Json) => id)).toContain(ann.id);
  });

  it('holds a start to its plan', async () => {
    const tag = unique();
    const lead = await addLead({ name: 'Ann Lee', email: `a@${tag}.example.com` });
    const work = await ready(
      `Name,Email,Company\nAnn Lee,a@${tag}.example.com,Blue\nBob Ray,b@${tag}.example.com,Blue\n`,
      {
        duplicates: 'update',
      },
    );
    expect((await call('GET', `/imports/${work.id}/plan`)).status).toBe(404);
    const unknown = await call('POST', `/imports/${work.id}/start`, { ifPlan: 999_999 });
    expect([unknown.status, unknown.body.code]).toEqual([422, 'plan-unknown']);
    const { planId: old } = await planOf(work.id);
    await call('PUT', `/imports/${work.id}/mapping`, { mapping: { Name: 'name', Email: 'email' } });
    const outdated = await call('POST', `/imports/${work.id}/start`, { ifPlan: old });
    expect([outdated.status, outdated.body.code]).toEqual([409, 'plan-outdated']);
    await call('PUT', `/imports/${work.id}/mapping`, { mapping: work.mapping });
    const { planId } = await planOf(work.id);
    await call('PATCH', `/leads/${lead.id}`, { source: 'phone' });
    expect((await call('POST', `/imports/${work.id}/start`, { ifPlan: planId })).status).toBe(202);
    expect((await server.settled(work.id)).counts).toMatchObject({ created: 1, skipped: 1, updated: 0 });
    expect((await rowsOf(work.id)).map(({ outcome, errors }) => [outcome, errors[0]?.code])).toEqual([
      ['skipped', 'changed-since-plan'],
      ['created', undefined],
    ]);
    expect((await call('GET', `/leads/${lead.id}`)).body).toMatchObject({ source: 'phone', company: null });
  });

  it('updates records that a file without names only matches', async () => {
    const tag = unique();
    const lead = await addLead({ name: 'Ann Lee', email: `a@${tag}.example.com` });
    const options = JSON.stringify({ duplicates: 'update', tags: ['fair'] });
    const done = await server.import(`Email,Company\na@${tag}.example.com,Blue\nx@${tag}.example.com,Blue\n`, {
      ...{ target: 'leads', options },
    });
    expect(done).toMatchObject({ status: 'completed', counts: { updated: 1, rejected: 1 } });
    expect((await call('GET', `/leads/${lead.id}`)).body).toMatchObject({
      company: 'Blue',
      tags: ['fair'],
      name: 'Ann Lee',
    });
  });

  it.each([
    ['another word', { matchOn: 'shoe' }, 422, 'validation-failed'],
    ['a field that is not there', { matchOn: 'cf.nothing' }, 422, 'mapping-incomplete'],
    ['a column that is not mapped', { matchOn: 'phone' }, 422, 'mapping-incomplete'],
  ])('refuses to match by %s', async (_, body, status, code) => {
    const work = await ready(`Name,Email\nAnn Lee,a@${unique()}.example.com\n`);
    for (const step of ['plan', 'start']) {
      const answer = await call('POST', `/imports/${work.id}/${step}`, body);
      expect([answer.status, answer.body.code]).toEqual([status, code]);
    }
  });

  it('shows a reader of the plan nothing of records that are not theirs', async () => {
    const tag = unique();
    const { body: team } = await call('POST', '/teams', { name: `Team ${tag}` });
    const { body: other } = await call('POST', '/teams', { name: `Other ${tag}` });
    const person = async (name: string, role: string, teamId: number) => {
      const email = `${name}@${tag}.example.com`;
      const { body } = await call('POST', '/users', {
        name: `${name} x`,
        email,
        password: 'a long password',
        role,
        teamId,
      });
      return { id: body.id, token: await server.login(email, 'a long password') };
    };
    const manager = await person('manager', 'manager', team.id);
    const agent = await person('agent', 'agent', other.id);
    await addLead({ name: 'Foreign', email: `f@${tag}.example.com`, assignedTo: agent.id });
    const own = await addLead({ name: 'Own', email: `o@${tag}.example.com`, assignedTo: manager.id });
    const work = await ready(`Name,Email\nNew,f@${tag}.example.com\nNew,o@${tag}.example.com\n`, {
      duplicates: 'update',
    });
    expect((await planOf(work.id)).samples).toHaveLength(2);
    const seen = await call('GET', `/imports/${work.id}/plan`, undefined, manager.token);
    expect([seen.status, seen.body.samples.map(({ recordId }: Json) => recordId)]).toEqual([200, [own.id]]);
    expect(JSON.stringify(seen.body)).not.toContain('Foreign');
  });
});
