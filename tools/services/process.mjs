import { spawn, spawnSync } from 'node:child_process';
import { chownSync, closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isAlive, processStart } from '../lib/lock.mjs';
import { Failure } from '../lib/project.mjs';
import { tail, which } from '../lib/run.mjs';

/** How long a server has to answer after its start, and to end after it was asked to, in milliseconds. */
const START_TIMEOUT = 120_000;
const STOP_TIMEOUT = 30_000;

export const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Whether something accepts connections there. */
export function isListening(port, host = '127.0.0.1') {
  return new Promise((resolve) => {
    const socket = connect({ port, host });
    const done = (answer) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(3_000, () => done(false));
    socket.once('connect', () => done(true));
    socket.once('error', () => done(false));
  });
}

function isFree(port) {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

const given = new Set();

/**
 * Loopback ports that nothing uses, below those that systems hand out to outgoing connections, so that none is taken by one
 * before the server listens. With `offsets`, one port whose neighbours at those distances are free too.
 */
export async function freePort(offsets = [0]) {
  for (let attempt = 0; attempt < 200; attempt += 1) {
    const port = 15_000 + Math.floor(Math.random() * 7_000);
    const wanted = offsets.map((offset) => port + offset);
    if (wanted.some((each) => given.has(each))) continue;
    const free = await Promise.all(wanted.map(isFree));
    if (!free.every(Boolean)) continue;
    wanted.forEach((each) => given.add(each));
    return port;
  }
  throw new Failure('no free loopback port between 15000 and 22000');
}

/**
 * A fresh folder for one server's data, and who runs the server: not root, but `nobody`, to whom the folder then belongs.
 * Where only root may go, root does.
 * @returns {{path: string, user: {uid?: number, gid?: number}}}
 */
export function dataFolder(name) {
  const path = mkdtempSync(join(tmpdir(), `muster-${name}-`));
  const entry =
    process.getuid?.() === 0 ? /^nobody:[^:]*:(\d+):(\d+):/m.exec(readFileSync('/etc/passwd', 'utf8')) : null;
  if (!entry) return { path, user: {} };
  const user = { uid: Number(entry[1]), gid: Number(entry[2]) };
  chownSync(path, user.uid, user.gid);
  if (spawnSync('test', ['-x', path], { ...user, cwd: '/', stdio: 'ignore' }).status === 0) return { path, user };
  chownSync(path, 0, 0);
  return { path, user: {} };
}

const running = new Set();

/** Has a server stopped at the end. @param {{stop: () => Promise<void>, kill: () => void}} server */
export function own(server) {
  running.add(server);
}

/** For a server that has been stopped. */
export function disown(server) {
  running.delete(server);
}

/** True when servers are meant to outlive this process (the `up` of the command line). */
let outlive = false;

/** From now on started servers stay when this process ends. */
export function keepServers() {
  outlive = true;
}

/** On Linux a server also ends when this process is killed and can no longer stop it. */
function withParent(file, args) {
  const setpriv = outlive || process.platform !== 'linux' ? null : which('setpriv');
  return setpriv ? [setpriv, ['--pdeathsig', 'TERM', file, ...args]] : [file, args];
}

/** One server that this process started. */
export class OwnServer {
  /**
   * @param {string} name for messages
   * @param {{path: string, user: object}} folder its data; removed by `stop`
   */
  constructor(name, folder) {
    this.name = name;
    this.folder = folder;
    this.log = join(folder.path, 'server.log');
    this.processes = [];
    own(this);
  }

  /** Starts one of its processes in a group of its own. Its output goes to the log. */
  launch(file, args, env = {}) {
    this.last = [file, args, env];
    const log = openSync(this.log, 'a');
    const child = spawn(...withParent(file, args), {
      cwd: this.folder.path,
      detached: true,
      stdio: ['ignore', log, log],
      env: { PATH: process.env.PATH, LC_ALL: 'C.UTF-8', HOME: this.folder.path, TMPDIR: this.folder.path, ...env },
      ...this.folder.user,
    });
    closeSync(log);
    child.on('error', (error) => (this.failure = error.message));
    if (outlive) child.unref();
    if (child.pid) this.processes.unshift({ pid: child.pid, start: processStart(child.pid) });
  }

  isRunning() {
    return !this.failure && this.processes.every(({ pid, start }) => isAlive(pid, start));
  }

  lastLines() {
    return this.failure ?? tail(readFileSync(this.log, 'utf8'));
  }

  /** Waits until `answers` does. @throws {Failure} with the end of its log when it dies or does not get ready */
  async ready(answers) {
    this.answers = answers;
    const end = Date.now() + START_TIMEOUT;
    while (Date.now() < end) {
      if (!this.isRunning()) break;
      if (await answers()) return;
      await pause(100);
    }
    throw new Failure(`${this.name} did not get ready:\n${this.lastLines()}`);
  }

  /** Ends the process that was launched last, and keeps its data. @param {'SIGTERM' | 'SIGKILL'} how */
  async halt(how) {
    const process = this.processes.shift();
    if (how === 'SIGKILL') signal(process.pid, how);
    await stopProcesses([process]);
  }

  /** Starts again what `halt` ended, and waits until it answers. */
  async again() {
    this.launch(...this.last);
    await this.ready(this.answers);
  }

  /** Ends its processes, the latest first, and removes its data. */
  async stop() {
    await stopProcesses(this.processes);
    rmSync(this.folder.path, { recursive: true, force: true, maxRetries: 5 });
    disown(this);
  }

  kill() {
    for (const { pid, start } of this.processes) if (isAlive(pid, start)) signal(pid, 'SIGKILL');
    rmSync(this.folder.path, { recursive: true, force: true, maxRetries: 3 });
  }

  /** What another process needs to stop it: see {@link stopProcesses}. */
  describe() {
    return { name: this.name, folder: this.folder.path, processes: this.processes };
  }
}

function signal(pid, name) {
  for (const target of [-pid, pid]) {
    try {
      process.kill(target, name);
      return;
    } catch {
      // no such group, or gone
    }
  }
}

const groupLives = (pid) => {
  try {
    process.kill(-pid, 0);
    return true;
  } catch {
    return false;
  }
};

/** Ends processes that were started as groups, each only if it is still the one that was started. */
export async function stopProcesses(processes) {
  for (const { pid, start } of processes) {
    if (!isAlive(pid, start)) {
      if (groupLives(pid)) signal(pid, 'SIGKILL');
      continue;
    }
    signal(pid, 'SIGTERM');
    const end = Date.now() + STOP_TIMEOUT;
    while ((isAlive(pid, start) || groupLives(pid)) && Date.now() < end) await pause(50);
    if (groupLives(pid)) signal(pid, 'SIGKILL');
  }
}

/** Stops every server that this process started and still has. */
export async function stopOwnServers() {
  await Promise.all([...running].map((server) => server.stop()));
}

/** At once and without waiting: for the way out after a crash. */
export function killOwnServers() {
  for (const server of running) server.kill();
}
