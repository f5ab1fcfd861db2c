import { Principal } from '@muster/core/principal';
import { openTestServices, TestServices } from '@muster/testing/services';
import { compactCounts } from '../contacts/lists/contacts.counts.repository';
import { checkCounts } from '../contacts/lists/contacts.lists.service';
import { indexSome, queueForSearch } from '../contacts/search/contacts.search.service';
import { LeadInput, LeadPatch, ListLeadsQuery } from './leads.dto';
import { Lead } from './leads.entity';
import { LeadMergesService } from './leads.merge.service';
import { LeadsModule } from './leads.module';
import { visibleLeads } from './leads.policy';
import { LeadsRepository } from './leads.repository';
import { LeadsService } from './leads.service';

/** Another one: MUSTER_TEST_SEED=… */
const SEED = Number(process.env.MUSTER_TEST_SEED ?? 20_261_121);
const STEPS = 160;
const TAGS = ['vip', 'VIP', 'a "quoted" tag', 'nord\\süd', 'später'];
const SOURCES = ['web', 'fair', 'Fair'];
const STATUSES = ['new', 'lost', 'qualified'] as const;
const SORTS = ['-createdAt', 'createdAt', '-createdAt', 'name', '-updatedAt'] as const;
const NAMES = ['Ada Roux', 'Zoë Müller', 'Ben Ødegård', 'Ada Müller'];
/** Far behind the ids that single writes take. */
const FIRST_IMPORTED = 1_000_000;

const COLUMNS =
  'id,name,email,phone,status,source,company,assigned_to,tags,custom_fields,metadata,image_url,do_not_contact,converted_to,origin_import_id,origin_row,created_by,created_at,updated_at,version'.split(
    ',',
  );

/** Random writes of every kind; after each, lists are compared with the records themselves. */
describe(`counts and tags of leads, seed ${SEED}`, () => {
  let services: TestServices;
  let leads: LeadsService;
  let merges: LeadMergesService;
  let repository: LeadsRepository;
  let admin: Principal;
  let people: Principal[];
  const merged: number[] = [];
  let made = 0;

  let state = SEED;
  const below = (n: number) => (state = (state * 48_271) % 2_147_483_647) % n;
  const anyOf = <T>(values: readonly T[]): T => values[below(values.length)];
  const someTags = () => TAGS.filter(() => below(4) === 0);

  beforeAll(async () => {
    services = await openTestServices(LeadsModule);
    leads = services.get(LeadsService);
    merges = services.get(LeadMergesService);
    repository = services.get(LeadsRepository);
    const [ours, theirs] = [await services.addTeam(), await services.addTeam()];
    admin = await services.addUser('admin', theirs);
    people = [
      ...[admin, await services.addUser('manager', ours), await services.addUser('agent', ours)],
      ...[await services.addUser('agent', ours), await services.addUser('manager', theirs)],
    ];
  });
  afterAll(() => services.close());

  const stored = async (): Promise<Lead[]> => {
    const rows = await services.database.query<Record<string, unknown>>('SELECT * FROM leads ORDER BY id');
    return rows.map((row) => repository.records.fromRow(row));
  };
  const someLead = async (): Promise<Lead | undefined> => anyOf(await stored());

  const body = (): LeadInput => ({
    ...{ name: anyOf(NAMES), email: `lead${++made}@example.com`, source: anyOf(SOURCES), status: anyOf(STATUSES) },
    ...{ tags: someTags(), assignedTo: anyOf([null, ...people]) && anyOf(people).userId },
  });

  const patch = (): LeadPatch => {
    const changes: LeadPatch[] = [
      ...[{ status: anyOf(STATUSES) }, { tags: someTags() }, { source: anyOf(SOURCES) }, { name: anyOf(NAMES) }],
      ...[{ assignedTo: anyOf(people).userId }, { assignedTo: null, tags: someTags(), status: anyOf(STATUSES) }],
    ];
    return anyOf(changes);
  };

  /** As an import does: all at once, with rows left out in between, terms and tags later. */
  async function load(): Promise<void> {
    const importId = 1 + below(3);
    const [createdAt, assignee, creator] = [new Date(Date.UTC(2026, 0, 1 + below(400))), anyOf(people), anyOf(people)];
    const time = createdAt.toISOString().replace('T', ' ').slice(0, 23);
    await services.transactions.run(async (tx) => {
      const buffer = services.database.dialect.bulkBuffer();
      const ids: number[] = [];
      for (let row = 1 + below(3); row <= 12; row += 1 + below(3)) {
        const id = FIRST_IMPORTED + ++made * 20 + row;
        ids.push(id);
        buffer.add([
          ...[id, anyOf(NAMES), `row${id}@example.com`, null, anyOf(STATUSES), anyOf(SOURCES), null],
          ...[below(2) ? assignee.userId : null, JSON.stringify(someTags()), '{}', '{}', null, 0, null, importId, row],
          ...[creator.userId, time, time, 1],
        ]);
      }
      await services.database.dialect.bulkInsert(tx.runner, 'leads', COLUMNS, buffer);
      const ranges = ids.map((id) => ({ firstId: id, lastId: id }));
      await queueForSearch(tx, services.database, 'leads', ranges);
    });
  }

  async function merge(): Promise<void> {
    const [target, source] = [await someLead(), await someLead()];
    if (!target || !source || target.id === source.id) return;
    merged.push((await merges.merge(admin, target.id, { sourceId: source.id })).mergeId);
  }

  async function batch(): Promise<void> {
    const ids = [...new Set([(await someLead())?.id, (await someLead())?.id])].filter((id) => id !== undefined);
    if (ids.length > 0) await leads.batch(admin, { updates: ids.map((id) => ({ id, data: patch() })) }, false);
  }

  /** What was changed since may be in the way, or the target be gone. */
  const undo = async () => {
    const id = merged.splice(below(merged.length), 1)[0];
    if (id !== undefined) await merges.undo(admin, id).catch((error) => expect(error).toMatchObject({ status: 409 }));
  };
  const index = () => services.transactions.bookkeep((tx) => indexSome(tx, services.database, 1 + below(8)));
  const compact = () => services.transactions.bookkeep((tx) => compactCounts(tx, services.database, 5));
  const create = () => leads.create(admin, body());
  const change = async () => {
    const lead = await someLead();
    if (lead) await leads.patch(admin, lead.id, patch());
  };
  const remove = async () => {
    const lead = await someLead();
    if (lead) await leads.remove(admin, lead.id);
  };
  const check = async () => expect(await checkCounts(services.database, services.transactions, 'leads')).toBe(0);

  const sees = ({ userId, role, teamId }: Principal, { assignedTo, createdBy }: Lead): boolean => {
    if (role === 'admin') return true;
    if (role === 'agent') return assignedTo === userId || createdBy === userId;
    const ofTeam = (id: number | null) => people.some((each) => each.userId === id && each.teamId === teamId);
    return assignedTo !== null ? ofTeam(assignedTo) : ofTeam(createdBy) || createdBy === admin.userId;
  };

  /** A list by chance, and which leads it must have. */
  function someQuery(): [ListLeadsQuery, (lead: Lead) => boolean] {
    const query: ListLeadsQuery = {};
    if (below(2)) query.tag = anyOf(TAGS);
    if (below(4) === 0) query.status = anyOf(STATUSES);
    if (below(4) === 0) query.source = anyOf(SOURCES);
    if (below(6) === 0) query.importId = 1 + below(3);
    if (below(6) === 0) query.assignedTo = anyOf(people).userId;
    if (below(8) === 0) query.q = 'ada';
    return [
      query,
      (lead) =>
        (query.tag === undefined || lead.tags.includes(query.tag)) &&
        (query.status === undefined || lead.status === query.status) &&
        (query.source === undefined || lead.source === query.source) &&
        (query.importId === undefined || lead.originImportId === query.importId) &&
        (query.assignedTo === undefined || lead.assignedTo === query.assignedTo) &&
        (query.q === undefined || lead.name.startsWith('Ada')),
    ];
  }

  async function compare(all: Lead[]): Promise<void> {
    const who = anyOf(people);
    const [filters, holds] = someQuery();
    const sort = anyOf(SORTS);
    const limit = 1 + below(5);
    const key = sort.replace('-', '') as 'createdAt' | 'updatedAt' | 'name';
    const valueOf = (lead: Lead) => (key === 'name' ? Buffer.from(lead.name).toString('hex') : lead[key].toISOString());
    const wanted = all.filter((lead) => sees(who, lead) && holds(lead));
    wanted.sort((a, b) => (valueOf(a) === valueOf(b) ? a.id - b.id : valueOf(a) < valueOf(b) ? -1 : 1));
    if (sort.startsWith('-')) wanted.reverse();
    const ids = wanted.map(({ id }) => id);
    const query = { ...filters, sort, limit };
    const visible = visibleLeads(who, 'leads:read');
    const seen: number[] = [];
    const page = 1 + below(2);
    let { data, meta } = await repository.list(visible, { ...query, page });
    const first = { data, meta };
    for (; ; { data, meta } = await repository.list(visible, { ...query, cursor: meta.nextCursor })) {
      seen.push(...data.map(({ id }) => id));
      if (meta.nextCursor === null) break;
    }
    const from = (page - 1) * limit;
    expect({ query, role: who.role, total: first.meta.total, ids: seen }).toEqual({
      ...{ query, role: who.role, total: ids.length, ids: ids.slice(from) },
    });
    const deep = await repository.list(visible, { ...query, page: 1 });
    expect({ query, total: deep.meta.total }).toEqual({ query, total: ids.length });
  }

  it('are those of the records, whatever is written', async () => {
    for (let step = 0; step < 15; step++) await create();
    await load();
    expect(await checkCounts(services.database, services.transactions, 'leads')).toBe(0);
    const steps = [
      ...[create, change, change, change, remove, batch, merge, undo],
      ...[load, load, index, index, compact],
    ];
    for (let step = 0; step < STEPS; step++) {
      await anyOf(steps)();
      const all = await stored();
      for (let queries = 0; queries < 4; queries++) await compare(all);
      if (step % 40 === 0) await check();
    }
    while (await index());
    await check();
    const tagged = await services.database.query<{ tag: string; record_id: number }>(
      'SELECT tag, record_id FROM contact_tags',
    );
    const expected = (await stored()).flatMap(({ id, tags }) => tags.map((tag) => `${JSON.stringify(tag)} ${id}`));
    expect(tagged.map(({ tag, record_id: id }) => `${tag} ${Number(id)}`).sort()).toEqual(expected.sort());
  }, 120_000);

  it('stay right where many write, put together and check at once', async () => {
    const writers = Array.from({ length: 4 }, async () => {
      for (let turn = 0; turn < 12; turn++) {
        const { id } = await create();
        await leads.patch(admin, id, patch());
        const then = below(3);
        if (then === 0) await leads.remove(admin, id);
        else if (then === 1) await load();
      }
    });
    const keepers = Array.from({ length: 2 }, async () => {
      for (let turn = 0; turn < 12; turn++) {
        await compact();
        await checkCounts(services.database, services.transactions, 'leads');
        await index();
      }
    });
    await Promise.all([...writers, ...keepers]);
    await check();
    for (let queries = 0; queries < 30; queries++) await compare(await stored());
  }, 120_000);

  it('are put right when somebody writes past them', async () => {
    await services.transactions.run((tx) => tx.query(`UPDATE leads SET status = 'converted'`));
    const total = async () =>
      (await repository.list(visibleLeads(admin, 'leads:read'), { status: 'converted', limit: 1 })).meta.total;
    expect(await total()).toBe(0);
    expect(await checkCounts(services.database, services.transactions, 'leads')).toBeGreaterThan(0);
    expect(await total()).toBe((await stored()).length);
    await check();
  });

  it('are read from the records until they are checked for the first time', async () => {
    await services.transactions.run(async (tx) => {
      await tx.query('DELETE FROM contact_counts');
      await tx.query('UPDATE contact_count_checks SET checked_at = NULL');
    });
    for (let queries = 0; queries < 20; queries++) await compare(await stored());
  });
});
