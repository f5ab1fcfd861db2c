import { ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { AddressInfo, createServer } from 'node:net';
import { BUDGETS } from '@muster/platform/http/rate-limits';
import { lendDirectory } from '@muster/testing/profile';
import { Answer, Process, Server } from '@muster/testing/server';

/** On: everything else that starts the program turns them off. The tests play proxy, so that each has addresses of its own. */
const ON = { RATE_LIMITS: 'on', TRUSTED_PROXIES: '127.0.0.1', LOG_LEVEL: 'info' };

let addresses = 0;
const newAddress = () => `198.51.100.${++addresses}`;

/** Calls that cost the server little: most are refused after the budgets were taken. */
function callsFrom(address: string) {
  const headers = { 'x-forwarded-for': address };
  return {
    login: (server: Server) => server.request('POST', '/auth/login', {}, null, headers),
    any: (server: Server) => server.request('GET', '/nothing', undefined, null, headers),
    me: (server: Server, token: string) => server.request('GET', '/auth/me', undefined, token, headers),
    post: (server: Server, path: string, token: string | null = null) =>
      server.request('POST', path, {}, token, headers),
  };
}

/** Makes so many calls, some at a time; resolves with what they answered. */
async function repeat(times: number, call: () => Promise<Answer>): Promise<Answer[]> {
  const answers: Answer[] = [];
  let begun = 0;
  const lane = async () => {
    while (begun++ < times) answers.push(await call());
  };
  await Promise.all(Array.from({ length: 10 }, lane));
  return answers;
}

const refused = (answers: Answer[]) => answers.filter(({ status }) => status === 429);

function expectRefusal(answer: Answer, seconds: number): void {
  expect(answer.status).toBe(429);
  expect(answer.headers.get('content-type')).toContain('application/problem+json');
  expect(answer.body).toEqual({
    type: 'urn:muster:problem:too-many-requests',
    title: 'Too many requests',
    status: 429,
    detail: expect.any(String),
    code: 'too-many-requests',
    requestId: answer.headers.get('x-request-id'),
  });
  expect(answer.headers.get('retry-after')).toMatch(/^[1-9]\d*$/);
  expect(Number(answer.headers.get('retry-after'))).toBeLessThanOrEqual(seconds);
}

/** Makes one call more than a budget allows, and asserts that only the last is refused. */
async function useUp({ calls, seconds }: { calls: number; seconds: number }, call: () => Promise<Answer>) {
  expect(refused(await repeat(calls, call))).toEqual([]);
  expectRefusal(await call(), seconds);
}

describe('rates', () => {
  let server: Server;
  beforeAll(async () => {
    server = await Server.start(ON);
  }, 90_000);
  afterAll(() => server.stop());

  it('of sign-ins are held for each address', async () => {
    const [here, there] = [callsFrom(newAddress()), callsFrom(newAddress())];
    await useUp(BUDGETS.login, () => here.login(server));
    expect((await there.login(server)).status).toBe(422);
    // The other budgets of the address are its own.
    expect((await here.post(server, '/auth/refresh')).status).toBe(422);
  });

  it('of registrations and refreshes too, the latter under both names together', async () => {
    const here = callsFrom(newAddress());
    await useUp(BUDGETS.register, () => here.post(server, '/auth/register'));
    let n = 0;
    await useUp(BUDGETS.refresh, () => here.post(server, ++n % 2 ? '/auth/refresh' : '/auth/refresh-token'));
  });

  it('of uploads are held for each user, wherever they call from, under both names together', async () => {
    let n = 0;
    const upload = () => callsFrom(newAddress()).post(server, ++n % 2 ? '/imports' : '/csv/upload', server.adminToken);
    await useUp(BUDGETS.uploads, upload);
  });

  it('of all calls are held for each user, wherever they call from', async () => {
    const here = callsFrom(newAddress());
    const person = { name: 'Ada Example', email: 'ada@example.com', password: 'correct horse battery' };
    const register = () => server.request('POST', '/auth/register', person, null, { 'x-forwarded-for': newAddress() });
    const { body } = await register();
    await useUp(BUDGETS.caller, () => here.me(server, body.accessToken));
    expect((await here.me(server, server.adminToken)).status).toBe(200);
  }, 90_000);

  it('of all calls are held for each address, before anything else is looked at', async () => {
    const address = newAddress();
    const here = callsFrom(address);
    const answers = await repeat(BUDGETS.api.calls + 20, () => here.any(server));
    // A slow machine may need more than a minute, and then a new stretch has begun.
    expect(refused(answers).length).toBeGreaterThan(0);
    expectRefusal(refused(answers)[0], BUDGETS.api.seconds);
    expect((await callsFrom(newAddress()).any(server)).status).toBe(404);
    // However the address of the route is written.
    const headers = { 'x-forwarded-for': address };
    const spelled = await fetch(`${server.url}/%61pi/v1/auth/me`, { headers });
    expect(spelled.status).toBe(429);
  }, 120_000);

  it('count IPv6 addresses of one network together', async () => {
    const network = '2001:db8:7:7';
    let n = 0;
    await useUp(BUDGETS.login, () => callsFrom(`${network}::${(++n).toString(16)}`).login(server));
    expect((await callsFrom('2001:db8:7:8::1').login(server)).status).toBe(422);
  });

  it('do not hold health checks', async () => {
    const answers = await repeat(50, () => server.request('GET', '/health/live', undefined, null));
    expect(answers.every(({ status }) => status === 200)).toBe(true);
  });

  it('tell Prometheus whom they refused', async () => {
    await useUp(BUDGETS.login, () => callsFrom('198.51.100.250').login(server));
    const { body } = await server.request('GET', '/metrics', undefined, null);
    expect(body).toMatch(/muster_rate_limit_refusals_total\{budget="login"\} [1-9]/);
  });
});

describe('an address', () => {
  it('is not what a client says it is, where no proxy is configured', async () => {
    const server = await Server.start({ ...ON, TRUSTED_PROXIES: '' });
    try {
      const answers = await repeat(BUDGETS.login.calls + 1, () => callsFrom(newAddress()).login(server));
      expect(refused(answers).length).toBeGreaterThan(0);
    } finally {
      await server.stop();
    }
  }, 90_000);

  it('is the one that the proxy saw, whatever the client put before it', async () => {
    const server = await Server.start(ON);
    try {
      const seen = newAddress();
      await useUp(BUDGETS.login, () => callsFrom(`${newAddress()}, junk, ${seen}`).login(server));
    } finally {
      await server.stop();
    }
  }, 90_000);
});

describe('RATE_LIMITS=off', () => {
  it('says so at the start, in the log and to people', async () => {
    const directory = lendDirectory();
    const program = new Process('apps/api/src/main.js', { DATA_DIR: directory.value, PORT: '0', RATE_LIMITS: 'off' });
    await program.says(/"level":"warn".*RATE_LIMITS=off/);
    await program.says(/^ {2}RATE_LIMITS=off/m);
    await program.end();
    await directory.remove();
  }, 90_000);
});

const shared = process.env.MUSTER_TEST_REDIS_URL;
(shared ? describe : describe.skip)('rates in Redis', () => {
  it('are held by all processes together', async () => {
    const REDIS_URL = `${shared}?keyPrefix=test-${randomBytes(6).toString('hex')}:`;
    const servers = await Promise.all([Server.start({ ...ON, REDIS_URL }), Server.start({ ...ON, REDIS_URL })]);
    try {
      const here = callsFrom(newAddress());
      const [first, second] = servers;
      const { calls, seconds } = BUDGETS.login;
      expect(refused(await repeat(calls - 5, () => here.login(first)))).toEqual([]);
      expect(refused(await repeat(5, () => here.login(second)))).toEqual([]);
      for (const server of servers) expectRefusal(await here.login(server), seconds);
      const { body } = await first.request('GET', '/health/ready', undefined, null);
      expect(body.checks.redis).toBe('ok');
      for (const server of servers) expect(server.api.said).not.toContain('Redis does not answer');
    } finally {
      await Promise.all(servers.map((server) => server.stop()));
    }
  }, 120_000);
});

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}

const hasRedis = spawnSync('redis-server', ['--version']).status === 0;
(hasRedis ? describe : describe.skip)('a Redis that fails', () => {
  const directory = lendDirectory();
  let port: number;
  let redis: ChildProcess;
  let server: Server;

  async function startRedis(): Promise<void> {
    const own = ['--port', String(port), '--bind', '127.0.0.1', '--dir', directory.value, '--save', ''];
    redis = spawn('redis-server', own, { stdio: ['ignore', 'pipe', 'inherit'] });
    let said = '';
    for await (const chunk of redis.stdout!) {
      said += String(chunk);
      if (/ready to accept connections/i.test(said)) break;
    }
  }
  const stopRedis = async (signal: NodeJS.Signals) => {
    const gone = once(redis, 'exit');
    redis.kill(signal);
    await gone;
  };
  const count = (text: string) => server.api.said.split(text).length - 1;
  const LOST = 'Redis does not answer';
  const FOUND = 'Redis answers again';

  beforeAll(async () => {
    port = await freePort();
    await startRedis();
    server = await Server.start({ ...ON, REDIS_URL: `redis://127.0.0.1:${port}` });
  }, 90_000);
  afterAll(async () => {
    await server?.stop();
    redis.kill('SIGKILL');
    await directory.remove();
  });

  /** Calls until Redis counts again; every call is answered meanwhile. */
  async function untilFound(times: number): Promise<void> {
    const here = callsFrom(newAddress());
    while (count(FOUND) < times) expect((await here.any(server)).status).toBe(404);
  }

  it('holds nobody up when it is gone, is reported once, and is used again when it is back', async () => {
    const here = callsFrom(newAddress());
    expect(count(LOST)).toBe(0);
    await stopRedis('SIGKILL');
    const answers = await repeat(100, () => here.any(server));
    expect(answers.every(({ status }) => status === 404)).toBe(true);
    await useUp(BUDGETS.login, () => here.login(server));
    expect(count(LOST)).toBe(1);
    const ready = await server.request('GET', '/health/ready', undefined, null);
    expect([ready.status, ready.body.status, ready.body.checks.redis]).toEqual([200, 'ok', 'unavailable']);
    await startRedis();
    await untilFound(1);
    expect(count(LOST)).toBe(1);
  }, 60_000);

  it('holds nobody up when it hangs', async () => {
    const before = count(FOUND);
    redis.kill('SIGSTOP');
    const here = callsFrom(newAddress());
    const answers = await repeat(200, () => here.any(server));
    expect(answers.every(({ status }) => status === 404)).toBe(true);
    expect(count(LOST)).toBe(2);
    redis.kill('SIGCONT');
    await untilFound(before + 1);
  }, 60_000);

  it('does not keep a process from starting', async () => {
    const other = await Server.start({ ...ON, REDIS_URL: `redis://127.0.0.1:${await freePort()}` });
    try {
      const here = callsFrom(newAddress());
      await useUp(BUDGETS.login, () => here.login(other));
      expect(other.api.said).toContain(LOST);
    } finally {
      await other.stop();
    }
  }, 90_000);
});
