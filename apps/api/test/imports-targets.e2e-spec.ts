import { Server } from '@muster/testing/server';

type Json = any;

/** Each test waits for work in the background. */
jest.setTimeout(60_000);

describe('what columns are mapped to', () => {
  let server: Server;
  let agent: Json;
  let fair: Json;
  beforeAll(async () => {
    server = await Server.start({ IMPORT_BATCH_ROWS: '50' });
    const user = { name: 'Ada Crew', email: 'ada@crew.example.org', password: 'a long password', role: 'agent' };
    agent = (await call('POST', '/users', user)).body;
    fair = (await call('POST', '/groups', { name: 'Fair' })).body;
  }, 90_000);
  afterAll(() => server.stop());

  const call = (method: string, path: string, body?: unknown) => server.request(method, path, body);
  let salt = 0;
  const unique = () => `t${++salt}`;
  const linesOf = (tag: string) => [
    'Name,E-mail,Lead Owner,Group',
    `Ann Lee,a@${tag}.example.com,ADA@crew.example.org,Fair`,
    `Bob Ray,b@${tag}.example.com,Ada Crew,`,
    `Cem Kaya,c@${tag}.example.com,,fair`,
  ];
  const mapping = { Name: 'name', 'E-mail': 'email', 'Lead Owner': 'assignee', Group: 'group' };

  it.each(['leads', 'customers'] as const)('are suggested, and %s are made accordingly', async (target) => {
    const tag = unique();
    const work = await server.import(linesOf(tag).join('\n'), { target });
    const name = target === 'leads' ? 'name' : 'fullName';
    expect(work).toMatchObject({ status: 'completed', mapping: { ...mapping, Name: name }, counts: { created: 3 } });
    const { body } = await call('GET', `/${target}?importId=${work.id}&sort=createdAt`);
    const held = body.data
      .toSorted((one: Json, other: Json) => one.id - other.id)
      .map(({ assignedTo, ownerId, groups }: Json) => [target === 'leads' ? assignedTo : ownerId, groups]);
    expect(held).toEqual([
      [agent.id, [fair.id]],
      [agent.id, []],
      [null, [fair.id]],
    ]);
  });

  it('are not suggested where they name those of another system', async () => {
    const [header, ...rows] = linesOf(unique());
    const other = [...rows, rows[0].replace('Ann', 'Eve').replace('a@', 'e@').replace('ADA', 'nobody')];
    const work = await server.import([header, ...other].join('\n'));
    expect(work).toMatchObject({ status: 'completed', counts: { created: 4 } });
    expect(work.mapping).toEqual({ ...mapping, 'Lead Owner': null });
  });

  it('are refused alike by preview, plan and import, and an update and its undo follow the rest', async () => {
    const tag = unique();
    const lead = (await call('POST', '/leads', { name: 'Ann Lee', email: `a@${tag}.example.com`, source: 'web' })).body;
    const [header, first, second] = linesOf(tag);
    const wrong = second.replace('Ada Crew,', 'Nobody Known,Lost');
    const work = await server.import([header, first, wrong].join('\n'), {
      ...{ target: 'leads', autoStart: 'false', mapping: JSON.stringify(mapping) },
      options: JSON.stringify({ duplicates: 'update', events: 'each' }),
    });
    const errors = [
      { field: 'assignee', code: 'assignee-unknown', message: expect.any(String) },
      { field: 'group', code: 'group-unknown', message: expect.any(String) },
    ];
    const preview = (await call('GET', `/imports/${work.id}/preview`)).body;
    expect(preview.data.map(({ _errors }: Json) => _errors)).toEqual([[], errors]);
    expect(preview.data[0]._values).toMatchObject({ assignedTo: agent.id });
    expect(preview.meta.counts).toEqual({ valid: 1, invalid: 1, duplicates: 1 });
    const plan = (await call('POST', `/imports/${work.id}/plan`, {})).body;
    expect(plan).toMatchObject({
      counts: { updated: 1, rejected: 1 },
      samples: [{ recordId: lead.id, changes: { assignedTo: { old: null, new: agent.id } } }],
      rejected: [{ row: 2, errors }],
    });
    await call('POST', `/imports/${work.id}/start`, { ifPlan: plan.planId });
    expect((await server.settled(work.id)).counts).toMatchObject({ updated: 1, rejected: 1 });
    expect((await call('GET', `/leads/${lead.id}`)).body).toMatchObject({ assignedTo: agent.id, groups: [] });
    expect((await call('GET', `/leads?assignedTo=${agent.id}&q=a@${tag}`)).body.meta.total).toBe(1);
    expect((await call('GET', `/imports/${work.id}/rejected.csv`)).body).toContain('Nobody Known,Lost');
    expect((await call('POST', `/imports/${work.id}/undo`)).status).toBe(202);
    while ((await call('GET', `/imports/${work.id}/undo`)).body.status === 'running');
    expect((await call('GET', `/leads/${lead.id}`)).body).toMatchObject({ assignedTo: null });
  });

  it('tell duplicates in the preview by what rows are matched by', async () => {
    const tag = unique();
    const field = { key: `ref_${tag}`, label: 'Ref', type: 'text', filterable: true };
    expect((await call('POST', '/leads/fields', field)).status).toBe(201);
    const at = (name: string) => `${name}@${tag}.example.com`;
    const mapped = JSON.stringify({ name: 'name', email: 'email', ref: `cf.ref_${tag}` });
    await server.import(`name,email,ref\nHeld,${at('held')},One\n`, { target: 'leads', mapping: mapped });
    const rows = [
      `x1,${at('x1')},ONE`,
      `x2,${at('x2')},Two`,
      `x3,${at('x3')},two`,
      `x4,${at('held')},`,
      `x5,${at('x5')},`,
    ];
    const work = await server.import(`name,email,ref\n${rows.join('\n')}\n`, {
      ...{ target: 'leads', autoStart: 'false', mapping: mapped },
      options: JSON.stringify({ duplicates: 'skip', matchOn: `cf.ref_${tag}` }),
    });
    const { data, meta } = (await call('GET', `/imports/${work.id}/preview`)).body;
    expect(data.map(({ _duplicate }: Json) => _duplicate)).toEqual([
      { of: 'store', recordId: expect.any(Number) },
      undefined,
      { of: 'file', row: 2 },
      { of: 'store', recordId: data[0]._duplicate.recordId },
      undefined,
    ]);
    expect(meta.counts).toEqual({ valid: 5, invalid: 0, duplicates: 3 });
    const filtered = (await call('GET', `/imports/${work.id}/preview?only=duplicates`)).body.data;
    expect(filtered.map(({ _row }: Json) => _row)).toEqual([1, 3, 4]);
    await call('POST', `/imports/${work.id}/start`, {});
    // One e-mail is that of a record which the row does not match.
    expect((await server.settled(work.id)).counts).toMatchObject({ created: 2, skipped: 2, rejected: 1 });
  });
});
