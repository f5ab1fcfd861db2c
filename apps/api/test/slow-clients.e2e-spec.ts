import { once } from 'node:events';
import type { Socket } from 'node:net';
import { LIMITS, ServerLimits } from '@muster/platform/http/limits';
import { expectProblem, parseAnswer, Raw, RawApi } from './raw-api';

/** More bytes than the system keeps for a client that does not read. */
const LONG = 64 * 1024 * 1024;

describe('slow clients', () => {
  const limits: ServerLimits = {
    ...LIMITS,
    headersTimeout: 300,
    requestTimeout: 600,
    idleTimeout: 1_000,
    keepAliveTimeout: 200,
    checkInterval: 50,
  };
  let api: RawApi;
  beforeAll(async () => {
    api = await RawApi.start(limits, {}, (app) => {
      app
        .getHttpAdapter()
        .getInstance()
        .get('/long', (_, reply) => reply.send(Buffer.alloc(LONG, 'x')));
    });
  }, 90_000);
  afterAll(() => api.stop());

  /** Writes one part after another for as long as the connection lives; resolves with what was answered. */
  async function dribble(first: string, part: string): Promise<Raw> {
    const socket = api.connect();
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    // Who writes on while the other side hangs up may see a reset, and lose the answer to it.
    socket.on('error', () => undefined);
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.write(first);
    const timer = setInterval(() => socket.write(part), 20);
    await closed;
    clearInterval(timer);
    return parseAnswer(Buffer.concat(chunks));
  }

  function expectCutOff(answer: Raw): void {
    if (answer.status !== 0) expectProblem(answer, 408, 'request-timeout');
  }

  it('that dribble headers are cut off', async () => {
    expectCutOff(await dribble('GET /health/live HTTP/1.1\r\nHost: localhost\r\nX: ', 'x'));
  });

  it('that dribble a body are cut off', async () => {
    const head = 'POST /api/v1/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n';
    expectCutOff(await dribble(`${head}Content-Length: 10000\r\n\r\n`, ' '));
  });

  it('that dribble chunks are cut off', async () => {
    const head = 'POST /api/v1/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n';
    expectCutOff(await dribble(`${head}Transfer-Encoding: chunked\r\n\r\n`, '1\r\n \r\n'));
  });

  it('that say nothing are cut off', async () => {
    const answer = await api.send();
    expect([0, 408]).toContain(answer.status);
  });

  it('that do not read their answer are cut off', async () => {
    const server = api.app.getHttpServer();
    const accepting = once(server, 'connection') as Promise<[Socket]>;
    const socket = api.connect();
    const closed = once(socket, 'close');
    const [accepted] = await accepting;
    socket.pause();
    socket.write('GET /long HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await once(accepted, 'close');
    let received = 0;
    socket.on('data', (chunk: Buffer) => (received += chunk.length));
    socket.resume();
    await closed;
    expect(received).toBeLessThan(LONG);
  });

  it('that do nothing between requests lose their connection', async () => {
    const answer = await api.send('GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n');
    expect(answer.status).toBe(200);
  });

  it('leave the server as it was', async () => {
    expect((await api.call('GET', '/leads')).status).toBe(200);
  });
});
