import { setTimeout as pause } from 'node:timers/promises';
import { Failure } from '../lib/project.mjs';
import { ask } from './store.mjs';

/** What was under work when a process was killed must be under work again within this time, in milliseconds. */
export const RESUME_LIMIT = 60_000;
const POLL = 40;
/** The longest delays before a kill, in milliseconds: in the analysis, at a point of the import, and in a start. */
const ANALYSIS_DELAY = 2_000;
const POINT_DELAY = 300;
const STARTING_DELAY = 1_200;
/** How many kills an analysis takes at most; it has no checkpoint, so more would only repeat it. */
const ANALYSIS_KILLS = 2;
/** How often a kill does not wait for a start to end, takes both workers, or hits the moment after the end. */
const WHILE_STARTING = 0.15;
const BOTH_WORKERS = 0.2;
const AT_THE_END = 0.5;

/** What the store says of an import under work. */
async function lookAt(store, importId) {
  const [work] = await store.query('SELECT status, token, leased_until, record_base FROM imports WHERE id = ?', [
    importId,
  ]);
  const chunks = await store.query('SELECT seq, status, token, leased_until FROM import_chunks WHERE import_id = ?', [
    importId,
  ]);
  const done = chunks.filter(({ status }) => status === 'done').length;
  const stage = stageOf(work, done, chunks.length);
  /** Every piece of work: whether it is claimed, whether it is done, and the token that rises with each claim. */
  const pieces = new Map(
    chunks.map(({ seq, status, token, leased_until: lease }) => [
      Number(seq),
      { token: Number(token), done: status === 'done', claimed: status !== 'done' && lease !== null },
    ]),
  );
  const whole = { token: Number(work.token), done: false, claimed: work.leased_until !== null };
  for (const each of ['analyzing', 'planning'])
    pieces.set(each, each === stage ? whole : { ...whole, claimed: false, done: true });
  const tokens = chunks.reduce((sum, { token }) => sum + Number(token), Number(work.token));
  return {
    status: work.status,
    stage,
    done,
    chunks: chunks.length,
    pieces,
    activity: `${work.status} ${done} ${tokens}`,
  };
}

function stageOf({ status, record_base: recordBase }, done, chunks) {
  if (status !== 'importing') return status;
  if (recordBase === null) return 'planning';
  return done < chunks ? 'importing' : 'finishing';
}

/** Kills processes of the program while an import runs, and starts them again at once. */
export class Killer {
  /** @param {import('../bench/program.mjs').Program} program */
  constructor(program, database, random) {
    this.program = program;
    this.database = database;
    this.random = random;
    /** Processes killed so far. */
    this.killed = 0;
    /** For each piece of work that a kill interrupted: how long after the restart it was under work again, in milliseconds. */
    this.resumed = [];
    /** Pieces of work that were not within the limit. */
    this.late = 0;
    this.stages = {};
    this.orphans = new Map();
  }

  /** Where the kills fell, in words. */
  places() {
    return Object.entries(this.stages)
      .map(([stage, count]) => `${stage} ${count}`)
      .join(', ');
  }

  /** Kills at random points until the import is over or `kills` are done, then waits for its end. */
  async attack(importId, kills) {
    this.importId = importId;
    this.orphans.clear();
    this.seen = null;
    const until = this.killed + kills;
    for (const [index, point] of this.plan(kills).entries()) {
      if (this.killed >= until) break;
      if (index > 0 && this.random.next() < WHILE_STARTING) {
        await pause(this.random.below(STARTING_DELAY));
        await this.kill(until, 'starting');
        continue;
      }
      await this.program.ready();
      if (!(await this.reaches(point))) {
        if (this.random.next() < AT_THE_END) await this.kill(until);
        break;
      }
      await this.kill(until);
    }
    await this.program.ready();
    await this.untilEnd();
  }

  /** The points of the kills: null is in the analysis, a number the share of the chunks that are done. */
  plan(kills) {
    const { random } = this;
    const inAnalysis = Math.min(kills, random.below(ANALYSIS_KILLS + 1));
    const shares = Array.from({ length: kills - inAnalysis }, () => random.next());
    return [...Array(inAnalysis).fill(null), ...shares.sort((a, b) => a - b)];
  }

  /** Waits for a point of the import, and a little longer. @returns false when the import is over before */
  async reaches(point) {
    if (!(await this.until((state) => state.activity !== this.seen))) return false;
    if (point === null) return this.goesOnFor(this.random.below(ANALYSIS_DELAY));
    if (!(await this.until(({ chunks, done }) => chunks > 0 && done >= point * chunks))) return false;
    return this.goesOnFor(this.random.below(POINT_DELAY));
  }

  async look() {
    const state = await ask(this.database, (store) => lookAt(store, this.importId));
    const now = Date.now();
    for (const [name, { token, since }] of this.orphans) {
      const piece = state.pieces.get(name);
      if (piece.token > token) this.resumed.push(Math.max(0, now - since));
      else if (now - since > RESUME_LIMIT) this.late++;
      else if (!piece.done) continue; // who held it lived on and did it, if it is done
      this.orphans.delete(name);
    }
    if (['failed', 'cancelled', 'ready'].includes(state.status))
      throw new Failure(`import ${this.importId} is ${state.status}`);
    this.last = state;
    return state;
  }

  /** Waits until the import has come that far. @returns false when it is over before */
  async until(isThere) {
    let deadline = Date.now() + 2 * RESUME_LIMIT;
    for (let activity = null; ;) {
      const state = await this.look();
      if (state.status === 'completed') return false;
      if (isThere(state)) return true;
      if (state.activity !== activity) deadline = Date.now() + 2 * RESUME_LIMIT;
      activity = state.activity;
      if (Date.now() > deadline) throw new Failure(`import ${this.importId} does not go on`);
      await pause(POLL);
    }
  }

  /** Lets the import go on for a while. @returns false when it is over before */
  async goesOnFor(milliseconds) {
    const end = Date.now() + milliseconds;
    while (Date.now() < end) {
      if ((await this.look()).status === 'completed') return false;
      await pause(Math.min(POLL, Math.max(0, end - Date.now())));
    }
    return true;
  }

  async untilEnd() {
    await this.until(() => false);
  }

  /** `kill -9` of the single process, of one worker or of both; then their start, which is not awaited. */
  async kill(until, stage) {
    const { program, random } = this;
    const embedded = program.workers.length === 0;
    const both = !embedded && until - this.killed > 1 && random.next() < BOTH_WORKERS;
    const victims = embedded
      ? []
      : both
        ? program.workers.map((_, index) => index)
        : [random.below(program.workers.length)];
    const state = stage === 'starting' ? this.last : await this.look();
    const processes = embedded ? [program.api] : victims.map((index) => program.workers[index]);
    for (const process of processes) process.expectAlive();
    await Promise.all(processes.map((process) => process.kill()));
    if (embedded) program.spawnApi();
    victims.forEach((index) => program.spawnWorker(index));
    this.killed += processes.length;
    const where = stage ?? state.stage;
    this.stages[where] = (this.stages[where] ?? 0) + processes.length;
    const who = embedded ? 'the process' : victims.map((index) => `worker ${index + 1}`).join(' and ');
    console.log(`   kill ${this.killed}: ${who}, ${where}, ${state.done} of ${state.chunks} chunks done`);
    const since = Date.now();
    // Where nobody was left alive, the time begins anew.
    if (processes.length >= program.workers.length) for (const orphan of this.orphans.values()) orphan.since = since;
    for (const [name, { token, claimed }] of state.pieces) {
      if (claimed && this.orphans.get(name)?.token !== token) this.orphans.set(name, { token, since });
    }
    this.seen = state.activity;
  }
}
