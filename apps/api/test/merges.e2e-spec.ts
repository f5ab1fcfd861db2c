import { Server } from '@muster/testing/server';

const PASSWORD = 'a long enough passphrase';

/** For one test, in milliseconds: some wait for an import. */
const TIMEOUT = 60_000;

/** People, companies and numbers are invented. */
describe('merging, converting and looking back over HTTP', () => {
  let server: Server;
  let manager: { id: number; name: string; token: string };
  let agent: { id: number; name: string; token: string };
  let stranger: { id: number; name: string; token: string };

  const join = async (role: string, teamId?: number) => {
    const email = `${role}${++count}@example.com`;
    const input = { name: `Some ${role}`, email, password: PASSWORD, role, ...(teamId ? { teamId } : {}) };
    const { status, body } = await server.request('POST', '/users', input);
    expect(status).toBe(201);
    return { id: body.id as number, name: body.name as string, token: await server.login(email, PASSWORD) };
  };
  let count = 0;
  beforeAll(async () => {
    server = await Server.start();
    manager = await join('manager');
    agent = await join('agent');
    const team = await server.request('POST', '/teams', { name: 'Another team' });
    stranger = await join('manager', team.body.id as number);
  }, 90_000);
  afterAll(() => server.stop());

  const call = (
    method: string,
    path: string,
    body?: unknown,
    token = manager.token,
    headers?: Record<string, string>,
  ) => server.request(method, path, body, token, headers);
  const make = async (noun: 'leads' | 'customers', values: object = {}, token = manager.token) => {
    const named = noun === 'leads' ? { name: 'Ada Example', source: 'web' } : { fullName: 'Ada Example' };
    const { status, body } = await call(
      'POST',
      `/${noun}`,
      { ...named, email: `m${++count}@example.com`, ...values },
      token,
    );
    expect(status).toBe(201);
    return body;
  };
  const withoutTime = ({ updatedAt: _, ...record }: any) => record;

  it.each(['leads', 'customers'] as const)('merges %s, and takes it back', async (noun) => {
    const target = await make(noun, { tags: ['a'] });
    const source = await make(noun, {
      phone: `+1201555${noun === 'leads' ? '0190' : '0191'}`,
      company: 'Acme',
      tags: ['b'],
    });
    const stale = await call('POST', `/${noun}/${target.id}/merge`, { sourceId: source.id }, undefined, {
      'if-match': '"v7"',
    });
    expect([stale.status, stale.body.code]).toEqual([412, 'stale']);
    const body = { sourceId: source.id, sourceVersion: 1, fields: { email: 'source' } };
    const merged = await call('POST', `/${noun}/${target.id}/merge`, body, undefined, { 'if-match': '"v1"' });
    expect([merged.status, merged.headers.get('etag')]).toEqual([200, '"v2"']);
    expect(withoutTime(merged.body.record)).toEqual({
      ...withoutTime(target),
      ...{ email: source.email, phone: source.phone, company: 'Acme', tags: ['a', 'b'] },
    });
    expect((await call('GET', `/${noun}/${source.id}`)).status).toBe(404);
    expect((await call('POST', `/${noun}/${target.id}/merge`, body)).status).toBe(404);
    const path = `/${noun}/merges/${merged.body.mergeId}/undo`;
    for (const [token, status] of [
      [stranger.token, 404],
      [agent.token, 403],
    ] as const) {
      expect((await call('POST', path, undefined, token)).status).toBe(status);
    }
    const other = noun === 'leads' ? 'customers' : 'leads';
    expect((await call('POST', path.replace(noun, other))).status).toBe(404);
    const undone = await call('POST', path);
    expect(undone.status).toBe(200);
    expect(undone.body).toEqual({
      ...{ source, target: { ...target, updatedAt: expect.any(String) }, kept: [], notRestored: [] },
    });
    expect((await call('GET', `/${noun}/${source.id}`)).body).toEqual(source);
    const subject = noun.slice(0, -1);
    for (const [answer, actions] of [
      [merged, ['merged', 'mergedAway']],
      [undone, ['mergeUndone', 'restored']],
    ] as const) {
      const query = `sort=occurredAt&requestId=${answer.headers.get('x-request-id')}`;
      const { data } = (await server.request('GET', `/audit-log?${query}`)).body;
      const seen = data.map(({ action, subjectId, actorId }: any) => [action, subjectId, actorId]);
      expect(seen).toEqual([
        [`${subject}.${actions[0]}`, target.id, manager.id],
        [`${subject}.${actions[1]}`, source.id, manager.id],
      ]);
    }
    const again = await call('POST', path);
    expect([again.status, again.body.code]).toEqual([409, 'merge-already-undone']);
  });

  it('answers bad bodies and ids with a code', async () => {
    const { id } = await make('leads');
    for (const body of [
      {},
      { sourceId: 'x' },
      { sourceId: 1, fields: [] },
      { sourceId: 1, fields: 1 },
      { sourceId: 1, more: 1 },
      [],
    ]) {
      const { status, body: problem } = await call('POST', `/leads/${id}/merge`, body);
      expect([status, problem.code]).toEqual([422, 'validation-failed']);
    }
    const self = await call('POST', `/leads/${id}/merge`, { sourceId: id });
    expect([self.status, self.body.code]).toEqual([422, 'merge-with-itself']);
    for (const path of [
      '/leads/0/merge',
      '/leads/x/merge',
      '/leads/merges/x/undo',
      '/leads/merges/0/undo',
      '/leads/x/convert',
    ]) {
      expect((await call('POST', path, path.endsWith('merge') ? { sourceId: 1 } : undefined)).status).toBe(404);
    }
    const convert = await call('POST', `/leads/${id}/convert`, { customerId: '1' });
    expect([convert.status, convert.body.code]).toEqual([422, 'validation-failed']);
    const fields = await call('POST', `/leads/${id}/convert`, { customFields: { nope: 1 } });
    expect([fields.status, fields.body.errors[0].field]).toEqual([422, 'customFields.nope']);
    for (const query of ['cursor=x', 'limit=0', 'page=1', 'limit=101']) {
      expect((await call('GET', `/leads/duplicates?${query}`)).status).toBe(422);
    }
    expect((await call('GET', `/leads/${id}/timeline?cursor=x`)).body.code).toBe('cursor-invalid');
    for (const path of ['/leads/x/timeline', '/leads/987654/timeline', '/customers/987654/timeline']) {
      expect((await call('GET', path)).status).toBe(404);
    }
  });

  it('makes one customer of a lead', async () => {
    const lead = await make('leads', { company: 'Acme', phone: '+12015550192', assignedTo: agent.id });
    const first = await call('POST', `/leads/${lead.id}/convert`, undefined, agent.token);
    expect([first.status, first.headers.get('location')]).toEqual([201, `/api/v1/customers/${first.body.id}`]);
    expect(first.body).toMatchObject({
      ...{ fullName: 'Ada Example', firstName: 'Ada', lastName: 'Example', email: lead.email, ownerId: agent.id },
      ...{ groups: [], notCarried: [] },
    });
    const customer = { ...first.body };
    delete customer.notCarried;
    expect((await call('GET', `/customers/${customer.id}`, undefined, agent.token)).body).toEqual(customer);
    const again = await call('POST', `/leads/${lead.id}/convert`, {}, agent.token);
    expect([again.status, again.body]).toEqual([200, first.body]);
    const after = await call('GET', `/leads/${lead.id}`);
    expect(after.body).toMatchObject({ status: 'converted', convertedTo: customer.id });
    const other = await make('leads', { email: `twin${count}@example.com` });
    await make('customers', { email: other.email });
    const taken = await call('POST', `/leads/${other.id}/convert`);
    expect([taken.status, taken.body.code, taken.body.errors[0].existingId]).toEqual([
      409,
      'duplicate',
      expect.any(Number),
    ]);
    const linked = await call('POST', `/leads/${other.id}/convert`, { customerId: taken.body.errors[0].existingId });
    expect([linked.status, linked.body.id]).toEqual([201, taken.body.errors[0].existingId]);
    expect((await call('DELETE', `/customers/${customer.id}`)).status).toBe(204);
    expect((await call('GET', `/leads/${lead.id}`)).body.convertedTo).toBeNull();
    expect((await call('POST', `/leads/${lead.id}/convert`)).status).toBe(201);
  });

  it(
    'finds near duplicates in scope, those of an import too',
    async () => {
      const csv =
        'Name,Email,Company\nNora Near,nora.near@example.com,Nearby Ltd\n"Near, Nora",other.near@example.com,NEARBY LTD.\n';
      expect(await server.import(csv)).toMatchObject({ status: 'completed' });
      const find = async (token = manager.token) => {
        const { status, body } = await call('GET', '/leads/duplicates?limit=100', undefined, token);
        expect(status).toBe(200);
        const isNear = ({ records }: any) => records.some(({ company }: any) => /nearby/i.test(company));
        return { groups: body.data.filter(isNear), meta: body.meta };
      };
      const deadline = Date.now() + 60_000;
      while ((await find()).groups.length === 0 && Date.now() < deadline)
        await new Promise((resolve) => setTimeout(resolve, 100));
      const { groups, meta } = await find();
      expect(groups).toEqual([{ reason: 'name-company', count: 2, records: [expect.anything(), expect.anything()] }]);
      expect(groups[0].records.map(({ name }: any) => name)).toEqual(['Nora Near', 'Near, Nora']);
      expect(groups[0].records[0]).toMatchObject({ groups: [], convertedTo: null });
      expect(meta).toEqual({ limit: 100, nextCursor: null });
      expect((await find(agent.token)).groups).toEqual([]);
    },
    TIMEOUT,
  );

  it(
    'tells what happened to a record: import, changes, groups',
    async () => {
      const work = await server.import('Name,Email\nTina Time,tina.time@example.com\n');
      const list = await call('GET', `/leads?importId=${work.id}`);
      const [{ id }] = list.body.data;
      const group = (await call('POST', '/groups', { name: 'Timed' })).body.id;
      await call('PATCH', `/leads/${id}`, { assignedTo: agent.id });
      await call('POST', `/groups/${group}/members`, { leadIds: [id] });
      await call('DELETE', `/groups/${group}/members`, { leadIds: [id] });
      await call('PATCH', `/leads/${id}`, { company: 'Acme', metadata: { password: 'hunter2' } }, agent.token);
      const { status, body } = await call('GET', `/leads/${id}/timeline`, undefined, agent.token);
      expect(status).toBe(200);
      const person = ({ id: userId, name }: { id: number; name: string }) => ({ id: userId, name });
      expect(body.data.map(({ at: _, ...entry }: any) => entry)).toEqual([
        {
          ...{ kind: 'changed', actor: person(agent) },
          changes: expect.arrayContaining([
            { field: 'company', from: null, to: 'Acme' },
            { field: 'metadata.password', from: null, to: '[redacted]' },
          ]),
        },
        { kind: 'group-removed', actor: person(manager), changes: [], groupId: group },
        { kind: 'group-added', actor: person(manager), changes: [], groupId: group },
        { kind: 'assigned', actor: person(manager), changes: [{ field: 'assignedTo', from: null, to: person(agent) }] },
        { kind: 'created', actor: expect.anything(), changes: [], origin: { importId: work.id, row: 1 } },
      ]);
      expect(body.meta).toEqual({ page: 1, limit: 20, total: 5, nextCursor: null });
      expect((await call('GET', `/leads/${id}/timeline`, undefined, stranger.token)).status).toBe(404);
    },
    TIMEOUT,
  );
});
