import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openAsBlob, openSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { PROGRAM_ENV, PROGRAM_FLAGS } from '../lib/install.mjs';
import { Failure, root } from '../lib/project.mjs';
import { tail, which } from '../lib/run.mjs';
import { ADMIN } from './place.mjs';

const START_TIMEOUT = 90_000;
const STOP_TIMEOUT = 60_000;
/** A token is taken anew before its 15 minutes are over. */
const TOKEN_AGE = 10 * 60_000;
const MAIN = { api: 'dist/apps/api/src/main.js', worker: 'dist/apps/worker/src/main.js' };

const running = new Set();

/** Kills every process of the program that this script has started. */
export function killProcesses() {
  for (const child of running) child.kill('SIGKILL');
}
process.on('exit', killProcesses);

/** A process of Node.js that ends with this script. */
export class Script {
  /**
   * @param {string[]} args of Node.js @param {Record<string, string>} env its whole environment
   * @param {string} [log] a file for its standard error, which is else part of `output`
   */
  constructor(args, env, log) {
    this.output = '';
    this.startedAt = performance.now();
    const command = [process.execPath, ...args];
    // On Linux it ends with this script, however that ends.
    const withParent = which('setpriv') ? ['setpriv', '--pdeathsig', 'KILL', ...command] : command;
    const errors = log ? openSync(log, 'a') : 'pipe';
    this.child = spawn(withParent[0], withParent.slice(1), { env, stdio: ['ignore', 'pipe', errors] });
    if (log) closeSync(errors);
    running.add(this.child);
    this.ended = once(this.child, 'exit').then(([code, signal]) => {
      running.delete(this.child);
      return signal ?? code;
    });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.on('data', (chunk) => (this.output = (this.output + chunk).slice(-100_000)));
    }
  }

  get pid() {
    return this.child.pid;
  }

  get alive() {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Waits until its output matches. @throws {Failure} when it ends first, or does not in time */
  async says(pattern) {
    const deadline = Date.now() + START_TIMEOUT;
    for (;;) {
      const match = pattern.exec(this.output);
      if (match) return match;
      if (!this.alive) throw new Failure(`the program ended at its start:\n${tail(this.output, 30)}`);
      if (Date.now() > deadline) throw new Failure(`the program does not start:\n${tail(this.output, 30)}`);
      await pause(10);
    }
  }

  /** @throws {Failure} when it has ended by itself */
  expectAlive() {
    if (!this.alive) throw new Failure(`a process of the program ended by itself:\n${tail(this.output, 30)}`);
  }

  /** `kill -9`. */
  async kill() {
    this.child.kill('SIGKILL');
    return this.ended;
  }

  /** Asks it to end, and waits. */
  async stop() {
    if (!this.alive) return;
    this.child.kill('SIGTERM');
    const ended = await Promise.race([this.ended, pause(STOP_TIMEOUT, 'late', { ref: false })]);
    if (ended === 'late') await this.kill();
  }

  /** The most memory it has had resident so far, in bytes; null where the system does not tell. */
  get peakMemory() {
    try {
      const [, kilobytes] = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'));
      return Number(kilobytes) * 1024;
    } catch {
      return null;
    }
  }
}

/** One process of the built program. */
export class Process extends Script {
  /**
   * @param {'api' | 'worker'} main which program @param {Record<string, string>} env its whole environment
   * @param {string} [home] the folder that holds the dist/ to run; the repository by default
   */
  constructor(main, env, log, home = root) {
    mkdirSync(env.DATA_DIR, { recursive: true });
    super([...PROGRAM_FLAGS, join(home, MAIN[main])], { ...PROGRAM_ENV, ...env }, log);
  }
}

/** One installation of the program: a single process when embedded; an api and `workers` workers with services. */
export class Program {
  /** @param {string} [log] a file for the log of the api */
  constructor(place, workers = 1, log = undefined) {
    this.place = place;
    this.log = log;
    this.workers = Array.from({ length: place.profile === 'embedded' ? 0 : workers }, () => null);
  }

  async start() {
    this.spawnApi();
    await this.ready(); // the first start makes the store; workers come when it is there
    this.workers.forEach((_, index) => this.spawnWorker(index));
    await this.ready();
  }

  /** @param {Record<string, string>} [more] environment of this process alone */
  spawnApi(more = {}) {
    const { place } = this;
    const embedded = place.profile === 'embedded';
    const dataDir = embedded ? place.directory : join(place.directory, 'api');
    const env = { ...place.env, DATA_DIR: dataDir, PROCESS: embedded ? 'all' : 'api', ...more };
    this.api = new Process('api', env, this.log, place.home);
  }

  /** @param {Record<string, string>} [more] environment of this process alone */
  spawnWorker(index, more = {}) {
    const { place } = this;
    const dataDir = join(place.directory, `worker-${index}`);
    const env = { ...place.env, DATA_DIR: dataDir, PROCESS: 'worker', ...more };
    this.workers[index] = new Process('worker', env, undefined, place.home);
  }

  /** Waits until every process that was spawned does its work. */
  async ready() {
    [, this.url] = await this.api.says(/listens on (http:\/\/\S+)/);
    await Promise.all(this.workers.map((worker) => worker?.says(/Muster worker/)));
  }

  /** The process that imports: the first worker, or the only process. */
  get importer() {
    return this.workers[0] ?? this.api;
  }

  async stop() {
    await Promise.all([this.api, ...this.workers].map((process) => process?.stop()));
  }

  async token() {
    if (!this.signedIn || Date.now() - this.signedIn.at > TOKEN_AGE) {
      const { accessToken } = await this.call('POST', '/auth/login', JSON.stringify(ADMIN), {
        'content-type': 'application/json',
      });
      this.signedIn = { at: Date.now(), accessToken };
    }
    return this.signedIn.accessToken;
  }

  async call(method, path, body, headers = {}) {
    // Each call has a connection of its own: one that is kept may be closed by a killed or idle server.
    const request = { method, body, headers: { ...headers, connection: 'close' } };
    const response = await fetch(`${this.url}/api/v1${path}`, request).catch((error) => {
      this.api.expectAlive();
      throw new Failure(
        `${method} ${path} failed: ${error.cause?.message ?? error.message}\n${tail(this.api.output, 10)}`,
      );
    });
    const text = await response.text();
    if (!response.ok) throw new Failure(`${method} ${path} answered ${response.status}: ${text.slice(0, 500)}`);
    return text ? JSON.parse(text) : null;
  }

  async get(path) {
    return this.call('GET', path, undefined, { authorization: `Bearer ${await this.token()}` });
  }

  async post(path, body) {
    const authorization = `Bearer ${await this.token()}`;
    return this.call('POST', path, JSON.stringify(body), { authorization, 'content-type': 'application/json' });
  }

  /**
   * Uploads a lead file.
   * @param {object} options of the import @param {object} fields further fields of the form
   * @returns {Promise<number>} the import's id
   */
  async upload(file, options = {}, fields = {}) {
    const authorization = `Bearer ${await this.token()}`;
    const form = new FormData();
    form.set('target', 'leads');
    for (const [name, value] of Object.entries(fields)) form.set(name, value);
    form.set('options', JSON.stringify(options));
    form.set('file', await openAsBlob(file, { type: 'text/csv' }), basename(file));
    return (await this.call('POST', '/imports', form, { authorization })).id;
  }
}
