import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Failure, say } from '../lib/project.mjs';
import { countLeads, databaseVersion, runBaseline, settle } from './baseline.mjs';
import { writeLeadFile } from './lead-file.mjs';
import { guarded } from './guard.mjs';
import { large } from './large.mjs';
import { lists } from './lists.mjs';
import { openPlace } from './place.mjs';
import { plans } from './plan.mjs';
import { Program } from './program.mjs';
import { reads } from './read.mjs';
import {
  importsTable,
  largeTable,
  listsTable,
  machine,
  memoryTable,
  plansTable,
  readTable,
  writeReport,
} from './report.mjs';

/** How often the state of an import is asked for, in milliseconds. */
const POLL = 50;
/** An import that takes longer than this is given up, in milliseconds: 15 minutes and 1 for each 50,000 rows. */
const limit = (rows) => 60_000 * (15 + rows / 50_000);
const MEMORY_ROWS = [200_000, 2_000_000];

/** How each section of the report is measured and shown. */
const SECTIONS = {
  import: [imports, importsTable],
  read: [reads, readTable],
  lists: [lists, listsTable],
  plan: [plans, plansTable],
  memory: [memory, memoryTable],
  large: [large, largeTable],
};

/** Measures what was asked for, prints it and, if told so, writes it down. */
export async function measure(options) {
  const files = mkdtempSync(join(tmpdir(), 'muster-bench-files-'));
  const only = Object.keys(SECTIONS).find((name) => options[name]);
  try {
    for (const section of only ? [only] : ['import', 'read', 'lists']) {
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

async function imports(profile, files, { rows, runs, database }) {
  const file = join(files, `leads-${rows}.csv`);
  const bytes = await writeLeadFile(file, rows);
  say(`${profile}: ${rows} rows, ${(bytes / 1e6).toFixed(1)} MB, ${runs} run(s)`);
  const timed = [];
  const baselines = [];
  const conversions = [];
  let version;
  for (let run = 1; run <= runs; run++) {
    const place = await openPlace(profile, { name: 'bench', database });
    try {
      version ??= await databaseVersion(place.database);
      timed.push(await timeImport(place, file, rows));
      say(`  import ${run}: ${describe(timed.at(-1), rows)}`);
      const baseline = await runBaseline(place);
      if (baseline.rows !== rows) throw new Failure(`the baseline loaded ${baseline.rows} rows of ${rows}`);
      baselines.push(baseline.seconds);
      conversions.push(await convertByDuckDb(file, rows));
      say(
        `  baseline ${run}: ${baseline.seconds.toFixed(2)} s, ${rate(rows, baseline.seconds)} rows/s; DuckDB ${conversions.at(-1).toFixed(2)} s`,
      );
    } finally {
      await place.remove();
    }
  }
  return { profile, rows, bytes, version, imports: timed, baselines, conversions };
}

const rate = (rows, seconds) => Math.round(rows / seconds);
const MB = (bytes) => (bytes === null ? '?' : `${Math.round(bytes / 1024 ** 2)} MB`);

function describe({ seconds, phases, peak }, rows) {
  const each = Object.entries(phases).map(([phase, time]) => `${phase} ${time.toFixed(2)}`);
  return `${seconds.toFixed(2)} s, ${rate(rows, seconds)} rows/s (${each.join(', ')}), peak memory ${MB(peak)}`;
}

/**
 * The time from the first byte of the upload to `completed`, on an installation that has stored nothing yet, step by step: upload,
 * analysis until `ready`, and the import from `POST /imports/:id/start` on.
 */
async function timeImport(place, file, rows) {
  const program = new Program(place);
  await program.start();
  try {
    await program.token();
    await settle(place.database);
    const phases = {};
    let last = performance.now();
    const endOf = (phase) => {
      const now = performance.now();
      phases[phase] = (now - last) / 1000;
      last = now;
    };
    const id = await program.upload(file, {}, { autoStart: 'false' });
    endOf('upload');
    await reached(program, id, 'ready', rows);
    endOf('analyzing');
    await program.post(`/imports/${id}/start`, {});
    const view = await reached(program, id, 'completed', rows);
    endOf('importing');
    await verify(place, view, rows);
    const seconds = Object.values(phases).reduce((sum, each) => sum + each, 0);
    return { seconds, phases, peak: program.importer.peakMemory };
  } finally {
    await program.stop();
  }
}

/** Waits for a state of an import. @returns what `GET /imports/:id` answers then */
async function reached(program, id, status, rows) {
  const deadline = Date.now() + limit(rows);
  for (;;) {
    const view = await program.get(`/imports/${id}`);
    if (view.status === status) return view;
    if (!['analyzing', 'importing'].includes(view.status)) {
      throw new Failure(`the import is ${view.status}: ${JSON.stringify(view.error)}`);
    }
    if (Date.now() > deadline) throw new Failure(`the import does not end: ${JSON.stringify(view.progress)}`);
    await pause(POLL);
  }
}

/** DuckDB's own reading of the same file, in a process of its own. @returns seconds */
async function convertByDuckDb(file, rows) {
  const script = fileURLToPath(new URL('analysis-baseline.mjs', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [script, file, `${file}.parquet`]);
  const converted = JSON.parse(stdout);
  if (converted.rows !== rows) throw new Failure(`DuckDB read ${converted.rows} rows of ${rows}`);
  return converted.seconds;
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
