import { LIMITS } from '@muster/platform/http/limits';
import { expectProblem, Raw, RawApi } from './raw-api';

const ORIGIN = 'https://console.example.com';

describe('hardened input', () => {
  let api: RawApi;
  beforeAll(async () => {
    api = await RawApi.start(LIMITS, { CORS_ORIGINS: ORIGIN });
  }, 90_000);
  afterAll(() => api.stop());

  const lead = { name: 'Ada Example', email: 'ada@example.com', source: 'web' };
  let people = 0;
  const freshLead = () => ({ ...lead, email: `ada${++people}@example.com` });

  describe('the head of a request', () => {
    it.each<[string, string, string[], number, string]>([
      ['a host with junk', 'GET /api/v1/leads', ['Host: a b'], 400, 'malformed'],
      ['a host with a path', 'GET /api/v1/leads', ['Host: localhost/evil'], 400, 'malformed'],
      ['a host with markup', 'GET /api/v1/leads', ['Host: <script>'], 400, 'malformed'],
      ['an empty host', 'GET /api/v1/leads', ['Host: '], 400, 'malformed'],
      ['two hosts', 'GET /api/v1/leads', ['Host: localhost', 'Host: evil.example.com'], 400, 'malformed'],
      ['a method that HTTP does not know', 'FETCH /api/v1/leads', [], 400, 'malformed'],
      ['a method that no route has', 'TRACE /api/v1/leads', [], 404, 'not-found'],
      ['PROPFIND', 'PROPFIND /api/v1/leads', [], 404, 'not-found'],
      ['a method in small letters', 'get /api/v1/leads', [], 400, 'malformed'],
      ['no path', 'GET leads', [], 400, 'malformed'],
      ['an asterisk for GET', 'GET *', [], 404, 'not-found'],
      ['a broken escape', 'GET /api/v1/leads/%', [], 400, 'malformed'],
      ['an escape that is no UTF-8', 'GET /api/v1/leads/%ff', [], 400, 'malformed'],
      ['a header without a name', 'GET /api/v1/leads', [': x'], 400, 'malformed'],
      ['a header with NUL', 'GET /api/v1/leads', ['X-Test: a\0b'], 400, 'malformed'],
      ['an expectation nobody knows', 'GET /api/v1/leads', ['Expect: miracles'], 417, 'expectation-failed'],
      ['16 KB of headers', 'GET /api/v1/leads', [`X-Test: ${'x'.repeat(17_000)}`], 431, 'headers-too-large'],
      ['an address of 9 KB', `GET /api/v1/leads?q=${'x'.repeat(9_000)}`, [], 414, 'address-too-long'],
      ['an address of 20 KB', `GET /api/v1/leads?q=${'x'.repeat(20_000)}`, [], 431, 'headers-too-large'],
      ['a parameter of 600 characters', `GET /api/v1/leads/${'1'.repeat(600)}`, [], 414, 'address-too-long'],
    ])('%s is refused', async (_, line, headers, status, code) => {
      expectProblem(await api.request(line, headers), status, code);
    });

    it('must name a host', async () => {
      expectProblem(await api.send('GET /api/v1/leads HTTP/1.1\r\nConnection: close\r\n\r\n'), 400, 'malformed');
    });

    it('in absolute form reaches the same routes and the same guard', async () => {
      const answer = await api.request('GET http://evil.example.com/api/v1/leads');
      expect([401, 404]).toContain(answer.status);
      expect(answer.json.code).toMatch(/^(unauthenticated|not-found)$/);
      const headers = [`Authorization: Bearer ${api.token}`];
      expect([200, 404]).toContain((await api.request('GET http://localhost/api/v1/leads', headers)).status);
    });

    it('CONNECT is closed without a tunnel', async () => {
      expect((await api.request('CONNECT 127.0.0.1:3306')).status).not.toBe(200);
    });

    it('no bytes of HTTP at all are refused', async () => {
      expectProblem(await api.send(Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1])), 400, 'malformed');
    });
  });

  describe('smuggling', () => {
    const post = 'POST /api/v1/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n';
    const inner = 'GET /api/v1/leads HTTP/1.1\r\nHost: localhost\r\n\r\n';

    it.each([
      ['two lengths', `${post}Content-Length: 2\r\nContent-Length: ${inner.length}\r\n\r\n{}${inner}`],
      ['a length and chunks', `${post}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${inner}`],
      ['chunks twice', `${post}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n${inner}`],
      ['an unknown coding', `${post}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${inner}`],
      ['a blank before the colon', `${post}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n${inner}`],
      ['a negative length', `${post}Content-Length: -1\r\n\r\n${inner}`],
      ['a length with a sign', `${post}Content-Length: +2\r\n\r\n{}${inner}`],
      ['a length in hex', `${post}Content-Length: 0x2\r\n\r\n{}${inner}`],
      ['a chunk size with junk', `${post}Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n${inner}`],
      ['a folded header', `${post}X-Test: a\r\n b\r\nContent-Length: 2\r\nTransfer-Encoding:\r\n chunked\r\n\r\n{}`],
    ])('by %s is refused, and what follows is not read', async (_, bytes) => {
      const answer = await api.send(bytes);
      expect(answer.status).toBe(400);
      expect(answer.body.match(/HTTP\/1\.1/g)).toBeNull();
      expect(answer.json.code).toBe('malformed');
    });
  });

  describe('bodies', () => {
    const json = ['Content-Type: application/json'];
    const login = (body: string | Buffer, headers = json) => api.request('POST /api/v1/auth/login', headers, body);

    it.each<[string, string | Buffer, number, string]>([
      ['truncated JSON', '{"email":"a@example.com"', 400, 'malformed'],
      ['nothing', '', 422, 'validation-failed'],
      ['white space', '   ', 400, 'malformed'],
      ['invalid UTF-8', Buffer.from([...Buffer.from('{"email":"'), 0xff, ...Buffer.from('"}')]), 400, 'malformed'],
      ['UTF-16', Buffer.from('\ufeff{"email":"a"}', 'utf16le'), 400, 'malformed'],
      ['NUL after JSON', '{}\0', 400, 'malformed'],
      ['NUL in a text', '{"email":"a\\u0000@example.com","password":"x"}', 401, 'invalid-credentials'],
      ['two values', '{}{}', 400, 'malformed'],
      ['a comment', '{/* */}', 400, 'malformed'],
      ['NaN', '{"email":NaN}', 400, 'malformed'],
      ['a property twice', '{"email":"a@example.com","email":"b@example.com","password":"x"}', 400, 'malformed'],
      ['a list', '[]', 422, 'validation-failed'],
      ['a list of a million', `[${'1,'.repeat(500_000)}1]`, 422, 'validation-failed'],
      ['a text', '"x"', 422, 'validation-failed'],
      ['null', 'null', 422, 'validation-failed'],
      ['lists 100,000 deep', `${'['.repeat(100_000)}${']'.repeat(100_000)}`, 400, 'malformed'],
      ['objects 100,000 deep', `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`, 400, 'malformed'],
      ['__proto__', '{"__proto__":{"role":"admin"}}', 400, 'malformed'],
      ['an escaped __proto__', '{"\\u005f_proto__":{"role":"admin"}}', 400, 'malformed'],
      ['constructor.prototype', '{"constructor":{"prototype":{"role":"admin"}}}', 400, 'malformed'],
      ['objects where texts belong', '{"email":{"$ne":null},"password":{"$ne":null}}', 422, 'validation-failed'],
      ['more than 1 MiB', `{"email":"${'x'.repeat(1_100_000)}"}`, 413, 'too-large'],
    ])('with %s are refused', async (_, body, status, code) => {
      expectProblem(await login(body, body.length > 0 ? json : []), status, code);
    });

    it('may begin with a byte order mark', async () => {
      expectProblem(await login('\ufeff{"email":"a@example.com","password":"x"}'), 401, 'invalid-credentials');
    });

    it.each([
      'text/plain',
      'application/x-www-form-urlencoded',
      'application/xml',
      'application/jsonp',
      'application/json-patch+json',
      'nonsense',
      '',
    ])('of the type "%s" are refused', async (type) => {
      expectProblem(
        await login('{"email":"a","password":"b"}', [`Content-Type: ${type}`]),
        415,
        'unsupported-media-type',
      );
    });

    it('without a type are refused', async () => {
      expectProblem(await login('{}', []), 415, 'unsupported-media-type');
    });

    it('that are asked for are waited for', async () => {
      const answer = await login('{"email":"a@example.com","password":"x"}', [...json, 'Expect: 100-continue']);
      expect(answer.status).toBe(100);
      expect(answer.body).toContain('HTTP/1.1 401');
    });

    it('of a form without a boundary, or that end early, are refused', async () => {
      const auth = `Authorization: Bearer ${api.token}`;
      const upload = (type: string, body: string) =>
        api.request('POST /api/v1/imports', [auth, `Content-Type: ${type}`], body);
      for (const [type, body] of [
        ['multipart/form-data', 'x'],
        ['multipart/form-data; boundary=x', 'no boundary'],
        [
          'multipart/form-data; boundary=x',
          '--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\na,b',
        ],
        [
          'multipart/form-data; boundary=x',
          '--x\r\nContent-Disposition: form-data; name="__proto__"\r\n\r\n1\r\n--x--\r\n',
        ],
        [
          'multipart/form-data; boundary=x',
          '--x\r\nContent-Disposition: form-data; name="constructor"\r\n\r\n1\r\n--x--\r\n',
        ],
        ['multipart/form-data; boundary=x', '--x--\r\n'],
      ]) {
        const answer = await upload(type, body);
        expect([type, body, answer.status >= 400 && answer.status < 500]).toEqual([type, body, true]);
        expect(answer.json.code).toEqual(expect.any(String));
      }
      expectProblem(
        await api.request('POST /api/v1/leads', [auth, 'Content-Type: multipart/form-data; boundary=x'], '--x--\r\n'),
        422,
        'validation-failed',
      );
    });
  });

  describe('properties nobody offers', () => {
    it.each([
      'role',
      'id',
      'createdBy',
      'version',
      'originImportId',
      'groups',
      'convertedTo',
      'constructor',
      'toString',
      'hasOwnProperty',
      'valueOf',
      'prototype',
      '__defineGetter__',
    ])('%s is unknown in a lead and in a registration', async (name) => {
      const person = { name: 'Eve Example', email: 'eve@example.com', password: 'correct horse battery' };
      for (const [path, body] of [
        ['/leads', freshLead()],
        ['/auth/register', person],
      ] as const) {
        const answer = await api.call('POST', path, { ...body, [name]: 1 });
        expectProblem(answer, 422, 'validation-failed');
        expect(answer.json.errors).toContainEqual(expect.objectContaining({ field: name, code: 'unknown-property' }));
      }
    });

    it.each([
      ['{"a":{"__proto__":1}}', 400],
      ['{"a":[{"constructor":1}]}', 422],
      ['{"prototype":1}', 422],
      ['{"n":1e400}', 422],
    ])('metadata may not be %s', async (metadata, status) => {
      const body = JSON.stringify(freshLead()).replace(/}$/, `,"metadata":${metadata}}`);
      const answer = await api.call('POST', '/leads', body);
      expect([answer.status, answer.json.code]).toEqual([status, status === 400 ? 'malformed' : 'validation-failed']);
    });

    it('metadata is kept as it is otherwise', async () => {
      const metadata = { role: 'x', id: 1, 'a b': [null, { version: 1.5 }], '\u0000': '\ud83d' };
      const answer = await api.call('POST', '/leads', { ...freshLead(), metadata });
      expect(answer.status).toBe(201);
      expect(answer.json.metadata).toEqual(metadata);
    });
  });

  describe('addresses', () => {
    it.each([
      '0',
      '-1',
      '01',
      '1e3',
      '1.5',
      '0x1',
      '%00',
      '1%00',
      '..%2f1',
      '%2e%2e%2f1',
      '9007199254740993',
      '99999999999999999999',
      "1'--",
      '1 OR 1=1'.replaceAll(' ', '%20'),
      'null',
      'constructor',
      '__proto__',
      '%F0%9F%9A%80',
    ])('the id %s names nothing', async (id) => expectProblem(await api.call('GET', `/leads/${id}`), 404, 'not-found'));

    it.each(['/../../etc/passwd', '/%2e%2e/%2e%2e/etc/passwd', '/leads/../users', '//leads', '/leads/'])(
      'the path %s leads nowhere else',
      async (path) => expectProblem(await api.call('GET', path), 404, 'not-found'),
    );

    it.each([
      'limit=101',
      'limit=0',
      'limit=-1',
      'limit=1e9',
      'limit=',
      'limit=%00',
      `limit=${'9'.repeat(400)}`,
      'limit=1&limit=2',
      'limit[]=1',
      'limit[a]=1',
      'sort[]=name',
      'sort=name&sort=-name',
      'sort=id;DROP',
      'page=1.5',
      'q=a&q=b',
      'q[$ne]=1',
      `q=${'x'.repeat(101)}`,
      'colour=red',
      '__proto__=1',
      'constructor=1',
      'toString=1',
      'status=nobody',
      'createdFrom=yesterday',
      'cursor=nonsense',
      'cursor=%00',
      'importId=NaN',
    ])('the query %s is refused', async (query) => {
      const answer = await api.call('GET', `/leads?${query}`);
      expectProblem(answer, 422, String(answer.json.code));
    });

    it.each(['q=%00', 'q=%', 'q=%ff', 'tag=%00', 'source=%00%0a', 'q=%25_%5c', "q='%22;--", 'q=%F0%9F%9A%80'])(
      'the query %s is looked for, or refused',
      async (query) => expect([200, 400, 422]).toContain((await api.call('GET', `/leads?${query}`)).status),
    );
  });

  describe('headers of answers', () => {
    it('let browsers run, frame and keep nothing', async () => {
      const { headers } = await api.call('GET', '/leads');
      expect(headers).toMatchObject({
        'cache-control': 'no-store',
        'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
        'permissions-policy': expect.stringContaining('camera=()'),
      });
      expect(headers).not.toHaveProperty('strict-transport-security');
      expect(headers).not.toHaveProperty('x-powered-by');
    });

    it('keep the entity tag', async () => {
      const { headers } = await api.call('POST', '/leads', freshLead());
      expect(headers).toMatchObject({ etag: '"v1"', 'cache-control': 'no-store' });
    });
  });

  describe('CORS', () => {
    const from = (origin: string, line = 'GET /api/v1/leads', headers: string[] = []) =>
      api.request(line, [`Origin: ${origin}`, ...headers]);
    const corsHeaders = ({ headers }: Raw) => Object.keys(headers).filter((name) => name.startsWith('access-control-'));

    it('lets listed origins in, also to see why they were refused', async () => {
      const answer = await from(ORIGIN);
      expect(answer.status).toBe(401);
      expect(answer.headers).toMatchObject({
        'access-control-allow-origin': ORIGIN,
        'access-control-allow-credentials': 'true',
        'access-control-expose-headers': expect.stringContaining('idempotency-replayed'),
        vary: expect.stringMatching(/origin/i),
      });
    });

    it('answers preflights for every method that the API has', async () => {
      const asked = ['Access-Control-Request-Method: PATCH', 'Access-Control-Request-Headers: authorization,if-match'];
      const answer = await from(ORIGIN, 'OPTIONS /api/v1/leads/1', asked);
      expect(answer.status).toBe(204);
      const methods = answer.headers['access-control-allow-methods'].split(', ');
      expect(methods).toEqual(expect.arrayContaining(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']));
      expect(answer.headers['access-control-allow-headers']).toContain('if-match');
    });

    it.each([
      'https://evil.example.com',
      `${ORIGIN}.evil.example.com`,
      'http://console.example.com',
      `${ORIGIN}:444`,
      'null',
      'https://CONSOLE.example.com',
    ])('says nothing to %s', async (origin) => {
      expect(corsHeaders(await from(origin))).toEqual([]);
      const preflight = await from(origin, 'OPTIONS /api/v1/leads', ['Access-Control-Request-Method: POST']);
      expect(corsHeaders(preflight)).toEqual([]);
    });
  });
});
