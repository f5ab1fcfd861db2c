import { openTestDatabase, TestDatabase } from '@muster/testing/database';
import { ContactNoun, Memberships } from './contacts.memberships.service';

const ALL = { sql: '1 = 1', params: [] };
const BY = 1;

describe('memberships', () => {
  let store: TestDatabase;
  let memberships: Memberships;
  let count = 0;

  const time = '2026-01-01 00:00:00.000';
  const addGroup = () =>
    store.transactions.run(async (tx) => {
      const name = `group ${++count}`;
      await tx.query(
        'INSERT INTO contact_groups (name, name_key, created_by, created_at, updated_at, version) VALUES (?, ?, 1, ?, ?, 1)',
        [name, name, time, time],
      );
      const { rows } = await tx.query<{ id: number }>('SELECT id FROM contact_groups WHERE name_key = ?', [name]);
      return Number(rows[0].id);
    });
  const addRecords = async (noun: ContactNoun, ids: number[]) => {
    const [name, more] = noun === 'leads' ? ['name', ', source'] : ['full_name', ''];
    const row = `(?, 'Some Body', 'new'${more && `, 'test'`}, '[]', '{}', '{}', 0, '${time}', '${time}', 1)`;
    const columns = `id, ${name}, status${more}, tags, custom_fields, metadata, do_not_contact, created_at, updated_at, version`;
    await store.transactions.run((tx) =>
      tx.query(`INSERT INTO ${noun} (${columns}) VALUES ${ids.map(() => row).join(', ')}`, ids),
    );
  };
  const add = (groupId: number, noun: ContactNoun, ids: number[]) =>
    store.transactions.run((tx) => memberships.add(tx, groupId, noun, ids, BY));
  const remove = (groupId: number, noun: ContactNoun, ids: number[]) =>
    store.transactions.run((tx) => memberships.remove(tx, groupId, noun, ids));
  const groupsOf = async (noun: ContactNoun, id: number) => (await memberships.groupsOf(noun, [id])).get(id);
  const members = async (noun: ContactNoun, groupId: number) => {
    const { sql, params } = await memberships.condition(noun, groupId);
    const rows = await store.database.query<{ id: number }>(
      `SELECT id FROM ${noun} WHERE status = 'new' AND ${sql} ORDER BY id`,
      params,
    );
    return rows.map(({ id }) => Number(id));
  };
  const stored = async (groupId: number) => {
    const rows = await store.database.query('SELECT record_id FROM group_members WHERE group_id = ?', [groupId]);
    return rows.length;
  };
  const ids = (first: number, length: number) => Array.from({ length }, (_, index) => first + index);

  beforeAll(async () => {
    store = await openTestDatabase();
    memberships = new Memberships(store.database);
    await addRecords('leads', ids(1, 50));
    await addRecords('customers', ids(1, 50));
  });
  afterAll(() => store.close());
  beforeEach(() => store.transactions.run((tx) => tx.query('DELETE FROM group_members')));

  it('keep leads and customers of the same id apart', async () => {
    const [first, second] = [await addGroup(), await addGroup()];
    expect(await add(first, 'leads', [1, 2])).toEqual([1, 2]);
    expect(await add(second, 'leads', [2])).toEqual([2]);
    expect(await add(second, 'customers', [1])).toEqual([1]);
    expect(await members('leads', first)).toEqual([1, 2]);
    expect(await members('leads', second)).toEqual([2]);
    expect(await members('customers', first)).toEqual([]);
    expect(await memberships.groupsOf('leads', [1, 2, 3])).toEqual(
      new Map([
        [1, [first]],
        [2, [first, second]],
        [3, []],
      ]),
    );
    expect(await groupsOf('customers', 1)).toEqual([second]);
  });

  it('change once: what is so already is left alone', async () => {
    const group = await addGroup();
    expect(await add(group, 'leads', [5, 5, 3])).toEqual([5, 3]);
    expect(await add(group, 'leads', [3, 4, 5])).toEqual([4]);
    expect(await remove(group, 'leads', [3, 9])).toEqual([3]);
    expect(await remove(group, 'leads', [3])).toEqual([]);
    expect(await members('leads', group)).toEqual([4, 5]);
  });

  it('take more ids than one statement holds', async () => {
    const group = await addGroup();
    const many = ids(1, 1_234);
    expect(await add(group, 'leads', many)).toHaveLength(1_234);
    expect(await add(group, 'leads', [...many, 2_000])).toEqual([2_000]);
    const groups = await memberships.groupsOf('leads', many);
    expect([...groups.values()].every((of) => of.length === 1)).toBe(true);
    expect(await remove(group, 'leads', many)).toHaveLength(1_234);
    expect(await stored(group)).toBe(1);
  });

  it('say of each id once that it was added, when several add at the same time', async () => {
    const group = await addGroup();
    const works = Array.from({ length: 8 }, (_, n) => add(group, 'leads', ids(1 + n * 5, 20)));
    const added = (await Promise.all(works)).flat();
    expect(added.toSorted((a, b) => a - b)).toEqual(ids(1, 55));
    expect(await stored(group)).toBe(55);
  });

  it('are counted by group, as far as a condition holds', async () => {
    const [first, second] = [await addGroup(), await addGroup()];
    await add(first, 'leads', [1, 2, 3]);
    await add(first, 'customers', [1]);
    await add(second, 'leads', [3, 999]);
    const some = { sql: 'id < ?', params: [3] };
    expect(await memberships.counts('leads', ALL)).toEqual(
      new Map([
        [first, 3],
        [second, 1],
      ]),
    );
    expect(await memberships.counts('leads', some)).toEqual(new Map([[first, 2]]));
    expect(await memberships.counts('leads', ALL, [second])).toEqual(new Map([[second, 1]]));
    expect(await memberships.counts('leads', ALL, [])).toEqual(new Map());
  });

  describe('of a record that gives them away', () => {
    it('go to the other, who keeps its own', async () => {
      const [first, second, third] = [await addGroup(), await addGroup(), await addGroup()];
      for (const group of [first, second]) await add(group, 'leads', [1]);
      for (const group of [second, third]) await add(group, 'leads', [2]);
      const moved = await store.transactions.run((tx) =>
        memberships.move(tx, { noun: 'leads', id: 1 }, { noun: 'leads', id: 2 }),
      );
      expect(moved).toEqual({ left: [first, second], joined: [first] });
      expect(await groupsOf('leads', 1)).toEqual([]);
      expect(await groupsOf('leads', 2)).toEqual([first, second, third]);
    });

    it('go to a record of the other noun, and may be kept', async () => {
      const group = await addGroup();
      await add(group, 'leads', [1]);
      const copy = () =>
        store.transactions.run((tx) => memberships.copy(tx, { noun: 'leads', id: 1 }, { noun: 'customers', id: 1 }));
      expect(await copy()).toEqual([group]);
      expect(await copy()).toEqual([]);
      expect([await groupsOf('leads', 1), await groupsOf('customers', 1)]).toEqual([[group], [group]]);
    });

    it('never go to the record itself, which would lose them', async () => {
      const self = { noun: 'leads', id: 1 } as const;
      await expect(store.transactions.run((tx) => memberships.move(tx, self, self))).rejects.toThrow('itself');
    });
  });

  it('end with the record', async () => {
    const [first, second] = [await addGroup(), await addGroup()];
    for (const group of [first, second]) await add(group, 'leads', [1, 2, 3]);
    await add(first, 'customers', [1]);
    await store.transactions.run((tx) => memberships.removeAll(tx, 'leads', [1, 3]));
    expect(await members('leads', first)).toEqual([2]);
    expect(await members('leads', second)).toEqual([2]);
    expect(await members('customers', first)).toEqual([1]);
  });

  it('count nowhere once the group is gone, and are cleared in parts', async () => {
    const [gone, other] = [await addGroup(), await addGroup()];
    await add(gone, 'leads', ids(1, 25));
    await add(gone, 'customers', ids(1, 4));
    await add(other, 'leads', [1]);
    await store.transactions.run((tx) => tx.query('DELETE FROM contact_groups WHERE id = ?', [gone]));
    expect(await groupsOf('leads', 1)).toEqual([other]);
    expect(await members('leads', gone)).toEqual([]);
    expect((await memberships.counts('leads', ALL)).get(gone)).toBeUndefined();
    expect(await add(gone, 'leads', [30])).toEqual([]);
    const clear = () => store.transactions.run((tx) => memberships.clear(tx, gone, 10));
    const turns: [boolean, number][] = [];
    for (let turn = 0; turn < 3; turn++) turns.push([await clear(), await stored(gone)]);
    expect(turns).toEqual([
      [true, 15],
      [true, 5],
      [false, 0],
    ]);
    expect(await stored(other)).toBe(1);
  });

  it('are undone with the transaction', async () => {
    const group = await addGroup();
    const work = store.transactions.run(async (tx) => {
      await memberships.add(tx, group, 'leads', [1], BY);
      expect((await memberships.groupsOf('leads', [1], tx)).get(1)).toEqual([group]);
      throw new Error('stop');
    });
    await expect(work).rejects.toThrow('stop');
    expect(await groupsOf('leads', 1)).toEqual([]);
  });
});
