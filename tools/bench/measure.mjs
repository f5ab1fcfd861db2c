import { mkdtempSync, rmSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Failure, say } from '../lib/project.mjs';
import { countLeads, databaseVersion, runBaseline, settle } from './baseline.mjs';
import { writeLeadFile } from './lead-file.mjs';
import { guarded } from './guard.mjs';
import { lists } from './lists.mjs';
import { openPlace } from './place.mjs';
import { Program } from './program.mjs';
import { reads } from './read.mjs';
import { listsTable, machine, memoryTable, readTable, speedTable, writeReport } from './report.mjs';

const POLL = 200;
/** An import that takes longer than this is given up, in milliseconds: 15 minutes and 1 for each 50,000 rows. */
const limit = (rows) => 60_000 * (15 + rows / 50_000);
const MEMORY_ROWS = [200_000, 2_000_000];

/** How each section of the report is measured and shown. */
const SECTIONS = {
  speed: [speed, speedTable],
  read: [reads, readTable],
  lists: [lists, listsTable],
  memory: [memory, memoryTable],
};

/** Measures what was asked for, prints it and, if told so, writes it down. */
export async function measure(options) {
  const files = mkdtempSync(join(tmpdir(), 'muster-bench-files-'));
  const only = ['memory', 'read', 'lists'].find((name) => options[name]);
  try {
    for (const section of only ? [only] : ['speed', 'read', 'lists']) {
      const [measured, tableOf] = SECTIONS[section];
      const load = loadavg()[0];
      const results = [];
      for (const profile of options.profiles) {
        results.push(await guarded(() => measured(profile, files, options)));
      }
      const text = `${tableOf(results)}\n${machine(results, load)}\n`;
      console.log(`\n${text}`);
      if (options.write) writeReport(section, text);
    }
  } finally {
    rmSync(files, { recursive: true, force: true });
  }
}

async function speed(profile, files, { rows, runs, database }) {
  const file = join(files, `leads-${rows}.csv`);
  const bytes = await writeLeadFile(file, rows);
  say(`${profile}: ${rows} rows, ${(bytes / 1e6).toFixed(1)} MB, ${runs} run(s)`);
  const imports = [];
  const baselines = [];
  let version;
  for (let run = 1; run <= runs; run++) {
    const place = await openPlace(profile, { name: 'bench', database });
    try {
      version ??= await databaseVersion(place.database);
      const timed = await timeImport(place, file, rows);
      imports.push(timed);
      say(`  import ${run}: ${describe(timed, rows)}`);
      const baseline = await runBaseline(place);
      if (baseline.rows !== rows) throw new Failure(`the baseline loaded ${baseline.rows} rows of ${rows}`);
      baselines.push(baseline.seconds);
      say(`  baseline ${run}: ${baseline.seconds.toFixed(2)} s, ${rate(rows, baseline.seconds)} rows/s`);
    } finally {
      await place.remove();
    }
  }
  return { profile, rows, bytes, version, imports, baselines };
}

const rate = (rows, seconds) => Math.round(rows / seconds);
const MB = (bytes) => (bytes === null ? '?' : `${Math.round(bytes / 1024 ** 2)} MB`);

function describe({ seconds, phases, peak }, rows) {
  const each = Object.entries(phases).map(([phase, time]) => `${phase} ${time.toFixed(2)}`);
  return `${seconds.toFixed(2)} s, ${rate(rows, seconds)} rows/s (${each.join(', ')}), peak memory ${MB(peak)}`;
}

/** The time from the first byte of the upload to `completed`, on an installation that has stored nothing yet. */
async function timeImport(place, file, rows) {
  const program = new Program(place);
  await program.start();
  try {
    await program.token();
    await settle(place.database);
    const began = performance.now();
    const marks = { upload: 0 };
    const elapsed = () => (performance.now() - began) / 1000;
    const id = await program.upload(file);
    marks.upload = elapsed();
    const deadline = Date.now() + limit(rows);
    for (;;) {
      const view = await program.get(`/imports/${id}`);
      if (view.status !== 'analyzing') marks.analyzing ??= elapsed();
      if (view.status === 'completed') {
        const seconds = elapsed();
        await verify(place, view, rows);
        const phases = {
          upload: marks.upload,
          analyzing: marks.analyzing - marks.upload,
          importing: seconds - marks.analyzing,
        };
        return { seconds, phases, peak: program.importer.peakMemory };
      }
      if (!['analyzing', 'importing'].includes(view.status)) {
        throw new Failure(`the import is ${view.status}: ${JSON.stringify(view.error)}`);
      }
      if (Date.now() > deadline) throw new Failure(`the import does not end: ${JSON.stringify(view.progress)}`);
      await pause(POLL);
    }
  } finally {
    await program.stop();
  }
}

async function verify({ database }, { counts }, rows) {
  const stored = await countLeads(database);
  if (counts.created !== rows || stored !== rows) {
    throw new Failure(`of ${rows} rows ${counts.created} are called created and ${stored} are stored`);
  }
}

async function memory(profile, files, { database }) {
  const peaks = [];
  let version;
  for (const rows of MEMORY_ROWS) {
    const file = join(files, `leads-${rows}.csv`);
    await writeLeadFile(file, rows);
    const place = await openPlace(profile, { name: 'bench', database });
    try {
      version ??= await databaseVersion(place.database);
      const timed = await timeImport(place, file, rows);
      peaks.push({ rows, peak: timed.peak, seconds: timed.seconds });
      say(`${profile}, ${rows} rows: ${describe(timed, rows)}`);
    } finally {
      await place.remove();
      rmSync(file, { force: true });
    }
  }
  return { profile, version, peaks };
}
