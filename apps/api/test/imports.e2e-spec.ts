import { Server } from '@muster/testing/server';

/** Invented people; their numbers are from the range that is reserved for fiction. */
const HEADER = 'Name,Email,Phone';
const person = (n: number) =>
  `Person ${n},person${n}@example.com,(212) 555-${String(100 + (n % 100)).padStart(4, '0')}`;

describe('imports', () => {
  let server: Server;
  beforeAll(async () => {
    server = await Server.start({ IMPORT_BATCH_ROWS: '500', LOG_LEVEL: 'info' });
  }, 90_000);
  afterAll(() => server.stop());

  let salt = 0;
  /** Names that no other test uses. */
  const unique = () => `t${++salt}`;

  const rowsOf = async (id: number, query = '') =>
    (await server.request('GET', `/imports/${id}/rows?limit=100${query}`)).body;
  const outcomes = (counts: Record<string, number>) => {
    const { total, ...rest } = counts;
    return { total, sum: Object.values(rest).reduce((sum, count) => sum + count, 0) };
  };

  it('answers at once, imports in the background, and gives every row one outcome', async () => {
    const tag = unique();
    const file = [
      'Full Name,E-Mail,Phone 1,Company,Deal Stage',
      `Ada Lovelace,ADA@${tag}.example.com,212-555-0100,Engines Ltd,Working`,
      `,nobody@${tag}.example.com,,,`,
      `Bob,not-an-address,212-555-0101,,`,
      `Cleo,cleo@${tag}.example.com,,,strange`,
      `Ada Again,ada@${tag}.example.com,,,`,
      `Dan,,,,`,
    ].join('\n');
    const accepted = await server.upload(file);
    expect(accepted.status).toBe(202);
    expect(accepted.body).toEqual({ id: expect.any(Number), status: 'analyzing' });
    const done = await server.settled(accepted.body.id);
    expect(done).toMatchObject({
      status: 'completed',
      error: null,
      mapping: {
        'Full Name': 'name',
        'E-Mail': 'email',
        'Phone 1': 'phone',
        Company: 'company',
        'Deal Stage': 'status',
      },
      counts: { total: 6, created: 1, updated: 0, unchanged: 0, skipped: 0, excluded: 0, rejected: 5 },
      progress: { processed: 6, total: 6 },
    });
    const { data, meta } = await rowsOf(done.id);
    expect(meta).toMatchObject({ total: 6, nextCursor: null });
    expect(data.map(({ row, outcome, errors }: any) => [row, outcome, errors.map(({ code }: any) => code)])).toEqual([
      [1, 'created', []],
      [2, 'rejected', ['required']],
      [3, 'rejected', ['email-invalid']],
      [4, 'rejected', ['option-unknown']],
      [5, 'rejected', ['duplicate-in-file']],
      [6, 'rejected', ['required']],
    ]);
    const lead = (await server.request('GET', `/leads/${data[0].recordId}`)).body;
    expect(lead).toMatchObject({
      name: 'Ada Lovelace',
      email: `ada@${tag}.example.com`,
      phone: '+12125550100',
      status: 'contacted',
      source: 'import',
      company: 'Engines Ltd',
      origin: { importId: done.id, row: 1 },
    });
    expect(data[2].values).toMatchObject({ 'Full Name': 'Bob', 'E-Mail': 'not-an-address' });
  });

  it('gives the rejected rows back as a file that, fixed, imports the rest', async () => {
    const tag = unique();
    const file = `name,email,company\nEve,eve at ${tag}.example.com,"=HYPERLINK(1), ""Co"""\nFay,fay@${tag}.example.com,Ok\n`;
    const first = await server.import(file);
    expect(first.counts).toMatchObject({ total: 2, created: 1, rejected: 1 });
    const csv = (await server.request('GET', `/imports/${first.id}/rejected.csv`)).body as string;
    expect(csv.split('\r\n')[0]).toBe('name,email,company,_row,_errors');
    expect(csv).toContain(`"'=HYPERLINK(1), ""Co"""`);
    expect(csv).toContain('email-invalid');
    const second = await server.import(csv.replace(' at ', '@'));
    expect(second.counts).toMatchObject({ total: 1, created: 1, rejected: 0 });
    const [row] = (await rowsOf(second.id)).data;
    const lead = (await server.request('GET', `/leads/${row.recordId}`)).body;
    expect(lead).toMatchObject({ email: `eve@${tag}.example.com`, company: '=HYPERLINK(1), "Co"' });
  });

  it('never creates a person twice: the same file again is rejected row by row, or skipped when asked', async () => {
    const tag = unique();
    const file = `name,email\nGus,gus@${tag}.example.com\nHal,hal@${tag}.example.com\n`;
    const first = await server.import(file);
    expect(first.counts.created).toBe(2);
    const again = await server.import(file);
    expect(again.counts).toMatchObject({ total: 2, created: 0, rejected: 2 });
    expect((await rowsOf(again.id)).data[0].errors).toEqual([
      { field: 'email', code: 'duplicate-existing', message: expect.any(String) },
    ]);
    const skipped = await server.import(file, { target: 'leads', options: JSON.stringify({ duplicates: 'skip' }) });
    expect(skipped.counts).toMatchObject({ total: 2, skipped: 2, rejected: 0 });
    const made = (await rowsOf(first.id)).data.map(({ recordId }: any) => recordId);
    expect((await rowsOf(skipped.id)).data.map(({ recordId }: any) => recordId)).toEqual(made);
  });

  it('lets the first of several equal rows win, across batches and whatever the number of workers', async () => {
    const tag = unique();
    const rows = Array.from({ length: 2_300 }, (_, index) => {
      const n = index + 1;
      if (n % 100 === 0) return `Twin ${n},TWIN${n % 1000}@${tag}.Example.com`;
      return `Single ${n},single${n}@${tag}.example.com`;
    });
    const done = await server.import(`name,email\n${rows.join('\n')}\n`);
    // 23 rows carry one of 10 addresses.
    expect(done.counts).toMatchObject({ total: 2_300, created: 2_287, rejected: 13 });
    const rejected = (await rowsOf(done.id, '&outcome=rejected')).data;
    expect(rejected.map(({ row }: any) => row)).toEqual([
      1100, 1200, 1300, 1400, 1500, 1600, 1700, 1800, 1900, 2000, 2100, 2200, 2300,
    ]);
    expect(rejected.every(({ errors }: any) => errors[0].code === 'duplicate-in-file')).toBe(true);
    expect(rejected[0].errors[0].message).toContain('row 100 ');
    // Pages and cursors visit each row once.
    const seen: number[] = [];
    let cursor: string | null = '0';
    while (cursor !== null) {
      const { body } = await server.request('GET', `/imports/${done.id}/rows?limit=97&cursor=${cursor}`);
      seen.push(...body.data.map(({ row }: any) => row));
      cursor = body.meta.nextCursor;
    }
    expect(seen).toEqual(Array.from({ length: 2_300 }, (_, index) => index + 1));
    const page = (await server.request('GET', `/imports/${done.id}/rows?limit=100&page=12`)).body;
    expect(page.data.map(({ row }: any) => row)).toEqual(Array.from({ length: 100 }, (_, index) => 1101 + index));
  });

  it('imports customers with their zip codes and names', async () => {
    const tag = unique();
    const file = `first_name,last_name,zip,phone1,phone2,email\nAnn,Lee,01234,504-555-0142,504-555-0143,ann@${tag}.example.com\n`;
    const done = await server.import(file, { target: 'customers' });
    expect(done.counts).toMatchObject({ total: 1, created: 1 });
    const [row] = (await rowsOf(done.id)).data;
    const customer = (await server.request('GET', `/customers/${row.recordId}`)).body;
    expect(customer).toMatchObject({
      fullName: 'Ann Lee',
      firstName: 'Ann',
      lastName: 'Lee',
      zipCode: '01234',
      phone: '+15045550142',
    });
  });

  describe('files in every shape', () => {
    const utf16 = (text: string, bigEndian = false) => {
      const bytes = Buffer.from(`\ufeff${text}`, 'utf16le');
      return bigEndian ? bytes.swap16() : bytes;
    };
    const good = (tag: string, delimiter = ',', end = '\n') => {
      const people = ['Ida', 'Jens'].map((name) => [
        name,
        `${name.toLowerCase()}@${tag}.example.com`,
        `"Co${delimiter} ""X""${end}Line"`,
      ]);
      return [['name', 'email', 'company'], ...people].map((cells) => cells.join(delimiter) + end).join('');
    };

    it.each<[string, (tag: string) => string | Uint8Array]>([
      ['with a byte order mark', (tag) => `\ufeff${good(tag)}`],
      ['with CRLF', (tag) => good(tag, ',', '\r\n')],
      ['with CR only', (tag) => good(tag, ',', '\r')],
      ['with mixed line ends', (tag) => good(tag).replace('\n', '\r\n')],
      ['with ;', (tag) => good(tag, ';')],
      ['with tabs', (tag) => good(tag, '\t')],
      ['with |', (tag) => good(tag, '|')],
      ['in UTF-16 LE', (tag) => utf16(good(tag))],
      ['in UTF-16 BE', (tag) => utf16(good(tag), true)],
      ['without a line end at the end', (tag) => good(tag).trimEnd()],
      ['with blank lines between', (tag) => good(tag).replace(/^/, '\n\n').replace('\nJens', '\n\n   \nJens')],
    ])('%s', async (_, make) => {
      const done = await server.import(make(unique()));
      expect(done).toMatchObject({ status: 'completed', counts: { total: 2, created: 2 } });
    });

    it('in Windows-1252', async () => {
      const tag = unique();
      const done = await server.import(Buffer.from(`name,email\nJosé Müller,jose@${tag}.example.com\n`, 'latin1'));
      expect(done.counts).toMatchObject({ total: 1, created: 1 });
      expect((await rowsOf(done.id)).data[0].values.name).toBe('José Müller');
    });

    it('with short and long rows', async () => {
      const tag = unique();
      const done = await server.import(
        `name,email,company\nKim,kim@${tag}.example.com\nLea,lea@${tag}.example.com,Co,extra\n`,
      );
      expect(done.counts).toMatchObject({ total: 2, created: 1, rejected: 1 });
      expect((await rowsOf(done.id, '&outcome=rejected')).data[0]).toMatchObject({
        row: 2,
        errors: [{ code: 'column-count' }],
      });
    });

    it('with duplicate and empty headers', async () => {
      const tag = unique();
      const done = await server.import(`Name,Email,Email,\nMia,mia@${tag}.example.com,second,x\n`);
      expect(done).toMatchObject({ status: 'completed', counts: { created: 1 } });
      const { body } = await server.request('GET', `/imports/${done.id}/analysis`);
      expect(body.columns.map(({ name }: any) => name)).toEqual(['Name', 'Email', 'Email (2)', 'column_4']);
      expect(body.warnings.length).toBeGreaterThan(0);
    });

    it('with a header only: completes with 0 rows', async () => {
      const done = await server.import(`${HEADER}\n`);
      expect(done).toMatchObject({ status: 'completed', counts: { total: 0, created: 0, rejected: 0 } });
    });

    it('with a cell of many megabytes: that row is rejected, the others are not', async () => {
      const tag = unique();
      const done = await server.import(
        `name,email,company\nNat,nat@${tag}.example.com,"${'x'.repeat(9_000_000)}"\nOla,ola@${tag}.example.com,Co\n`,
      );
      expect(done.counts).toMatchObject({ total: 2, created: 1, rejected: 1 });
      expect((await rowsOf(done.id, '&outcome=rejected')).data[0].errors[0].code).toBe('too-long');
    });

    it('with an unclosed quote: fails, says where, and imports nothing', async () => {
      const tag = unique();
      const done = await server.import(
        `name,email\nPam,pam@${tag}.example.com\n"Quin,quin@${tag}.example.com\nRon,ron@${tag}.example.com\n`,
      );
      expect(done).toMatchObject({ status: 'failed', error: { code: 'unclosed-quote', line: 3 } });
      expect(done.counts).toMatchObject({ created: 0 });
    });

    it.each<[string, string | Uint8Array, number, string]>([
      ['empty', '', 422, 'import-empty'],
      ['nothing but blanks', ' \n\n\t\n', 422, 'import-empty'],
      ['a picture called .csv', Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex'), 415, 'file-type-unsupported'],
      [
        'bytes without sense',
        Buffer.from(Array.from({ length: 5_000 }, (_, n) => (n * 7919) % 256)),
        415,
        'file-type-unsupported',
      ],
    ])('%s: a clear problem', async (_, content, status, code) => {
      const answer = await server.upload(content);
      expect([answer.status, answer.body.code]).toEqual([status, code]);
      expect(answer.headers.get('content-type')).toContain('application/problem+json');
    });

    it('too large for one call: 413', async () => {
      const answer = await server.upload('x'.repeat(10 * 1024 * 1024 + 1));
      expect([answer.status, answer.body.code]).toEqual([413, 'file-too-large']);
    });
  });

  it('waits in `ready` when a required target has no column, and says which', async () => {
    const done = await server.import(`colour,size\nred,1\n`);
    expect(done).toMatchObject({ status: 'ready', missing: ['name', 'email|phone'], counts: { total: 1, created: 0 } });
  });

  it('takes the mapping and the options that are given', async () => {
    const tag = unique();
    const done = await server.import(`a;b;c\nSue;sue@${tag}.example.com;blue\n`, {
      target: 'leads',
      mapping: JSON.stringify({ a: 'name', b: 'email', c: null }),
      options: JSON.stringify({ delimiter: ';', tags: ['fair'], keepUnmapped: true }),
    });
    expect(done.counts).toMatchObject({ created: 1 });
    const lead = (await server.request('GET', `/leads/${(await rowsOf(done.id)).data[0].recordId}`)).body;
    expect(lead).toMatchObject({ name: 'Sue', tags: ['fair'], metadata: { c: 'blue' } });
  });

  it.each<[string, Record<string, string>, string]>([
    ['no target', {}, 'target'],
    ['an unknown target', { target: 'cats' }, 'target'],
    ['options that are no JSON', { target: 'leads', options: '{' }, 'options'],
    ['an unknown option', { target: 'leads', options: '{"color":1}' }, 'options.color'],
    ['a mapping to nothing', { target: 'leads', mapping: '{"a":"shoeSize"}' }, 'mapping'],
    ['an unknown field', { target: 'leads', colour: 'red' }, 'colour'],
  ])('refuses %s', async (_, fields, field) => {
    const { status, body } = await server.upload('name\nx\n', fields);
    expect(status).toBe(422);
    expect(body.errors.map((error: any) => error.field)).toContain(field);
  });

  it('fails an import whose mapping names a column that the file has not', async () => {
    const done = await server.import(`a,b\n1,2\n`, { target: 'leads', mapping: '{"zzz":"name"}' });
    expect(done).toMatchObject({ status: 'failed', error: { code: 'mapping-invalid' } });
  });

  it('is not for agents, and not for the anonymous', async () => {
    const email = `agent@${unique()}.example.com`;
    await server.request('POST', '/auth/register', { name: 'An Agent', email, password: 'a long password' }, null);
    const token = await server.login(email, 'a long password');
    expect((await server.request('GET', '/imports', undefined, token)).status).toBe(403);
    expect((await server.request('GET', '/imports', undefined, null)).status).toBe(401);
  });

  it('answers 404 for what is not there, and 422 for a query that it does not know', async () => {
    expect((await server.request('GET', '/imports/999999')).status).toBe(404);
    expect((await server.request('GET', '/imports/abc')).status).toBe(404);
    expect((await server.request('GET', '/imports?colour=red')).status).toBe(422);
    expect((await server.request('GET', '/imports/1/rows?outcome=lost')).status).toBe(422);
  });

  it('is listed, newest first', async () => {
    const done = await server.import(`${HEADER}\n${person(1)}\n`);
    const { body } = await server.request('GET', '/imports?limit=1');
    expect(body.data[0]).toMatchObject({ id: done.id, status: 'completed' });
    expect(body.meta).toMatchObject({ page: 1, limit: 1 });
    expect(outcomes(body.data[0].counts)).toEqual({ total: 1, sum: 1 });
  });

  it('goes on where it stood when the working process is killed', async () => {
    const tag = unique();
    const rows = Array.from({ length: 20_000 }, (_, n) => `Kill ${n},kill${n}@${tag}.example.com`);
    const { body } = await server.upload(`name,email\n${rows.join('\n')}\n`);
    const killed = server.workers[0] ?? server.api;
    for (;;) {
      const { body: now } = await server.request('GET', `/imports/${body.id}`);
      if (now.progress.processed > 0 || now.status === 'completed') break;
    }
    await killed.end('SIGKILL');
    server.workers = [];
    if (killed === server.api) await server.startProcesses();
    else await server.addWorker();
    const done = await server.settled(body.id);
    expect(done).toMatchObject({ status: 'completed', counts: { total: 20_000, created: 20_000 } });
    const { body: page } = await server.request('GET', `/leads?importId=${body.id}&limit=1`);
    expect(page.meta.total).toBe(20_000);
  }, 120_000);

  it('follows a request through the log into the worker', async () => {
    const requestId = `trace-${unique()}-0001`;
    const form = new FormData();
    form.set('target', 'leads');
    form.set('file', new Blob([`name,email\nTom,tom@${unique()}.example.com\n`]), 'f.csv');
    const { body, headers } = await server.request('POST', '/imports', form, server.adminToken, {
      'x-request-id': requestId,
    });
    expect(headers.get('x-request-id')).toBe(requestId);
    await server.settled(body.id);
    const worker = server.workers[0] ?? server.api;
    await worker.says(new RegExp(`"requestId":"${requestId}".*Analyzed`));
  });
});
