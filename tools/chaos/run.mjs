import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { databaseVersion } from '../bench/baseline.mjs';
import { guarded } from '../bench/guard.mjs';
import { openPlace } from '../bench/place.mjs';
import { Program } from '../bench/program.mjs';
import { Failure } from '../lib/project.mjs';
import { checkImport, isQuiet } from './checker.mjs';
import { writeDirtyFile } from './dirty-file.mjs';
import { expectationsOf } from './expectations.mjs';
import { plantFaults } from './faults.mjs';
import { Killer, RESUME_LIMIT } from './killer.mjs';
import { Random } from './random.mjs';
import { ask } from './store.mjs';

const WORKERS = 2;
/** How many kills one import takes: it is to come to its end too. */
const KILLS_A_ROUND = [5, 8];
/** Events are published and handled within this time of the end, leases of killed relays and repetitions included, in milliseconds. */
const QUIET_LIMIT = 180_000;

/** Runs what was asked for in each profile. @returns {Promise<number>} the exit code: 0 only without any deviation */
export async function runChaos(options) {
  console.log(`seed ${options.seed}`);
  let deviations = 0;
  for (const profile of options.profiles) {
    const run = new Run(profile, options);
    deviations += await guarded(() => (options.selfTest ? run.selfTest() : run.chaos()));
  }
  console.log(
    deviations === 0 ? 'chaos: everything as promised' : `chaos: ${deviations} DEVIATIONS (seed ${options.seed})`,
  );
  return deviations === 0 ? 0 : 1;
}

/** One profile: an installation of its own, and file after file. */
class Run {
  constructor(profile, options) {
    this.profile = profile;
    this.options = options;
    this.random = new Random(options.seed);
    this.taken = new Set();
    this.earlier = [];
    this.totals = {};
    this.deviations = 0;
  }

  async open() {
    const { profile, options } = this;
    const env = { IMPORT_BATCH_ROWS: String(options.batchRows) };
    const { database, s3, keep } = options;
    this.place = await openPlace(profile, { name: 'chaos', database, s3, keep, env });
    this.program = new Program(this.place, WORKERS);
    this.files = mkdtempSync(join(tmpdir(), 'muster-chaos-files-'));
    const version = await databaseVersion(this.place.database);
    const processes = profile === 'embedded' ? 'one process' : `an api and ${WORKERS} workers`;
    console.log(`\n${profile}: ${version}, ${processes}, files in ${this.place.storage}`);
    await this.program.start();
  }

  async close() {
    if (this.files) rmSync(this.files, { recursive: true, force: true });
    await this.program?.stop();
    await this.place?.remove();
  }

  /** @returns {Promise<number>} deviations */
  async chaos() {
    const { options } = this;
    try {
      await this.open();
      const killer = new Killer(this.program, this.place.database, this.random);
      for (let round = 1; round === 1 || killer.killed < options.kills; round++) {
        const [low, high] = KILLS_A_ROUND;
        const kills = Math.min(options.kills - killer.killed, low + this.random.below(high - low + 1));
        const expected = await this.writeFile(round);
        const importId = await this.program.upload(expected.path);
        console.log(` import ${importId}: ${expected.rows.length} rows, up to ${kills} kills`);
        await killer.attack(importId, kills);
        await this.check(importId, expected);
        rmSync(expected.path);
      }
      this.report(killer);
      return this.deviations;
    } finally {
      await this.close();
    }
  }

  /** A fresh file, and what must become of it: by who wrote it and by who reads it, who must agree. */
  async writeFile(round) {
    const { rows } = this.options;
    const path = join(this.files, `people-${round}.csv`);
    const { random, earlier } = this;
    const written = await writeDirtyFile(path, rows, { random, firstNumber: round * rows, earlier });
    const expected = expectationsOf(path, this.taken);
    if (expected.rows.length !== written.fates.length)
      throw new Failure('the generator and the checker count other rows');
    expected.rows.forEach(({ errors }, index) => {
      if (errors.join() !== written.fates[index].join()) {
        throw new Failure(
          `the generator and the checker disagree on row ${index + 1}: ${written.fates[index]} and ${errors}`,
        );
      }
    });
    this.earlier = written.stored;
    return { ...expected, path };
  }

  async check(importId, expected) {
    const quiet = await this.untilQuiet();
    for (const process of [this.program.api, ...this.program.workers]) process.expectAlive();
    const { counts, deviations } = await ask(this.place.database, (store) => checkImport(store, importId, expected));
    if (!quiet)
      deviations.set('events wait', { count: 1, examples: [`longer than ${QUIET_LIMIT / 1000} s after the end`] });
    console.log(
      `   ${Object.entries(counts)
        .map(([name, value]) => `${name} ${value}`)
        .join(', ')}`,
    );
    for (const [kind, { count, examples }] of deviations) {
      this.deviations += count;
      console.log(`   DEVIATION ${kind}: ${count}\n     ${examples.join('\n     ')}`);
    }
    for (const [name, value] of Object.entries(counts)) this.totals[name] = (this.totals[name] ?? 0) + value;
  }

  async untilQuiet() {
    const deadline = Date.now() + QUIET_LIMIT;
    while (Date.now() < deadline) {
      if (await ask(this.place.database, isQuiet)) return true;
      await pause(100);
    }
    return false;
  }

  report(killer) {
    const { rows, lost, twice, mismatched, eventsCommitted, eventsPublished, eventsHandled } = this.totals;
    const resumed = [...killer.resumed].sort((a, b) => a - b);
    const at = (share) =>
      resumed.length ? `${(resumed[Math.floor((resumed.length - 1) * share)] / 1000).toFixed(1)} s` : 'none';
    console.log(` ${this.profile}: kills ${killer.killed} (${killer.places()})`);
    console.log(`   rows ${rows}, rows lost ${lost}, rows twice ${twice}, outcomes or values wrong ${mismatched}`);
    console.log(
      `   events of batches: committed ${eventsCommitted}, published ${eventsPublished}, handled ${eventsHandled}`,
    );
    console.log(
      `   work taken up again after the restart: ${resumed.length} times, median ${at(0.5)}, longest ${at(1)}`,
    );
    if (killer.late > 0) {
      this.deviations += killer.late;
      console.log(`   DEVIATION not taken up within ${RESUME_LIMIT / 1000} s: ${killer.late}`);
    }
  }

  /** Plants faults into a finished import. @returns {Promise<number>} faults that the checker did not find, and false alarms */
  async selfTest() {
    try {
      await this.open();
      const expected = await this.writeFile(1);
      const importId = await this.program.upload(expected.path);
      await new Killer(this.program, this.place.database, this.random).attack(importId, 0);
      await this.check(importId, expected);
      await this.program.stop();
      const results = await plantFaults(this.place.database, importId, expected);
      for (const { fault, wanted, reported, found } of results) {
        console.log(
          `   ${found ? 'found ' : 'MISSED'} ${fault}: "${wanted}"${found ? '' : `, reported ${reported.join(', ') || 'nothing'}`}`,
        );
      }
      const missed = results.filter(({ found }) => !found).length;
      console.log(
        ` ${this.profile}: faults planted ${results.length}, found ${results.length - missed}, missed ${missed}`,
      );
      return this.deviations + missed;
    } finally {
      await this.close();
    }
  }
}
