import { Forecast } from './imports.forecast';
import { ChunkLost } from './imports.run.service';
import { openTestImports, row, shown, TestImports } from '@muster/testing/imports';

describe('rows that meet records', () => {
  let imports: TestImports;
  beforeAll(async () => {
    imports = await openTestImports();
  });
  beforeEach(() => imports.clear());
  afterAll(() => imports.close());

  it('change mapped fields that are not blank, and say what was there before', async () => {
    const id = await imports.add({
      ...{ name: 'Ann Old', email: 'ann@example.com', phone: '+12015550101 x7', company: 'Acme', status: 'contacted' },
      ...{ tags: ['Vip'], customFields: { ref: 'r1' }, metadata: { note: 'kept', other: 1 }, doNotContact: true },
    });
    const outcomes = await imports.run([
      row({
        email: 'ANN@example.com',
        firstName: 'Anna',
        phone: '',
        tags: 'vip; new',
        doNotContact: 'no',
        note: 'fresh',
      }),
      row({ name: 'Anna Old', email: 'ann@example.com' }),
    ]);
    expect(shown(outcomes)).toEqual(['updated', 'unchanged']);
    expect(outcomes.map(({ recordId }) => recordId)).toEqual([id, id]);
    const now = await imports.lead(id);
    expect(now).toMatchObject({ name: 'Anna Old', phone: '+12015550101', company: 'Acme', status: 'contacted' });
    expect(now).toMatchObject({ tags: ['Vip', 'new'], custom_fields: { ref: 'r1' } });
    expect(now.metadata).toEqual({ note: 'fresh', other: 1, phoneExtension: '7' });
    expect([Number(now.do_not_contact), Number(now.version)]).toEqual([1, 2]);
    const before = { name: 'Ann Old', tags: ['Vip'], metadata: { note: 'kept', other: 1, phoneExtension: '7' } };
    expect(await imports.changes()).toEqual([{ row: 1, recordId: id, versionAfter: 2, before }]);
  });

  it('clear what is blank only when they are told to', async () => {
    const values = { name: 'Ann Old', email: 'ann@example.com', phone: '+12015550101', company: 'Acme' };
    const id = await imports.add({ ...values, tags: ['a'], customFields: { ref: 'r' } });
    const blank = [row({ email: 'ann@example.com' })];
    expect(shown(await imports.run(blank))).toEqual(['unchanged']);
    expect(shown(await imports.run(blank, { blankClears: true }))).toEqual(['updated']);
    expect(await imports.lead(id)).toMatchObject({
      name: 'Ann Old',
      phone: null,
      company: null,
      tags: ['a'],
      custom_fields: {},
    });
    expect(shown(await imports.run([row({ phone: '+12015550101' })], { matchOn: 'phone' }))).toEqual([
      'rejected name required',
    ]);
  });

  it('leave alone what the importer may not change, and tell nothing of it', async () => {
    const id = await imports.add({ name: 'Ann Old', email: 'ann@example.com' }, imports.stranger);
    const [outcome] = await imports.run([row({ name: 'X Y', email: 'ann@example.com' })]);
    expect(outcome).toMatchObject({ outcome: 'rejected', recordId: null, errors: [{ code: 'duplicate-existing' }] });
    expect(JSON.stringify(outcome)).not.toContain(String(id));
    expect((await imports.lead(id)).name).toBe('Ann Old');
  });

  it('are ambiguous when they match two records, and name those that may be named', async () => {
    const [ann, bob] = [
      await imports.add({ name: 'Ann', email: 'a@example.com' }),
      await imports.add({ name: 'Bob', phone: '+12015550102' }, imports.stranger),
    ];
    const both = [row({ name: 'New', email: 'a@example.com', phone: '+12015550102' })];
    const [outcome] = await imports.run(both);
    expect(outcome.errors!.map(({ field, code, existingId }) => [field, code, existingId])).toEqual([
      ['email', 'match-ambiguous', ann],
      ['phone', 'match-ambiguous', undefined],
    ]);
    expect(shown(await imports.run(both, { matchOn: 'email' }))).toEqual(['rejected phone duplicate-existing']);
    expect([(await imports.lead(ann)).name, (await imports.lead(bob)).name]).toEqual(['Ann', 'Bob']);
  });

  it('are matched by a custom field, which several records may share', async () => {
    const id = await imports.add({ name: 'Ann', email: 'a@example.com', customFields: { ref: 'X1' } });
    const rows = [
      row({ ref: 'x1', email: 'new@example.com', company: 'Acme' }),
      row({ ref: 'y2', name: 'Bob', email: 'b@example.com' }),
      row({ ref: 'Y2', name: 'Bobby' }),
      row({ ref: '', name: 'Cem', email: 'b@example.com' }),
    ];
    const outcomes = await imports.run(rows, { matchOn: 'cf.ref' });
    expect(shown(outcomes)).toEqual(['updated', 'created', 'updated', 'rejected email duplicate-in-file']);
    expect(await imports.lead(id)).toMatchObject({ name: 'Ann', email: 'new@example.com', company: 'Acme' });
    await imports.add({ name: 'Dan', email: 'd@example.com', customFields: { ref: 'x1' } });
    expect(shown(await imports.run(rows.slice(0, 1), { matchOn: 'cf.ref' }))).toEqual([
      'rejected customFields.ref match-ambiguous customFields.ref match-ambiguous',
    ]);
    expect(shown(await imports.run(rows.slice(1, 2), { matchOn: 'cf.ref', duplicates: 'skip' }))).toEqual([
      'skipped customFields.ref duplicate-existing',
    ]);
  });

  it('keep what is found by: terms of searches, keys of near duplicates, the index of custom fields', async () => {
    const id = await imports.add({
      name: 'Ann Old',
      email: 'ann@example.com',
      company: 'Acme',
      customFields: { ref: 'r1' },
    });
    await imports.run([row({ name: 'Zoë New', email: 'ann@example.com', phone: '(201) 555-0109', ref: 'r2' })]);
    for (const [held, due] of await imports.kept([id])) expect(held).toEqual(due);
  });

  it('loses no edit that a person makes meanwhile', async () => {
    const ids = [];
    for (let n = 0; n < 30; n++) ids.push(await imports.add({ name: `P ${n}x`, email: `p${n}@example.com` }));
    const rows = ids.map((_, n) => row({ email: `p${n}@example.com`, tags: 'imported' }));
    const edits = ids.map((id) => imports.leads.patch(imports.manager, id, { company: 'Edited' }));
    await Promise.all([imports.run(rows, { batchRows: 3 }), ...edits]);
    for (const id of ids) {
      expect(await imports.lead(id)).toMatchObject({ company: 'Edited', tags: ['imported'] });
      expect(Number((await imports.lead(id)).version)).toBe(3);
    }
  });

  it('give up a value before another takes it', async () => {
    const ann = await imports.add({ name: 'Ann', email: 'a@example.com', phone: '+12015550101' });
    const bob = await imports.add({ name: 'Bob', email: 'b@example.com', phone: '+12015550102' });
    const rows = [
      row({ phone: '+12015550102', company: 'Acme' }), // so that Bob is written first
      row({ phone: '+12015550101', email: 'c@example.com' }),
      row({ phone: '+12015550102', email: 'a@example.com' }),
      row({ phone: '+12015550103', email: 'b@example.com', name: 'Cem' }),
    ];
    expect(shown(await imports.run(rows, { matchOn: 'phone' }))).toEqual(['updated', 'updated', 'updated', 'created']);
    expect([(await imports.lead(ann)).email, (await imports.lead(bob)).email]).toEqual([
      'c@example.com',
      'a@example.com',
    ]);
  });

  it('are left alone when their record is not as the plan found it', async () => {
    const [ann, bob] = [
      await imports.add({ name: 'Ann', email: 'a@example.com' }),
      await imports.add({ name: 'Bob', email: 'b@example.com' }),
    ];
    const rows = [
      row({ name: 'Anna', email: 'a@example.com' }),
      row({ company: 'Acme', email: 'a@example.com' }),
      row({ name: 'Bobby', email: 'b@example.com' }),
      row({ company: 'Acme', email: 'b@example.com' }),
      row({ name: 'Cem', email: 'c@example.com' }),
      row({ name: 'Dan', email: 'd@example.com' }),
      row({ name: 'Danny', email: 'd@example.com' }),
    ];
    const { forecast, result } = await imports.dryRun(rows);
    expect(result.counts).toMatchObject({ updated: 5, created: 2 });
    expect(result.samples.map(({ row, changes }) => [row, changes])).toEqual([
      [1, { name: { old: 'Ann', new: 'Anna' } }],
      [2, { company: { old: null, new: 'Acme' } }],
      [3, { name: { old: 'Bob', new: 'Bobby' } }],
      [4, { company: { old: null, new: 'Acme' } }],
    ]);
    await imports.leads.patch(imports.manager, bob, { source: 'phone' });
    await imports.add({ name: 'Dora', email: 'd@example.com' });
    for (const batchRows of [1, 1000]) {
      const bound = Forecast.read(Buffer.concat(forecast.bytes));
      const outcomes = await imports.run(rows, { forecast: bound, batchRows });
      if (batchRows === 1000) continue; // everything has changed by then
      const changed = 'skipped  changed-since-plan';
      expect(shown(outcomes)).toEqual(['updated', 'updated', changed, changed, 'created', changed, changed]);
    }
    expect([(await imports.lead(ann)).name, (await imports.lead(bob)).name]).toEqual(['Anna', 'Bob']);
  });

  it('wait for the rows before them', async () => {
    const rows = ['a', 'b'].map((name) => row({ name: `${name} x`, email: `${name}@example.com` }));
    const { plan, claim } = await imports.prepare(rows, { batchRows: 1 });
    const first = (await claim())!;
    expect(await claim()).toBeNull();
    await imports.runner.run(first, plan);
    expect(await claim()).toMatchObject({ seq: 2, firstRow: 2, kind: 'ordered' });
  });

  it('are written once when the chunk is lost to another worker', async () => {
    const id = await imports.add({ name: 'Ann', email: 'a@example.com' });
    const { plan, work } = await imports.runAll([row({ email: 'a@example.com', company: 'Acme' })], {});
    const stale = { importId: work.id, seq: 1, kind: 'all' as const, firstRow: 1, lastRow: 1, token: 1 };
    await expect(imports.runner.run(stale, plan)).rejects.toThrow(ChunkLost);
    expect(Number((await imports.lead(id)).version)).toBe(2);
  });
});
