import { Cast, Credentials, PASSWORD } from './cast';
import { ASSIGNEES, CallerName, CALLERS, callsOf, expected, Expectation, ROUTES, targetsOf } from './expectations';
import { visibleIds } from './lists';
import type { Scope } from './oracle';
import { Answer, Payload, World } from './world';

/** For one route, in milliseconds: some make hundreds of calls. */
const TIMEOUT = 30_000;
const FILE = 'Name,Email,Source\nAda Example,ada@example.com,web\n';

/** One cell of the matrix. */
interface Call {
  name: CallerName;
  kind: string | null;
  credentials: Credentials;
  path: string;
  payload: Payload;
}

const entries = Object.entries(ROUTES);
const calls = callsOf(Object.values(ROUTES));

describe(`authorization of ${entries.length} routes × ${CALLERS.length} callers × their targets = ${calls} calls`, () => {
  let world: World;
  let cast: Cast;
  beforeAll(async () => {
    world = await World.open();
    cast = await Cast.assemble(world);
  }, 60_000);
  afterEach(() => cast?.clear());
  afterAll(() => world?.close());

  it('expects something of every route, and of no other', () => {
    expect(world.routes.toSorted()).toEqual(Object.keys(ROUTES).toSorted());
  });

  /** The calls of one route, with targets and callers made for them. */
  async function prepare(path: string, route: Expectation): Promise<Call[]> {
    const cells: { name: CallerName; kind: string | null; credentials: Credentials }[] = [];
    for (const name of CALLERS) {
      for (const kind of targetsOf(route)) {
        cells.push({ name, kind, credentials: await cast.caller(name, route) });
      }
    }
    const wanted = cells.map(({ kind, credentials }) => ({ kind: kind!, caller: credentials.person }));
    const ids = route.kind === 'one' ? await cast.make(route.subject!, wanted) : [];
    return Promise.all(
      cells.map(async (cell, index) => ({
        ...cell,
        path: path.replace(/:(?:id|mergeId)\b/, String(ids[index])).replace('*', route.rest ?? ''),
        payload: await payloadOf(route),
      })),
    );
  }

  async function payloadOf({ body, form }: Expectation): Promise<Payload> {
    if (!body) return null;
    const { email } = cast;
    const json = await body({
      ...{ n: world.next(), email, password: PASSWORD, refreshToken: () => cast.refreshToken() },
      record: (subject) => cast.everyones(subject),
    });
    return form ? { form: json as Record<string, string>, file: FILE } : { json };
  }

  /** Every page of a list. */
  async function listed(path: string, token: string | null): Promise<{ ids: number[]; totals: number[] }> {
    const ids: number[] = [];
    const totals: number[] = [];
    for (let page = 1; ; page++) {
      const { text } = await world.call('GET', `${path}?limit=100&page=${page}`, token);
      const { data, meta } = JSON.parse(text) as { data: { id: number }[]; meta: { total: number } };
      ids.push(...data.map(({ id }) => id));
      totals.push(meta.total);
      if (data.length < 100) return { ids, totals };
    }
  }

  it.each(entries)(
    '%s',
    async (name, route) => {
      const [method, template] = name.split(' ') as [string, string];
      const all = await prepare(template, route);
      const outcomeOf = ({ name: caller, kind }: Call) => expected(route, caller, kind);
      const answers: { call: Call; answer: Answer }[] = [];
      const make = async (call: Call) => {
        answers.push({ call, answer: await world.call(method, call.path, call.credentials.token, call.payload) });
      };

      // Who is denied comes first: for all of them together not one row changes.
      const writes = method !== 'GET';
      const before = writes ? await world.dump() : {};
      for (const call of all.filter((each) => outcomeOf(each).code !== null)) await make(call);
      const after = writes ? await world.dump() : {};
      expect(after).toEqual(before);
      for (const call of all.filter((each) => outcomeOf(each).code === null)) await make(call);

      const line = ({ name: caller, kind }: Call, status: number, code?: string | null) =>
        `${caller} -> ${kind ?? 'it'}: ${status} ${code ?? ''}`;
      const codeOf = ({ status, text }: Answer) =>
        status < 400 ? null : (JSON.parse(text || '{}') as { code?: string }).code;
      expect(answers.map(({ call, answer }) => line(call, answer.status, codeOf(answer)))).toEqual(
        answers.map(({ call }) => line(call, outcomeOf(call).status, outcomeOf(call).code)),
      );

      // A refusal says the same whatever there is: byte for byte, but for the id of the request.
      const refusals = new Map<string, Set<string>>();
      for (const { call, answer } of answers.filter((each) => outcomeOf(each.call).code !== null)) {
        const { code } = outcomeOf(call);
        const group = code === 'forbidden' ? `${call.name} ${code}` : code!; // A key is told so in words of its own.
        refusals.set(group, (refusals.get(group) ?? new Set()).add(withoutRequest(answer)));
      }
      for (const [group, texts] of refusals)
        expect({ group, texts: [...texts] }).toMatchObject({ texts: { length: 1 } });

      // Who may read gets the very record, and of a list the whole and nothing else.
      for (const { call, answer } of answers.filter((each) => method === 'GET' && outcomeOf(each.call).code === null)) {
        if (route.kind === 'one' && template.endsWith('/:id')) {
          expect(JSON.parse(answer.text)).toMatchObject({ id: Number(call.path.split('/').at(-1)) });
        }
        if (route.kind !== 'list') continue;
        const { person, token } = call.credentials;
        const scope = route.grant![person.role] as Scope;
        const ids = await visibleIds(world, cast, route.subject!, person, scope);
        const seen = await listed(call.path, token);
        expect({ caller: call.name, ids: seen.ids.toSorted() }).toEqual({ caller: call.name, ids: ids.toSorted() });
        expect(new Set(seen.totals)).toEqual(new Set([ids.length]));
      }
    },
    TIMEOUT,
  );

  describe.each([
    { noun: 'leads', assignee: 'assignedTo', body: { name: 'Given Away', source: 'matrix' } },
    { noun: 'customers', assignee: 'ownerId', body: { fullName: 'Given Away' } },
  ])('to whom $noun may be given', ({ noun, assignee, body }) => {
    it.each(Object.entries(ASSIGNEES))(
      'by the %s',
      async (name, { to, otherwise }) => {
        const { person, token } = await cast.caller(name as CallerName, ROUTES[`POST /${noun}`]);
        const refusals = new Set<string>();
        for (const [who, id] of Object.entries(await cast.assignees(person))) {
          const email = `given${world.next()}@example.com`;
          const made = await world.call('POST', `/${noun}`, token, { json: { ...body, email } });
          const { id: record } = JSON.parse(made.text) as { id: number };
          const answers = [
            await world.call('POST', `/${noun}`, token, {
              json: { ...body, email: `given${world.next()}@example.com`, [assignee]: id },
            }),
            await world.call('PATCH', `/${noun}/${record}`, token, { json: { [assignee]: id } }),
          ];
          const may = (to as readonly string[]).includes(who);
          const refused = otherwise === 'user-unknown' ? 422 : 403;
          expect({ who, statuses: answers.map(({ status }) => status) }).toEqual({
            ...{ who, statuses: may ? [201, 200] : [refused, refused] },
          });
          if (may) continue;
          for (const answer of answers) refusals.add(withoutRequest(answer));
          expect(answers.map(({ text }) => (JSON.parse(text) as { code: string }).code)).toEqual([
            otherwise,
            otherwise,
          ]);
        }
        expect(refusals.size).toBe(1);
      },
      TIMEOUT,
    );
  });
});

function withoutRequest({ text, headers }: Answer): string {
  const kept = Object.entries(headers).filter(([name]) => name !== 'x-request-id' && name !== 'date');
  return JSON.stringify([text.replace(/"requestId":"[^"]*"/, ''), kept]);
}
