import { Server } from '@muster/testing/server';

/** What is asked of many leads or customers at once; people and numbers are invented. */
const NOUNS = [
  { noun: 'leads', named: (name: string) => ({ name, source: 'web' }), member: 'leadIds', status: 'lost' },
  { noun: 'customers', named: (fullName: string) => ({ fullName }), member: 'customerIds', status: 'blocked' },
];
const PASSWORD = 'a long enough passphrase';

describe.each(NOUNS)('many $noun over HTTP', ({ noun, named, member, status }) => {
  let server: Server;
  let agent: string;
  let manager: string;

  beforeAll(async () => {
    server = await Server.start();
    const join = async (role: string) => {
      const email = `${role}@example.com`;
      const person = { name: 'Some Body', email, password: PASSWORD, role };
      expect((await server.request('POST', '/users', person)).status).toBe(201);
      return server.login(email, PASSWORD);
    };
    agent = await join('agent');
    manager = await join('manager');
    for (const [key, type] of [
      ['tier', 'list'],
      ['seats', 'number'],
    ]) {
      const field = {
        key,
        label: key,
        type,
        filterable: true,
        ...(type === 'list' ? { options: ['Gold', 'Iron'] } : {}),
      };
      expect((await server.request('POST', `/${noun}/fields`, field)).status).toBe(201);
    }
  }, 90_000);
  afterAll(() => server.stop());

  let count = 0;
  const call = (method: string, path: string, body?: unknown, token = manager, headers?: Record<string, string>) =>
    server.request(method, `/${noun}${path}`, body, token, headers);
  const make = async (values: object = {}, token = manager) => {
    const email = `person${++count}@example.com`;
    const { status: answered, body } = await call('POST', '', { ...named('Ada Example'), email, ...values }, token);
    expect(answered).toBe(201);
    return body;
  };

  it('filters and sorts by custom fields, page by page', async () => {
    const seats = [3, -2, 0.5];
    for (const each of seats) await make({ customFields: { tier: 'Gold', seats: each }, tags: ['sorted'] });
    await make({ customFields: { tier: 'Iron' }, tags: ['sorted'] });
    const seen: number[] = [];
    let cursor = '';
    do {
      const { status: answered, body } = await call(
        'GET',
        `?tag=sorted&cf.tier=gold&sort=cf.seats&limit=2${cursor && `&cursor=${cursor}`}`,
      );
      expect([answered, body.meta.total]).toEqual([200, 3]);
      seen.push(...body.data.map(({ customFields }: any) => customFields.seats));
      cursor = body.meta.nextCursor;
    } while (cursor);
    expect(seen).toEqual([-2, 0.5, 3]);
    for (const query of ['cf.nope=1', 'sort=cf.nope', 'cf.tier.from=1', 'cf.seats=x']) {
      const { status: answered, body } = await call('GET', `?${query}`);
      expect([answered, body.errors[0].field]).toEqual([422, query.split('=')[0]]);
    }
  });

  it('takes customFields as its definitions say', async () => {
    const { status: answered, body } = await call('POST', '', {
      ...named('Ada Example'),
      ...{ email: 'nobody', customFields: { tier: 'Tin', nope: 1 } },
    });
    expect(answered).toBe(422);
    expect(body.errors.map(({ field, code }: any) => `${field} ${code}`)).toEqual([
      ...['email email-invalid', 'customFields.nope unknown-field', 'customFields.tier option-unknown'],
    ]);
    const { id } = await make({ customFields: { tier: 'Gold' } });
    expect((await call('PATCH', `/${id}`, { customFields: { seats: 1 } })).body.customFields).toEqual({
      tier: 'Gold',
      seats: 1,
    });
    expect(
      (await call('PUT', `/${id}`, { ...named('Eva Example'), email: 'eva@example.com' })).body.customFields,
    ).toEqual({});
  });

  it('imports custom fields, and finds them', async () => {
    const header = noun === 'leads' ? 'name' : 'fullName';
    const file = `${header},email,Tier,seats\nAda,i1@example.com,gold,"1,5"\nBob,i2@example.com,Tin,\nCid,i3@example.com,,2\n`;
    const form = { target: noun, options: JSON.stringify({ defaultRegion: 'DE' }) };
    const work = await server.import(file, form);
    expect([work.status, work.mapping]).toEqual([
      'completed',
      { [header]: header, email: 'email', Tier: 'cf.tier', seats: 'cf.seats' },
    ]);
    expect(work.counts).toMatchObject({ created: 2, rejected: 1 });
    const { body } = await server.request('GET', `/imports/${work.id}/rows?outcome=rejected`);
    expect(body.data[0].errors).toMatchObject([{ field: 'customFields.tier', code: 'option-unknown' }]);
    const found = await call('GET', `?importId=${work.id}&cf.seats=1.5`, undefined, server.adminToken);
    expect(found.body.data).toMatchObject([{ customFields: { tier: 'Gold', seats: 1.5 }, origin: { row: 1 } }]);
    const sorted = await call('GET', `?importId=${work.id}&sort=-cf.seats`, undefined, server.adminToken);
    expect(sorted.body.data.map(({ customFields }: any) => customFields.seats)).toEqual([2, 1.5]);
    const unknown = await server.import(file, { ...form, mapping: JSON.stringify({ Tier: 'cf.nope' }) });
    expect([unknown.status, unknown.error.code]).toEqual(['failed', 'mapping-invalid']);
  });

  it('shows groups, and lists by them', async () => {
    const { id } = await make({ tags: ['grouped'] });
    const group = (await server.request('POST', '/groups', { name: `Group of ${noun}` }, manager)).body;
    expect((await server.request('POST', `/groups/${group.id}/members`, { [member]: [id] }, manager)).status).toBe(200);
    expect((await call('GET', `/${id}`)).body.groups).toEqual([group.id]);
    const { body } = await call('GET', `?groupId=${group.id}`);
    expect(body.data.map((each: any) => [each.id, each.groups])).toEqual([[id, [group.id]]]);
    expect((await call('GET', '?groupId=999999')).body.meta.total).toBe(0);
    expect((await call('GET', `?groupId=${group.id}`, undefined, agent)).body.data).toEqual([]);
  });

  it('changes many, and says of each what came of it', async () => {
    const [one, two] = [await make(), await make()];
    const updates = [
      { id: one.id, data: { company: 'New' }, ifMatch: '"v1"' },
      { id: 999_999, data: { company: 'New' } },
      { id: two.id, data: { email: one.email } },
    ];
    const { status: answered, body } = await call('PATCH', '/batch', { updates });
    expect(answered).toBe(200);
    expect(body).toMatchObject({
      results: [
        { id: one.id, status: 'updated', version: 2 },
        { id: 999_999, status: 'failed', problem: { status: 404, code: 'not-found' } },
        { id: two.id, status: 'failed', problem: { status: 409, code: 'duplicate', errors: [{ existingId: one.id }] } },
      ],
      counts: { updated: 1, unchanged: 0, failed: 2 },
    });
    const all = await call('PATCH', '/batch?atomic=true', {
      updates: [{ id: two.id, data: { company: 'New' } }, updates[1]],
    });
    expect([all.status, all.headers.get('content-type')]).toEqual([422, 'application/problem+json; charset=utf-8']);
    expect(all.body).toMatchObject({
      ...{ code: 'batch-failed', title: 'Invalid', counts: { updated: 0, unchanged: 0, failed: 2 } },
      results: [{ id: two.id, problem: { status: 424, code: 'not-applied' } }, { problem: { code: 'not-found' } }],
    });
    expect((await call('GET', `/${two.id}`)).body.company).toBeNull();
  });

  it.each<[string, unknown, number, string]>([
    ['none', { updates: [] }, 422, 'validation-failed'],
    [
      'too many',
      { updates: Array.from({ length: 501 }, (_, n) => ({ id: n + 1, data: {} })) },
      422,
      'validation-failed',
    ],
    [
      'one twice',
      {
        updates: [
          { id: 1, data: {} },
          { id: 1, data: {} },
        ],
      },
      422,
      'validation-failed',
    ],
    ['what is no list', { updates: { id: 1 } }, 422, 'validation-failed'],
    ['nothing at all', {}, 422, 'validation-failed'],
    ['an unknown property', { updates: [{ id: 1, data: {} }], nope: 1 }, 422, 'validation-failed'],
  ])('refuses to change %s', async (_, body, expected, code) => {
    const answer = await call('PATCH', '/batch', body);
    expect([answer.status, answer.body.code]).toEqual([expected, code]);
  });

  it('lets managers change many, and not agents', async () => {
    const mine = await make({}, agent);
    const body = { updates: [{ id: mine.id, data: { company: 'New' } }] };
    const refused = await call('PATCH', '/batch', body, agent);
    expect([refused.status, refused.body.code]).toEqual([403, 'forbidden']);
    expect((await call('PATCH', '/batch?atomic=maybe', body)).status).toBe(422);
    expect((await call('PATCH', '/batch?atomic=true', body)).body.counts).toEqual({
      updated: 1,
      unchanged: 0,
      failed: 0,
    });
  });

  it('gives figures, each with the list of what it counts', async () => {
    for (const each of ['counted', 'counted & listed']) {
      await make({ tags: [each], status, customFields: { tier: 'Gold' } });
    }
    await make({ tags: ['counted'] }, agent);
    const { status: answered, body } = await call('GET', `/statistics?status=${status}&fields=tier`);
    expect(answered).toBe(200);
    expect(body).toMatchObject({
      total: 2,
      statusDistribution: expect.arrayContaining([{ status, count: 2 }]),
      tagDistribution: [
        { tag: 'counted', count: 1 },
        { tag: 'counted & listed', count: 1 },
      ],
      timeline: [{ count: 2 }],
      fields: { tier: { values: [{ value: 'Gold', count: 2 }], blank: 0 } },
    });
    expect('sourceDistribution' in body).toBe(noun === 'leads');
    const { total, tagDistribution, timeline, fields } = body.drill;
    const listed = async (address: string) =>
      (await server.request('GET', address, undefined, manager)).body.meta.total;
    expect(await listed(total)).toBe(2);
    expect(await listed(tagDistribution['counted & listed'])).toBe(1);
    expect(await listed(timeline[body.timeline[0].date])).toBe(2);
    expect(await listed(fields.tier.Gold)).toBe(2);
    const own = await call('GET', '/statistics?tag=counted', undefined, agent);
    expect(own.body.total).toBe(1);
    for (const query of [
      'page=1',
      'sort=name',
      'from=yesterday',
      'nope=1',
      'fields=nope',
      'from=2026-01-01&createdFrom=2026-01-01',
    ]) {
      expect((await call('GET', `/statistics?${query}`)).status).toBe(422);
    }
  });
});
