import { ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { lendEnvironment, testProfile } from './profile';

const ROOT = join(__dirname, '../../..');
const START_TIMEOUT = 60_000;

/** What an HTTP call answered; `body` is parsed where it is JSON. */
export interface Answer<T = any> {
  status: number;
  headers: Headers;
  body: T;
}

/** A running process of the built program. */
export class Process {
  private output = '';
  private readonly child: ChildProcess;

  constructor(script: string, env: Record<string, string>) {
    this.child = spawn(process.execPath, [join(ROOT, 'dist', script)], {
      cwd: ROOT,
      env: {
        PATH: process.env.PATH,
        AWS_ACCESS_KEY_ID: process.env.AWS_ACCESS_KEY_ID,
        AWS_SECRET_ACCESS_KEY: process.env.AWS_SECRET_ACCESS_KEY,
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child.stdout!.on('data', (chunk: Buffer) => this.read(chunk));
    this.child.stderr!.on('data', (chunk: Buffer) => this.read(chunk));
  }

  private waiting: (() => void)[] = [];

  private read(chunk: Buffer): void {
    this.output += chunk.toString();
    this.waiting.forEach((look) => look());
  }

  /** Everything it has said so far, on both streams. */
  get said(): string {
    return this.output;
  }

  get pid(): number {
    return this.child.pid!;
  }

  /** Waits until it has said something. @throws when it ends first, or takes too long */
  async says(pattern: RegExp): Promise<RegExpMatchArray> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => done(new Error(`did not say ${pattern} in time`)), START_TIMEOUT);
      const done = (error: Error | null, match?: RegExpMatchArray) => {
        clearTimeout(timer);
        this.waiting = this.waiting.filter((other) => other !== look);
        this.child.off('exit', onExit);
        if (match) resolve(match);
        else reject(new Error(`${error?.message}:\n${this.output}`));
      };
      const look = () => {
        const match = this.output.match(pattern);
        if (match) done(null, match);
      };
      const onExit = () => done(new Error('ended'));
      this.waiting.push(look);
      this.child.once('exit', onExit);
      look();
    });
  }

  /** Waits for its end; resolves with its exit code, or the signal that ended it. */
  async exited(): Promise<number | string> {
    const { exitCode, signalCode } = this.child;
    if (exitCode !== null || signalCode !== null) return exitCode ?? signalCode!;
    const [code, signal] = (await once(this.child, 'exit')) as [number | null, string | null];
    return code ?? signal!;
  }

  /** Ends it, and waits for its end. */
  end(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | string> {
    const exited = this.exited();
    this.child.kill(signal);
    return exited;
  }
}

export const ADMIN = { email: 'admin@example.com', password: 'correct horse battery' };

/** The whole program of the tested profile: one process when embedded; api and worker with services. */
export class Server {
  api!: Process;
  workers: Process[] = [];
  url!: string;
  adminToken!: string;

  private constructor(
    readonly env: Record<string, string>,
    private readonly remove: () => Promise<void>,
  ) {}

  static async start(overrides: Record<string, string> = {}): Promise<Server> {
    const lent = await lendEnvironment();
    const server = new Server(
      {
        ...lent.value,
        PORT: '0',
        ADMIN_EMAIL: ADMIN.email,
        ADMIN_PASSWORD: ADMIN.password,
        RATE_LIMITS: 'off',
        ...overrides,
      },
      lent.remove,
    );
    try {
      await server.startProcesses();
      return server;
    } catch (error) {
      await server.stop();
      throw error;
    }
  }

  /** Starts what is not running; the store and files are those of before. */
  async startProcesses(): Promise<void> {
    const embedded = testProfile() === 'embedded';
    this.api = new Process('apps/api/src/main.js', { ...this.env, PROCESS: embedded ? 'all' : 'api' });
    this.url = (await this.api.says(/listens on (http:\/\/\S+)/))[1]!;
    if (!embedded) await this.addWorker();
    this.adminToken = await this.login(ADMIN.email, ADMIN.password);
  }

  /** One more worker process (with services only). */
  async addWorker(): Promise<Process> {
    const worker = new Process('apps/worker/src/main.js', this.env);
    this.workers.push(worker);
    await worker.says(/Muster worker/);
    return worker;
  }

  async login(email: string, password: string): Promise<string> {
    const { status, body } = await this.request('POST', '/auth/login', { email, password });
    if (status !== 200) throw new Error(`login: ${status} ${JSON.stringify(body)}`);
    return body.accessToken as string;
  }

  /** Calls the API (`/api/v1` is added). @param token null for an anonymous call; the admin's by default */
  async request(
    method: string,
    path: string,
    body?: unknown,
    token: string | null = this.adminToken ?? null,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const isForm = body instanceof FormData;
    const response = await fetch(
      path.startsWith('/health') || path.startsWith('/api/') || path === '/metrics'
        ? this.url + path
        : `${this.url}/api/v1${path}`,
      {
        method,
        redirect: 'manual',
        headers: {
          ...(token ? { authorization: `Bearer ${token}` } : {}),
          ...(body === undefined || isForm ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        body: body === undefined ? undefined : isForm || typeof body === 'string' ? body : JSON.stringify(body),
      },
    );
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.includes('json');
    return { status: response.status, headers: response.headers, body: isJson && text ? JSON.parse(text) : text };
  }

  /** Uploads a file for import. */
  async upload(
    content: string | Uint8Array,
    fields: Record<string, string> = { target: 'leads' },
    fileName = 'file.csv',
  ): Promise<Answer> {
    const form = new FormData();
    for (const [name, value] of Object.entries(fields)) form.set(name, value);
    form.set('file', new Blob([content]), fileName);
    return this.request('POST', '/imports', form);
  }

  /** Uploads a file and waits until its import rests. @returns what `GET /imports/:id` answers then */
  async import(content: string | Uint8Array, fields: Record<string, string> = { target: 'leads' }): Promise<any> {
    const { status, body } = await this.upload(content, fields);
    if (status !== 202) throw new Error(`upload: ${status} ${JSON.stringify(body)}`);
    return this.settled(body.id as number);
  }

  /** Polls until the import is neither being analyzed nor imported. */
  async settled(id: number, timeout = 120_000): Promise<any> {
    const deadline = Date.now() + timeout;
    for (;;) {
      const { body } = await this.request('GET', `/imports/${id}`);
      if (body.status !== 'analyzing' && body.status !== 'importing') return body;
      if (Date.now() > deadline)
        throw new Error(`import ${id} does not rest: ${JSON.stringify(body)}\n${this.api.said}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async stop(): Promise<void> {
    await Promise.all([this.api?.end(), ...this.workers.map((worker) => worker.end())]);
    await this.remove();
  }
}
