import { ConfigError, readConfig } from './config';

const SECRET = 'Zm9yLXRlc3RzLW9ubHktMDEyMzQ1Njc4OWFiY2RlZg';
const SERVICES = { DATABASE_URL: 'mysql://root@127.0.0.1/x', BROKER_URL: 'amqp://127.0.0.1', JWT_SECRETS: SECRET };

/** The lines that a start with this environment ends with; none when it goes on. */
function linesOf(env: Record<string, string>): string[] {
  try {
    readConfig(env);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.lines;
  }
}

describe('configuration', () => {
  it('needs nothing', () => {
    expect(readConfig({})).toMatchObject({ embedded: true, rateLimits: true, redisUrl: null, port: 3000 });
    expect(readConfig({ RATE_LIMITS: 'off', REDIS_URL: '' })).toMatchObject({ rateLimits: false, redisUrl: null });
  });

  it('names everything that is wrong in one go', () => {
    const lines = linesOf({
      PORT: 'many',
      LOG_LEVEL: 'loud',
      IMPORT_MAX_ROW: '5',
      STORAGE_URL: 's3://bucket?colour=red',
      PROCESS: 'worker',
      JWT_SECRETS: 'short',
      CORS_ORIGINS: '*, https://ok.example.com, ftp://x',
    });
    const names = lines.map((line) => line.split(':')[0]).sort();
    const expected = ['CORS_ORIGINS', 'CORS_ORIGINS', 'IMPORT_MAX_ROW', 'JWT_SECRETS', 'LOG_LEVEL', 'PORT', 'PROCESS'];
    expect(names).toEqual([...expected, 'STORAGE_URL']);
    for (const line of lines) expect(line).not.toContain('\n');
  });

  it('does not blame a setting for another one that is malformed', () => {
    expect(linesOf({ PROCESS: 'api', DATABASE_URL: SERVICES.DATABASE_URL, BROKER_URL: 'http://x' })).toEqual([
      expect.stringMatching(/^BROKER_URL: must be a URL that starts with amqp/),
    ]);
  });

  it.each(['IMPORT_MAX_ROW', 'RATE_LIMIT', 'CORS_ORIGIN', 'TRUSTED_PROXY'])('knows no %s', (name) => {
    expect(linesOf({ [name]: '1' })).toEqual([`${name}: there is no such setting`]);
  });
});

describe('CORS_ORIGINS', () => {
  it.each(['https://a.example.com', 'http://localhost:5173', 'https://a.example.com:8443,http://[::1]:80' + '80'])(
    'may be %s',
    (text) => expect(readConfig({ CORS_ORIGINS: text }).corsOrigins).toEqual(text.split(',')),
  );

  it.each([
    '*',
    'null',
    'a.example.com',
    'https://a.example.com/',
    'https://a.example.com/x',
    'https://*.example.com',
    'https://u:p@a.example.com',
    'https://a.example.com:443',
    'file:///x',
  ])('may not be %s', (text) =>
    expect(linesOf({ CORS_ORIGINS: text })).toEqual([expect.stringMatching(/^CORS_ORIGINS: ".*" is not an origin/)]),
  );
});

describe('TRUSTED_PROXIES', () => {
  it.each(['127.0.0.1', '10.0.0.0/8', '::1', 'fd00::/8', 'loopback', 'linklocal,uniquelocal'])('may be %s', (text) =>
    expect(readConfig({ TRUSTED_PROXIES: text }).trustedProxies).toEqual(text.split(',')),
  );

  it.each([
    'true',
    '*',
    'proxy',
    '1',
    '10.0.0.0/33',
    '10.0.0.0/0',
    '::/0',
    '10.0.0.0/8/8',
    '10.0.0.0/',
    '300.1.1.1',
    'fd00::/129',
  ])('may not be %s', (text) =>
    expect(linesOf({ TRUSTED_PROXIES: text })).toEqual([
      expect.stringMatching(/^TRUSTED_PROXIES: ".*" is not an address/),
    ]),
  );
});

describe('REDIS_URL', () => {
  it.each(['redis://127.0.0.1:6379', 'rediss://u:p@cache.example.com/3', 'redis://h?keyPrefix=a:'])(
    'may be %s',
    (text) => expect(readConfig({ REDIS_URL: text }).redisUrl).toBe(text),
  );

  it.each(['http://127.0.0.1', '127.0.0.1:6379', 'redis:///x', 'redis://h/main', 'redis://h?tls=1'])(
    'may not be %s',
    (text) => {
      const lines = linesOf({ REDIS_URL: text });
      expect(lines.length).toBeGreaterThan(0);
      for (const line of lines) expect(line).toMatch(/^REDIS_URL: /);
    },
  );
});

describe('secrets of the services profile', () => {
  it('may be strong', () => {
    expect(linesOf({ ...SERVICES, ADMIN_EMAIL: 'a@example.com', ADMIN_PASSWORD: 'correct horse battery' })).toEqual([]);
  });

  it.each([
    'password1234',
    'Passw0rd!!!!',
    'P@ssword-2026',
    'changeme-now',
    'Change-Me-1234',
    'administrator',
    'admin12345',
    'aaaabbbbcccc',
    'boss@example.com',
    'BOSS@example.com',
  ])('are not the password %s', (password) => {
    const env = { ADMIN_EMAIL: 'boss@example.com', ADMIN_PASSWORD: password };
    expect(linesOf({ ...SERVICES, ...env })).toEqual([expect.stringMatching(/^ADMIN_PASSWORD: must not be a default/)]);
    expect(linesOf(env)).toEqual([]);
  });

  it('must be there, strong and different', () => {
    expect(linesOf({ ...SERVICES, JWT_SECRETS: '' })).toEqual([expect.stringMatching(/^JWT_SECRETS: must be set/)]);
    expect(linesOf({ ...SERVICES, JWT_SECRETS: 'changeme'.repeat(5) })).toEqual([
      expect.stringMatching(/^JWT_SECRETS: each/),
    ]);
    expect(linesOf({ ...SERVICES, JWT_SECRETS: `${SECRET}, ${SECRET}` })).toEqual([
      'JWT_SECRETS: the same secret is given twice',
    ]);
    expect(linesOf({ ...SERVICES, JWT_SECRETS: `${SECRET},${SECRET.toLowerCase()}` })).toEqual([]);
  });

  it('arms fail points in tests only, and knows their names', () => {
    const wanted = [
      { point: 'chunk.claimed', nth: 3, action: 'stop' },
      { point: 'import.staged', nth: 1, action: 'kill' },
    ];
    const FAIL_POINTS = 'chunk.claimed:3:stop, import.staged';
    expect(readConfig({ NODE_ENV: 'test', FAIL_POINTS }).failPoints).toEqual(wanted);
    expect(readConfig({}).failPoints).toEqual([]);
    expect(linesOf({ FAIL_POINTS })).toEqual(['FAIL_POINTS: only for tests; needs NODE_ENV=test']);
    expect(linesOf({ NODE_ENV: 'test', FAIL_POINTS: 'chunk.nowhere' })[0]).toMatch(
      /^FAIL_POINTS: "chunk.nowhere" is not /,
    );
  });
});
