import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { databaseVersion } from '../bench/baseline.mjs';
import { openPlace } from '../bench/place.mjs';
import { Program } from '../bench/program.mjs';
import { Failure } from '../lib/project.mjs';
import { checkImport, isQuiet } from './checker.mjs';
import { writeDirtyFile } from './dirty-file.mjs';
import { expectationsOf } from './expectations.mjs';
import { Random } from './random.mjs';
import { ask } from './store.mjs';

export const WORKERS = 2;
const POLL = 25;
/** An import under attack must come to its end within this time of the last sign of progress, in milliseconds. */
const PROGRESS_LIMIT = 240_000;
/** Events are published and handled within this time of the end, leases of killed relays and repetitions included, in milliseconds. */
const QUIET_LIMIT = 180_000;
/** A killed or frozen process must be so within this time, in milliseconds. */
const FIRE_LIMIT = 180_000;

/** A promise that was not kept; `kind` is the name of the check. */
export class Violation extends Failure {
  constructor(kind, detail) {
    super(`${kind}: ${detail}`);
    Object.assign(this, { kind, detail });
  }
}

/** An installation of the program that files are imported into, one after another. */
export class Site {
  /**
   * @param {'embedded' | 'services'} profile
   * @param {{rows: number, batchRows: number, seed: number, keep?: boolean, unreachable: number}} options
   * @param {object} [servers] of {@link startServers}
   */
  constructor(profile, options, servers) {
    Object.assign(this, { profile, options, servers });
    this.random = new Random(options.seed);
    this.taken = new Set();
    this.earlier = [];
    this.files = 0;
    this.begin();
  }

  /** Sets the counts back, for the next fault. */
  begin() {
    this.totals = {};
    this.deviations = new Map();
    this.recovered = null;
  }

  get embedded() {
    return this.profile === 'embedded';
  }

  get database() {
    return this.place.database;
  }

  /** @param {string} [home] the folder that holds the dist/ to run */
  async open(home) {
    const { batchRows, keep, s3 } = this.options;
    const env = { IMPORT_BATCH_ROWS: String(batchRows) };
    this.place = await openPlace(this.profile, { name: 'chaos', keep, s3, env, servers: this.servers });
    this.place.home = home;
    this.program = new Program(this.place, WORKERS);
    this.folder = join(this.place.directory, 'imported');
    mkdirSync(this.folder);
    await this.program.start();
    return this;
  }

  async describe() {
    const version = await databaseVersion(this.database);
    return `${version}, ${this.embedded ? 'one process' : `an api and ${WORKERS} workers`}, files in ${this.place.storage}`;
  }

  async close() {
    await this.program?.stop();
    await this.place?.remove();
  }

  query(sql, params) {
    return ask(this.database, (store) => store.query(sql, params));
  }

  /** Writes a fresh file; who wrote it and who reads it must agree on what becomes of each row. */
  async newFile() {
    const { rows } = this.options;
    const path = join(this.folder, `people-${++this.files}.csv`);
    const { random, earlier } = this;
    const written = await writeDirtyFile(path, rows, { random, firstNumber: this.files * rows, earlier });
    const expected = expectationsOf(path, this.taken);
    if (expected.rows.length !== written.fates.length)
      throw new Failure('the generator and the checker count other rows');
    expected.rows.forEach(({ errors }, index) => {
      if (errors.join() === written.fates[index].join()) return;
      throw new Failure(
        `the generator and the checker disagree on row ${index + 1}: ${written.fates[index]} and ${errors}`,
      );
    });
    this.earlier = written.stored;
    this.expected = { ...expected, path };
    return this.expected;
  }

  /** Uploads a fresh file. @param {number} [tries] how often, where the file store may fail @returns {Promise<number>} the import */
  async upload(tries = 1) {
    const { path } = await this.newFile();
    const [{ last }] = await this.query('SELECT COALESCE(MAX(id), 0) AS last FROM imports');
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.program.upload(path);
      } catch (error) {
        // The process may have died of its fail point before it could answer: then the import is there all the same.
        if (attempt >= tries && this.program.api.alive) throw error;
        const created = await this.query('SELECT id FROM imports WHERE id > ?', [last]);
        if (created.length > 0) return Number(created[0].id);
        if (attempt >= tries) throw error;
        await pause(500);
      }
    }
  }

  /** Starts the only worker with an armed fail point, and no other. @returns the process that will meet it */
  async arm(failPoint, more = {}) {
    const { program } = this;
    const env = { NODE_ENV: 'test', FAIL_POINTS: failPoint, ...more };
    if (this.embedded) {
      await program.api.stop();
      program.spawnApi(env);
    } else {
      await Promise.all(program.workers.map((worker) => worker.stop()));
      program.spawnWorker(0, env);
    }
    await this.ready();
    return this.embedded ? program.api : program.workers[0];
  }

  /** Waits for every process that is not meant to be down. */
  async ready() {
    const { program } = this;
    [, program.url] = await program.api.says(/listens on (http:\/\/\S+)/);
    await Promise.all(program.workers.filter((worker) => worker.alive).map((worker) => worker.says(/Muster worker/)));
  }

  /** Starts what is down. */
  restore() {
    const { program } = this;
    if (!program.api.alive) program.spawnApi();
    program.workers.forEach((worker, index) => worker.alive || program.spawnWorker(index));
  }

  /** Waits until the process died of its fail point by SIGKILL. @throws {Violation} when it did not */
  async died(victim, point) {
    const end = await Promise.race([victim.ended, pause(FIRE_LIMIT, 'no end', { ref: false })]);
    await this.until(() => victim.output.includes(`fail point ${point}: kill\n`), 2_000).catch(() => undefined);
    const said = victim.output.includes(`fail point ${point}: kill\n`);
    if (end !== 'SIGKILL' || !said) {
      throw new Violation(
        'fault did not happen',
        `${point}: ended by ${end}, ${said ? 'named' : 'not named'} in its log`,
      );
    }
  }

  async until(condition, limit, what = 'it') {
    const deadline = Date.now() + limit;
    for (;;) {
      if (await condition()) return;
      if (Date.now() > deadline) throw new Violation('too late', `${what} did not come within ${limit / 1000} s`);
      await pause(POLL);
    }
  }

  async chunks(importId) {
    const [row] = await this.query(
      `SELECT COUNT(*) AS planned, SUM(CASE WHEN status = 'done' THEN 1 ELSE 0 END) AS done FROM import_chunks WHERE import_id = ?`,
      [importId],
    );
    return { planned: Number(row.planned), done: Number(row.done ?? 0) };
  }

  /** Waits until so many chunks of the import are done, and not all. */
  async untilUnderWay(importId, wanted) {
    await this.until(async () => (await this.chunks(importId)).done >= wanted, FIRE_LIMIT, `chunk ${wanted}`);
    const { done, planned } = await this.chunks(importId);
    if (done === planned) throw new Failure('the import was over before the fault: give it more --rows');
  }

  async untilCompleted(importId) {
    let deadline = Date.now() + PROGRESS_LIMIT;
    for (let seen = null; ;) {
      const [{ status, token, error }] = await this.query('SELECT status, token, error FROM imports WHERE id = ?', [
        importId,
      ]);
      if (status === 'completed') return;
      if (!['analyzing', 'importing'].includes(status))
        throw new Violation('import wrong', `${status}: ${error ?? ''}`);
      const now = `${status} ${token} ${(await this.chunks(importId)).done}`;
      if (now !== seen) deadline = Date.now() + PROGRESS_LIMIT;
      if (Date.now() > deadline) throw new Violation('import stuck', now);
      seen = now;
      await pause(POLL);
    }
  }

  async untilQuiet() {
    await this.until(
      () => ask(this.database, isQuiet),
      this.options.quietLimit ?? QUIET_LIMIT,
      'the end of publishing and handling',
    ).catch((error) => this.deviates('events wait', error.message));
  }

  /**
   * Waits for the end of an import and of its events, and checks everything.
   * @param {number} [since] when the fault was over: the times from then on are the recovery
   */
  async settle(importId, since) {
    await this.untilCompleted(importId);
    const completed = Date.now();
    await this.untilQuiet();
    if (since !== undefined) this.recovered = { completed: completed - since, quiet: Date.now() - since };
    await this.check(importId);
  }

  async check(importId) {
    for (const process of [this.program.api, ...this.program.workers]) {
      if (!process.alive) this.deviates('process ended', process.output.slice(-500));
    }
    const { counts, deviations } = await ask(this.database, (store) => checkImport(store, importId, this.expected));
    for (const [kind, { count, examples }] of deviations) this.deviates(kind, examples.join('; '), count);
    for (const [name, value] of Object.entries(counts)) this.totals[name] = (this.totals[name] ?? 0) + value;
    rmSync(this.expected.path);
  }

  deviates(kind, detail, count = 1) {
    const known = this.deviations.get(kind) ?? { count: 0, examples: [] };
    known.examples.push(detail);
    this.deviations.set(kind, { count: known.count + count, examples: known.examples });
  }
}
