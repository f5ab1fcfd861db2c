import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import Sqlite from 'better-sqlite3';
import { Failure, inRoot, say } from '../lib/project.mjs';
import { databaseVersion, settle } from './baseline.mjs';
import { writeLeadFile } from './lead-file.mjs';
import { ADMIN, connect, openPlace } from './place.mjs';
import { Program, Script } from './program.mjs';

/** How many leads are stored. */
const LEADS = 100_000;
/** How many connections ask at the same time, each with one request in flight, and for how many leads in turn. */
const CONNECTIONS = 32;
const LEADS_EACH = 200;
/** Each measurement, in seconds. Short ones that alternate often: what else the machine does meets all alike. */
const WARM_UP = 0.3;
const SECONDS = 1;
const LOAD_TIMEOUT = 60_000;
/** Ticks of the kernel's clock of processor time a second. */
const TICKS = 100;
const SIDES = ['baseline', 'admin', 'agents'];

const JSON_BODY = { 'content-type': 'application/json' };

/**
 * How many leads a second the program answers, against the server of read-baseline.mjs on the same store. Asked once by an admin
 * and once by as many agents as there are connections, each for their own leads; every connection has a session of its own.
 * @returns {Promise<object>} of each side and round the answers a second and the processor time of an answer in microseconds
 */
export async function reads(profile, files, { rounds, database }) {
  // The program logs each request, as it does by default.
  const env = { LOG_LEVEL: 'info', JWT_SECRETS: randomBytes(48).toString('base64') };
  const place = await openPlace(profile, { name: 'bench', database, env });
  const program = new Program(place, 1, join(place.directory, 'api.log'));
  let baseline = null;
  try {
    const version = await databaseVersion(place.database);
    await program.start();
    const first = await fill(place, program, join(files, 'read.csv'));
    const callers = await signInAll(place, program, first);
    await Promise.all(program.workers.map((worker) => worker.stop()));
    await settle(place.database);
    baseline = await startBaseline(place);
    await expectSame(baseline.url, program.url, callers);
    const result = { profile, version, leads: LEADS, connections: CONNECTIONS, rounds };
    for (const side of SIDES) result[side] = [];
    for (let round = 1; round <= rounds; round++) {
      for (const side of SIDES) {
        const { url, script } = side === 'baseline' ? baseline : { url: program.url, script: program.api };
        result[side].push(await load(url, script, callers[side] ?? callers.admin));
      }
      say(`  ${round}: ${SIDES.map((side) => `${side} ${Math.round(result[side].at(-1).rate)}/s`).join(', ')}`);
    }
    return result;
  } finally {
    await Promise.all([program.stop(), baseline?.script.stop()]);
    await place.remove();
  }
}

/** Imports the leads. @returns the first of their ids, which follow one another */
async function fill({ database }, program, file) {
  await writeLeadFile(file, LEADS);
  const id = await program.upload(file);
  for (;;) {
    const { status, error } = await program.get(`/imports/${id}`);
    if (status === 'completed') break;
    if (!['analyzing', 'importing'].includes(status)) throw new Failure(`the import is ${status}: ${error?.detail}`);
    await pause(200);
  }
  const [ids] = await onStore(database, 'SELECT MIN(id) AS low, MAX(id) AS high, COUNT(*) AS stored FROM leads');
  if (Number(ids.stored) !== LEADS || Number(ids.high) - Number(ids.low) !== LEADS - 1) {
    throw new Failure(`the import stored ${ids.stored} leads, ${ids.low} to ${ids.high}, of ${LEADS}`);
  }
  return Number(ids.low);
}

/**
 * Makes an agent for each connection, to whom one lead in so many is assigned, and signs everyone in.
 * @returns who asks for what on each connection, on either side the same leads
 */
async function signInAll({ database }, program, first) {
  const signIn = async ({ email, password }) =>
    (await program.call('POST', '/auth/login', JSON.stringify({ email, password }), JSON_BODY)).accessToken;
  const callers = { admin: [], agents: [] };
  for (let index = 0; index < CONNECTIONS; index++) {
    const name = `Agent ${index + 1}`;
    const agent = { name, email: `agent${index + 1}@example.com`, password: randomBytes(16).toString('hex') };
    const headers = { ...JSON_BODY, authorization: `Bearer ${await program.token()}` };
    const { id } = await program.call('POST', '/users', JSON.stringify({ ...agent, role: 'agent' }), headers);
    await onStore(database, `UPDATE leads SET assigned_to = ? WHERE id % ${CONNECTIONS} = ?`, [id, index]);
    const ids = leadsOf(index, first);
    callers.agents.push({ token: await signIn(agent), ids });
    callers.admin.push({ token: await signIn(ADMIN), ids });
  }
  return callers;
}

/** Leads all over the table whose ids leave the rest `index`. */
function leadsOf(index, first) {
  const rest = (index - (first % CONNECTIONS) + CONNECTIONS) % CONNECTIONS;
  const slots = Math.floor(LEADS / CONNECTIONS);
  return Array.from({ length: LEADS_EACH }, (_, n) => first + rest + CONNECTIONS * ((n * 1_009) % slots));
}

async function onStore(database, sql, params = []) {
  if (database.kind === 'sqlite') {
    const file = new Sqlite(database.path, { timeout: 15_000 });
    const statement = file.prepare(sql);
    const rows = statement.reader ? statement.all(params) : statement.run(params);
    file.close();
    return rows;
  }
  const connection = await connect(database.url);
  const [rows] = await connection.query(sql, params);
  await connection.end();
  return rows;
}

async function startBaseline({ database, env }) {
  const settings = { DATABASE: database.url ?? database.path, SECRET: env.JWT_SECRETS };
  const script = new Script([inRoot('tools', 'bench', 'read-baseline.mjs')], { PATH: process.env.PATH, ...settings });
  const [, url] = await script.says(/listens on (\S+)/);
  return { url, script };
}

/** @throws {Failure} when the two answer differently, to whomever */
async function expectSame(baseline, program, callers) {
  const ask = async (url, token, id) => {
    const headers = { authorization: `Bearer ${token}`, connection: 'close' };
    const response = await fetch(`${url}/api/v1/leads/${id}`, { headers });
    return `${response.status} ${response.headers.get('etag')} ${await response.text()}`;
  };
  for (const { token, ids } of Object.values(callers).flat()) {
    const [wanted, given] = [await ask(baseline, token, ids[0]), await ask(program, token, ids[0])];
    if (given !== wanted) throw new Failure(`the baseline answers\n${wanted}\nbut the program\n${given}`);
  }
}

/** Processor time that a process has taken, in microseconds; NaN where the system does not tell. */
function processorTime({ pid }) {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return ((Number(fields[11]) + Number(fields[12])) * 1e6) / TICKS;
  } catch {
    return NaN;
  }
}

/** @returns answers a second, and the server's processor time for each in microseconds */
async function load(url, script, callers) {
  const before = processorTime(script);
  const result = await new Promise((resolve, reject) => {
    const file = inRoot('tools', 'bench', 'read-load.mjs');
    const child = execFile(process.execPath, [file], { timeout: LOAD_TIMEOUT }, (error, stdout, stderr) =>
      error ? reject(new Failure(`the load ended early: ${stderr || error.message}`)) : resolve(JSON.parse(stdout)),
    );
    child.stdin.end(JSON.stringify({ url, callers, warmUp: WARM_UP, seconds: SECONDS }));
  });
  script.expectAlive();
  return { rate: result.answers / result.seconds, cpu: (processorTime(script) - before) / result.all };
}
