import { once } from 'node:events';
import { AddressInfo, connect, Socket } from 'node:net';
import { NestFactory } from '@nestjs/core';
import { NestFastifyApplication } from '@nestjs/platform-fastify';
import { AdminBootstrap } from '@muster/features/auth/auth.admin';
import { readConfig } from '@muster/platform/config/config';
import { LIMITS, ServerLimits } from '@muster/platform/http/limits';
import type { Problem } from '@muster/platform/http/problem.filter';
import { httpAdapter, prepareHttp } from '@muster/platform/http/server';
import { lendEnvironment, Lent } from '@muster/testing/profile';
import { ADMIN } from '@muster/testing/server';
import { AppModule } from '../src/app.module';

/** An answer, read from its bytes. */
export interface Raw {
  status: number;
  headers: Record<string, string>;
  body: string;
  /** The parsed body; empty when it is no JSON. */
  json: Partial<Problem> & Record<string, unknown>;
}

/** The API in this process, spoken to in bytes. */
export class RawApi {
  port!: number;
  token!: string;
  private constructor(
    readonly app: NestFastifyApplication,
    private readonly lent: Lent<Record<string, string>>,
  ) {}

  static async start(
    limits: ServerLimits = LIMITS,
    more: Record<string, string> = {},
    prepare: (app: NestFastifyApplication) => void = () => undefined,
  ): Promise<RawApi> {
    const lent = await lendEnvironment();
    const env = {
      ...lent.value,
      RATE_LIMITS: 'off',
      ADMIN_EMAIL: ADMIN.email,
      ADMIN_PASSWORD: ADMIN.password,
      ...more,
    };
    const config = { ...readConfig(env), process: 'api' as const };
    const app = await NestFactory.create<NestFastifyApplication>(AppModule.with(config), httpAdapter(config, limits), {
      logger: false,
      abortOnError: false,
    });
    await prepareHttp(app, config, limits);
    prepare(app);
    const api = new RawApi(app, lent);
    await app.get(AdminBootstrap, { strict: false }).ensureAdmin();
    await app.listen(0, '127.0.0.1');
    api.port = (app.getHttpServer().address() as AddressInfo).port;
    const login = await api.call('POST', '/auth/login', { email: ADMIN.email, password: ADMIN.password }, {});
    api.token = String(login.json.accessToken);
    return api;
  }

  async stop(): Promise<void> {
    await this.app.close();
    await this.lent.remove();
  }

  connect(): Socket {
    const socket = connect(this.port, '127.0.0.1');
    socket.on('error', () => undefined); // a cut connection is what many tests wait for
    return socket;
  }

  /** Sends bytes as they are; resolves with the answer when the server has ended the connection. */
  async send(...parts: (string | Buffer)[]): Promise<Raw> {
    const socket = this.connect();
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    for (const part of parts) socket.write(part);
    await once(socket, 'close');
    return parseAnswer(Buffer.concat(chunks));
  }

  /** One request with a head that is given as text, on a connection of its own. */
  request(line: string, headers: string[] = [], body: string | Buffer = ''): Promise<Raw> {
    const length = Buffer.byteLength(body);
    const given = headers.join('\n').toLowerCase();
    const own = [
      ...(/^host:/m.test(given) ? [] : ['Host: localhost']),
      ...(length > 0 && !/^(content-length|transfer-encoding):/m.test(given) ? [`Content-Length: ${length}`] : []),
      'Connection: close',
    ];
    return this.send(`${line} HTTP/1.1\r\n${[...own, ...headers].join('\r\n')}\r\n\r\n`, body);
  }

  /** A request of the signed-in admin; a body that is no text is sent as JSON. */
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Raw> {
    const all: Record<string, string> = {
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(headers ?? { authorization: `Bearer ${this.token}` }),
    };
    const isRaw = body === undefined || typeof body === 'string' || Buffer.isBuffer(body);
    return this.request(
      `${method} /api/v1${path}`,
      Object.entries(all).map(([name, value]) => `${name}: ${value}`),
      isRaw ? (body ?? '') : JSON.stringify(body),
    );
  }
}

export function parseAnswer(bytes: Buffer): Raw {
  const [head, ...rest] = bytes.toString('latin1').split('\r\n\r\n');
  const [line, ...fields] = head.split('\r\n');
  const headers = Object.fromEntries(
    fields.map((field) => [
      field.slice(0, field.indexOf(':')).toLowerCase(),
      field.slice(field.indexOf(':') + 1).trim(),
    ]),
  );
  const body = rest.join('\r\n\r\n');
  let json: Raw['json'] = {};
  try {
    json = (JSON.parse(Buffer.from(body, 'latin1').toString()) as Raw['json'] | null) ?? {};
  } catch {
    // chunked, empty, or no JSON: the test looks at what it needs
  }
  return { status: Number(line.split(' ')[1] ?? 0), headers, body, json };
}

/** Asserts that an answer is a whole problem with that status and code. */
export function expectProblem(answer: Raw, status: number, code: string): void {
  expect([answer.status, answer.json.code]).toEqual([status, code]);
  expect(answer.headers['content-type']).toContain('application/problem+json');
  expect(answer.json).toMatchObject({
    type: `urn:muster:problem:${code}`,
    title: expect.any(String) as unknown,
    status,
    detail: expect.any(String) as unknown,
    requestId: answer.headers['x-request-id'],
  });
  expect(answer.headers['x-content-type-options']).toBe('nosniff');
  expect(answer.headers['cache-control']).toBe('no-store');
}
