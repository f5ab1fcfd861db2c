import { Permission } from '@muster/core/permissions';
import { Principal } from '@muster/core/principal';
import { formatTime } from '@muster/platform/database/dialect/dialect';
import { readCustomFilters } from '@muster/platform/http/custom-filters';
import { openTestServices, TestServices } from '@muster/testing/services';
import { ContactNoun } from '../contacts/memberships/contacts.memberships.service';
import { ContactStatistics } from '../contacts/statistics/contacts.statistics.dto';
import { ContactFigures } from '../contacts/statistics/contacts.statistics.repository';
import { CustomFieldDefinitionsService } from '../custom-fields/custom-fields.definitions.service';
import { CustomersModule } from '../customers/customers.module';
import { CustomersService } from '../customers/customers.service';
import { LeadsModule } from '../leads/leads.module';
import { LeadsService } from '../leads/leads.service';
import { GroupMembersService } from './groups.members.service';
import { GroupsModule } from './groups.module';
import { GroupsService } from './groups.service';

type Values = Record<string, unknown>;
const NOUNS = ['leads', 'customers'] as const;
const NUMBERS = ['importId', 'groupId', 'assignedTo', 'ownerId'];

describe.each(NOUNS)('groups and figures of %s', (noun: ContactNoun) => {
  let services: TestServices;
  let records: LeadsService;
  let admin: Principal;
  let manager: Principal;
  let agent: Principal;
  let stranger: Principal;
  /** Groups of the manager's team, of everyone, and of the other team. */
  let ours: number;
  let everyones: number;
  let theirs: number;
  const assignee = noun === 'leads' ? 'assignedTo' : 'ownerId';

  beforeAll(async () => {
    services = await openTestServices(GroupsModule, LeadsModule, CustomersModule);
    records = services.get<unknown>(noun === 'leads' ? LeadsService : CustomersService) as LeadsService;
    const [team, other] = [await services.addTeam(), await services.addTeam()];
    admin = await services.addUser('admin', other);
    manager = await services.addUser('manager', team);
    agent = await services.addUser('agent', team);
    stranger = await services.addUser('manager', other);
    const groups = services.get(GroupsService);
    ours = (await groups.create(manager, { name: 'Ours' })).id;
    everyones = (await groups.create(admin, { name: 'Everyone’s', teamId: null })).id;
    theirs = (await groups.create(stranger, { name: 'Theirs' })).id;
    const definitions = services.get(CustomFieldDefinitionsService);
    for (const [key, type] of [
      ['tier', 'text'],
      ['seats', 'number'],
      ['sizes', 'multi-list'],
    ] as const) {
      const options = type === 'multi-list' ? ['Small', 'Large'] : undefined;
      await definitions.create(manager, noun, { key, label: key, type, options, filterable: true });
    }
  });
  afterAll(() => services.close());
  beforeEach(() => services.transactions.run((tx) => tx.query(`DELETE FROM ${noun}`)));

  let count = 0;
  const make = async (values: Values = {}, by = manager) =>
    (
      await records.create(by, {
        ...{ name: 'Ada Example', source: 'web', fullName: 'Ada Example', email: `person${++count}@example.com` },
        ...values,
      })
    ).id;
  const put = (groupId: number, ...ids: number[]) =>
    services.get(GroupMembersService).add(admin, groupId, noun === 'leads' ? { leadIds: ids } : { customerIds: ids });
  const groupsOf = async (by: Principal, id: number) => (await records.get(by, id)).groups;

  describe('groups', () => {
    it('are shown with a record, those that the caller may see', async () => {
      const id = await make({ [assignee]: agent.userId });
      await put(theirs, id);
      await put(ours, id);
      await put(everyones, id);
      expect(await groupsOf(admin, id)).toEqual([ours, everyones, theirs]);
      expect(await groupsOf(manager, id)).toEqual([ours, everyones]);
      expect(await groupsOf(agent, id)).toEqual([ours, everyones, theirs]);
      const blind: Principal = { ...admin, permissions: new Set<Permission>([`${noun}:read`]) };
      expect(await groupsOf(blind, id)).toEqual([]);
      const { data } = await records.list(manager, {});
      expect(data.map(({ groups }) => groups)).toEqual([[ours, everyones]]);
      expect((await records.patch(manager, id, { company: 'New' })).groups).toEqual([ours, everyones]);
    });

    it('filter lists; one that is not the caller’s to see lists nothing', async () => {
      const [one, two] = [await make(), await make()];
      await put(ours, one);
      await put(theirs, one, two);
      const idsOf = async (by: Principal, groupId: number) =>
        (await records.list(by, { groupId })).data.map(({ id }) => id);
      expect(await idsOf(manager, ours)).toEqual([one]);
      expect(await idsOf(manager, theirs)).toEqual([]);
      expect(await idsOf(manager, 999_999)).toEqual([]);
      expect(await idsOf(admin, theirs)).toEqual([two, one]);
      expect(await idsOf(stranger, theirs)).toEqual([]);
    });

    it('lose a record that is deleted', async () => {
      const id = await make();
      await put(ours, id);
      await records.remove(manager, id);
      const rows = await services.database.query('SELECT 1 FROM group_members WHERE record_id = ? AND noun = ?', [
        id,
        noun,
      ]);
      expect(rows).toEqual([]);
    });
  });

  describe('statistics', () => {
    const at = async (id: number, time: string) =>
      services.transactions.run((tx) =>
        tx.query(`UPDATE ${noun} SET created_at = ? WHERE id = ?`, [formatTime(new Date(time)), id]),
      );

    /** What a list at an address counts. */
    async function listed(by: Principal, address: string): Promise<number> {
      const url = new URL(address, 'http://localhost');
      expect(url.pathname).toBe(`/api/v1/${noun}`);
      const query: Values = {};
      const filters: Record<string, string[]> = {};
      for (const [name, value] of url.searchParams) {
        if (name.startsWith('cf.')) (filters[name] ??= []).push(value);
        else query[name] = NUMBERS.includes(name) ? Number(value) : value;
      }
      return (await records.list(by, query, readCustomFilters(filters))).meta.total;
    }

    /** Follows every address: its list counts what the figure says. @returns how many were followed */
    async function follow(by: Principal, figures: ContactStatistics & { sourceDistribution?: any[] }): Promise<number> {
      const { drill } = figures;
      const countIn = (entries: Values[], key: string) =>
        Object.fromEntries(entries.map((entry) => [String(entry[key]), entry.count]));
      const of = (name: string, entries: unknown[], key: string) =>
        [drill[name as 'timeline'], countIn(entries as Values[], key)] as const;
      const pairs = [
        [{ total: drill.total }, { total: figures.total }] as const,
        of('statusDistribution', figures.statusDistribution, 'status'),
        ...(noun === 'leads' ? [of('sourceDistribution', figures.sourceDistribution!, 'source')] : []),
        of('groupDistribution', figures.groupDistribution, 'groupId'),
        of('tagDistribution', figures.tagDistribution, 'tag'),
        of('timeline', figures.timeline, 'date'),
        ...Object.entries(figures.fields).map(
          ([key, { values, blank }]) =>
            [drill.fields[key], { ...countIn(values as unknown as Values[], 'value'), '': blank }] as const,
        ),
      ];
      let followed = 0;
      for (const [addresses, expected] of pairs) {
        for (const [name, address] of Object.entries(addresses)) {
          expect([address, await listed(by, address)]).toEqual([address, (expected as Values)[name]]);
          followed++;
        }
      }
      return followed;
    }

    async function populate(): Promise<void> {
      const blocked = noun === 'leads' ? 'lost' : 'blocked';
      const one = await make({
        tags: ['VIP', 'a "b", c', '__proto__'],
        customFields: { tier: 'Gold', seats: 2.5, sizes: ['Small', 'Large'] },
      });
      const two = await make({
        tags: ['VIP', 'vip2', '%&=+ ü'],
        source: 'fair & expo',
        customFields: { tier: 'gold', seats: -1, sizes: ['Large'] },
      });
      const three = await make({
        status: blocked,
        [assignee]: agent.userId,
        tags: ['VIP'],
        customFields: { tier: 'a&b=c%' },
      });
      const four = await make({}, stranger);
      await put(ours, one, two);
      await put(everyones, two, three, four);
      await put(theirs, one, four);
      await at(one, '2026-01-30T23:59:59.999Z');
      await at(two, '2026-02-01T00:00:00Z');
      await at(three, '2026-02-01T12:00:00Z');
    }

    it('count what the lists have, in the scope of each', async () => {
      await populate();
      for (const [by, total] of [
        [admin, 4],
        [manager, 3],
        [agent, 1],
        [stranger, 1],
      ] as const) {
        const figures = await records.statistics(by, { fields: 'tier,seats,sizes' });
        expect(figures.total).toBe(total);
        expect(await follow(by, figures)).toBeGreaterThan(8);
      }
      const figures = await records.statistics(manager, { to: '2026-12-31', fields: 'tier, seats,sizes' });
      const counts = (entries: object[]) => entries.map((entry) => Object.values(entry));
      expect(counts(figures.statusDistribution).filter(([, n]) => n > 0)).toEqual(
        noun === 'leads'
          ? [
              ['new', 2],
              ['lost', 1],
            ]
          : [
              ['active', 2],
              ['blocked', 1],
            ],
      );
      expect(figures.groupDistribution).toEqual([
        { groupId: ours, name: 'Ours', count: 2 },
        { groupId: everyones, name: 'Everyone’s', count: 2 },
      ]);
      expect(counts(figures.tagDistribution)).toEqual([
        ...[
          ['VIP', 3],
          ['%&=+ ü', 1],
          ['__proto__', 1],
          ['a "b", c', 1],
          ['vip2', 1],
        ],
      ]);
      if (noun === 'leads') {
        expect((figures as unknown as { sourceDistribution: unknown }).sourceDistribution).toEqual([
          { source: 'web', count: 2 },
          { source: 'fair & expo', count: 1 },
        ]);
      }
      expect(counts(figures.timeline).slice(0, 4)).toEqual([
        ...[
          ['2026-01-30', 1],
          ['2026-01-31', 0],
          ['2026-02-01', 2],
          ['2026-02-02', 0],
        ],
      ]);
      expect([figures.timelineUnit, figures.timeline.at(-1)!.date]).toEqual(['day', '2026-12-31']);
      expect(figures.fields.tier).toMatchObject({ values: [{ count: 2 }, { value: 'a&b=c%', count: 1 }], blank: 0 });
      expect(figures.fields.seats).toMatchObject({ sum: 1.5, min: -1, max: 2.5, blank: 1 });
      expect(figures.fields.sizes.values).toEqual([
        { value: 'Large', count: 2 },
        { value: 'Small', count: 1 },
      ]);
    });

    it.each<[string, Values, Values]>([
      ['a status', { status: noun === 'leads' ? 'lost' : 'blocked' }, {}],
      ['a tag', { tag: 'VIP' }, {}],
      ['a search', { q: 'ada' }, {}],
      ['a time within a day', { from: '2026-02-01T00:00:00.001Z', to: '2026-02-01T23:00:00Z' }, {}],
      ['days', { createdFrom: '2026-01-01', createdTo: '2026-01-31' }, {}],
      ['years', { from: '2020-01-01', to: '2026-12-31' }, {}],
      ['a text', {}, { 'cf.tier': ['GOLD', 'none'] }],
      ['a range', {}, { 'cf.seats.from': '0' }],
      ['an option', {}, { 'cf.sizes': 'Large' }],
      ['nothing that is there', { tag: 'nope' }, { 'cf.tier': '' }],
    ])('take the filters of the list: %s', async (_, query, filters) => {
      await populate();
      for (const by of [admin, manager]) {
        const request = { ...query, fields: 'tier,seats,sizes' };
        const figures = await records.statistics(by, request, readCustomFilters(filters));
        const { from, to, ...rest } = query;
        const list = { ...rest, ...(from ? { createdFrom: from } : {}), ...(to ? { createdTo: to } : {}) };
        expect(figures.total).toBe((await records.list(by, list as never, readCustomFilters(filters))).meta.total);
        expect(await follow(by, figures)).toBeGreaterThan(0);
      }
    });

    it('take a group, also one that is not the caller’s to see', async () => {
      await populate();
      for (const [groupId, total] of [
        [ours, 2],
        [everyones, 2],
        [theirs, 0],
      ] as const) {
        const figures = await records.statistics(manager, { groupId });
        expect(figures.total).toBe(total);
        await follow(manager, figures);
      }
    });

    it('say what they do not take', async () => {
      const refused = (query: Values, code: string, field: string) =>
        expect(records.statistics(manager, query)).rejects.toMatchObject({ status: 422, code, errors: [{ field }] });
      await refused({ fields: 'nope' }, 'field-not-filterable', 'cf.nope');
      await refused({ fields: Array.from({ length: 11 }, (_, n) => `f${n}`).join() }, 'validation-failed', 'fields');
      await refused({ from: '2026-01-01', createdFrom: '2026-01-01' }, 'validation-failed', 'from');
    });

    it('count tags exactly in as little memory as there is', async () => {
      const expected = new Map<string, number>();
      for (let n = 0; n < 40; n++) {
        const tags = [`t${n % 7}`, `u${n}`, ...(n % 2 ? ['odd'] : [])];
        for (const tag of tags) expected.set(tag, (expected.get(tag) ?? 0) + 1);
        await make({ tags });
      }
      const all = { sql: '1 = 1', params: [] };
      const sorted = [...expected].toSorted(([a, n], [b, m]) => m - n || (a < b ? -1 : 1));
      for (const atOnce of [2, 3, 10, 1_000]) {
        const { entries, others } = await new ContactFigures(services.database, noun, atOnce).tags(all, 10);
        expect(entries.map(({ tag, count: n }) => [tag, n])).toEqual(sorted.slice(0, 10));
        expect(others).toBe(sorted.slice(10).reduce((sum, [, n]) => sum + n, 0));
      }
    });
  });
});
