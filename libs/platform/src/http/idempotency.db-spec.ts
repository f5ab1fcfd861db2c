import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { Readable } from 'node:stream';
import cookie from '@fastify/cookie';
import multipart from '@fastify/multipart';
import { CanActivate, Controller, ExecutionContext, Param, Post, Res } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { FastifyAdapter, NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ProblemError } from '@muster/core/errors';
import { openTestDatabase, TestDatabase } from '@muster/testing/database';
import { Database } from '../database/database';
import { Transactions } from '../database/transactions';
import { withRequestId } from '../observability/request-context';
import { acceptIdempotencyKeys } from './idempotency';
import { ProblemFilter } from './problem.filter';

/** What the probe does for a request, named by the request's path. */
interface Part {
  /** Transactions that commit, one after another; each is an effect. */
  effects?: number;
  answer?: (reply: FastifyReply) => unknown;
}

const parts = new Map<string, Part>();
/** How often the probe has run. */
const runs = new Map<string, number>();

@Controller('probe')
class Probe {
  constructor(private readonly transactions: Transactions) {}

  @Post([':id', ':id/other'])
  async run(@Param('id') id: string, @Res({ passthrough: true }) reply: FastifyReply): Promise<unknown> {
    const { effects = 1, answer } = parts.get(id) ?? {};
    runs.set(id, (runs.get(id) ?? 0) + 1);
    for (let n = 0; n < effects; n++) {
      await this.transactions.run((tx) =>
        tx.query('INSERT INTO inbox (consumer, event_id, handled_at) VALUES (?, ?, ?)', [
          `probe ${id}`,
          randomUUID(),
          '2026-01-01 00:00:00.000',
        ]),
      );
    }
    return answer ? answer(reply) : { run: runs.get(id) };
  }
}

/** Stands for the access guard: the caller is who the request says. */
class Names implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<FastifyRequest & { principal?: { userId: number } }>();
    if (request.headers['x-user']) request.principal = { userId: Number(request.headers['x-user']) };
    return true;
  }
}

/** Something that the test lets happen when it wants to. */
function gate<T = void>() {
  let open!: (value: T) => void;
  const opened = new Promise<T>((resolve) => (open = resolve));
  return { open, opened };
}

describe('a request with an Idempotency-Key', () => {
  let store: TestDatabase;
  let app: NestFastifyApplication;
  beforeAll(async () => {
    store = await openTestDatabase();
    const module = await Test.createTestingModule({
      controllers: [Probe],
      providers: [
        { provide: Database, useValue: store.database },
        { provide: Transactions, useValue: store.transactions },
        { provide: APP_GUARD, useClass: Names },
      ],
    }).compile();
    app = module.createNestApplication<NestFastifyApplication>(new FastifyAdapter());
    app
      .getHttpAdapter()
      .getInstance()
      .addHook('onRequest', (request, _, done) => withRequestId(request.id, done));
    await app.register(cookie);
    await app.register(multipart);
    acceptIdempotencyKeys(app);
    app.useGlobalFilters(new ProblemFilter(store.database));
    await app.listen(0, '127.0.0.1');
  });
  afterAll(async () => {
    await app.close();
    await store.close();
  });
  afterEach(() => jest.restoreAllMocks());

  /** A path of its own for each test, and a key for it. */
  function probe(part: Part = {}) {
    const [id, key] = [randomUUID(), randomUUID()];
    parts.set(id, part);
    return {
      id,
      key,
      send: async (headers: Record<string, string> = {}, body: unknown = { a: 1, b: 2 }, path = `/probe/${id}`) => {
        const answer = await app.inject({
          method: 'POST',
          url: path,
          headers: { 'x-user': '7', 'idempotency-key': key, 'content-type': 'application/json', ...headers },
          payload: typeof body === 'string' ? body : JSON.stringify(body),
        });
        const json = String(answer.headers['content-type']).includes('json');
        return {
          status: answer.statusCode,
          code: json ? (answer.json<{ code?: string }>().code ?? null) : null,
          replayed: answer.headers['idempotency-replayed'] === 'true',
          headers: answer.headers,
          body: answer.body,
        };
      },
      effects: async () => {
        const counted = 'SELECT COUNT(*) AS n FROM inbox WHERE consumer = ?';
        return Number((await store.database.query<{ n: number }>(counted, [`probe ${id}`]))[0].n);
      },
    };
  }
  const allRows = () => store.database.query<Record<string, unknown>>('SELECT * FROM idempotency_keys');
  const sql = (statement: string, params: unknown[] = []) =>
    store.transactions.run((tx) => tx.query(statement, params));
  const endLeases = () => sql(`UPDATE idempotency_keys SET locked_until = '2020-01-01 00:00:00.000'`);

  it('is run once, and answered alike', async () => {
    const { send, effects } = probe({
      answer: (reply) => {
        reply.status(202).headers({ etag: '"v3"', location: '/somewhere', 'x-else': 'no' });
        return { text: 'Grüße 🙂' };
      },
    });
    const first = await send();
    const second = await send({}, { b: 2, a: 1 });
    expect(first).toMatchObject({ status: 202, replayed: false, body: '{"text":"Grüße 🙂"}' });
    expect(second).toMatchObject({ status: 202, replayed: true, body: first.body });
    for (const name of ['content-type', 'etag', 'location']) expect(second.headers[name]).toBe(first.headers[name]);
    expect(second.headers).not.toHaveProperty('x-else');
    expect(await effects()).toBe(1);
  });

  it('replays an answer without a body', async () => {
    const { send, effects } = probe({ answer: (reply) => void reply.status(204) });
    expect(await send()).toMatchObject({ status: 204, body: '', replayed: false });
    expect(await send()).toMatchObject({ status: 204, body: '', replayed: true });
    expect(await effects()).toBe(1);
  });

  it('is refused when it says something else', async () => {
    const { id, send, effects } = probe();
    await send();
    for (const answer of [await send({}, { a: 1, b: 3 }), await send({}, { a: 1, b: 2 }, `/probe/${id}?c=1`)]) {
      expect(answer).toMatchObject({ status: 422, code: 'idempotency-key-reused', replayed: false });
    }
    expect(await effects()).toBe(1);
  });

  it('meets neither those of others nor those of other routes and paths', async () => {
    const { id, send, effects } = probe();
    await send();
    expect(await send({ 'x-user': '8' })).toMatchObject({ status: 201, replayed: false });
    expect(await send({}, undefined, `/probe/${id}/other`)).toMatchObject({ status: 201, replayed: false });
    expect(await send({}, undefined, `/probe/x${id}`)).toMatchObject({ status: 201, replayed: false });
    expect(await effects()).toBe(3);
  });

  it('is told apart by body and cookies when nobody is signed in', async () => {
    const { send, effects } = probe();
    const anonymous = { 'x-user': '' };
    await send(anonymous);
    expect(await send(anonymous)).toMatchObject({ status: 201, replayed: true });
    expect(await send(anonymous, { a: 2 })).toMatchObject({ status: 201, replayed: false });
    expect(await send({ ...anonymous, cookie: 'a=b' })).toMatchObject({ status: 201, replayed: false });
    expect(await effects()).toBe(3);
  });

  it('waits for the first to end', async () => {
    const [entered, answered] = [gate(), gate<unknown>()];
    const { send, effects } = probe({ answer: () => (entered.open(), answered.opened) });
    const first = send();
    await entered.opened;
    const meanwhile = await send();
    expect(meanwhile).toMatchObject({ status: 409, code: 'idempotency-in-progress', replayed: false });
    expect(await send({}, { other: true })).toMatchObject({ status: 422, code: 'idempotency-key-reused' });
    answered.open({ done: true });
    expect((await first).status).toBe(201);
    expect(await send()).toMatchObject({ status: 201, replayed: true, body: '{"done":true}' });
    expect(await effects()).toBe(1);
  });

  it('is run once when fifty come at once', async () => {
    const { send, effects } = probe();
    const answers = await Promise.all(Array.from({ length: 50 }, () => send()));
    expect(answers.filter(({ status, replayed }) => status === 201 && !replayed)).toHaveLength(1);
    for (const { status, code, replayed } of answers) {
      if (status !== 201) expect([status, code, replayed]).toEqual([409, 'idempotency-in-progress', false]);
    }
    expect(await effects()).toBe(1);
  });

  describe('answered with a problem', () => {
    const fail = (status: number) => () => {
      throw new ProblemError('user', status, `status-${status}`, 'As the test wants it.');
    };

    it.each<[number, number]>([
      [400, 0],
      [404, 0],
      [409, 0],
      [422, 1],
      [403, 1],
      [429, 1],
    ])('gets %d again after %d effects', async (status, effects) => {
      const tried = probe({ effects, answer: fail(status) });
      const first = await tried.send();
      expect(first).toMatchObject({ status, code: `status-${status}`, replayed: false });
      expect(await tried.send()).toMatchObject({ status, replayed: true, body: first.body });
      expect(runs.get(tried.id)).toBe(1);
    });

    it.each<[number, number]>([
      [401, 1],
      [423, 1],
      [403, 0],
      [412, 0],
      [429, 0],
      [500, 0],
      [503, 0],
    ])('is run again after %d and %d effects', async (status, effects) => {
      const tried = probe({ effects, answer: fail(status) });
      await tried.send();
      parts.set(tried.id, { effects: 0 });
      expect(await tried.send()).toMatchObject({ status: 201, replayed: false });
      expect(runs.get(tried.id)).toBe(2);
    });

    it('hears that the answer was lost when an effect is stored and the answer was 5xx', async () => {
      const tried = probe({ answer: fail(500) });
      expect((await tried.send()).status).toBe(500);
      expect(await tried.send()).toMatchObject({ status: 409, code: 'idempotency-answer-lost' });
      expect([runs.get(tried.id), await tried.effects()]).toEqual([1, 1]);
    });
  });

  it.each<[string, Part['answer']]>([
    ['large', () => 'x'.repeat(1024 * 1024 + 1)],
    ['a stream', (reply) => reply.send(Readable.from(['streamed']))],
    ['one that sets a cookie', (reply) => (void reply.setCookie('session', 'secret'), { ok: true })],
  ])('does not keep an answer that is %s', async (_, answer) => {
    const tried = probe({ answer });
    expect((await tried.send()).status).toBe(201);
    expect(await tried.send()).toMatchObject({ status: 409, code: 'idempotency-answer-lost' });
    expect(await tried.effects()).toBe(1);
  });

  describe('whose process dies', () => {
    /** The rest of the request never takes place. */
    const dead = new Promise<never>(() => undefined);

    it('after its effect, is not run again', async () => {
      const entered = gate();
      const tried = probe({ answer: () => (entered.open(), dead) });
      void tried.send();
      await entered.opened;
      expect(await tried.send()).toMatchObject({ status: 409, code: 'idempotency-in-progress' });
      await endLeases();
      expect(await tried.send()).toMatchObject({ status: 409, code: 'idempotency-answer-lost' });
      expect([runs.get(tried.id), await tried.effects()]).toEqual([1, 1]);
    });

    it('before any effect, is run again; and should it live, it can do nothing more', async () => {
      const [entered, woken] = [gate(), gate()];
      const real = store.transactions.run.bind(store.transactions);
      const tried = probe();
      jest.spyOn(store.transactions, 'run').mockImplementationOnce(async (work) => {
        entered.open();
        await woken.opened;
        return real(work);
      });
      const first = tried.send();
      await entered.opened;
      await endLeases();
      const second = await tried.send();
      expect(second).toMatchObject({ status: 201, replayed: false });
      woken.open();
      expect(await first).toMatchObject({ status: 409, code: 'idempotency-in-progress' });
      expect(await tried.send()).toMatchObject({ status: 201, replayed: true, body: second.body });
      expect(await tried.effects()).toBe(1);
    });
  });

  describe('whose connection is lost while it commits', () => {
    /** Lets the nth transaction from now commit, and then fail as if the connection had been lost before the store could say so. */
    function loseCommit(nth: number): void {
      const { dialect } = store.database;
      const real = dialect.transaction.bind(dialect);
      const code = dialect.flavor === 'sqlite' ? 'SQLITE_BUSY' : 'ECONNRESET';
      let count = 0;
      jest.spyOn(dialect, 'transaction').mockImplementation(async (writer, work) => {
        const turn = ++count;
        const result = await real(writer, work);
        if (turn === nth) throw Object.assign(new Error('lost'), { code });
        return result;
      });
    }

    it.each([
      ['the first', 2, 1],
      ['a later', 3, 2],
    ])('in %s of its transactions, has each effect once', async (_, nth, stored) => {
      const tried = probe({ effects: 2 });
      loseCommit(nth);
      expect(await tried.send()).toMatchObject({ status: 409, code: 'idempotency-answer-lost' });
      jest.restoreAllMocks();
      expect(await tried.send()).toMatchObject({ status: 409, code: 'idempotency-answer-lost', replayed: false });
      expect([runs.get(tried.id), await tried.effects()]).toEqual([1, stored]);
    });

    it('in its claim, goes on', async () => {
      const tried = probe();
      loseCommit(1);
      expect(await tried.send()).toMatchObject({ status: 201, replayed: false });
      expect(await tried.effects()).toBe(1);
    });
  });

  it('is answered again when the client went away before the answer', async () => {
    const [entered, answered] = [gate(), gate<unknown>()];
    const tried = probe({ answer: () => (entered.open(), answered.opened) });
    const { port } = app.getHttpServer().address() as { port: number };
    const body = '{"a":1,"b":2}';
    const client = connect(port, '127.0.0.1');
    client.write(
      `POST /probe/${tried.id} HTTP/1.1\r\nhost: x\r\nx-user: 7\r\nidempotency-key: ${tried.key}\r\n` +
        `content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
    await entered.opened;
    client.destroy();
    await once(client, 'close');
    answered.open({ late: true });
    let answer = await tried.send();
    while (answer.code === 'idempotency-in-progress') answer = await tried.send();
    expect(answer).toMatchObject({ status: 201, replayed: true, body: '{"late":true}' });
    expect(await tried.effects()).toBe(1);
  });

  it('leaves nothing readable in the store, and notices a change there', async () => {
    await sql('DELETE FROM idempotency_keys');
    const tried = probe({ answer: () => ({ token: 'very secret' }) });
    await tried.send({}, { password: 'also secret' });
    const [row, ...others] = await allRows();
    expect(others).toEqual([]);
    for (const text of [JSON.stringify(row), Buffer.from(String(row.answer), 'base64').toString('latin1')]) {
      expect(text).not.toMatch(new RegExp(`secret|token|password|${tried.key}`));
    }
    await sql('UPDATE idempotency_keys SET status = 200');
    expect(await tried.send({}, { password: 'also secret' })).toMatchObject({ code: 'idempotency-answer-lost' });
  });

  it('is new again after a day', async () => {
    await sql('DELETE FROM idempotency_keys');
    const tried = probe();
    await tried.send();
    const { expires_at } = (await allRows())[0] as { expires_at: Date | string };
    const left = new Date(expires_at instanceof Date ? expires_at : `${expires_at.replace(' ', 'T')}Z`).getTime();
    expect((left - Date.now()) / 3_600_000).toBeCloseTo(24, 0);
    await sql(`UPDATE idempotency_keys SET expires_at = '2020-01-01 00:00:00.000'`);
    expect(await tried.send({}, { other: 'body' })).toMatchObject({ status: 201, replayed: false });
    expect(await tried.send({}, { other: 'body' })).toMatchObject({ status: 201, replayed: true });
    expect(await tried.effects()).toBe(2);
    expect(await allRows()).toHaveLength(1);
  });

  it('is refused when it has two keys', async () => {
    const tried = probe();
    const { port } = app.getHttpServer().address() as { port: number };
    const client = connect(port, '127.0.0.1');
    const key = 'idempotency-key: abc\r\n';
    client.write(
      `POST /probe/${tried.id} HTTP/1.1\r\nhost: x\r\n${key}${key}connection: close\r\ncontent-length: 0\r\n\r\n`,
    );
    let said = '';
    client.on('data', (chunk) => (said += chunk.toString()));
    await once(client, 'close');
    expect(said).toMatch(/^HTTP\/1\.1 400 [^]*idempotency-key-invalid/);
  });

  it('is refused with a form where there is none, before anything is stored', async () => {
    const tried = probe();
    const form = '--x\r\ncontent-disposition: form-data; name="a"\r\n\r\n1\r\n--x--\r\n';
    const answer = await tried.send({ 'content-type': 'multipart/form-data; boundary=x' }, form);
    expect(answer).toMatchObject({ status: 415, code: 'form-unexpected' });
    expect(await tried.effects()).toBe(0);
  });

  it('leaves other methods and requests without a key alone', async () => {
    await sql('DELETE FROM idempotency_keys');
    const tried = probe();
    const url = `/probe/${tried.id}`;
    const plain = () => app.inject({ method: 'POST', url, headers: { 'x-user': '7' }, payload: {} });
    expect([(await plain()).statusCode, (await plain()).statusCode]).toEqual([201, 201]);
    expect([await tried.effects(), await allRows()]).toEqual([2, []]);
  });
});
