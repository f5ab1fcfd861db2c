import { createReadStream, createWriteStream } from 'node:fs';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import Sqlite from 'better-sqlite3';
import mysql from 'mysql2';
import { Failure } from '../lib/project.mjs';
import { connect } from './place.mjs';

const ROWS_AT_ONCE = 20_000;
/** The server's write-back is awaited this long at most before a measurement begins, in milliseconds. */
const SETTLE = 20_000;

const SPECIAL = /[\\\t\n\r\0]/g;
const ESCAPED = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r', '\0': '\\0' };
const cell = (value) => (value === null ? '\\N' : String(value).replace(SPECIAL, (char) => ESCAPED[char]));

/** How many leads are stored: what an import is worth nothing without. */
export async function countLeads(database) {
  if (database.kind === 'sqlite') {
    const file = new Sqlite(database.path, { readonly: true });
    const { n } = file.prepare('SELECT COUNT(*) AS n FROM leads').get();
    file.close();
    return n;
  }
  const connection = await connect(database.url);
  const [[{ n }]] = await connection.query('SELECT COUNT(*) AS n FROM leads');
  await connection.end();
  return Number(n);
}

/** The server's version, for the report. */
export async function databaseVersion(database) {
  if (database.kind === 'sqlite') {
    const file = new Sqlite(':memory:');
    const { version } = file.prepare('SELECT sqlite_version() AS version').get();
    file.close();
    return `SQLite ${version}`;
  }
  const connection = await connect(database.url);
  const [[{ version, bin_log }]] = await connection.query('SELECT VERSION() AS version, @@log_bin AS bin_log');
  await connection.end();
  const name = /mariadb/i.test(version) ? 'MariaDB' : 'MySQL';
  return `${name} ${version.split('-')[0]}${Number(bin_log) ? ', binary log on' : ''}`;
}

/** Lets the server write back what the work before left dirty, as far as it will, so that both sides begin alike. */
export async function settle(database) {
  if (database.kind === 'sqlite') return;
  const connection = await connect(database.url);
  const deadline = Date.now() + SETTLE;
  let before = Infinity;
  while (Date.now() < deadline) {
    const [[row]] = await connection.query(`SHOW GLOBAL STATUS LIKE 'Innodb_buffer_pool_pages_dirty'`);
    const dirty = Number(row?.Value ?? 0);
    if (dirty >= before * 0.99) break;
    before = dirty;
    await pause(1_000);
  }
  await connection.end();
}

/**
 * Loads the stored leads once more, into an empty table with the same columns and indexes, the fastest way that the
 * database has: LOAD DATA LOCAL INFILE in one statement, or a prepared INSERT in one transaction with the rows in memory.
 * @returns {Promise<{rows: number, seconds: number}>}
 */
export function runBaseline(place) {
  return place.database.kind === 'sqlite' ? sqliteBaseline(place) : mysqlBaseline(place);
}

async function mysqlBaseline({ database, directory }) {
  const file = join(directory, 'baseline.tsv');
  const columns = await dumpLeads(database.url, file);
  await settle(database);
  const connection = mysql.createConnection({ uri: database.url });
  const run = (options) =>
    new Promise((resolve, reject) =>
      connection.query(options, (error, result) => (error ? reject(error) : resolve(result))),
    );
  try {
    await run({ sql: 'CREATE TABLE leads_base LIKE leads' });
    const sql =
      `LOAD DATA LOCAL INFILE 'leads' INTO TABLE leads_base CHARACTER SET utf8mb4 ` +
      `FIELDS TERMINATED BY '\\t' ESCAPED BY '\\\\' LINES TERMINATED BY '\\n' (${columns.join(', ')})`;
    const infileStreamFactory = () => createReadStream(file, { highWaterMark: 1024 * 1024 });
    const began = performance.now();
    const result = await run({ sql, infileStreamFactory });
    const seconds = (performance.now() - began) / 1000;
    if (result.warningStatus > 0) throw new Failure(`the baseline's load gave ${result.warningStatus} warnings`);
    return { rows: result.affectedRows, seconds };
  } catch (error) {
    if ([1148, 3948, 4166].includes(error.errno)) {
      throw new Failure(
        'the server refuses LOAD DATA LOCAL, which is what the import is measured against: set local_infile=1',
      );
    }
    throw error;
  } finally {
    connection.end();
  }
}

/** Writes the stored leads as LOAD DATA reads them. @returns their columns */
async function dumpLeads(url, file) {
  const connection = await connect(url);
  const out = createWriteStream(file);
  let columns = [];
  for (let after = 0; ;) {
    const [rows, fields] = await connection.query({
      sql: `SELECT * FROM leads WHERE id > ? ORDER BY id LIMIT ${ROWS_AT_ONCE}`,
      values: [after],
      rowsAsArray: true,
    });
    if (rows.length === 0) break;
    columns = fields.map(({ name }) => name);
    after = rows.at(-1)[columns.indexOf('id')];
    const text = rows.map((row) => `${row.map(cell).join('\t')}\n`).join('');
    if (!out.write(text)) await once(out, 'drain');
  }
  out.end();
  await once(out, 'finish');
  await connection.end();
  return columns;
}

async function sqliteBaseline({ database, directory }) {
  const source = new Sqlite(database.path, { readonly: true });
  const schema = source.prepare(`SELECT sql FROM sqlite_master WHERE tbl_name = 'leads' AND sql IS NOT NULL`).all();
  const rows = source.prepare('SELECT * FROM leads ORDER BY id').raw().all();
  const columns = source.prepare('SELECT * FROM leads LIMIT 0').columns().length;
  source.close();
  const target = new Sqlite(join(directory, 'baseline.sqlite'));
  try {
    target.pragma('journal_mode = WAL');
    target.pragma('synchronous = FULL');
    target.pragma('cache_size = -64000'); // as the program has
    for (const { sql } of schema) target.exec(sql);
    const insert = target.prepare(`INSERT INTO leads VALUES (${Array(columns).fill('?').join(', ')})`);
    const load = target.transaction(() => {
      for (const row of rows) insert.run(row);
    });
    const began = performance.now();
    load.immediate();
    return { rows: rows.length, seconds: (performance.now() - began) / 1000 };
  } finally {
    target.close();
  }
}
