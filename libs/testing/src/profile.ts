import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createConnection } from 'mysql2/promise';

export type Profile = 'embedded' | 'services';

/** The profile that this run tests; set by the test runner. */
export function testProfile(): Profile {
  const profile = process.env.MUSTER_TEST_PROFILE ?? 'embedded';
  if (profile !== 'embedded' && profile !== 'services')
    throw new Error(`MUSTER_TEST_PROFILE=${profile} is no profile.`);
  return profile;
}

/** Something of its own for one test file, and how to take it away again. */
export interface Lent<T> {
  value: T;
  remove: () => Promise<void>;
}

export function lendDirectory(): Lent<string> {
  const path = mkdtempSync(join(tmpdir(), 'muster-test-'));
  return { value: path, remove: async () => rmSync(path, { recursive: true, force: true }) };
}

function required(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: run the services profile by \`npm run test:services\`.`);
  return value;
}

/** A new, empty database on the tested server. */
export async function lendServerDatabase(): Promise<Lent<string>> {
  const url = new URL(required('MUSTER_TEST_DATABASE_URL'));
  // Begins with the run's own name, where the runner gives one: it drops what an interrupted test leaves behind.
  const name = `${url.pathname.slice(1) || 'muster_test'}_${randomBytes(6).toString('hex')}`;
  const server = new URL(url);
  server.pathname = '/';
  const run = async (sql: string) => {
    const connection = await createConnection(server.href);
    await connection.query(sql);
    await connection.end();
  };
  await run(`CREATE DATABASE ${name}`);
  url.pathname = `/${name}`;
  return { value: url.href, remove: () => run(`DROP DATABASE ${name}`) };
}

/** The environment of the tested profile: its own store, queues and files. */
export async function lendEnvironment(): Promise<Lent<Record<string, string>>> {
  const directory = lendDirectory();
  const common = { NODE_ENV: 'test', DATA_DIR: directory.value, LOG_LEVEL: 'warn' };
  if (testProfile() === 'embedded') return { value: common, remove: directory.remove };
  const database = await lendServerDatabase();
  return {
    value: {
      ...common,
      DATABASE_URL: database.value,
      BROKER_URL: required('MUSTER_TEST_BROKER_URL'),
      BROKER_PREFIX: `${process.env.MUSTER_TEST_BROKER_PREFIX ?? 't'}.${randomBytes(6).toString('hex')}`
        .replaceAll('_', '-')
        .slice(-40),
      STORAGE_URL: required('MUSTER_TEST_STORAGE_URL'),
      JWT_SECRETS: randomBytes(48).toString('base64'),
    },
    remove: async () => {
      await database.remove();
      await directory.remove();
    },
  };
}
