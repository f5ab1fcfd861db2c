import { Principal } from '@muster/core/principal';
import { openUndo } from '@muster/testing/undo';
import { Import, ImportOptions } from './imports.entity';

/** People and numbers are invented. */
describe("saying the events of imports' records", () => {
  let bench: Awaited<ReturnType<typeof openUndo>>;
  let manager: Principal;
  let stranger: Principal;

  beforeAll(async () => {
    bench = await openUndo();
    manager = await bench.services.addUser('manager', await bench.services.addTeam());
    stranger = await bench.services.addUser('manager', await bench.services.addTeam());
  });
  afterAll(() => bench.services.close());

  let salt = 0;
  const email = () => `emit${++salt}@example.com`;
  const options = (values: Partial<ImportOptions>): ImportOptions => ({
    ...{ duplicates: 'reject', defaultRegion: 'US', tags: [], keepUnmapped: false, ...values },
  });
  const imported = (rows: Parameters<typeof bench.imported>[0], given: Partial<ImportOptions> = {}) =>
    bench.imported(rows, { createdBy: manager.userId, options: options(given) });
  const order = (work: Import, total: number) =>
    bench.services.transactions.run((tx) => bench.emissions.order(tx, work, 'import', total));
  const emitAll = async (rows = 2) => {
    while (await bench.emitter.emitSome(rows));
  };
  const viewOf = async ({ id }: Import) => (await bench.emissions.views([id])).get(id);
  const publishAll = () =>
    bench.services.transactions.run((tx) => tx.query(`UPDATE outbox SET published_at = '2026-01-01 00:00:00.000'`));
  beforeEach(publishAll);

  interface Said {
    id: string;
    name: string;
    replayOf: string | null;
    payload: Record<string, unknown>;
  }
  /** What was said of these leads since the test began, oldest first. */
  async function said(ids: number[]): Promise<Said[]> {
    const rows = await bench.services.database.query<
      Record<'event_id' | 'name' | 'payload', string> & { replay_of: string | null }
    >(`SELECT event_id, name, payload, replay_of FROM outbox WHERE published_at IS NULL ORDER BY id`);
    return rows
      .map(({ event_id: id, name, payload, replay_of: replayOf }) => ({
        ...{ id, name, replayOf, payload: JSON.parse(payload) as Said['payload'] },
      }))
      .filter(({ payload }) => ids.includes(payload.id as number));
  }

  it('says each row once, a few at a time, and knows how far it is', async () => {
    const lead = await bench.leads.create(manager, { name: 'Ann', email: email(), source: 'web' });
    await publishAll();
    const work = await imported(
      [
        { creates: { email: email() } },
        { rejected: true },
        { updates: lead.id, with: { company: 'New', tags: ['a'] } },
        { creates: { email: email() } },
      ],
      { events: 'each', assignTo: [manager.userId] },
    );
    const [first, last] = [work.recordBase!, work.recordBase! + 3];
    await order(work, 3);
    expect(await bench.emitter.emitSome(2)).toBe(true);
    expect(await viewOf(work)).toEqual({ kind: 'import', status: 'running', emitted: 2, total: 3 });
    expect((await said([first, lead.id, last])).map(({ name }) => name)).toEqual([
      ...['lead.created', 'lead.assigned', 'lead.updated'],
    ]);
    await emitAll();
    expect(await viewOf(work)).toEqual({ kind: 'import', status: 'done', emitted: 3, total: 3 });
    const actorId = manager.userId;
    const assigned = { actorId, from: null, to: manager.userId };
    expect((await said([first, lead.id, last])).map(({ name, payload }) => [name, payload])).toEqual([
      ['lead.created', { id: first, actorId }],
      ['lead.assigned', { id: first, ...assigned }],
      ['lead.updated', { id: lead.id, actorId, fields: ['company', 'tags'] }],
      ['lead.created', { id: last, actorId }],
      ['lead.assigned', { id: last, ...assigned }],
    ]);
  });

  it('says whose records are, where a column of the file said it', async () => {
    const lead = await bench.leads.create(manager, { name: 'Ann', email: email(), source: 'web' });
    await publishAll();
    const to = manager.userId;
    const work = await bench.imported(
      [
        { creates: { email: email(), assignedTo: to } },
        { creates: { email: email() } },
        { updates: lead.id, with: { assignedTo: to } },
        { updates: lead.id, with: { company: 'New' } },
      ],
      { createdBy: to, options: options({ events: 'each' }), mapping: { Owner: 'assignee' } },
    );
    const [first, second] = [work.recordBase!, work.recordBase! + 1];
    await order(work, 4);
    await emitAll();
    const all = await said([first, second, lead.id]);
    expect(all.map(({ name, payload }) => [name, payload.id])).toEqual([
      ['lead.created', first],
      ['lead.assigned', first],
      ['lead.created', second],
      ['lead.updated', lead.id],
      ['lead.assigned', lead.id],
      ['lead.updated', lead.id],
    ]);
    const assigned = all.filter(({ name }) => name === 'lead.assigned').map(({ payload }) => payload);
    expect(assigned).toEqual([
      { id: first, actorId: to, from: null, to },
      { id: lead.id, actorId: to, from: null, to },
    ]);
  });

  it('says nothing twice when workers race', async () => {
    const work = await imported(
      Array.from({ length: 60 }, () => ({ creates: { email: email() } })),
      { events: 'each' },
    );
    await order(work, 60);
    await Promise.all([emitAll(7), emitAll(7), emitAll(7)]);
    const ids = Array.from({ length: 60 }, (_, n) => work.recordBase! + n);
    expect((await said(ids)).map(({ payload }) => payload.id)).toEqual(ids);
    expect(await viewOf(work)).toEqual({ kind: 'import', status: 'done', emitted: 60, total: 60 });
  });

  it('writes neither events nor checkpoint when the transaction fails at its end', async () => {
    const work = await imported([{ creates: { email: email() } }, { creates: { email: email() } }], { events: 'each' });
    await order(work, 2);
    await emitAll();
    const [, second] = await said([work.recordBase!, work.recordBase! + 1]);
    // As if it had never been said, but for the second event, whose id is taken.
    await bench.services.transactions.run(async (tx) => {
      await tx.query('DELETE FROM outbox WHERE event_id <> ? AND published_at IS NULL', [second.id]);
      await tx.query('UPDATE import_emissions SET after_row = 0, emitted = 0, finished_at = NULL WHERE import_id = ?', [
        work.id,
      ]);
    });
    await expect(bench.emitter.emitSome(5)).rejects.toThrow();
    expect(await said([work.recordBase!])).toEqual([]);
    expect(await viewOf(work)).toMatchObject({ emitted: 0 });
    await bench.services.transactions.run((tx) => tx.query('DELETE FROM outbox WHERE event_id = ?', [second.id]));
    await emitAll();
    expect(await said([work.recordBase!, work.recordBase! + 1])).toHaveLength(2);
  });

  it('leaves imports alone whose policy does not ask for it, and replays them on request, naming what is repeated', async () => {
    const lead = await bench.leads.create(manager, { name: 'Ann', email: email(), source: 'web' });
    const work = await imported([{ creates: { email: email() } }, { updates: lead.id, with: { company: 'New' } }]);
    await publishAll();
    await order(work, 2);
    expect(await viewOf(work)).toBeUndefined();
    expect(await bench.emissions.replay(manager, work.id)).toEqual({ id: work.id, total: 2 });
    await expect(bench.emissions.replay(manager, work.id)).rejects.toMatchObject({
      status: 409,
      code: 'replay-running',
    });
    await emitAll();
    const first = await said([work.recordBase!, lead.id]);
    expect(first.map(({ name }) => name)).toEqual(['lead.created', 'lead.updated']);
    expect(first.every(({ id, replayOf }) => replayOf !== null && id !== replayOf)).toBe(true);
    expect(await bench.emissions.replay(manager, work.id, ['updated'])).toEqual({ id: work.id, total: 1 });
    await emitAll();
    const again = (await said([lead.id])).at(-1)!;
    expect([again.replayOf, again.id]).toEqual([first[1].replayOf, expect.not.stringMatching(first[1].id)]);
    expect(await viewOf(work)).toEqual({ kind: 'replay', status: 'done', emitted: 1, total: 1 });
  });

  it('says what an undo did when what the import did has been said', async () => {
    const lead = await bench.leads.create(manager, { name: 'Ann', email: email(), source: 'web', company: 'Old' });
    await publishAll();
    const rows = [
      { creates: { email: email() } },
      { updates: lead.id, with: { company: 'New' } },
      { updates: -1, with: { company: 'Made by row 1' } },
    ];
    const work = await imported(rows, { events: 'each' });
    const id = work.recordBase!;
    await order(work, 3);
    await bench.undo.start(manager, work.id);
    await bench.runUndo(work.id);
    await emitAll(1);
    expect((await said([id, lead.id])).map(({ name, payload }) => `${name} ${payload.id as number}`)).toEqual([
      ...[`lead.created ${id}`, `lead.updated ${lead.id}`, `lead.updated ${id}`],
      ...[`lead.deleted ${id}`, `lead.updated ${lead.id}`],
    ]);
    await expect(bench.emissions.replay(manager, work.id)).rejects.toMatchObject({
      status: 409,
      code: 'import-undone',
    });
  });

  it('pauses while many events wait to be published', async () => {
    const work = await imported([{ creates: { email: email() } }], { events: 'each' });
    await order(work, 1);
    const time = '2026-01-01 00:00:00.000';
    await bench.services.transactions.run(async (tx) => {
      for (let n = 0; n < 2_000; n++) {
        const sql = `INSERT INTO outbox (event_id, name, version, payload, occurred_at) VALUES (?, 'x', 1, '{}', ?)`;
        await tx.query(sql, [`waiting ${n}`, time]);
      }
    });
    expect(await bench.emitter.emitSome(5)).toBe(false);
    await publishAll();
    await emitAll();
    expect(await said([work.recordBase!])).toHaveLength(1);
  });

  it('is for imports that have ended, and for who may change them', async () => {
    const work = await bench.imported([], { createdBy: manager.userId, status: 'importing' });
    await expect(bench.emissions.replay(manager, work.id)).rejects.toMatchObject({ code: 'import-not-ended' });
    await expect(bench.emissions.replay(stranger, work.id)).rejects.toMatchObject({ status: 404 });
  });
});
