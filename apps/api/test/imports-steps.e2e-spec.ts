import { Server } from '@muster/testing/server';
import { Random } from './authorization/random';

type Json = any;

/** What a stream of server-sent events said. */
interface Said {
  event: string;
  id: number;
  data: Json;
}

function parseEvents(text: string): Said[] {
  return text
    .split('\n\n')
    .filter((block) => block.startsWith('event: '))
    .map((block) => {
      const [, event, id, data] = /^event: (\w+)\nid: (\d+)\ndata: (.*)$/.exec(block)!;
      return { event, id: Number(id), data: JSON.parse(data) };
    });
}

/** Each test waits for work in the background. */
jest.setTimeout(60_000);

describe('imports in steps', () => {
  let server: Server;
  beforeAll(async () => {
    server = await Server.start({ IMPORT_BATCH_ROWS: '200' });
  }, 90_000);
  afterAll(() => server.stop());

  let salt = 0;
  const unique = () => `s${++salt}`;
  const call = (method: string, path: string, body?: unknown, token?: string) =>
    server.request(method, path, body, token ?? server.adminToken);
  const codesOf = ({ body }: Json) => (body.errors ?? []).map(({ field, code }: Json) => `${field} ${code}`);

  /** Uploads a file that does not start by itself. @returns the import that waits in `ready` */
  async function ready(content: string, fields: Record<string, string> = {}): Promise<Json> {
    const work = await server.import(content, { target: 'leads', autoStart: 'false', ...fields });
    expect(work.status).toBe('ready');
    return work;
  }

  async function run(id: number, body: object = {}): Promise<Json> {
    const { status, body: accepted } = await call('POST', `/imports/${id}/start`, body);
    expect([status, accepted]).toEqual([202, { id, status: 'importing' }]);
    return server.settled(id);
  }

  async function all(path: string): Promise<Json[]> {
    const rows: Json[] = [];
    for (let page = 1; ; page++) {
      const { status, body } = await call('GET', `${path}${path.includes('?') ? '&' : '?'}limit=100&page=${page}`);
      expect(status).toBe(200);
      rows.push(...body.data);
      if (rows.length >= body.meta.total) return rows;
    }
  }

  async function addPerson(role: string): Promise<{ id: number; token: string }> {
    const email = `${role}@${unique()}.example.com`;
    const person = { name: `A ${role}`, email, password: 'a long password', role };
    const { body } = await call('POST', '/users', person);
    return { id: body.id, token: await server.login(email, person.password) };
  }

  describe('the mapping', () => {
    it('is replaced as a whole, and counts the duplicates anew', async () => {
      const tag = unique();
      const work = await ready(`Name,Mail A,Mail B\nAnn,a@${tag}.example.com,x@${tag}.example.com
Bob,b@${tag}.example.com,x@${tag}.example.com\nCem,c@${tag}.example.com,y@${tag}.example.com\n`);
      const path = `/imports/${work.id}/mapping`;
      const put = await call('PUT', path, { mapping: { Name: 'name', 'Mail B': 'email' } });
      expect([put.status, put.body]).toEqual([
        200,
        { mapping: { Name: 'name', 'Mail A': null, 'Mail B': 'email' }, missing: [], duplicateRows: 1 },
      ]);
      expect((await call('GET', `/imports/${work.id}`)).body.mapping).toEqual(put.body.mapping);
      expect((await call('GET', `/imports/${work.id}/analysis`)).body.duplicateRows).toBe(1);
      const done = await run(work.id);
      expect(done.counts).toMatchObject({ total: 3, created: 2, rejected: 1 });
      const late = await call('PUT', path, { mapping: { Name: 'name', 'Mail A': 'email' } });
      expect([late.status, late.body.code]).toEqual([409, 'import-not-ready']);
      const again = await call('POST', `/imports/${work.id}/start`, {});
      expect([again.status, again.body.code]).toEqual([409, 'import-not-ready']);
      const preview = await call('GET', `/imports/${work.id}/preview`);
      expect([preview.status, preview.body.code]).toEqual([409, 'import-not-ready']);
    });

    it.each<[string, object, string, string[]]>([
      [
        'columns that are not there',
        { Name: 'name', Mail: 'email', Fax: null },
        'mapping-invalid',
        ['mapping.Fax column-unknown'],
      ],
      [
        'targets that are not there',
        { Name: 'name', Mail: 'shoeSize' },
        'mapping-invalid',
        ['mapping.Mail target-unknown'],
      ],
      [
        'custom fields that are not there',
        { Name: 'name', Mail: 'cf.nope' },
        'mapping-invalid',
        ['mapping.Mail target-unknown'],
      ],
      ['targets that are none', { Name: 'name', Mail: 5 }, 'mapping-invalid', ['mapping.Mail target-unknown']],
      ['targets that are taken', { Name: 'email', Mail: 'email' }, 'mapping-invalid', ['mapping.Mail target-taken']],
      [
        'nothing that is required',
        { Mail: 'company' },
        'mapping-incomplete',
        ['name required', 'email|phone required'],
      ],
    ])('refuses %s', async (_, mapping, code, errors) => {
      const work = await ready(`Name,Mail\nx,y\n`);
      const answer = await call('PUT', `/imports/${work.id}/mapping`, { mapping });
      expect([answer.status, answer.body.code, codesOf(answer)]).toEqual([422, code, errors]);
      expect((await call('GET', `/imports/${work.id}`)).body.mapping).toEqual(work.mapping);
    });

    it('that lacks something does not start', async () => {
      const work = await server.import('colour,size\nred,1\n');
      const answer = await call('POST', `/imports/${work.id}/start`, {});
      expect([answer.status, answer.body.code, answer.body.missing]).toEqual([
        422,
        'mapping-incomplete',
        ['name', 'email|phone'],
      ]);
    });
  });

  describe('saved mappings', () => {
    it('are suggested to files with exactly their columns, and go with the one who may see them', async () => {
      const tag = unique();
      const columns = [`who ${tag}`, `where ${tag}`, `what ${tag}`];
      const file = (mail: string) => `${columns.join(',')}\nAnn,${mail}@${tag}.example.com,x\n`;
      const mapping = { [columns[0]]: 'name', [columns[1]]: 'email', [columns[2]]: null };
      const work = await ready(file('a'));
      const saved = await call('PUT', `/imports/${work.id}/mapping`, { mapping, save: `  Fair ${tag} ` });
      expect(saved.status).toBe(200);
      const again = await server.import(file('b'));
      expect(again).toMatchObject({ status: 'completed', mapping, counts: { created: 1 } });
      const { body: analysis } = await call('GET', `/imports/${again.id}/analysis`);
      expect(analysis.columns.map(({ suggestedTarget, confidence }: Json) => [suggestedTarget, confidence])).toEqual([
        ['name', 1],
        ['email', 1],
        [null, 0],
      ]);
      const [listed] = (await call('GET', '/import-mappings?limit=1&target=leads')).body.data;
      expect(listed).toMatchObject({ name: `Fair ${tag}`, target: 'leads', mapping, createdBy: expect.any(Number) });
      // Saved again under its name it is replaced; made again it is refused.
      const other = { ...mapping, [columns[2]]: 'company' };
      await call('PUT', `/imports/${work.id}/mapping`, { mapping: other, save: `FAIR ${tag}` });
      expect((await call('GET', `/import-mappings/${listed.id}`)).body).toMatchObject({
        name: `FAIR ${tag}`,
        mapping: other,
      });
      const twice = await call('POST', '/import-mappings', { name: `fair  ${tag}`, target: 'leads', mapping });
      expect([twice.status, twice.body.code, codesOf(twice)]).toEqual([409, 'duplicate', ['name duplicate-existing']]);
      const manager = await addPerson('manager');
      const own = await call(
        'POST',
        '/import-mappings',
        { name: `fair ${tag}`, target: 'leads', mapping },
        manager.token,
      );
      expect(own.status).toBe(201);
      expect((await call('DELETE', `/import-mappings/${listed.id}`)).status).toBe(204);
      expect((await call('GET', `/import-mappings/${listed.id}`)).status).toBe(404);
      const { body: trail } = await call('GET', `/audit-log?subjectType=import-mapping&subjectId=${listed.id}`);
      expect(trail.data.map(({ action }: Json) => action)).toEqual([
        'import-mapping.deleted',
        'import-mapping.updated',
        'import-mapping.created',
      ]);
    });

    it.each<[string, object, string]>([
      ['no name', { name: ' ' }, 'validation-failed'],
      ['unknown targets', { mapping: { a: 'shoeSize' } }, 'mapping-invalid'],
      ['no columns', { mapping: {} }, 'mapping-invalid'],
      ['a list', { mapping: ['name'] }, 'validation-failed'],
      ['what it does not know', { colour: 'red' }, 'validation-failed'],
    ])('refuse %s', async (_, values, code) => {
      const body = { name: `M ${unique()}`, target: 'leads', mapping: { a: 'name' }, ...values };
      const answer = await call('POST', '/import-mappings', body);
      expect([answer.status, answer.body.code]).toEqual([422, code]);
    });
  });

  describe('the preview', () => {
    it('shows cells, values and what is wrong, as the import will find it', async () => {
      const tag = unique();
      await server.import(`name,email\nHolder,holder@${tag}.example.com\n`);
      const work = await ready(`Full Name,E-Mail,Phone,_row
 Ada Lovelace ,ADA@${tag}.example.com,212-555-0100,7
Bob,nobody,,8
Cem,ada@${tag}.example.com,,9
Dan,holder@${tag}.example.com,,10\nEve,e@${tag}.example.com,,11,extra\n`);
      const { body } = await call('GET', `/imports/${work.id}/preview`);
      expect(body.meta).toEqual({ page: 1, limit: 20, total: 5, counts: { valid: 3, invalid: 2, duplicates: 2 } });
      expect(body.data.map(({ _row, _valid }: Json) => [_row, _valid])).toEqual([
        [1, true],
        [2, false],
        [3, true],
        [4, true],
        [5, false],
      ]);
      expect(body.data[0]).toMatchObject({
        'Full Name': ' Ada Lovelace ',
        'E-Mail': `ADA@${tag}.example.com`,
        _errors: [],
        _values: {
          name: 'Ada Lovelace',
          email: `ada@${tag}.example.com`,
          phone: '+12125550100',
          tags: [],
          status: 'new',
        },
      });
      expect(body.data[0]._duplicate).toBeUndefined();
      expect(body.data[1]).toMatchObject({ _values: null, _errors: [{ field: 'email', code: 'email-invalid' }] });
      expect(body.data[2]._duplicate).toEqual({ of: 'file', row: 1 });
      expect(body.data[3]._duplicate).toEqual({ of: 'store', recordId: expect.any(Number) });
      expect(body.data[4]._errors).toMatchObject([{ code: 'column-count' }]);
      const only = async (filter: string) =>
        (await call('GET', `/imports/${work.id}/preview?only=${filter}&limit=1&page=2`)).body;
      expect((await only('invalid')).data[0]._row).toBe(5);
      expect((await only('duplicates')).data[0]._row).toBe(4);
      expect(await only('valid')).toMatchObject({ data: [{ _row: 3 }], meta: { total: 3, page: 2 } });
      expect((await call('GET', `/imports/${work.id}/preview?page=9`)).body.data).toEqual([]);
      expect((await call('GET', `/imports/${work.id}/preview?only=lost`)).status).toBe(422);
      expect((await call('GET', `/imports/${work.id}/preview?limit=101`)).status).toBe(422);
    });

    it('knows a record by its id only where the caller may read it', async () => {
      const tag = unique();
      const holder = await call('POST', '/teams', { name: `Team ${tag}` });
      const email = `agent@${tag}.example.com`;
      const agent = { name: 'An Agent', email, password: 'a long password', role: 'agent', teamId: holder.body.id };
      expect((await call('POST', '/users', agent)).status).toBe(201);
      const token = await server.login(email, agent.password);
      const lead = { name: 'Of the agent', email: `x@${tag}.example.com`, source: 'test' };
      expect((await call('POST', '/leads', lead, token)).status).toBe(201);
      const manager = await addPerson('manager');
      const form = new FormData();
      form.set('target', 'leads');
      form.set('autoStart', 'false');
      form.set('file', new Blob([`name,email\nXan,x@${tag}.example.com\n`]), 'f.csv');
      const { body } = await call('POST', '/imports', form, manager.token);
      await server.settled(body.id);
      const seen = async (who?: string) =>
        (await call('GET', `/imports/${body.id}/preview`, undefined, who)).body.data[0];
      expect((await seen(manager.token))._duplicate).toEqual({ of: 'store' });
      expect((await seen())._duplicate).toEqual({ of: 'store', recordId: expect.any(Number) });
    });

    it('foretells the ledger, row by row, of a file full of faults', async () => {
      const random = new Random(20261121);
      const tag = unique();
      const mails = Array.from({ length: 150 }, (_, n) => `m${n}@${tag}.example.com`);
      const phones = Array.from({ length: 99 }, (_, n) => `(201) 555-01${String(n).padStart(2, '0')}`);
      const held = mails.slice(0, 20).map((mail) => `Held,${mail},`);
      await server.import(`name,email,phone\n${held.join('\n')}\n`);
      const rows = Array.from({ length: 1_500 }, (_, n) => {
        const mail = random.pick([
          `own${n}@${tag}.example.com`,
          random.pick(mails),
          random.pick(mails).toUpperCase(),
          ` ${random.pick(mails)} `,
          'nonsense',
          '',
        ]);
        const phone = random.pick(['', '', random.pick(phones), random.pick(phones).replace(/\D/g, ''), '12']);
        const name = random.chance(0.9) ? `Person ${n}` : random.pick(['', 'x'.repeat(150)]);
        return `${name},${mail},${phone},${random.pick(['', 'new', 'Working', 'strange'])}${random.chance(0.02) ? ',more' : ''}`;
      });
      const work = await ready(`name,email,phone,status\n${rows.join('\n')}\n`);
      const shown = await all(`/imports/${work.id}/preview`);
      const filtered: Record<string, number[]> = {};
      for (const only of ['valid', 'invalid', 'duplicates']) {
        filtered[only] = (await all(`/imports/${work.id}/preview?only=${only}`)).map(({ _row }) => _row);
      }
      const rowsWhere = (test: (row: Json) => boolean) => shown.filter(test).map(({ _row }) => _row);
      expect(filtered).toEqual({
        valid: rowsWhere(({ _valid }) => _valid),
        invalid: rowsWhere(({ _valid }) => !_valid),
        duplicates: rowsWhere(({ _duplicate }) => _duplicate),
      });
      expect(filtered.duplicates.length).toBeGreaterThan(100);
      await run(work.id, { duplicates: 'skip' });
      const ledger = await all(`/imports/${work.id}/rows`);
      const foretold = shown.map(({ _row, _valid, _errors, _duplicate }) => ({
        row: _row,
        outcome: !_valid ? 'rejected' : _duplicate ? 'skipped' : 'created',
        ...(_valid ? {} : { errors: _errors }),
        of: _duplicate?.of,
        row2: _duplicate?.row,
      }));
      const found = ledger.map(({ row, outcome, errors }) => {
        const met = outcome === 'skipped' ? errors[0] : null;
        return {
          ...{ row, outcome },
          ...(outcome === 'rejected' ? { errors } : {}),
          of: met ? (met.code === 'duplicate-in-file' ? 'file' : 'store') : undefined,
          row2: met?.code === 'duplicate-in-file' ? Number(/^row (\d+)/.exec(met.message)![1]) : undefined,
        };
      });
      expect(found).toEqual(foretold);
    });
  });

  describe('the start', () => {
    it('leaves rows out, and lets later ones have what they held', async () => {
      const tag = unique();
      const rows = Array.from({ length: 12 }, (_, n) => `Person ${n + 1},p${n + 1}@${tag}.example.com`);
      rows[6] = `Twin,p2@${tag}.example.com`;
      const work = await ready(`name,email\n${rows.join('\n')}\n`);
      const done = await run(work.id, { excludedRows: ['2-4', 3, '12'] });
      expect(done.counts).toMatchObject({ total: 12, created: 8, excluded: 4, rejected: 0 });
      const ledger = await all(`/imports/${work.id}/rows?outcome=excluded`);
      expect(ledger.map(({ row }) => row)).toEqual([2, 3, 4, 12]);
      expect(done.progress).toMatchObject({ processed: 12, total: 12 });
    });

    it('may leave out everything, or be cancelled in the middle, and the sum holds', async () => {
      const work = await ready(`name,email\nX,x@${unique()}.example.com\nY,y@${unique()}.example.com\n`);
      expect((await run(work.id, { excludedRows: ['1-2'] })).counts).toMatchObject({
        total: 2,
        excluded: 2,
        created: 0,
      });
    });

    it.each<[string, object, string]>([
      ['rows that are not there', { excludedRows: [3] }, 'excludedRows.0'],
      ['ranges that are none', { excludedRows: ['2-1'] }, 'excludedRows.0'],
      ['events that nobody knows', { events: 'loud' }, 'events'],
      ['groups that are not there', { groupId: 999_999 }, 'groupId'],
      ['users who are not there', { assignTo: [999_999] }, 'assignedTo'],
      ['nobody', { assignTo: [] }, 'assignTo'],
      ['one user twice', { assignTo: [1, 1] }, 'assignTo'],
    ])('refuses %s', async (_, body, field) => {
      const work = await ready(`name,email\nX,x@example.com\nY,y@example.com\n`);
      const answer = await call('POST', `/imports/${work.id}/start`, body);
      expect([answer.status, answer.body.errors.map((error: Json) => error.field)]).toEqual([422, [field]]);
      expect((await call('GET', `/imports/${work.id}`)).body.status).toBe('ready');
    });

    it('gives records away in turn and into a group, exactly once though the worker is killed', async () => {
      const tag = unique();
      const people = [await addPerson('agent'), await addPerson('agent'), await addPerson('agent')].map(({ id }) => id);
      const group = (await call('POST', '/groups', { name: `Group ${tag}` })).body;
      const rows = Array.from({ length: 12_000 }, (_, n) => `Turn ${n + 1},turn${n + 1}@${tag}.example.com`);
      const work = await ready(`name,email\n${rows.join('\n')}\n`);
      const body = { assignTo: people, groupId: group.id, tags: ['fair'], excludedRows: ['5-9'] };
      expect((await call('POST', `/imports/${work.id}/start`, body)).status).toBe(202);
      const killed = server.workers[0] ?? server.api;
      for (;;) {
        const { body: now } = await call('GET', `/imports/${work.id}`);
        if (now.progress.processed > 5 || now.status === 'completed') break;
      }
      await killed.end('SIGKILL');
      server.workers = [];
      if (killed === server.api) await server.startProcesses();
      else await server.addWorker();
      const done = await server.settled(work.id);
      expect(done).toMatchObject({ status: 'completed', counts: { total: 12_000, created: 11_995, excluded: 5 } });
      expect((await call('GET', `/groups/${group.id}`)).body.leadCount).toBe(11_995);
      for (const [index, person] of people.entries()) {
        const { body: page } = await call('GET', `/leads?importId=${work.id}&assignedTo=${person}&limit=100`);
        const excluded = [5, 6, 7, 8, 9].filter((row) => (row - 1) % 3 === index).length;
        expect(page.meta.total).toBe(4_000 - excluded);
        for (const { origin, tags } of page.data) {
          expect([(origin.row - 1) % 3, tags]).toEqual([index, ['fair']]);
        }
      }
    });
  });

  describe('the events', () => {
    const listen = (id: number, headers: Record<string, string> = {}, token = server.adminToken) =>
      fetch(`${server.url}/api/v1/imports/${id}/events`, { headers: { authorization: `Bearer ${token}`, ...headers } });

    it('tell how an import goes on until it has ended, and resume after the last one', async () => {
      const tag = unique();
      const rows = Array.from({ length: 3_000 }, (_, n) => `Live ${n},live${n}@${tag}.example.com`);
      const work = await ready(`name,email\n${rows.join('\n')}\n`);
      const stream = await listen(work.id);
      expect([stream.status, stream.headers.get('content-type')]).toEqual([200, 'text/event-stream; charset=utf-8']);
      await call('POST', `/imports/${work.id}/start`, {});
      const said = parseEvents(await stream.text());
      expect(said[0]).toMatchObject({ event: 'progress', data: { processed: 0, total: 3_000 } });
      expect(said.filter(({ event }) => event === 'status').map(({ data }) => data.status)).toContain('ready');
      const last = said.at(-1)!;
      expect(last).toMatchObject({ event: 'status', data: { status: 'completed' } });
      expect(said.at(-2)).toMatchObject({
        event: 'progress',
        data: { processed: 3_000, total: 3_000, etaSeconds: 0, counts: { created: 3_000 } },
      });
      expect(said.map(({ id }) => id)).toEqual(said.map(({ id }) => id).toSorted((a, b) => a - b));
      expect(new Set(said.map(({ id }) => id)).size).toBe(said.length);
      // Who missed the end is told it at once; who knows it need not come again.
      const resumed = parseEvents(await (await listen(work.id, { 'last-event-id': String(said[0].id) })).text());
      expect(resumed.map(({ event }) => event)).toEqual(['progress', 'status']);
      expect(resumed.at(-1)).toEqual(last);
      const missed = parseEvents(await (await listen(work.id, { 'last-event-id': String(last.id - 1) })).text());
      expect(missed).toEqual([last]);
      expect((await listen(work.id, { 'last-event-id': String(last.id) })).status).toBe(204);
      for (const strange of ['nonsense', '99999999999999']) {
        const whole = parseEvents(await (await listen(work.id, { 'last-event-id': strange })).text());
        expect(whole.at(-1)).toEqual(last);
      }
    });

    it('are for who may see the import, on twenty streams at a time', async () => {
      const work = await ready(`name,email\nX,x@example.com\n`);
      expect((await listen(999_999)).status).toBe(404);
      const agent = await addPerson('agent');
      expect((await listen(work.id, {}, agent.token)).status).toBe(403);
      const streams = await Promise.all(Array.from({ length: 20 }, () => listen(work.id)));
      expect(streams.map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 200));
      const refused = await listen(work.id);
      expect([refused.status, ((await refused.json()) as Json).code]).toEqual([429, 'too-many-streams']);
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
      await call('POST', `/imports/${work.id}/cancel`);
      for (const stream of streams) expect(parseEvents(await stream.text()).at(-1)!.data.status).toBe('cancelled');
      expect((await listen(work.id)).status).toBe(200);
    });

    it('are given back when their listeners go away', async () => {
      const work = await ready(`name,email\nX,x@example.com\n`);
      const leaving = new AbortController();
      const { signal } = leaving;
      const headers = { authorization: `Bearer ${server.adminToken}` };
      const path = `${server.url}/api/v1/imports/${work.id}/events`;
      // Held: an answer that nobody holds any more is given up, and its connection with it.
      const held: Response[] = [];
      while (held.length < 20) held.push(await fetch(path, { headers, signal }));
      expect(held.map(({ status }) => status)).toEqual(Array(20).fill(200));
      expect((await listen(work.id)).status).toBe(429);
      leaving.abort();
      await Promise.allSettled(held.map((answer) => answer.text()));
      for (;;) {
        const next = await listen(work.id);
        if (next.status === 200) {
          await call('POST', `/imports/${work.id}/cancel`);
          expect(parseEvents(await next.text()).at(-1)!.data.status).toBe('cancelled');
          return;
        }
      }
    });

    it('end when the listener is suspended, and say meanwhile that the stream is alive', async () => {
      const work = await ready(`name,email\nX,x@example.com\n`);
      const manager = await addPerson('manager');
      const stream = await listen(work.id, {}, manager.token);
      expect((await call('PATCH', `/users/${manager.id}`, { active: false })).status).toBe(200);
      const text = await stream.text();
      expect(parseEvents(text).at(-1)!.data.status).toBe('ready');
      expect(text).toContain(': still here');
      await call('POST', `/imports/${work.id}/cancel`);
    });
  });

  it('takes several files in one call', async () => {
    const tag = unique();
    const form = new FormData();
    form.set('target', 'leads');
    for (const n of [1, 2, 3])
      form.append('file', new Blob([`name,email\nF${n}x,f${n}@${tag}.example.com\n`]), `${n}.csv`);
    const { status, body } = await call('POST', '/imports', form);
    expect([status, body.imports.length]).toEqual([202, 3]);
    for (const { id } of body.imports) expect((await server.settled(id)).counts).toMatchObject({ created: 1 });
  });
});
