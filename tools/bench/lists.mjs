import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { Failure, say } from '../lib/project.mjs';
import { databaseVersion, settle } from './baseline.mjs';
import { emailOf, fillLeads, isIndexing, phoneOf, TIERS } from './lists-data.mjs';
import { openPlace } from './place.mjs';
import { Program } from './program.mjs';

/** How many leads are stored, first and last. */
export const SIZES = [10_000, 1_000_000];
/** Leads of each person of the small team. */
const EACH = 50;
/** Calls of each kind, one after another, behind some that are not counted. */
const CALLS = 60;
const WARM_UP = 5;
/** A kind of call is given up after this time, in milliseconds, once it has been timed at least so often. */
const PATIENCE = 20_000;
const FEWEST = 5;
const PAGE = 20;
const INDEXING_TIMEOUT = 30 * 60_000;
const JSON_BODY = { 'content-type': 'application/json' };

/**
 * How long lists and searches of leads take over HTTP, one call at a time, with few and with many leads stored.
 * @returns {Promise<object>} of each size and kind of call the times in milliseconds
 */
export async function lists(profile, _files, { database, sizes }) {
  const result = { profile, sizes: [] };
  for (const rows of sizes) {
    const place = await openPlace(profile, { name: 'bench', database });
    const program = new Program(place);
    try {
      result.version ??= await databaseVersion(place.database);
      await program.start();
      const post = await poster(program);
      const people = await hire(post);
      const filled = await fill(place, rows, people, await defineTier(post));
      await settle(place.database);
      const calls = await timeAll(program, rows, people);
      result.sizes.push({ rows, ...filled, calls });
    } finally {
      await program.stop();
      await place.remove();
    }
  }
  return result;
}

/** Posts as the admin. */
async function poster(program) {
  const authorization = `Bearer ${await program.token()}`;
  return (path, body) => program.call('POST', path, JSON.stringify(body), { ...JSON_BODY, authorization });
}

/** @returns the id of the custom field that leads are filtered by */
async function defineTier(post) {
  const field = { key: 'tier', label: 'Tier', type: 'list', options: TIERS, filterable: true };
  return (await post('/leads/fields', field)).id;
}

/** A team of a manager and two agents. @returns their ids and tokens, the manager first */
async function hire(post) {
  const team = await post('/teams', { name: 'Small team' });
  const people = [];
  for (const role of ['manager', 'agent', 'agent']) {
    const email = `${role}${people.length}@example.com`;
    const password = randomBytes(16).toString('hex');
    const { id } = await post('/users', { name: role, email, password, role, teamId: team.id });
    people.push({ id, email, password });
  }
  return people;
}

async function fill(place, rows, people, fieldId) {
  let began = performance.now();
  await fillLeads(place.database, rows, { people: people.map(({ id }) => id), each: EACH }, fieldId);
  const filling = (performance.now() - began) / 1000;
  began = performance.now();
  while (await isIndexing(place.database)) {
    if (performance.now() - began > INDEXING_TIMEOUT)
      throw new Failure('the terms of searches are not written in time');
    await pause(200);
  }
  const indexing = (performance.now() - began) / 1000;
  say(`  ${rows} leads: stored in ${filling.toFixed(1)} s, their terms in ${indexing.toFixed(1)} s`);
  return { filling, indexing };
}

/** The kinds of calls: what is asked for, by whom, and how many records the list must have at least. */
function kinds(rows, people) {
  const some = (n) => 1 + ((n * 7_919_017) % rows);
  const search = (q) => `/leads?q=${encodeURIComponent(q)}`;
  return [
    { name: 'a lead by its id', path: (n) => `/leads/${some(n)}`, single: true },
    { name: 'search: e-mail address', path: (n) => search(emailOf(some(n))), least: 1 },
    {
      name: 'search: part of an e-mail address',
      path: (n) => search(emailOf(some(n)).split('.').slice(1).join('.')),
      least: 1,
    },
    { name: 'search: whole phone number', path: (n) => search(phoneOf(some(n)).slice(2)), least: 1 },
    { name: 'search: last seven digits', path: (n) => search(phoneOf(some(n)).slice(-7)), least: 1 },
    { name: 'search: rare name, accents left out', path: () => search('quibblestrom'), least: rows >= 20_000 ? 1 : 0 },
    { name: 'search: two words', path: () => search('garcia maria'), least: 1 },
    { name: 'search: a word that 4 % have', path: () => search('maria'), least: 1 },
    { name: 'list, first page', path: () => '/leads', least: rows, counts: true },
    { name: 'list, next page by cursor', path: () => '/leads', least: rows, follow: true },
    { name: 'list, last page but one by cursor', path: () => '/leads?sort=createdAt', least: rows, deep: true },
    { name: 'filter by status, first page', path: () => '/leads?status=lost', least: 1, counts: true },
    { name: 'filter by status, next page', path: () => '/leads?status=lost', least: 1, follow: true },
    { name: 'filter by tag, first page', path: () => '/leads?tag=west', least: 1, counts: true },
    { name: 'filter by tag, next page', path: () => '/leads?tag=west', least: 1, follow: true },
    { name: 'filter by custom field, first page', path: () => '/leads?cf.tier=t7', least: 1, counts: true },
    { name: 'filter by custom field, next page', path: () => '/leads?cf.tier=t7', least: 1, follow: true },
    { name: 'sort by custom field, next page', path: () => '/leads?sort=cf.tier', least: rows, follow: true },
    { name: 'filter by assignee, as manager', path: () => `/leads?assignedTo=${people[1].id}`, least: EACH, by: 0 },
    { name: 'list of a small team, as manager', path: () => '/leads', least: EACH * 3, by: 0 },
    { name: 'list of own leads, as agent', path: () => '/leads', least: EACH, by: 1 },
    { name: 'search in own leads, as agent', path: () => search('maria'), least: 0, by: 1 },
  ];
}

async function timeAll(program, rows, people) {
  const tokens = [];
  for (const { email, password } of people) {
    tokens.push(
      (await program.call('POST', '/auth/login', JSON.stringify({ email, password }), JSON_BODY)).accessToken,
    );
  }
  const results = [];
  for (const kind of kinds(rows, people)) {
    const token = kind.by === undefined ? await program.token() : tokens[kind.by];
    const times = await timeKind(program, kind, token, rows);
    results.push({ name: kind.name, counts: kind.counts ?? false, times });
    say(`    ${kind.name}: ${times[times.length >> 1].toFixed(1)} ms`);
  }
  return results;
}

/** @returns the times of the calls, rising, in milliseconds */
async function timeKind(program, kind, token, rows) {
  const times = [];
  const began = performance.now();
  const get = (path) => fetch(`${program.url}/api/v1${path}`, { headers: { authorization: `Bearer ${token}` } });
  let cursor = kind.deep ? await deepCursor(get, kind.path(0), rows) : null;
  for (let call = 0; call < CALLS + WARM_UP; call++) {
    if (times.length >= FEWEST && performance.now() - began > PATIENCE) break;
    const path = kind.path(call);
    const asked = cursor ? `${path}${path.includes('?') ? '&' : '?'}cursor=${cursor}` : path;
    const start = performance.now();
    const response = await get(asked);
    const text = await response.text();
    const time = performance.now() - start;
    if (!response.ok) throw new Failure(`GET ${asked} answered ${response.status}: ${text.slice(0, 300)}`);
    const body = JSON.parse(text);
    if (!kind.single && body.meta.total < kind.least) throw new Failure(`GET ${asked} found ${body.meta.total} leads`);
    if (kind.follow) cursor = body.meta.nextCursor;
    if (call >= WARM_UP) times.push(time);
  }
  return times.sort((a, b) => a - b);
}

/** The cursor that a client has after walking the list, oldest first, nearly to its end: the first page's, moved on. */
async function deepCursor(get, path, rows) {
  const { meta } = await (await get(path)).json();
  const [sort, , , , ...ofTheList] = JSON.parse(Buffer.from(meta.nextCursor, 'base64url').toString());
  const last = rows - 2 * PAGE;
  const createdAt = new Date(Date.UTC(2025, 0, 1) + last * 25_000).toISOString().replace('T', ' ').slice(0, 23);
  return Buffer.from(JSON.stringify([sort, createdAt, last, last / PAGE + 1, ...ofTheList])).toString('base64url');
}
