import { Principal } from '@muster/core/principal';
import { openUndo } from '@muster/testing/undo';
import { Memberships } from '../contacts/memberships/contacts.memberships.service';
import { CustomFieldDefinitionsService } from '../custom-fields/custom-fields.definitions.service';
import { LeadMergesService } from '../leads/leads.merge.service';
import { LeadsConvertService } from '../leads/leads.convert.service';
import { Import } from './imports.entity';
import { ChunkLost } from './imports.run.service';

/** People and numbers are invented. */
describe('undoing an import', () => {
  let bench: Awaited<ReturnType<typeof openUndo>>;
  let manager: Principal;
  let colleague: Principal;
  let stranger: Principal;

  beforeAll(async () => {
    bench = await openUndo();
    const team = await bench.services.addTeam();
    manager = await bench.services.addUser('manager', team);
    colleague = await bench.services.addUser('agent', team);
    stranger = await bench.services.addUser('manager', await bench.services.addTeam());
  });
  afterAll(() => bench.services.close());

  let salt = 0;
  const email = () => `undo${++salt}@example.com`;
  const imported = (rows: Parameters<typeof bench.imported>[0], values: Partial<Import> = {}) =>
    bench.imported(rows, { createdBy: manager.userId, ...values });
  const idOf = ({ recordBase }: Import, row: number) => recordBase! + row - 1;
  /** A lead that somebody made. */
  const made = (values = {}) => bench.leads.create(manager, { name: 'Ann', email: email(), source: 'web', ...values });
  const rowOf = async (id: number) =>
    (await bench.services.database.query('SELECT * FROM leads WHERE id = ?', [id]))[0];
  const undone = async ({ id }: Import) => {
    await bench.undo.start(manager, id);
    await bench.runUndo(id);
    return resultsOf(id);
  };
  const resultsOf = async (id: number) =>
    (await bench.undo.rows(manager, id, { page: 1, limit: 100 })).data.map(({ row, result, reason }) =>
      reason ? `${row} ${result} ${reason.code}` : `${row} ${result}`,
    );
  const eventsOf = async (id: number, name: string) =>
    (await bench.services.events()).filter((event) => event.name === name && event.payload.importId === id);
  const tracesOf = async (id: number) => {
    const tables = ['search_terms', 'duplicate_keys', 'group_members'];
    const counts = tables.map((table) =>
      bench.services.database.query<{ n: number }>(
        `SELECT COUNT(*) AS n FROM ${table} WHERE record_id = ? AND noun IN ('l', 'leads')`,
        [id],
      ),
    );
    return (await Promise.all(counts)).map(([{ n }]) => Number(n));
  };

  /** Every row that is kept about a lead so that it is found. */
  const keptAbout = async (id: number) => {
    const { database } = bench.services;
    const ofNoun = ['search_terms', 'duplicate_keys', 'contact_tags'].map((table) =>
      database.query(`SELECT * FROM ${table} WHERE record_id = ? AND noun IN ('l', 'leads')`, [id]),
    );
    const ofFields = database.query('SELECT * FROM custom_field_values WHERE record_id = ?', [id]);
    const rows = (await Promise.all([...ofNoun, ofFields])).flat();
    return rows.map((row) => JSON.stringify(row)).sort();
  };

  it('deletes what the import made, with all that was kept about it, and keeps what somebody changed', async () => {
    const work = await imported([
      { creates: { name: 'Cleo Untouched', email: email() } },
      { rejected: true },
      { creates: { email: email() } },
      { creates: { email: email() } },
      { creates: { email: email() } },
      { creates: { email: email() } },
    ]);
    const [untouched, changed, deleted, converted, absorbed] = [1, 3, 4, 5, 6].map((row) => idOf(work, row));
    const groupId = await bench.services.addGroup();
    await bench.services.transactions.run((tx) =>
      bench.services.get(Memberships).add(tx, groupId, 'leads', [untouched], manager.userId),
    );
    expect((await tracesOf(untouched)).every((count) => count > 0)).toBe(true);
    await bench.leads.patch(manager, changed, { company: 'Acme' });
    await bench.leads.remove(manager, deleted);
    await bench.services.get(LeadsConvertService).convert(manager, converted, {});
    await bench.services.get(LeadMergesService).merge(manager, (await made()).id, { sourceId: absorbed });
    const before = await rowOf(changed);

    expect(await undone(work)).toEqual([
      ...['1 deleted', '3 kept changed-since-import', '4 gone deleted', '5 kept converted', '6 gone merged'],
    ]);
    expect(await rowOf(untouched)).toBeUndefined();
    expect(await tracesOf(untouched)).toEqual([0, 0, 0]);
    expect(await rowOf(changed)).toEqual(before);
    expect(await bench.undo.view(manager, work.id)).toMatchObject({
      ...{ status: 'done', startedBy: manager.userId, progress: { processed: 5, total: 5 } },
      counts: { deleted: 1, restored: 0, kept: 2, gone: 2 },
    });
    expect((await bench.repository.find(work.id))!.status).toBe('undone');
    const counts = { deleted: 1, restored: 0, kept: 2, gone: 2 };
    expect(await eventsOf(work.id, 'import.undone')).toMatchObject([{ payload: { target: 'leads', counts } }]);
    const page = await bench.undo.rows(manager, work.id, { page: 1, limit: 1, result: 'kept' });
    expect(page).toMatchObject({ data: [{ row: 3, recordId: changed }], meta: { total: 2, nextCursor: '3' } });
    const next = await bench.undo.rows(manager, work.id, { page: 1, limit: 1, result: 'kept', cursor: '3' });
    expect(next).toMatchObject({ data: [{ row: 5 }], meta: { nextCursor: null } });
  });

  it('puts back what rows changed, in one step for each record, and everything else stays byte for byte', async () => {
    const definitions = bench.services.get(CustomFieldDefinitionsService);
    await definitions.create(manager, 'leads', { key: 'seats', label: 'Seats', type: 'number', filterable: true });
    const values = { company: 'Old', tags: ['a'], metadata: { note: 'x', list: [1, 2] }, customFields: { seats: 7 } };
    const [lead, other, moved] = [await made(values), await made(values), await made(values)];
    const ids = [lead.id, other.id, moved.id];
    const before = await Promise.all(ids.map(async (id) => [await rowOf(id), await keptAbout(id)] as const));
    const work = await imported([
      { updates: lead.id, with: { company: 'First', name: 'Anne' } },
      { updates: other.id, with: { name: 'Berta', customFields: { seats: 8 } } },
      { updates: lead.id, with: { company: 'Second', tags: ['a', 'b'] } },
      { updates: moved.id, with: { email: email(), name: 'Carla', customFields: { seats: 9 } } },
    ]);
    for (const [index, id] of ids.entries()) expect(await keptAbout(id)).not.toEqual(before[index][1]);
    expect(await undone(work)).toEqual(['1 restored', '2 restored', '3 restored', '4 restored']);
    for (const [index, id] of ids.entries()) {
      const [row, kept] = before[index];
      const after = await rowOf(id);
      expect(Number(after.version)).toBe(id === lead.id ? 4 : 3);
      expect(after.updated_at).not.toEqual(row.updated_at);
      expect({ ...after, version: 0, updated_at: 0 }).toEqual({ ...row, version: 0, updated_at: 0 });
      expect(await keptAbout(id)).toEqual(kept);
    }
  });

  it('takes back only what came after the last change of a person', async () => {
    const lead = await made({ company: 'Old' });
    const first = await imported([{ updates: lead.id, with: { company: 'First' } }]);
    await bench.leads.patch(manager, lead.id, { name: 'Human' });
    const second = await imported([{ updates: lead.id, with: { company: 'Second' } }]);
    expect(await undone(first)).toEqual(['1 kept changed-since-import']);
    expect(await undone(second)).toEqual(['1 restored']);
    expect(await rowOf(lead.id)).toMatchObject({ name: 'Human', company: 'First' });
  });

  it('undoes imports of the same record one after another, the newest first; an older one keeps what a newer changed', async () => {
    const oldest = await imported([{ creates: { email: email(), company: 'One' } }]);
    const id = idOf(oldest, 1);
    const middle = await imported([{ updates: id, with: { company: 'Two' } }]);
    const newest = await imported([{ updates: id, with: { company: 'Three', name: 'Third' } }]);
    expect(await undone(newest)).toEqual(['1 restored']);
    expect(await undone(middle)).toEqual(['1 restored']);
    expect(await rowOf(id)).toMatchObject({ company: 'One', name: 'Row 1' });
    expect(await undone(oldest)).toEqual(['1 deleted']);

    const older = await imported([{ creates: { email: email() } }]);
    await imported([{ updates: idOf(older, 1), with: { company: 'Newer' } }]);
    expect(await undone(older)).toEqual(['1 kept changed-since-import']);
    expect(await rowOf(idOf(older, 1))).toMatchObject({ company: 'Newer' });
  });

  it('deletes what the import made and changed again, and lists all its rows', async () => {
    const work = await imported([
      { creates: { email: email() } },
      { creates: { email: email() } },
      { updates: -1, with: { company: 'Later row' } },
      { updates: -2, with: { company: 'Later row' } },
    ]);
    await bench.leads.patch(manager, idOf(work, 2), { name: 'Human' });
    expect(await undone(work)).toEqual([
      ...['1 deleted', '2 kept changed-since-import', '3 deleted', '4 kept changed-since-import'],
    ]);
  });

  it('gives an e-mail back to whom the import took it from, also when another had it meanwhile', async () => {
    const [x, y, z] = [email(), email(), email()];
    const [first, second] = [await made({ email: x }), await made({ email: y })];
    const work = await imported([
      { updates: first.id, with: { email: z } },
      { updates: second.id, with: { email: x } },
      { creates: { email: y } },
    ]);
    expect(await undone(work)).toEqual(['1 restored', '2 restored', '3 deleted']);
    expect([(await rowOf(first.id)).email, (await rowOf(second.id)).email]).toEqual([x, y]);
  });

  it('keeps a record whose e-mail is taken by now, and says so', async () => {
    const wanted = email();
    const lead = await made({ email: wanted });
    const work = await imported([{ updates: lead.id, with: { email: email() } }]);
    await made({ email: wanted });
    expect(await undone(work)).toEqual(['1 kept duplicate-existing']);
    expect((await rowOf(lead.id)).version).toBe(2);
  });

  it('writes nothing for a worker that lost its claim, and everything once for the one that has it', async () => {
    const lead = await made({ company: 'Old' });
    const work = await imported([{ creates: { email: email() } }, { updates: lead.id, with: { company: 'New' } }]);
    await bench.undo.start(manager, work.id);
    const frozen = (await bench.claim(work.id, -1))!;
    const other = (await bench.claim(work.id))!;
    expect(other).toMatchObject({ seq: frozen.seq, kind: 'delete', token: frozen.token + 1 });
    await expect(bench.runner.run(frozen)).rejects.toThrow(ChunkLost);
    expect(await rowOf(idOf(work, 1))).toBeDefined();
    // What is restored waits for what is deleted.
    expect(await bench.claim(work.id)).toBeNull();
    await bench.runner.run(other);
    await expect(bench.runner.run(other)).rejects.toThrow(ChunkLost);
    await bench.runUndo(work.id);
    await bench.undo.completeIfDone(work.id);
    expect(await resultsOf(work.id)).toEqual(['1 deleted', '2 restored']);
    expect(Number((await rowOf(lead.id)).version)).toBe(3);
    expect(await eventsOf(work.id, 'import.undo-committed')).toHaveLength(2);
    expect(await eventsOf(work.id, 'import.undone')).toHaveLength(1);
  });

  it('takes back records, ledger, checkpoint and event together when the transaction fails at its end', async () => {
    const work = await imported([{ creates: { email: email() } }]);
    await bench.undo.start(manager, work.id);
    const blocker = {
      importId: work.id,
      firstRow: 1,
      lastRow: 1,
      outcome: 'kept' as const,
      recordId: null,
      errors: null,
    };
    await bench.services.transactions.run((tx) => bench.undoLedger.add(tx, [blocker]));
    const chunk = (await bench.claim(work.id, -1))!;
    await expect(bench.runner.run(chunk)).rejects.toThrow();
    expect(await rowOf(idOf(work, 1))).toBeDefined();
    expect((await tracesOf(idOf(work, 1)))[0]).toBeGreaterThan(0);
    expect(await eventsOf(work.id, 'import.undo-committed')).toEqual([]);
    await bench.services.transactions.run((tx) =>
      tx.query('DELETE FROM import_undo_ledger WHERE import_id = ?', [work.id]),
    );
    await bench.runUndo(work.id);
    expect(await resultsOf(work.id)).toEqual(['1 deleted']);
  });

  it('is offered for ended imports, once, to who may change the import', async () => {
    const running = await imported([], { status: 'importing' });
    await expect(bench.undo.start(manager, running.id)).rejects.toMatchObject({
      status: 409,
      code: 'import-not-ended',
    });
    const work = await imported([{ creates: { email: email() } }], { status: 'cancelled' });
    await expect(bench.undo.start(stranger, work.id)).rejects.toMatchObject({ status: 404 });
    await expect(bench.undo.start(colleague, work.id)).rejects.toMatchObject({ status: 403 });
    expect(await bench.undo.view(manager, work.id)).toMatchObject({ status: 'none', startedAt: null });
    expect(await bench.undo.start(manager, work.id)).toEqual({ id: work.id, status: 'undoing' });
    expect(await bench.undo.start(manager, work.id)).toEqual({ id: work.id, status: 'undoing' });
    await bench.runUndo(work.id);
    await expect(bench.undo.start(manager, work.id)).rejects.toMatchObject({ status: 409, code: 'import-undone' });
    expect(await eventsOf(work.id, 'import.undo-started')).toHaveLength(1);
  });

  it('goes on where it stopped after it failed', async () => {
    const lead = await made({ company: 'Old' });
    const rows = [{ creates: { email: email() } }, { updates: lead.id, with: { company: 'New' } }];
    const work = await imported(rows, { status: 'failed' });
    await bench.undo.start(manager, work.id);
    await bench.runner.run((await bench.claim(work.id))!);
    await bench.undo.fail(work.id);
    expect((await bench.repository.find(work.id))!.status).toBe('failed');
    expect(await bench.undo.view(manager, work.id)).toMatchObject({ status: 'failed', progress: { processed: 1 } });
    expect(await undone(work)).toEqual(['1 deleted', '2 restored']);
  });
});
