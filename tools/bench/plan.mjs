import { createWriteStream } from 'node:fs';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Failure, say } from '../lib/project.mjs';
import { databaseVersion, settle } from './baseline.mjs';
import { companyOf, emailOf, fillLeads, nameOf, phoneOf } from './lists-data.mjs';
import { openPlace } from './place.mjs';
import { Program } from './program.mjs';

/** How many leads are stored. */
const STORED = 1_000_000;
const POLL = 20;
const POLICIES = ['skip', 'update'];
const ROWS_AT_ONCE = 5_000;

/** Half of the rows are stored leads, all over the table; of those every second has another company. The other half is new. */
function line(row, rows) {
  const n = row % 2 ? 1 + ((row * 7_919) % STORED) : STORED + row;
  const { first, last } = nameOf(n);
  const company = row % 4 === 1 ? `Moved to ${row % 97}` : companyOf(n);
  return `${first} ${last},${emailOf(n)},${phoneOf(n)},${company},${row <= rows ? 'website' : ''}\n`;
}

async function writeFile(path, rows) {
  const out = createWriteStream(path);
  out.write('Name,Email,Phone,Company,Source\n');
  for (let start = 1; start <= rows; start += ROWS_AT_ONCE) {
    let text = '';
    for (let row = start; row < Math.min(start + ROWS_AT_ONCE, rows + 1); row++) text += line(row, rows);
    if (!out.write(text)) await once(out, 'drain');
  }
  out.end();
  await once(out, 'finish');
}

/**
 * How long a plan of a file takes, against the analysis of that file just before, with a million leads stored.
 * @returns {Promise<object>} of each policy the pairs of seconds; and how long the import that was planned took, and its undo
 */
export async function plans(profile, files, { rows, runs, database }) {
  const file = join(files, `plan-${rows}.csv`);
  await writeFile(file, rows);
  const place = await openPlace(profile, { name: 'bench', database });
  const program = new Program(place);
  try {
    const version = await databaseVersion(place.database);
    await program.start();
    await fillLeads(place.database, STORED, { people: [1], each: 1 }, null);
    await settle(place.database);
    const pairs = Object.fromEntries(POLICIES.map((policy) => [policy, []]));
    let counts;
    let updated;
    let undone;
    for (let run = 1; run <= runs; run++) {
      for (const policy of POLICIES) {
        const timed = await timePlan(program, file, policy);
        pairs[policy].push(timed);
        const { analysis, plan } = timed;
        const ratio = (plan / analysis).toFixed(2);
        say(
          `${profile}, ${policy} ${run}: analysis ${analysis.toFixed(2)} s, plan ${plan.toFixed(2)} s, ratio ${ratio}`,
        );
        if (policy !== 'update' || run < runs) continue;
        counts = timed.counts;
        updated = await timeImport(program, timed);
        say(`${profile}: the import itself ${updated.toFixed(2)} s, ${JSON.stringify(counts)}`);
        undone = await timeUndo(program, timed);
        say(`${profile}: taken back in ${undone.toFixed(2)} s`);
      }
    }
    return { profile, rows, stored: STORED, version, pairs, counts, updated, undone };
  } finally {
    await program.stop();
    await place.remove();
  }
}

const since = (began) => (performance.now() - began) / 1000;

async function waitFor(read, isDone) {
  for (;;) {
    const answer = await read();
    if (isDone(answer)) return answer;
    if (answer.status === 'failed') throw new Failure(`failed: ${JSON.stringify(answer.error)}`);
    await pause(POLL);
  }
}

async function timePlan(program, file, duplicates) {
  const id = await program.upload(file, {}, { autoStart: 'false' });
  let began = performance.now();
  await waitFor(
    () => program.get(`/imports/${id}`),
    ({ status }) => status === 'ready',
  );
  const analysis = since(began);
  began = performance.now();
  await program.post(`/imports/${id}/plan`, { duplicates });
  const { counts, planId } = await waitFor(
    () => program.get(`/imports/${id}/plan`),
    ({ status }) => status === 'ready',
  );
  return { id, planId, analysis, plan: since(began), counts };
}

async function timeImport(program, { id, planId, counts: planned }) {
  const began = performance.now();
  await program.post(`/imports/${id}/start`, { duplicates: 'update', ifPlan: planId });
  const { counts } = await waitFor(
    () => program.get(`/imports/${id}`),
    ({ status }) => status === 'completed',
  );
  for (const [outcome, count] of Object.entries(planned)) {
    if (counts[outcome] !== count)
      throw new Failure(`${count} rows were planned as ${outcome}, ${counts[outcome]} are`);
  }
  return since(began);
}

async function timeUndo(program, { id, counts: { created, updated } }) {
  const began = performance.now();
  await program.post(`/imports/${id}/undo`, {});
  const { counts } = await waitFor(
    () => program.get(`/imports/${id}/undo`),
    ({ status }) => status === 'done',
  );
  if (counts.deleted !== created || counts.restored !== updated) {
    throw new Failure(`${created} created and ${updated} updated, but ${JSON.stringify(counts)}`);
  }
  return since(began);
}
