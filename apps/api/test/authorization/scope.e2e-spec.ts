import { Person, reaches } from './oracle';
import { KnownImport, LedgerRow, populate, Population } from './population';
import { Random } from './random';
import { Fact, Surface, surfacesOf, visibleOf } from './surfaces';
import { Answer, World } from './world';

/** Another one: MUSTER_TEST_SEED=… */
const SEED = Number(process.env.MUSTER_TEST_SEED ?? 20261121);
/** Of each role: an admin, the manager of each team, all agents together. */
const QUERIES = 1000;
const NOT_FOUND = { status: 404, code: 'not-found' };

type Caller = Population['callers'][number];

describe(`the scope of random queries, seed ${SEED}`, () => {
  let world: World;
  let population: Population;
  let surfaces: Surface[];
  beforeAll(async () => {
    world = await World.open();
    population = await populate(world, new Random(SEED));
    surfaces = await surfacesOf(world, population);
  }, 90_000);
  afterAll(() => world?.close());

  /** The calls that were made for the caller's role so far. */
  let calls = 0;
  const read = async (path: string, { token }: Caller): Promise<Answer & { body: any }> => {
    calls++;
    const answer = await world.call('GET', path, token);
    const isJson = answer.headers['content-type']?.includes('json');
    return { ...answer, body: isJson ? JSON.parse(answer.text) : answer.text };
  };

  async function queryList(random: Random, caller: Caller): Promise<void> {
    const surface = random.pick([...surfaces, ...surfaces.slice(0, 2), ...surfaces.slice(0, 2)]);
    const filters = surface.filters.filter(() => random.chance(0.15)).map((filter) => filter(random));
    const given = new Map(filters.map((filter) => [filter.name, filter])); // Each parameter once.
    const sort = random.chance(0.5)
      ? `${random.pick(['', '-'])}${random.pick(Object.keys(surface.sorts))}`
      : surface.defaultSort;
    const limit = random.pick([1, 3, 20, 50, 100]);
    const parameters = new URLSearchParams({ limit: String(limit), sort });
    for (const { name, value } of given.values()) parameters.set(name, value);

    const visible = visibleOf(surface, caller.person, population.people);
    const first = `${surface.path}?${parameters.toString()}`;
    if (visible === 403) {
      const { status, body } = await read(first, caller);
      expect({ first, status, code: body.code }).toEqual({ first, status: 403, code: 'forbidden' });
      return;
    }
    const wanted = sorted(
      visible.filter((fact) => [...given.values()].every(({ holds }) => holds(fact, caller.person))),
      surface,
      sort,
    );
    const told = surface.told ?? (() => ({}));
    const pages = Math.ceil(wanted.length / limit);
    // Some pages of the list by their numbers, and some by following the cursor from one of them.
    let page = 1 + random.below(pages + 1);
    let cursor = '';
    for (let steps = 1 + random.below(4); steps > 0; steps--) {
      const query = `${first}${cursor ? `&cursor=${cursor}` : `&page=${page}`}`;
      const { status, body } = await read(query, caller);
      const end = page * limit;
      const shown = wanted.slice(end - limit, end);
      expect({ query, status, ids: body.data?.map(({ id }: Fact) => id), meta: body.meta }).toEqual({
        ...{ query, status: 200, ids: shown.map(({ id }) => id) },
        meta: { page, limit, total: wanted.length, nextCursor: end < wanted.length ? expect.any(String) : null },
      });
      expect(body.data).toMatchObject(shown.map((fact) => told(caller.person, fact)));
      cursor = body.meta.nextCursor;
      if (!cursor) return;
      page++;
    }
  }

  async function queryOne(random: Random, caller: Caller): Promise<void> {
    const surface = random.pick(surfaces.filter(({ single }) => single));
    const { id } = random.pick(surface.facts);
    const visible = visibleOf(surface, caller.person, population.people);
    const path = `${surface.path}/${id}`;
    const { status, body } = await read(path, caller);
    if (visible === 403) expect({ path, status, code: body.code }).toEqual({ path, status: 403, code: 'forbidden' });
    else if (visible.some((fact) => fact.id === id))
      expect({ path, status, id: body.id }).toEqual({ path, status: 200, id });
    else expect({ path, status, code: body.code }).toEqual({ path, ...NOT_FOUND });
  }

  /** What becomes of asking for part of an import; null when the caller sees it. */
  function refusalOf({ person }: Caller, work: KnownImport): { status: number; code: string } | null {
    if (person.role === 'agent') return { status: 403, code: 'forbidden' };
    const scope = person.role === 'admin' ? 'all' : 'team';
    return reaches(person, scope, { creator: work.createdBy }, population.people) ? null : NOT_FOUND;
  }

  /** A row that met a record of somebody else does not say which. */
  function toRow(caller: Person, work: KnownImport, { row, outcome, recordId, errors }: LedgerRow): object {
    const surface = surfaces.find(({ path }) => path === `/${work.target}`)!;
    const visible = visibleOf(surface, caller, population.people) as Fact[];
    const shown = outcome === 'created' || visible.some(({ id }) => id === recordId);
    const values = Object.fromEntries(work.file.columns.map((name, index) => [name, work.file.rows[row - 1][index]]));
    return { row, outcome, ...(shown ? { recordId } : {}), errors, values };
  }

  async function queryRows(random: Random, caller: Caller): Promise<void> {
    const work = random.pick(population.imports);
    const refusal = refusalOf(caller, work);
    const outcome = random.pick(['', 'created', 'skipped', 'rejected']);
    const limit = random.pick([2, 5, 100]);
    const wanted = work.ledger.filter((row) => !outcome || row.outcome === outcome);
    const page = 1 + random.below(Math.ceil(wanted.length / limit) + 1);
    const filter = `limit=${limit}${outcome && `&outcome=${outcome}`}`;
    const path = `/imports/${work.id}/rows?${filter}&page=${page}`;
    const { status, body } = await read(path, caller);
    if (refusal) return expect({ path, status, code: body.code }).toEqual({ path, ...refusal });
    const rows = wanted.map((row) => toRow(caller.person, work, row));
    const end = page * limit;
    const more = end < rows.length;
    const nextCursor = more ? String(wanted[end - 1].row) : null;
    expect({ path, ...body }).toEqual({
      ...{ path, data: rows.slice(end - limit, end) },
      meta: { page, limit, total: rows.length, nextCursor },
    });
    if (!more) return;
    const further = await read(`/imports/${work.id}/rows?${filter}&cursor=${nextCursor}`, caller);
    expect({ path, data: further.body.data }).toEqual({ path, data: rows.slice(end, end + limit) });
  }

  async function queryRejected(random: Random, caller: Caller): Promise<void> {
    const work = random.pick(population.imports);
    const refusal = refusalOf(caller, work);
    const path = `/imports/${work.id}/rejected.csv`;
    const { status, body } = await read(path, caller);
    if (refusal) return expect({ path, status, code: body.code }).toEqual({ path, ...refusal });
    const lines = work.ledger
      .filter(({ outcome }) => outcome === 'rejected')
      .map(({ row }) => [...work.file.rows[row - 1], row, 'email: is not an e-mail address (email-invalid)'].join(','));
    expect({ path, lines: body.trimEnd().split('\r\n') }).toEqual({
      ...{ path, lines: [`${work.file.columns.join(',')},_row,_errors`, ...lines] },
    });
  }

  /** A value that another record has: it is named to whom it is visible. */
  async function queryDuplicate(random: Random, caller: Caller): Promise<void> {
    const [surface, body] = random.pick([
      [surfaces[0], { name: 'Ada Example', source: 'web' }],
      [surfaces[1], { fullName: 'Ada Example' }],
    ] as const);
    const taken = random.pick(surface.facts.filter((fact) => fact.email !== null));
    const visible = visibleOf(surface, caller.person, population.people) as Fact[];
    calls++;
    const { status, text } = await world.call('POST', surface.path, caller.token, {
      json: { ...body, email: taken.email },
    });
    const existing = visible.includes(taken) ? { existingId: taken.id } : {};
    expect({ status, errors: JSON.parse(text).errors }).toEqual({
      status: 409,
      errors: [{ field: 'email', code: 'duplicate-existing', message: expect.any(String), ...existing }],
    });
  }

  const KINDS = [...Array<typeof queryList>(14).fill(queryList), queryOne, queryOne, queryRows, queryRows];
  const ROLES = ['admin', 'manager of East', 'manager of North', 'manager of South', 'agents'];

  it.each(ROLES)(
    `answers ${QUERIES} of %s with all that is theirs, and nothing else`,
    async (role) => {
      const random = new Random(SEED + ROLES.indexOf(role));
      const callers = population.callers.filter((caller) => caller.role === role);
      for (calls = 0; calls < QUERIES;) {
        await random.pick([...KINDS, queryRejected, queryDuplicate])(random, random.pick(callers));
      }
    },
    60_000,
  );

  it('has asked of people who see some, and not all', () => {
    const shares = population.callers.map(({ name, person }) => {
      const seen = surfaces.slice(0, 2).map((surface) => {
        const { length } = visibleOf(surface, person, population.people) as Fact[];
        return length / surface.facts.length;
      });
      return { name, some: seen.every((share) => share > 0), all: seen.every((share) => share === 1) };
    });
    expect(shares).toEqual(shares.map(({ name }) => ({ name, some: true, all: name === 'admin' })));
  });
});

/** In the order of a list: by bytes, and by the id where that is equal. */
function sorted(facts: Fact[], { sorts }: Surface, sort: string): Fact[] {
  const direction = sort.startsWith('-') ? -1 : 1;
  const valueOf = sorts[sort.replace('-', '')];
  const key = (fact: Fact) => {
    const value = valueOf(fact);
    return Buffer.from(value instanceof Date ? value.toISOString() : value);
  };
  const keyed = facts.map((fact) => ({ fact, key: key(fact) }));
  keyed.sort((a, b) => direction * (Buffer.compare(a.key, b.key) || a.fact.id - b.fact.id));
  return keyed.map(({ fact }) => fact);
}
