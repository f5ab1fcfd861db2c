import { isIP } from 'node:net';
import { resolve } from 'node:path';
import { z } from 'zod';
import { ArmedFailPoint, FAIL_POINTS, FailPoint } from '../observability/fail-points';

const size = (fallback: number, max = Number.MAX_SAFE_INTEGER) =>
  z.coerce.number().int().min(1).max(max).default(fallback);
const list = z
  .string()
  .default('')
  .transform((text) =>
    text
      .split(',')
      .map((part) => part.trim())
      .filter(Boolean),
  );

/** A list of which each part must be right; each wrong one is an error of its own. */
const listOf = (isRight: (part: string) => boolean, shouldBe: string) =>
  list.superRefine((parts, context) => {
    for (const part of parts.filter((each) => !isRight(each))) {
      context.addIssue({ code: 'custom', message: `"${part}" is not ${shouldBe}` });
    }
  });

const isOrigin = (text: string) => /^https?:[^*]+$/.test(text) && URL.canParse(text) && new URL(text).origin === text;

/** Names of networks that Fastify knows. */
const NETWORKS = ['loopback', 'linklocal', 'uniquelocal'];

function isProxy(text: string): boolean {
  if (NETWORKS.includes(text)) return true;
  const [address, bits, ...more] = text.split('/');
  const version = isIP(address);
  if (version === 0 || address.includes('%') || more.length > 0) return false;
  // A network of 0 bits is everybody, and everybody could then give any address as theirs.
  return bits === undefined || (/^[1-9]\d{0,2}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128));
}

const urlOf = (...protocols: string[]) =>
  z.string().refine((text) => URL.canParse(text) && protocols.includes(new URL(text).protocol), {
    error: `must be a URL that starts with ${protocols.map((protocol) => `${protocol}//`).join(' or ')}`,
  });

const FAIL_POINT = /^([a-z.-]+)(?::([1-9]\d{0,5}))?(?::(stop))?$/;

function failPointOf(text: string): ArmedFailPoint | null {
  const [, point, nth = '1', action = 'kill'] = FAIL_POINT.exec(text) ?? [];
  if (!FAIL_POINTS.includes(point as FailPoint)) return null;
  return { point: point as FailPoint, nth: Number(nth), action: action as ArmedFailPoint['action'] };
}

const MiB = 1024 * 1024;

const schema = z.object({
  NODE_ENV: z.enum(['production', 'development', 'test']).default('production'),
  PROCESS: z.enum(['all', 'api', 'worker']).default('all'),
  PORT: z.coerce.number().int().min(0).max(65535).optional(),
  HOST: z.string().default('127.0.0.1'),
  PUBLIC_URL: urlOf('http:', 'https:').optional(),
  DATA_DIR: z
    .string()
    .default('./.data')
    .transform((path) => resolve(path)),
  DATABASE_URL: urlOf('mysql:', 'mariadb:', 'sqlite:').optional(),
  BROKER_URL: urlOf('amqp:', 'amqps:').optional(),
  BROKER_PREFIX: z
    .string()
    .regex(/^[a-z0-9.-]{1,40}$/, 'may hold a-z, 0-9, "." and "-" only')
    .default('muster'),
  STORAGE_URL: urlOf('s3:', 'file:').optional(),
  REDIS_URL: urlOf('redis:', 'rediss:').optional(),
  ADMIN_EMAIL: z.email().optional(),
  ADMIN_PASSWORD: z.string().min(10, 'must have at least 10 characters').optional(),
  JWT_SECRETS: list,
  AUTH_REGISTRATION: z.enum(['open', 'closed']).default('open'),
  RATE_LIMITS: z.enum(['on', 'off']).default('on'),
  DEFAULT_REGION: z
    .string()
    .regex(/^[A-Z]{2}$/, 'must be an ISO country code such as US')
    .default('US'),
  TRUSTED_PROXIES: listOf(isProxy, `an address, a network such as 10.0.0.0/8, or one of ${NETWORKS.join(', ')}`),
  CORS_ORIGINS: listOf(isOrigin, 'an origin such as https://console.example.com; there are no wildcards'),
  IMPORT_MAX_DIRECT_BYTES: size(10 * MiB),
  IMPORT_MAX_BYTES: size(5 * 1024 * MiB),
  IMPORT_MULTIPART_BYTES: size(64 * MiB, 5 * 1024 * MiB),
  IMPORT_PART_BYTES: z.coerce
    .number()
    .int()
    .min(5 * MiB, 'must be 5 MiB (5242880) or more, which is what S3 stores take')
    .max(1024 * MiB)
    .default(16 * MiB),
  IMPORT_FILES_RETENTION_DAYS: z.coerce.number().int().min(0).max(36_500).default(90),
  IMPORT_MAX_ROWS: size(5_000_000, 5_000_000),
  IMPORT_BATCH_ROWS: size(20_000, 50_000),
  IMPORT_EVENTS_PER_SECOND: size(500, 10_000),
  WORKER_CONCURRENCY: size(2, 16),
  FAIL_POINTS: listOf(
    (text) => failPointOf(text) !== null,
    'a fail point such as chunk.claimed, chunk.claimed:3 or chunk.claimed:3:stop',
  ),
  LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
});

type Environment = z.infer<typeof schema>;

/** The whole configuration, read once at boot. Nothing else reads the environment. */
export interface Config {
  nodeEnv: Environment['NODE_ENV'];
  process: Environment['PROCESS'];
  host: string;
  port: number;
  publicUrl: string | null;
  dataDir: string;
  /** A `mysql://` URL, or the path of the SQLite file. */
  database: { kind: 'mysql'; url: string } | { kind: 'sqlite'; path: string };
  broker: { kind: 'amqp'; url: string; prefix: string } | { kind: 'in-process' };
  storage:
    | { kind: 's3'; bucket: string; region: string; endpoint: string | null; pathStyle: boolean }
    | { kind: 'directory'; path: string };
  /** True when neither a database server nor a broker is configured: one process owns everything. */
  embedded: boolean;
  admin: { email: string | null; password: string | null };
  auth: { jwtSecrets: string[]; registration: 'open' | 'closed' };
  /** Whether callers are held to rates; `off` is for load tests. */
  rateLimits: boolean;
  /** Keeps the rates for all processes together; null: each process counts for itself. */
  redisUrl: string | null;
  defaultRegion: string;
  trustedProxies: string[];
  corsOrigins: string[];
  imports: {
    maxDirectBytes: number;
    maxBytes: number;
    /** A file of more bytes comes in parts of `partBytes`. */
    multipartBytes: number;
    partBytes: number;
    /** Days for which the files of an ended import are kept; 0: for ever. */
    filesRetentionDays: number;
    maxRows: number;
    batchRows: number;
    eventsPerSecond: number;
  };
  workerConcurrency: number;
  /** Where this process ends or freezes itself, for tests of crashes; empty outside them. */
  failPoints: ArmedFailPoint[];
  logLevel: Environment['LOG_LEVEL'];
}

/** Thrown with one line for each malformed variable. */
export class ConfigError extends Error {
  constructor(readonly lines: string[]) {
    super(`The configuration is not usable:\n${lines.map((line) => `  ${line}`).join('\n')}`);
    this.name = 'ConfigError';
  }
}

/** The configuration of this process: its environment, and what its entry point fixes. @throws ConfigError */
export const loadConfig = (overrides: Record<string, string> = {}): Config =>
  readConfig({ ...process.env, ...overrides });

/** Names that nothing but Muster uses: one of these that is unknown is a mistake. */
const OWN_NAMES = /^(IMPORT_|FAIL_POINT|RATE_LIMIT|CORS_|TRUSTED_PROX)/;

/** Reads and checks the configuration. Empty variables count as unset. @throws ConfigError */
export function readConfig(env: NodeJS.ProcessEnv): Config {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== ''));
  const issues = schema.safeParse(given).error?.issues ?? [];
  const lines = issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
  for (const name of Object.keys(given)) {
    if (OWN_NAMES.test(name) && !(name in schema.shape)) lines.push(`${name}: there is no such setting`);
  }
  // What is malformed is left aside, so that the rest is checked in the same go.
  const malformed = new Set(issues.map(({ path }) => String(path[0])));
  const e = schema.parse(Object.fromEntries(Object.entries(given).filter(([name]) => !malformed.has(name))));
  const check = (names: string[], problems: () => string[]) => {
    if (!names.some((name) => malformed.has(name))) lines.push(...problems());
  };
  const storage = storageOf(e, lines);
  const embedded = !given.DATABASE_URL?.startsWith('m') && !given.BROKER_URL;
  check(['PROCESS', 'DATABASE_URL', 'BROKER_URL'], () => profileProblems(e));
  check(['DATABASE_URL', 'BROKER_URL'], () => secretProblems(e.JWT_SECRETS, embedded));
  check(['DATABASE_URL', 'BROKER_URL'], () => (embedded ? [] : passwordProblems(e)));
  if (e.FAIL_POINTS.length > 0 && e.NODE_ENV !== 'test') lines.push('FAIL_POINTS: only for tests; needs NODE_ENV=test');
  check(['REDIS_URL'], () => redisProblems(e.REDIS_URL));
  if (lines.length > 0) throw new ConfigError(lines);
  return {
    nodeEnv: e.NODE_ENV,
    process: e.PROCESS,
    host: e.HOST,
    port: e.PORT ?? (e.PROCESS === 'worker' ? 3001 : 3000),
    publicUrl: e.PUBLIC_URL?.replace(/\/$/, '') ?? null,
    dataDir: e.DATA_DIR,
    database: databaseOf(e),
    broker: e.BROKER_URL ? { kind: 'amqp', url: e.BROKER_URL, prefix: e.BROKER_PREFIX } : { kind: 'in-process' },
    storage,
    embedded,
    admin: { email: e.ADMIN_EMAIL ?? null, password: e.ADMIN_PASSWORD ?? null },
    auth: { jwtSecrets: e.JWT_SECRETS, registration: e.AUTH_REGISTRATION },
    rateLimits: e.RATE_LIMITS === 'on',
    redisUrl: e.REDIS_URL ?? null,
    defaultRegion: e.DEFAULT_REGION,
    trustedProxies: e.TRUSTED_PROXIES,
    corsOrigins: e.CORS_ORIGINS,
    imports: {
      maxDirectBytes: e.IMPORT_MAX_DIRECT_BYTES,
      maxBytes: e.IMPORT_MAX_BYTES,
      multipartBytes: e.IMPORT_MULTIPART_BYTES,
      partBytes: e.IMPORT_PART_BYTES,
      filesRetentionDays: e.IMPORT_FILES_RETENTION_DAYS,
      maxRows: e.IMPORT_MAX_ROWS,
      batchRows: e.IMPORT_BATCH_ROWS,
      eventsPerSecond: e.IMPORT_EVENTS_PER_SECOND,
    },
    workerConcurrency: e.WORKER_CONCURRENCY,
    failPoints: e.FAIL_POINTS.flatMap((text) => failPointOf(text) ?? []),
    logLevel: e.LOG_LEVEL,
  };
}

function databaseOf(e: Environment): Config['database'] {
  if (!e.DATABASE_URL) return { kind: 'sqlite', path: resolve(e.DATA_DIR, 'muster.sqlite') };
  if (e.DATABASE_URL.startsWith('sqlite:')) {
    return { kind: 'sqlite', path: resolve(e.DATABASE_URL.replace(/^sqlite:(\/\/)?/, '')) };
  }
  return { kind: 'mysql', url: e.DATABASE_URL };
}

function storageOf(e: Environment, lines: string[]): Config['storage'] {
  if (!e.STORAGE_URL) return { kind: 'directory', path: resolve(e.DATA_DIR, 'files') };
  const url = new URL(e.STORAGE_URL);
  if (url.protocol === 'file:') return { kind: 'directory', path: resolve(decodeURIComponent(url.pathname)) };
  const { region = 'us-east-1', endpoint, pathStyle, ...unknown } = Object.fromEntries(url.searchParams);
  if (!url.hostname) lines.push('STORAGE_URL: names no bucket (s3://bucket?region=…)');
  for (const name of Object.keys(unknown)) lines.push(`STORAGE_URL: unknown parameter "${name}"`);
  if (endpoint && !URL.canParse(endpoint)) lines.push('STORAGE_URL: endpoint is not a URL');
  return { kind: 's3', bucket: url.hostname, region, endpoint: endpoint ?? null, pathStyle: pathStyle === 'true' };
}

function profileProblems({ PROCESS, BROKER_URL, DATABASE_URL }: Environment): string[] {
  const problems: string[] = [];
  if (PROCESS !== 'all' && !BROKER_URL) {
    problems.push(
      `PROCESS: ${PROCESS} needs DATABASE_URL and BROKER_URL; without a broker everything runs as one process`,
    );
  }
  if (BROKER_URL && !DATABASE_URL?.startsWith('m')) problems.push('BROKER_URL: needs DATABASE_URL=mysql://…');
  return problems;
}

function redisProblems(text: string | undefined): string[] {
  if (!text) return [];
  const url = new URL(text);
  const unknown = [...url.searchParams.keys()].filter((name) => name !== 'keyPrefix');
  return [
    ...(url.hostname ? [] : ['REDIS_URL: names no host']),
    ...(/^\/?\d*$/.test(url.pathname) ? [] : ['REDIS_URL: the path is the number of a database, or nothing']),
    ...unknown.map((name) => `REDIS_URL: unknown parameter "${name}"`),
  ];
}

/** Outside the embedded profile secrets are given and strong; the embedded profile generates and keeps its own. */
function secretProblems(secrets: string[], embedded: boolean): string[] {
  if (secrets.length === 0) {
    return embedded
      ? []
      : [
          'JWT_SECRETS: must be set with the services profile (32 characters or more, e.g. from `openssl rand -base64 48`)',
        ];
  }
  const weak = secrets.some(
    (secret) => secret.length < 32 || new Set(secret).size < 10 || /change.?me|secret|password/i.test(secret),
  );
  return [
    ...(weak ? ['JWT_SECRETS: each must have 32 random characters or more, and not be a default'] : []),
    ...(new Set(secrets).size < secrets.length ? ['JWT_SECRETS: the same secret is given twice'] : []),
  ];
}

/** How passwords begin that stand in examples and in lists of what is tried first; digits may stand for letters. */
const DEFAULT_PASSWORD =
  /^(password|passwort|changeme|change.me|admin|administrator|default|letmein|welcome|secret|qwerty|muster|12345|root)/;
const FEWEST_CHARACTERS = 5;

function passwordProblems({ ADMIN_EMAIL, ADMIN_PASSWORD }: Environment): string[] {
  if (!ADMIN_PASSWORD) return [];
  const password = ADMIN_PASSWORD.toLowerCase();
  const email = ADMIN_EMAIL?.toLowerCase();
  const plain = password.replace(/[@4013$5]/g, (sign) => ({ '@': 'a', 4: 'a', 0: 'o', 1: 'l', 3: 'e' })[sign] ?? 's');
  const isDefault = DEFAULT_PASSWORD.test(password) || DEFAULT_PASSWORD.test(plain);
  if (isDefault || password === email || new Set(password).size < FEWEST_CHARACTERS) {
    return ['ADMIN_PASSWORD: must not be a default, the e-mail address, or a few characters repeated'];
  }
  return [];
}
