import { Database } from '@muster/platform/database/database';
import { migrations } from '@muster/platform/database/migrations/list';
import { readConfig } from '@muster/platform/config/config';
import { allTables } from '@muster/testing/database';
import { testProfile } from '@muster/testing/profile';
import { Server } from '@muster/testing/server';

// A killed worker's claims run out after 15 s.
jest.setTimeout(180_000);

/** Invented people. */
describe('undo, events and fairness of imports', () => {
  let server: Server;
  beforeAll(async () => {
    server = await Server.start({
      IMPORT_BATCH_ROWS: '500',
      WORKER_CONCURRENCY: '1',
      IMPORT_EVENTS_PER_SECOND: '4000',
    });
  }, 90_000);
  afterAll(() => server.stop());

  let salt = 0;
  const file = (rows: number) => {
    const tag = `u${++salt}`;
    const people = Array.from({ length: rows }, (_, n) => `Person ${n},p${n}@${tag}.example.com,Co ${tag}`);
    return { tag, csv: `name,email,company\n${people.join('\n')}\n` };
  };
  const get = async (path: string) => (await server.request('GET', path)).body;
  const totalOf = async (id: number) => (await get(`/leads?importId=${id}&limit=1`)).meta.total;

  async function until<T>(read: () => Promise<T>, done: (value: T) => boolean): Promise<T> {
    const deadline = Date.now() + 90_000;
    for (;;) {
      const value = await read();
      if (done(value)) return value;
      if (Date.now() > deadline) throw new Error(`does not come: ${JSON.stringify(value)}\n${server.api.said}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
  const undone = (id: number) =>
    until(
      () => get(`/imports/${id}/undo`),
      ({ status }) => status !== 'running',
    );

  /** What was said, from the store itself. */
  async function outbox(sql: string, params: unknown[]): Promise<Record<string, unknown>[]> {
    const config = readConfig({ ...server.env, PORT: '1' });
    const database = await Database.open(config, allTables, migrations);
    try {
      return await database.query(sql, params);
    } finally {
      await database.close();
    }
  }

  it('puts back what an import updated, as it was, but for what was changed since', async () => {
    const tag = `u${++salt}`;
    const field = await server.request('POST', '/leads/fields', {
      key: `size_${tag}`,
      label: 'Size',
      type: 'number',
      filterable: true,
    });
    expect(field.status).toBe(201);
    const at = (name: string) => `${name}@${tag}.example.com`;
    const made = await server.import(
      `name,email,phone,company,tags,size\nAnn,${at('ann')},+12025550101,Old Co,one,1\nBob,${at('bob')},,Old Co,,\nCid,${at('cid')},,,,3\n`,
      {
        target: 'leads',
        mapping: JSON.stringify({
          name: 'name',
          email: 'email',
          phone: 'phone',
          company: 'company',
          tags: 'tags',
          size: `cf.size_${tag}`,
        }),
      },
    );
    expect(made.counts).toMatchObject({ created: 3 });
    const ids = (await get(`/imports/${made.id}/rows`)).data.map(({ recordId }: { recordId: number }) => recordId);
    const records = () => Promise.all(ids.map((id: number) => get(`/leads/${id}`)));
    const before = await records();
    // Ann twice, Bob once, Cid not at all; Dan is new, and changed by a later row of the same file.
    const rows = [
      `Ann B,${at('ann')},New Co,two,5`,
      `Bob,${at('bob')},New Co,,7`,
      `Cid,${at('cid')},,,3`,
      `Dan,${at('dan')},Dan Co,,`,
      `Ann C,${at('ann')},,three,`,
      `Dan,${at('dan')},Other Co,,9`,
    ];
    const updated = await server.import(`name,email,company,tags,size\n${rows.join('\n')}\n`, {
      target: 'leads',
      options: '{"duplicates":"update","matchOn":"email"}',
      mapping: JSON.stringify({
        name: 'name',
        email: 'email',
        company: 'company',
        tags: 'tags',
        size: `cf.size_${tag}`,
      }),
    });
    expect(updated.counts).toMatchObject({ created: 1, updated: 4, unchanged: 1, rejected: 0 });
    const [ann, bob] = await records();
    expect(ann).toMatchObject({ name: 'Ann C', company: 'New Co', customFields: { [`size_${tag}`]: 5 } });
    expect(ann.tags).toEqual(expect.arrayContaining(['one', 'two', 'three']));
    expect((await get(`/leads?cf.size_${tag}=7`)).data.map(({ id }: { id: number }) => id)).toEqual([bob.id]);
    await server.request('PATCH', `/leads/${bob.id}`, { name: 'Bob by hand' });

    expect((await server.request('POST', `/imports/${updated.id}/undo`)).status).toBe(202);
    expect(await undone(updated.id)).toMatchObject({
      status: 'done',
      counts: { deleted: 2, restored: 2, kept: 1, gone: 0 },
    });
    const after = await records();
    const bare = ({ version: _v, updatedAt: _u, ...rest }: Record<string, unknown>) => rest;
    expect(bare(after[0])).toEqual(bare(before[0]));
    expect(after[2]).toEqual(before[2]);
    expect(after[1]).toMatchObject({ name: 'Bob by hand', company: 'New Co' });
    expect((await get(`/imports/${updated.id}/undo/rows?result=kept`)).data).toMatchObject([
      { row: 2, recordId: bob.id },
    ]);
    expect((await get(`/leads?q=${at('dan')}`)).meta.total).toBe(0);
    expect((await get(`/leads?cf.size_${tag}=1`)).data.map(({ id }: { id: number }) => id)).toEqual([ann.id]);
    expect((await get(`/leads?cf.size_${tag}=5`)).meta.total).toBe(0);
  });

  it('takes an import back: its records are gone, the changed one stays, the same file can come again', async () => {
    const { tag, csv } = file(1_200);
    const { id } = await server.import(csv, { target: 'leads', options: '{"tags":["x"]}' });
    const [first] = (await get(`/imports/${id}/rows?limit=1`)).data;
    await server.request('PATCH', `/leads/${first.recordId}`, { company: 'By hand' });
    expect(await server.request('POST', `/imports/${id}/undo`)).toMatchObject({
      ...{ status: 202, body: { id, status: 'undoing' } },
    });
    expect(await undone(id)).toMatchObject({
      ...{ status: 'done', progress: { processed: 1_200, total: 1_200 } },
      counts: { deleted: 1_199, restored: 0, kept: 1, gone: 0 },
    });
    expect(await get(`/imports/${id}`)).toMatchObject({ status: 'undone', counts: { created: 1_200 }, emission: null });
    expect(await totalOf(id)).toBe(1);
    expect((await get(`/leads?q=${tag}`)).meta.total).toBe(1);
    expect((await get(`/imports/${id}/undo/rows?result=kept`)).data).toEqual([
      {
        ...{ row: 1, result: 'kept', recordId: first.recordId },
        reason: { code: 'changed-since-import', message: expect.any(String) },
      },
    ]);
    expect((await server.request('POST', `/imports/${id}/undo`)).body.code).toBe('import-undone');
    expect((await server.request('GET', `/imports/${id}/undo/rows?result=lost`)).status).toBe(422);
    const again = await server.import(csv);
    expect(again.counts).toMatchObject({ created: 1_199, rejected: 1 });
  });

  it('goes on with an undo where it stood when the working process is killed', async () => {
    const { id } = await server.import(file(30_000).csv);
    await server.request('POST', `/imports/${id}/undo`);
    const progress = () => get(`/imports/${id}/undo`);
    await until(progress, (view) => view.progress.processed > 0);
    const worker = testProfile() === 'embedded' ? server.api : server.workers.splice(0)[0];
    await worker.end('SIGKILL');
    if (testProfile() === 'embedded') await server.startProcesses();
    else await server.addWorker();
    expect(await undone(id)).toMatchObject({ status: 'done', counts: { deleted: 30_000, kept: 0, gone: 0 } });
    expect(await totalOf(id)).toBe(0);
    const committed = await outbox(
      `SELECT payload FROM outbox WHERE name = 'import.undo-committed' AND payload LIKE ?`,
      [`{"importId":${id},%`],
    );
    expect(committed).toHaveLength(6);
  });

  it('says each record of an import that asks for it, and once more on request', async () => {
    const { id, status } = await server.import(file(700).csv, { target: 'leads', options: '{"events":"each"}' });
    expect(status).toBe('completed');
    const emitted = () =>
      until(
        () => get(`/imports/${id}`),
        ({ emission }) => emission?.status === 'done',
      );
    expect((await emitted()).emission).toEqual({ kind: 'import', status: 'done', emitted: 700, total: 700 });
    const answer = await server.request('POST', `/imports/${id}/replay`, {});
    expect(answer).toMatchObject({ status: 202, body: { id, total: 700 } });
    await until(
      () => get(`/imports/${id}`),
      ({ emission }) => emission.kind === 'replay' && emission.status === 'done',
    );
    const [first] = (await get(`/imports/${id}/rows?limit=1`)).data;
    const said = await outbox(
      `SELECT replay_of, event_id FROM outbox WHERE name = 'lead.created' AND payload LIKE ? ORDER BY id`,
      [`{"id":${first.recordId},%`],
    );
    expect(said).toHaveLength(2);
    expect([said[0].replay_of, said[1].replay_of]).toEqual([null, said[0].event_id]);
    expect((await server.request('POST', `/imports/${id}/replay`, { outcomes: ['rejected'] })).status).toBe(422);
  });

  it('lets a small file pass a large one, with a single lane', async () => {
    const large = (await server.upload(file(60_000).csv)).body.id;
    await until(
      () => get(`/imports/${large}`),
      ({ progress }) => progress.processed > 0,
    );
    const small = await server.import(file(100).csv);
    expect(small).toMatchObject({ status: 'completed', counts: { created: 100 } });
    // Imports that came before the small one are not done: it did not wait for them.
    expect(await get(`/imports/${large}`)).toMatchObject({ status: 'importing' });
    await server.request('POST', `/imports/${large}/cancel`);
  });

  it('cancels at once, and every row has its outcome', async () => {
    const { id } = (await server.upload(file(60_000).csv)).body;
    await until(
      () => get(`/imports/${id}`),
      ({ progress }) => progress.processed > 0,
    );
    expect((await server.request('POST', `/imports/${id}/cancel`)).status).toBe(202);
    const { status, counts, progress } = await get(`/imports/${id}`);
    expect([status, progress.processed]).toEqual(['cancelled', 60_000]);
    expect(counts).toMatchObject({ created: 60_000 - counts.skipped });
    expect(counts.skipped).toBeGreaterThan(0);
    expect(await totalOf(id)).toBe(counts.created);
    await server.request('POST', `/imports/${id}/undo`);
    expect(await undone(id)).toMatchObject({ status: 'done', counts: { deleted: counts.created } });
    expect(await totalOf(id)).toBe(0);
  });
});
