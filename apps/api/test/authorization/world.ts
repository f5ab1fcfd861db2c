import { createHash, createHmac, randomBytes } from 'node:crypto';
import { NestFactory } from '@nestjs/core';
import { NestFastifyApplication } from '@nestjs/platform-fastify';
import { SwaggerModule } from '@nestjs/swagger';
import type { RouteOptions } from 'fastify';
import type { Permission, Role } from '@muster/core/permissions';
import type { ApiKey, RefreshToken, Session, Team, User } from '@muster/features/auth/auth.entity';
import { readConfig } from '@muster/platform/config/config';
import { Database } from '@muster/platform/database/database';
import { Transactions } from '@muster/platform/database/transactions';
import { API_PREFIX, httpAdapter, prepareHttp } from '@muster/platform/http/server';
import { startLogging } from '@muster/platform/observability/logger';
import { LocalFiles } from '@muster/platform/storage/local-files';
import { Storage, STORAGE } from '@muster/platform/storage/storage';
import { lendEnvironment } from '@muster/testing/profile';
import { tables } from '../../../shared/platform.module';
import { AppModule } from '../../src/app.module';
import { createDocument } from '../../src/openapi.document';
import type { Person } from './oracle';

/** What a call was answered; `text` is the body as it was sent. */
export interface Answer {
  status: number;
  headers: Record<string, string>;
  text: string;
}

/** What a call sends: JSON, or a form with one file. */
export type Payload = { json: unknown } | { form: Record<string, string>; file: string } | null;

/** Rows of one INSERT. */
const ROWS_AT_ONCE = 200;
/** Times of use, which reading may move. */
const USES = ['last_used_at'];
const DAY = 24 * 3_600_000;
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

/**
 * The API in this process, on a store of the tested profile that is its own: without workers, so that nothing happens but what
 * a test calls for.
 */
export class World {
  private serial = 0;
  private readonly start = Date.now();

  private constructor(
    private readonly app: NestFastifyApplication,
    /** Every `METHOD path` of the router; the prefix of the API is left out. */
    readonly routes: string[],
    private readonly url: string,
    private readonly secret: string,
    private readonly giveBack: () => Promise<void>,
  ) {}

  static async open(): Promise<World> {
    const lent = await lendEnvironment();
    try {
      const secret = randomBytes(48).toString('base64');
      startLogging('error', 'test');
      const read = readConfig({ ...lent.value, JWT_SECRETS: secret, RATE_LIMITS: 'off' });
      const config = { ...read, process: 'api' as const };
      const app = await NestFactory.create<NestFastifyApplication>(AppModule.with(config), httpAdapter(config), {
        logger: false,
        abortOnError: false,
      });
      const routes = new Set<string>();
      app
        .getHttpAdapter()
        .getInstance()
        .addHook('onRoute', (route) => methodsOf(route).forEach((method) => routes.add(nameOf(method, route.url))));
      await prepareHttp(app, config);
      SwaggerModule.setup('api/docs', app, () => createDocument(app), { jsonDocumentUrl: 'api/openapi.json' });
      await app.listen(0, '127.0.0.1');
      return new World(app, [...routes], await app.getUrl(), secret, lent.remove);
    } catch (error) {
      await lent.remove();
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.app.close();
    await this.giveBack();
  }

  /** A number that no other call gives. */
  next(): number {
    return ++this.serial;
  }

  /** An id for a row that a test makes. They fall, and the store's own rise from the first of them: the two never meet. */
  id(): number {
    return 9_000_000 - this.next();
  }

  /** A time that has passed; each call gives a later one. */
  time(): Date {
    return new Date(this.start - DAY + this.next());
  }

  /** @param path as clients call it, without the prefix of the API */
  async call(method: string, path: string, token: string | null, payload: Payload = null): Promise<Answer> {
    const response = await fetch(this.url + (/^\/(health|metrics|api\/)/.test(path) ? path : `/${API_PREFIX}${path}`), {
      method,
      redirect: 'manual',
      headers: { ...(token ? { authorization: `Bearer ${token}` } : {}), ...headersOf(payload) },
      body: bodyOf(payload),
    });
    return { status: response.status, headers: Object.fromEntries(response.headers), text: await response.text() };
  }

  get database(): Database {
    return this.app.get(Database);
  }

  get transactions(): Transactions {
    return this.app.get(Transactions);
  }

  async insert<T extends object>(table: string, rows: T[]): Promise<void> {
    await this.transactions.run(async (tx) => {
      for (let start = 0; start < rows.length; start += ROWS_AT_ONCE) {
        await tx.manager.getRepository<T>(table).insert(rows.slice(start, start + ROWS_AT_ONCE));
      }
    });
  }

  async remove(table: string, ids: number[]): Promise<void> {
    await this.transactions.run(async (tx) => {
      for (let start = 0; start < ids.length; start += ROWS_AT_ONCE) {
        const some = ids.slice(start, start + ROWS_AT_ONCE);
        await tx.query(`DELETE FROM ${table} WHERE id IN (${some.map(() => '?').join(', ')})`, some);
      }
    });
  }

  query<T>(sql: string, params: unknown[] = []): Promise<T[]> {
    return this.database.query<T>(sql, params);
  }

  async addTeam(name: string): Promise<number> {
    const id = this.id();
    const team: Team = { id, name, isDefault: false, createdAt: this.time(), updatedAt: this.time(), version: 1 };
    await this.insert('teams', [team]);
    return id;
  }

  async addPerson(role: Role, teamId: number, values: Partial<User> = {}): Promise<Person> {
    const id = this.id();
    const email = `person${id}@example.com`;
    const user: User = {
      ...{
        id,
        name: `Person ${id}`,
        email,
        emailKey: email,
        passwordHash: '-',
        role,
        teamId,
        phone: null,
        active: true,
      },
      ...{ createdAt: this.time(), updatedAt: this.time(), deletedAt: null, version: 1 },
      ...values,
    };
    await this.insert('users', [user]);
    return { id, role: user.role, teamId: user.teamId };
  }

  /** A session, and an access token of it. @param expired whether the token is; the session never is */
  async signIn(userId: number, values: Partial<Session> = {}, expired = false): Promise<{ id: number; token: string }> {
    const id = this.id();
    const now = new Date();
    const session: Session = {
      ...{ id, userId, device: null, createdAt: now, lastUsedAt: now },
      ...{ expiresAt: new Date(now.getTime() + DAY), revokedAt: null },
      ...values,
    };
    await this.insert('sessions', [session]);
    return { id, token: this.accessToken(userId, id, expired) };
  }

  private accessToken(userId: number, sessionId: number, expired: boolean): string {
    const iat = Math.floor(Date.now() / 1000) - (expired ? 3600 : 0);
    const claims = { sub: String(userId), sid: sessionId, iss: 'muster', aud: 'muster-api', iat, exp: iat + 900 };
    const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const text = `${encode({ alg: 'HS256', typ: 'at+jwt' })}.${encode(claims)}`;
    return `${text}.${createHmac('sha256', this.secret).update(text).digest('base64url')}`;
  }

  async addRefreshToken(userId: number): Promise<string> {
    const { id: sessionId } = await this.signIn(userId);
    const token = randomBytes(32).toString('base64url');
    const expiresAt = new Date(Date.now() + DAY);
    await this.insert<RefreshToken>('refresh_tokens', [
      { tokenHash: sha256(token), sessionId, expiresAt, rotatedAt: null },
    ]);
    return token;
  }

  /** @returns the key's id, and its text */
  async addKey(
    userId: number,
    permissions: Permission[],
    revokedAt: Date | null = null,
  ): Promise<{ id: number; token: string }> {
    const id = this.id();
    const token = `muster_${randomBytes(32).toString('base64url')}`;
    const key: ApiKey = {
      ...{ id, userId, name: `Key ${id}`, prefix: token.slice(0, 15), keyHash: sha256(token), permissions },
      ...{ createdAt: this.time(), expiresAt: null, lastUsedAt: null, revokedAt, version: 1 },
    };
    await this.insert('api_keys', [key]);
    return { id, token };
  }

  /** Puts a text into the file store by way of a local file. @returns its key */
  async store(key: string, make: (path: string) => Promise<void>): Promise<string> {
    const path = await this.app.get(LocalFiles).temporaryPath('.parquet');
    await make(path);
    await this.app.get<Storage>(STORAGE).moveIn(key, path);
    return key;
  }

  /** Every row of every table, but for the times of last use. */
  async dump(): Promise<Record<string, string[]>> {
    const all: Record<string, string[]> = {};
    for (const { name } of tables) {
      const rows = await this.query<Record<string, unknown>>(`SELECT * FROM ${name}`);
      const kept = (row: Record<string, unknown>) => Object.entries(row).filter(([column]) => !USES.includes(column));
      all[name] = rows.map((row) => JSON.stringify(kept(row))).toSorted();
    }
    return all;
  }
}

const methodsOf = ({ method }: RouteOptions): string[] =>
  [method].flat().filter((each) => each !== 'HEAD' && each !== 'OPTIONS');

const nameOf = (method: string, url: string) =>
  `${method} ${url.startsWith(`/${API_PREFIX}/`) ? url.slice(API_PREFIX.length + 1) : url}`;

const BOUNDARY = 'the-end-of-this-part';

function headersOf(payload: Payload): Record<string, string> {
  if (payload === null) return {};
  return { 'content-type': 'json' in payload ? 'application/json' : `multipart/form-data; boundary=${BOUNDARY}` };
}

function bodyOf(payload: Payload): string | undefined {
  if (payload === null) return undefined;
  if ('json' in payload) return JSON.stringify(payload.json);
  const fields = Object.entries(payload.form).map(([name, value]) => part(`name="${name}"`, value));
  return [...fields, part('name="file"; filename="people.csv"', payload.file), `--${BOUNDARY}--\r\n`].join('');
}

const part = (disposition: string, value: string) =>
  `--${BOUNDARY}\r\nContent-Disposition: form-data; ${disposition}\r\n\r\n${value}\r\n`;
