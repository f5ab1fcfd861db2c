import { spawn } from 'node:child_process';
import { accessSync, constants, readFileSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** The first executable file of that name on PATH, or null. `without` leaves out folders that it answers true for. */
export function which(name, without = () => false) {
  const names = process.platform === 'win32' ? [`${name}.exe`, `${name}.cmd`, name] : [name];
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    if (!folder || without(folder)) continue;
    for (const file of names.map((each) => join(folder, each))) {
      try {
        accessSync(file, constants.X_OK);
        if (statSync(file).isFile()) return file;
      } catch {
        // not here
      }
    }
  }
  return null;
}

/**
 * Runs a program without stdin and collects its output. Never throws: a program that cannot be started, or is killed after
 * `timeout` milliseconds, has code -1 and the reason in `stderr`.
 * @returns {Promise<{code: number, stdout: string, stderr: string, ok: boolean}>}
 */
export function capture(file, args, { timeout = 60_000, stream, input, ...options } = {}) {
  return new Promise((resolve) => {
    const child = spawn(file, args, { ...options, stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'] });
    const parts = { stdout: [], stderr: [] };
    let failed = '';
    const timer = setTimeout(() => {
      failed = `${file} did not end within ${timeout / 1000} s`;
      child.kill('SIGKILL');
    }, timeout);
    for (const name of ['stdout', 'stderr']) {
      child[name].on('data', (chunk) => {
        parts[name].push(chunk);
        stream?.write(chunk);
      });
    }
    child.on('error', (error) => (failed ||= error.message));
    child.on('close', (code) => {
      clearTimeout(timer);
      const text = (name) => Buffer.concat(parts[name]).toString();
      const stderr = failed ? `${text('stderr')}\n${failed}`.trim() : text('stderr');
      resolve({ code: failed ? -1 : (code ?? -1), stdout: text('stdout'), stderr, ok: !failed && code === 0 });
    });
    if (input !== undefined) {
      child.stdin.on('error', () => undefined);
      child.stdin.end(input);
    }
  });
}

/** The parent of a process, as Linux tells it; elsewhere 0. */
function parentOf(pid) {
  try {
    return Number(
      readFileSync(`/proc/${pid}/stat`, 'utf8')
        .replace(/^.*\) /s, '')
        .split(' ')[1],
    );
  } catch {
    return 0;
  }
}

/**
 * Calls back when npm, which started this program, is gone. npm starts programs through a shell, so a signal that ends npm
 * may end neither.
 * @returns {() => void} ends the watch
 */
export function onNpmGone(callback) {
  if (!process.env.npm_lifecycle_event) return () => undefined;
  const ancestors = () => `${process.ppid} ${parentOf(process.ppid)}`;
  const atStart = ancestors();
  const watch = setInterval(() => {
    if (ancestors() === atStart) return;
    clearInterval(watch);
    callback();
  }, 250);
  watch.unref();
  return () => clearInterval(watch);
}

/**
 * Runs a program in this one's place: the same terminal, signals passed on, the same end.
 * @returns {Promise<number>} its exit code; ends this process by the same signal when it died of one
 */
export function become(file, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { stdio: 'inherit', ...options });
    // A terminal sends these two to the whole foreground group, so the child has them already.
    const fromTerminal = process.stdin.isTTY ? ['SIGINT', 'SIGHUP'] : [];
    const handlers = ['SIGINT', 'SIGHUP', 'SIGTERM'].map((signal) => {
      const pass = () => {
        if (!fromTerminal.includes(signal)) child.kill(signal);
      };
      process.on(signal, pass);
      return [signal, pass];
    });
    const unwatch = onNpmGone(() => child.kill('SIGTERM'));
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      unwatch();
      for (const [name, pass] of handlers) process.off(name, pass);
      if (signal) process.kill(process.pid, signal);
      else resolve(code);
    });
  });
}

/** The last lines of a program's output, for a message. */
export function tail(text, lines = 15) {
  return text.trimEnd().split('\n').slice(-lines).join('\n');
}
