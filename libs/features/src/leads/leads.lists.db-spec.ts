import { Principal } from '@muster/core/principal';
import { openTestServices, TestServices } from '@muster/testing/services';
import { ListLeadsQuery } from './leads.dto';
import { Lead } from './leads.entity';
import { LeadsModule } from './leads.module';
import { visibleLeads } from './leads.policy';
import { LeadsRepository } from './leads.repository';

const SEED = 20_261_121;
const LEADS = 160;
const FIRST = Date.UTC(2026, 0, 1);
const SORTS = ['-createdAt', 'createdAt', '-updatedAt', 'updatedAt', 'name', '-name'] as const;
const WHO = ['admin', 'manager', 'agent', 'colleague', 'stranger', 'newcomer'] as const;

/** Random leads of two teams, and what each person must see of them; the rules of the scopes are written once more, in TypeScript. */
describe('lists of leads', () => {
  let services: TestServices;
  let repository: LeadsRepository;
  let people: Record<(typeof WHO)[number], Principal>;
  const leads: Lead[] = [];

  let state = SEED;
  const random = (n: number) => (state = (state * 48_271) % 2_147_483_647) % n;
  const anyOf = <T>(values: readonly T[]): T => values[random(values.length)];

  beforeAll(async () => {
    services = await openTestServices(LeadsModule);
    repository = services.get(LeadsRepository);
    const [ours, theirs, empty] = [await services.addTeam(), await services.addTeam(), await services.addTeam()];
    people = {
      admin: await services.addUser('admin', theirs),
      manager: await services.addUser('manager', ours),
      agent: await services.addUser('agent', ours),
      colleague: await services.addUser('agent', ours),
      stranger: await services.addUser('manager', theirs),
      newcomer: await services.addUser('manager', empty),
    };
    const ids = Object.values(people).map(({ userId }) => userId);
    await services.transactions.run(async (tx) => {
      for (let id = 1; id <= LEADS; id++) {
        const lead: Lead = {
          id,
          name: `${anyOf(['Zoë', 'Ada', 'Çağla', 'Ben'])} ${anyOf(['Müller', 'Roux', 'Ødegård'])}`,
          email: `lead${id}@${anyOf(['example.com', 'mail.example.org'])}`,
          phone: random(2) ? `+1201555${String(1000 + id)}` : null,
          status: anyOf(['new', 'lost'] as const),
          source: anyOf(['web', 'fair']),
          company: null,
          assignedTo: anyOf([null, null, ...ids]),
          tags: anyOf([[], ['vip']]),
          customFields: {},
          metadata: {},
          imageUrl: null,
          doNotContact: false,
          convertedTo: null,
          originImportId: null,
          originRow: null,
          createdBy: anyOf(ids),
          // Few different times: many neighbours differ by their id only.
          createdAt: new Date(FIRST + random(12) * 1_000),
          updatedAt: new Date(FIRST + random(12) * 1_000),
          version: 1,
        };
        leads.push(lead);
        await repository.records.insert(tx, lead);
      }
    });
  });
  afterAll(() => services.close());

  const sees = ({ userId, role, teamId }: Principal, { assignedTo, createdBy }: Lead): boolean => {
    if (role === 'admin') return true;
    if (role === 'agent') return assignedTo === userId || createdBy === userId;
    const ofTeam = (id: number | null) =>
      Object.values(people).some((each) => each.userId === id && each.teamId === teamId);
    if (assignedTo !== null) return ofTeam(assignedTo);
    return ofTeam(createdBy) || createdBy === people.admin.userId;
  };

  const expected = (who: Principal, sort: string, holds: (lead: Lead) => boolean): number[] => {
    const key = sort.replace('-', '') as 'createdAt' | 'updatedAt' | 'name';
    // Names compare by their bytes in every store.
    const valueOf = (lead: Lead) => (key === 'name' ? Buffer.from(lead.name).toString('hex') : lead[key].toISOString());
    const rows = leads.filter((lead) => sees(who, lead) && holds(lead));
    rows.sort((a, b) => (valueOf(a) === valueOf(b) ? a.id - b.id : valueOf(a) < valueOf(b) ? -1 : 1));
    return (sort.startsWith('-') ? rows.reverse() : rows).map(({ id }) => id);
  };

  const walk = async (who: Principal, query: ListLeadsQuery, byCursor: boolean) => {
    const seen: number[] = [];
    const totals = new Set<number>();
    for (let page = 1, cursor: string | undefined; page < 200; page++) {
      const visible = visibleLeads(who, 'leads:read');
      const { data, meta } = await repository.list(visible, {
        ...query,
        limit: 7,
        ...(byCursor ? { cursor } : { page }),
      });
      expect(meta.page).toBe(page);
      seen.push(...data.map(({ id }) => id));
      totals.add(meta.total);
      if (meta.nextCursor === null) return { seen, totals: [...totals] };
      cursor = meta.nextCursor;
    }
    throw new Error('The list never ended.');
  };

  const FILTERS: [string, ListLeadsQuery, (lead: Lead) => boolean][] = [
    ['nothing', {}, () => true],
    ['a status', { status: 'lost' }, ({ status }) => status === 'lost'],
    ['a tag', { tag: 'vip' }, ({ tags }) => tags.includes('vip')],
    ['a search', { q: 'MULLER zo' }, ({ name }) => name === 'Zoë Müller'],
    [
      'a search and a source',
      { q: '@example.com', source: 'web' },
      ({ email, source }) => email!.endsWith('@example.com') && source === 'web',
    ],
  ];

  describe.each(FILTERS)('filtered by %s', (_, query, holds) => {
    it.each(WHO)('give %s the same by page and by cursor under every sort: what is theirs, in order', async (name) => {
      for (const sort of SORTS) {
        const seen = expected(people[name], sort, holds);
        const all = { seed: SEED, sort, seen, totals: [seen.length] };
        for (const byCursor of [false, true]) {
          expect({ seed: SEED, sort, ...(await walk(people[name], { ...query, sort }, byCursor)) }).toEqual(all);
        }
      }
    });
  });

  it.each(WHO)('hold %s to their scope also where the search goes by the index', async (name) => {
    for (const q of ['zo', 'muller', '+1201555', 'mail.example.org', 'lead1']) {
      const where = await repository.where(visibleLeads(people[name], 'leads:read'), { q });
      const rows = await services.database.query<{ id: number }>(
        `SELECT id FROM leads WHERE ${where.sql} ORDER BY id`,
        where.params,
      );
      const all = await repository.where(visibleLeads(people.admin, 'leads:read'), { q });
      const found = await services.database.query<{ id: number }>(`SELECT id FROM leads WHERE ${all.sql}`, all.params);
      const ids = new Set(found.map(({ id }) => Number(id)));
      expect(ids.size).toBeGreaterThan(5);
      const theirs = leads.filter((lead) => ids.has(lead.id) && sees(people[name], lead)).map(({ id }) => id);
      expect({ q, ids: rows.map(({ id }) => Number(id)) }).toEqual({ q, ids: theirs });
    }
  });

  it('assume nothing of a cursor that carries no total, and refuse one that carries none of its own', async () => {
    const visible = visibleLeads(people.admin, 'leads:read');
    const { meta } = await repository.list(visible, { limit: 3 });
    const position = JSON.parse(Buffer.from(meta.nextCursor!, 'base64url').toString()) as unknown[];
    expect(position[4]).toBe(LEADS);
    const page = (values: unknown[]) =>
      repository.list(visible, { limit: 3, cursor: Buffer.from(JSON.stringify(values)).toString('base64url') });
    expect((await page(position.slice(0, 4))).meta.total).toBe(LEADS);
    await expect(page([...position.slice(0, 4), -1])).rejects.toMatchObject({ code: 'cursor-invalid' });
    await expect(page([...position.slice(0, 4), 'x'])).rejects.toMatchObject({ code: 'cursor-invalid' });
  });
});
