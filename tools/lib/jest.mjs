import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nodeBinary } from './install.mjs';
import { inRoot, root } from './project.mjs';

/** How long a test may take that does not say so itself: on a slow or busy machine none fails for want of time. */
const TEST_TIMEOUT = 30_000;
/** How long jest may take to end after its last test, in milliseconds; past it something was left open. */
const END_TIMEOUT = 30_000;
/** How long what the tests started may take to end after jest, in milliseconds. */
const CHILDREN_TIMEOUT = 5_000;

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Of the caller's environment, what would change what is tested: the tests set these themselves. */
const OWN =
  /^(?:DATABASE_URL|BROKER_URL|BROKER_PREFIX|STORAGE_URL|REDIS_URL|DATA_DIR|PORT|HOST|PROCESS|PUBLIC_URL|NODE_ENV|NODE_OPTIONS|LOG_LEVEL|DEFAULT_REGION|TRUSTED_PROXIES|CORS_ORIGINS|RATE_LIMITS|WORKER_CONCURRENCY|MISSED_AFTER_MINUTES)$|^(?:ADMIN|AUTH|JWT|IMPORT|TWILIO|SNS|AWS|MUSTER_TEST)_/;

let current = null;

function signalGroup(pid, signal) {
  try {
    return process.kill(-pid, signal);
  } catch {
    return false;
  }
}

/** Ends the running tests and all that they started. */
export async function stopJest() {
  if (!current) return;
  const { pid } = current;
  signalGroup(pid, 'SIGTERM');
  for (const end = Date.now() + CHILDREN_TIMEOUT; signalGroup(pid, 0) && Date.now() < end;) await pause(50);
  signalGroup(pid, 'SIGKILL');
}

/** At once and without waiting. */
export function killJest() {
  if (current) signalGroup(current.pid, 'SIGKILL');
}

function counts(report) {
  if (!report) return { passed: 0, failed: 0, skipped: 0, total: 0 };
  return {
    passed: report.numPassedTests,
    // A file that could not even be run counts as one failure.
    failed: report.numFailedTests + report.numRuntimeErrorTestSuites,
    skipped: report.numPendingTests + report.numTodoTests,
    total: report.numTotalTests,
  };
}

/**
 * Runs one of jest's projects.
 * @param {{suite: string, env: object, args: string[], timeout: number}} options `timeout` in milliseconds
 * @returns {Promise<{passed: number, failed: number, skipped: number, seconds: number, problems: string[]}>}
 */
export async function runJest({ suite, env, args, timeout }) {
  const folder = mkdtempSync(join(tmpdir(), 'muster-jest-'));
  const file = join(folder, 'report.json');
  const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !OWN.test(name)));
  const began = Date.now();
  const problems = [];
  try {
    const child = spawn(
      await nodeBinary(),
      [
        inRoot('node_modules', 'jest', 'bin', 'jest.js'),
        ...[
          '--selectProjects',
          suite,
          '--maxWorkers=2',
          '--json',
          `--outputFile=${file}`,
          `--testTimeout=${TEST_TIMEOUT}`,
        ],
        ...args,
      ],
      // A group of its own, so that nothing which a test starts outlives it unseen.
      { cwd: root, stdio: ['ignore', 'ignore', 'inherit'], detached: true, env: { ...inherited, ...env } },
    );
    current = child;
    const ended = new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('exit', (code) => resolve(code ?? -1));
    });
    let reported = 0;
    const watch = setInterval(() => {
      if (!reported && existsSync(file)) reported = Date.now();
      if (reported && Date.now() - reported > END_TIMEOUT) {
        problems.push(`something that the tests opened kept jest from ending for ${END_TIMEOUT / 1000} s`);
      } else if (Date.now() - began > timeout) {
        problems.push(`the tests took longer than ${Math.round(timeout / 60_000)} minutes`);
      } else return;
      clearInterval(watch);
      void stopJest();
    }, 250);
    const code = await ended;
    clearInterval(watch);
    if (problems.length === 0) {
      for (const end = Date.now() + CHILDREN_TIMEOUT; signalGroup(child.pid, 0) && Date.now() < end;) await pause(50);
      if (signalGroup(child.pid, 0)) problems.push('the tests left programs running');
    }
    await stopJest();
    const found = counts(existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : null);
    if (problems.length === 0 && code !== 0 && found.failed === 0) problems.push(`jest ended with code ${code}`);
    if (problems.length === 0 && found.total + found.failed === 0) problems.push('no test ran');
    return {
      ...found,
      failed: found.failed + problems.length,
      seconds: (Date.now() - began) / 1000,
      problems,
    };
  } finally {
    current = null;
    rmSync(folder, { recursive: true, force: true });
  }
}
