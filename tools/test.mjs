import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { ensureBuilt } from './lib/build.mjs';
import { ensureInstalled, runOnNewNode } from './lib/install.mjs';
import { killJest, runJest, stopJest } from './lib/jest.mjs';
import { Failure, main, say } from './lib/project.mjs';
import { onNpmGone } from './lib/run.mjs';
import { table } from './lib/text.mjs';
import { killOwnServers, stopOwnServers } from './services/process.mjs';
import { provide } from './services/provide.mjs';

const PARTS = ['unit', 'embedded', 'services', 'all'];
const USAGE = `usage: node tools/test.mjs [${PARTS.join('|')}] [-- jest's arguments]`;
/** After this many minutes the run ends as a failure. */
const MINUTES = Number(process.env.MUSTER_TEST_MINUTES || 50);

const deadline = Date.now() + MINUTES * 60_000;
const results = [];
/** What makes the run a failure beside failed tests. */
const failures = [];
const notes = [];
/** What was made on servers, to be removed at the end. */
const lent = [];
let interrupted = false;

async function suites(profile, names, env, args) {
  for (const suite of names) {
    // What interrupted the run ends this process.
    if (interrupted) await new Promise(() => undefined);
    say(`\n── ${suite}${profile ? ` on the ${profile} profile` : ''} ${'─'.repeat(40)}`);
    const timeout = Math.max(1_000, deadline - Date.now());
    const result = await runJest({ suite, env, args, timeout });
    results.push({ suite, profile: profile ?? '', ...result });
    for (const problem of result.problems) failures.push(`${suite}${profile ? ` (${profile})` : ''}: ${problem}`);
  }
}

/** @returns the environment of the services profile, or null when a service cannot be had */
async function services() {
  say('\nThe services:');
  const run = `muster-run-${randomBytes(4).toString('hex')}`;
  const provided = await provide({ run });
  const absent = provided.filter(({ service }) => !service);
  for (const { kind, reasons } of absent.filter((each) => each.kind.optional)) {
    notes.push(`THE TESTS THAT NEED ${kind.name.toUpperCase()} DID NOT RUN: ${reasons.join('; ')}`);
  }
  const missing = absent.filter(({ kind }) => !kind.optional);
  if (missing.length > 0) {
    const why = missing.map(({ kind, reasons }) => `  no ${kind.name}: ${reasons.join('; ')}`);
    notes.push('THE SERVICES HALF DID NOT RUN: its database and end-to-end tests are untested here.', ...why);
    const demanded = /^(?:1|true|yes)$/i.test(process.env.CI ?? '') || process.argv[2] === 'services';
    if (demanded) {
      failures.push('the services half did not run');
      results.push({
        suite: 'db, e2e',
        profile: 'services',
        passed: 0,
        failed: 1,
        skipped: 0,
        seconds: 0,
        problems: [],
      });
    }
    return null;
  }
  const env = {};
  for (const { kind, service } of provided.filter((each) => each.service)) {
    const made = await kind.lend(service, run);
    lent.push({ name: kind.name, remove: made.remove });
    Object.assign(env, made.env);
    notes.push(`${kind.name.padEnd(9)} ${service.version}, ${service.source}${made.note ? ` (${made.note})` : ''}`);
  }
  return env;
}

async function cleanUp() {
  while (lent.length > 0) {
    const { name, remove } = lent.pop();
    await remove().catch((error) => say(`What this run made on the ${name} could not be removed: ${error.message}`));
  }
  await stopOwnServers();
}

function stopEarly(why, code) {
  if (interrupted) return;
  interrupted = true;
  say(`\n${why}: stopping …`);
  void stopJest()
    .then(cleanUp)
    .finally(() => process.exit(code));
}

function summarize() {
  const sum = (key) => results.reduce((total, result) => total + result[key], 0);
  const total = {
    suite: 'all',
    profile: '',
    passed: sum('passed'),
    failed: sum('failed'),
    skipped: sum('skipped'),
    seconds: sum('seconds'),
  };
  say('');
  say(table(['suite', 'profile', 'passed', 'failed', 'skipped', 'seconds'], [...results, total]));
  for (const line of notes) say(line);
  for (const line of failures) say(`FAILED: ${line}`);
  const counts = [
    `${total.passed} passed`,
    `${total.failed} failed`,
    ...(total.skipped ? [`${total.skipped} skipped`] : []),
  ];
  const report = { counts: counts.join(', '), results, notes, failures };
  if (process.env.MUSTER_TEST_REPORT) writeFileSync(process.env.MUSTER_TEST_REPORT, JSON.stringify(report, null, 2));
  process.stdout.write(`\n${report.counts}\n`);
  return total.failed > 0 || failures.length > 0 ? 1 : 0;
}

function readArguments() {
  const own = process.argv.slice(2);
  const part = own[0] && !own[0].startsWith('-') ? own.shift() : 'all';
  if (own[0] === '--') own.shift();
  if (!PARTS.includes(part)) throw new Failure(USAGE, 2);
  return { part, args: own };
}

await main(async () => {
  const { part, args } = readArguments();
  const wants = (name) => part === 'all' || part === name;
  await ensureInstalled();
  const elsewhere = await runOnNewNode();
  if (elsewhere !== null) return elsewhere;
  for (const [signal, code] of Object.entries({ SIGINT: 130, SIGTERM: 143, SIGHUP: 129 })) {
    process.on(signal, () => stopEarly(signal, code));
  }
  onNpmGone(() => stopEarly('npm is gone', 143));
  process.on('exit', () => {
    killJest();
    killOwnServers();
  });
  if (part !== 'unit') await ensureBuilt();
  try {
    if (wants('unit')) await suites(null, ['unit'], {}, args);
    if (wants('embedded')) await suites('embedded', ['db', 'e2e'], { MUSTER_TEST_PROFILE: 'embedded' }, args);
    if (wants('services')) {
      const env = await services();
      if (env) await suites('services', ['db', 'e2e'], { MUSTER_TEST_PROFILE: 'services', ...env }, args);
    }
  } finally {
    if (!interrupted) await cleanUp();
  }
  return summarize();
});
