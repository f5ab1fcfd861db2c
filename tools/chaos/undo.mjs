import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Violation } from './site.mjs';
import { ask } from './store.mjs';
import { checkUndone, checkUpdates, isIndexed, snapshot } from './update-checker.mjs';

/** Of the leads that have an e-mail address, so many in ten are changed by the file; beside them it has new ones. */
const CHANGED = 6;
const LIMIT = 240_000;

const quoted = (value) => `"${value.replaceAll('"', '""')}"`;

/** A file that changes the company of stored leads and names new people. @returns its path, and of each row what it does */
function writeUpdates(site, { leads }) {
  const rows = [];
  const lines = [];
  for (const { id, name, email } of leads.values()) {
    if (email === null || site.random.below(10) >= CHANGED) continue;
    const company = `Moved ${site.files} to ${rows.length}`;
    rows.push({ id: Number(id), email, company });
    lines.push([name, email, company, ''].map(quoted).join());
    if (rows.length % 3 !== 0) continue;
    const made = {
      id: null,
      email: `new.${site.files}.${rows.length}@moved.example.org`,
      company: `New ${rows.length}`,
    };
    rows.push(made);
    lines.push(['Nina New', made.email, made.company, 'website'].map(quoted).join());
  }
  const path = join(site.folder, `updates-${site.files}.csv`);
  writeFileSync(path, `Name,Email,Company,Source\n${lines.join('\n')}\n`);
  return { path, rows };
}

/** Asks for something. The process may die of it before it can answer. */
async function send(site, path, body) {
  const { program } = site;
  await program.post(path, body).catch(async (error) => {
    await Promise.race([program.api.ended, pause(2_000, null, { ref: false })]);
    if (program.api.alive) throw error;
  });
}

async function statusOf(site, importId) {
  const [{ status }] = await site.query('SELECT status FROM imports WHERE id = ?', [importId]);
  return status;
}

async function planOf(site, importId) {
  for (;;) {
    const plan = await site.program.get(`/imports/${importId}/plan`);
    if (plan.status === 'ready') return plan;
    if (plan.status === 'failed') throw new Violation('plan failed', JSON.stringify(plan));
    await pause(25);
  }
}

/** Runs a check, and tells what it found. */
async function report(site, check) {
  const { findings, counts } = await ask(site.database, check);
  for (const [kind, { count, examples }] of findings.kinds) site.deviates(kind, examples.join('; '), count);
  const lost = findings.count('row lost') + findings.count('record lost');
  const twice = findings.count('row twice') + findings.count('record twice') + findings.count('changed twice');
  for (const [name, value] of Object.entries({ ...counts, lost, twice })) {
    site.totals[name] = (site.totals[name] ?? 0) + value;
  }
}

/**
 * Leads are imported; a second file changes some of them, and is planned, started as it was planned, and undone. On the way the process
 * kills itself.
 * @param {'plan' | 'import' | 'undo'} phase when the fail point is armed @param {number} passings among how many one is chosen
 */
const updateFault = (phase, point, passings) => ({
  name: `${phase}: ${point}`,
  group: 'undo',
  about: `an import that updates records, and its undo: in its ${phase} the process kills itself at fail point ${point}`,
  profiles: ['embedded', 'services'],
  run: async (site) => {
    /** Asks for a phase and waits for its end. */
    const step = async (name, ask, end) => {
      if (name !== phase) {
        await ask();
        return end();
      }
      const victim = await site.arm(`${point}:${1 + site.random.below(passings)}`);
      await ask();
      await site.died(victim, point);
      site.restore();
      const since = Date.now();
      await site.ready();
      const ended = await end();
      site.recovered = { completed: Date.now() - since };
      return ended;
    };
    await site.settle(await site.upload());
    const indexed = () => ask(site.database, isIndexed);
    await site.until(indexed, LIMIT, 'the index of searches');
    const before = await ask(site.database, snapshot);
    const { path, rows } = writeUpdates(site, before);
    const id = await site.program.upload(path, { duplicates: 'update' }, { autoStart: 'false' });
    await site.until(async () => (await statusOf(site, id)) === 'ready', LIMIT, 'the analysis');
    const { planId, counts } = await step(
      'plan',
      () => send(site, `/imports/${id}/plan`, { duplicates: 'update' }),
      () => planOf(site, id),
    );
    await step(
      'import',
      () => send(site, `/imports/${id}/start`, { duplicates: 'update', ifPlan: planId }),
      () => site.untilCompleted(id),
    );
    await site.untilQuiet();
    await report(site, (store) => checkUpdates(store, id, rows, before));
    const wanted = [rows.filter((row) => row.id !== null).length, rows.filter((row) => row.id === null).length];
    if (counts.updated !== wanted[0] || counts.created !== wanted[1]) {
      site.deviates('plan wrong', `${JSON.stringify(counts)}, must be ${wanted.join(' updated and ')} created`);
    }
    await site.until(indexed, LIMIT, 'the index of searches');
    await step(
      'undo',
      () => send(site, `/imports/${id}/undo`, {}),
      () => site.until(async () => (await statusOf(site, id)) === 'undone', LIMIT, 'the undo'),
    );
    await site.untilQuiet();
    await report(site, (store) => checkUndone(store, id, rows, before));
    rmSync(path);
  },
});

export const undoFaults = [
  updateFault('plan', 'plan.before-settle', 1),
  updateFault('import', 'chunk.rows-written', 8),
  updateFault('import', 'chunk.after-commit', 8),
  updateFault('undo', 'undo.before-commit', 3),
  updateFault('undo', 'undo.after-commit', 3),
];
