import { Readable } from 'node:stream';
import Sqlite from 'better-sqlite3';
import mysql from 'mysql2';
import { Failure } from '../lib/project.mjs';
import { connect } from './place.mjs';

const FIRST =
  'Ada,Ben,Clára,David,Élodie,Femi,Grace,Hugo,Inès,Jonas,Kira,Liam,Maria,Noah,Olga,Pablo,Quinn,Rosa,Samir,Tara,Zoë,Jürgen,Søren,Łukasz'.split(
    ',',
  );
const LAST =
  'Abbott,Brandt,Castillo,Dubois,Eriksen,Fischer,García,Hansen,Ivanov,Jansen,Keller,López,Moreau,Novák,Okafor,Petrov,Müller,Ødegård,Strauß'.split(
    ',',
  );
const COMPANY = 'Harbour Freight,Northwind Paper,Blue Lantern Hotels,Cedar Joinery,Atlas Bicycles,Polar Dairy'.split(
  ',',
);
const SOURCE = 'website,referral,trade fair,newsletter,cold call'.split(',');
const STATUS = 'new,contacted,qualified,converted,lost'.split(',');
const TAGS = ['["spring","vip"]', '["wholesale"]', '["north","renewal","retail"]', '["west"]', '[]'];
/** A name that one lead in so many has, all over the table. */
const RARE_EVERY = 20_000;
/** How many people the leads are shared between that belong to no team under measurement. */
const OTHERS = 200;
const FIRST_OTHER = 1_000_000;
/** The options of a custom field that is filtered by; each is had by as many leads. */
export const TIERS = Array.from({ length: 50 }, (_, tier) => `t${tier}`);
const ROWS_AT_ONCE = 20_000;

const COLUMNS =
  'id,name,email,phone,status,source,company,assigned_to,tags,custom_fields,metadata,image_url,do_not_contact,origin_import_id,origin_row,created_by,created_at,updated_at,version'.split(
    ',',
  );

const plain = (text) =>
  text
    .normalize('NFD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replace(/[^a-z]/g, 'x');
const timeOf = (ms) => new Date(ms).toISOString().replace('T', ' ').slice(0, 23);

/** The phone number of a lead; all are different. */
export const phoneOf = (n) => `+1${2_010_000_000 + ((n * 7_368_787) % 700_000_019) * 11}`;
/** The e-mail address of a lead. */
export function emailOf(n) {
  const { first, last } = nameOf(n);
  return `${plain(first)}.${plain(last)}.${n}@mail${n % 977}.example.com`;
}

/** The name of a lead in two parts. */
export function nameOf(n) {
  const person = (n * 7_919) % 10_007;
  if (n % RARE_EVERY === 0) return { first: 'Zöe', last: 'Quibbleström' };
  return { first: FIRST[person % FIRST.length], last: LAST[(person >> 5) % LAST.length] };
}

/** The company of a lead. */
export const companyOf = (n) => `${COMPANY[n % 6]} ${1 + ((n * 13) % 97)}`;

/**
 * One lead in the order of `COLUMNS`. To each of the `people` belong `each` leads, all over the table; the others belong to others.
 * @param n from 1 to `rows`
 */
function leadOf(n, rows, { people, each }) {
  const { first, last } = nameOf(n);
  const stride = Math.floor(rows / (people.length * each));
  const turn = Math.floor(n / stride);
  const ours = n % stride === 0 && turn <= people.length * each ? people[turn % people.length] : null;
  const holder = ours ?? (n % 7 === 0 ? null : FIRST_OTHER + (n % OTHERS));
  const created = timeOf(Date.UTC(2025, 0, 1) + n * 25_000);
  return [
    ...[n, `${first} ${last}`, emailOf(n), phoneOf(n), STATUS[((n * 31) % 97) % 5], SOURCE[n % 5]],
    ...[
      companyOf(n),
      holder,
      TAGS[n % 5],
      `{"tier":"${TIERS[n % TIERS.length]}"}`,
      '{}',
      null,
      n % 50 === 0 ? 1 : 0,
      null,
      null,
    ],
    ...[ours ?? FIRST_OTHER + ((n * 3) % OTHERS), created, created, 1],
  ];
}

/**
 * Puts invented leads straight into an empty store; the program's workers write the terms of searches.
 * @param {{people: number[], each: number}} team whose leads are few among the many
 * @param fieldId the custom field of the tiers; null leaves out its index and the terms of searches
 */
export async function fillLeads(database, rows, team, fieldId) {
  if (database.kind === 'sqlite') fillSqlite(database.path, rows, team, fieldId);
  else await fillServer(database.url, rows, team, fieldId);
}

const indexTiers = (tier) =>
  `INSERT INTO custom_field_values (record_id, field_id, ordinal, sort_key) SELECT id, ?, 0, ${tier} FROM leads`;

function fillSqlite(path, rows, team, fieldId) {
  const file = new Sqlite(path, { timeout: 15_000 });
  try {
    const insert = file.prepare(`INSERT INTO leads (${COLUMNS}) VALUES (${COLUMNS.map(() => '?')})`);
    file
      .transaction(() => {
        for (let n = 1; n <= rows; n++) insert.run(leadOf(n, rows, team));
        if (fieldId !== null) file.prepare(indexTiers(`'t' || (id % ${TIERS.length})`)).run(fieldId);
        file.prepare('UPDATE record_ids SET next_id = ? WHERE sequence = ?').run(rows + 1, 'leads');
      })
      .immediate();
    file.exec('ANALYZE');
    if (fieldId === null) return;
    // Last: from now on the program writes.
    file
      .transaction(() => {
        file
          .prepare('INSERT INTO search_backlog (noun, first_id, last_id, added_at) VALUES (?, ?, ?, ?)')
          .run(backlog(rows));
        file.exec(UNCHECKED);
      })
      .immediate();
  } finally {
    file.close();
  }
}

/** The counts of lists are to be compared with the records. */
const UNCHECKED = 'UPDATE contact_count_checks SET checked_at = NULL';
const backlog = (rows) => ['l', 1, rows, timeOf(Date.now() - 60_000)];

async function fillServer(url, rows, team, fieldId) {
  const connection = mysql.createConnection({ uri: url.replace(/^mariadb:/, 'mysql:') });
  const run = (options) =>
    new Promise((resolve, reject) =>
      connection.query(options, (error, result) => (error ? reject(error) : resolve(result))),
    );
  function* lines() {
    for (let start = 1; start <= rows; start += ROWS_AT_ONCE) {
      let text = '';
      for (let n = start; n < Math.min(start + ROWS_AT_ONCE, rows + 1); n++) {
        text += `${leadOf(n, rows, team)
          .map((value) => value ?? '\\N')
          .join('\t')}\n`;
      }
      yield Buffer.from(text);
    }
  }
  try {
    await run({
      sql: `LOAD DATA LOCAL INFILE 'leads' INTO TABLE leads CHARACTER SET utf8mb4 (${COLUMNS})`,
      infileStreamFactory: () => Readable.from(lines(), { objectMode: false }),
    });
    const [{ stored }] = await run({ sql: 'SELECT COUNT(*) AS stored FROM leads' });
    if (Number(stored) !== rows) throw new Failure(`the store took ${stored} leads of ${rows}`);
    await run({ sql: "UPDATE record_ids SET next_id = ? WHERE sequence = 'leads'", values: [rows + 1] });
    await run({ sql: 'ANALYZE TABLE leads' });
    if (fieldId === null) return;
    await run({
      sql: 'INSERT INTO search_backlog (noun, first_id, last_id, added_at) VALUES (?)',
      values: [backlog(rows)],
    });
    await run({ sql: UNCHECKED });
    await run({ sql: indexTiers(`CONCAT('t', id % ${TIERS.length})`), values: [fieldId] });
    await run({ sql: 'ANALYZE TABLE custom_field_values' });
  } finally {
    connection.end();
  }
}

/** Whether terms of searches, or counts of lists, are still to be written. */
export async function isIndexing(database) {
  const sql =
    'SELECT (SELECT COUNT(*) FROM search_backlog) + (SELECT COUNT(*) FROM contact_count_checks WHERE checked_at IS NULL) AS n';
  if (database.kind === 'sqlite') {
    const file = new Sqlite(database.path, { readonly: true, timeout: 15_000 });
    const { n } = file.prepare(sql).get();
    file.close();
    return n > 0;
  }
  const connection = await connect(database.url);
  const [[{ n }]] = await connection.query(sql);
  await connection.end();
  return Number(n) > 0;
}
