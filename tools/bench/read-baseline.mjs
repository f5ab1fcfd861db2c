import { createHmac, createSecretKey, timingSafeEqual } from 'node:crypto';
import Sqlite from 'better-sqlite3';
import fastify from 'fastify';
import mysql from 'mysql2/promise';

/**
 * What a lead's read is measured against: the least that a server by hand does for it. It verifies the token's signature and
 * claims, reads the row by its key with a prepared statement, and answers as the program does. It asks for no session, user or
 * scope, and writes no log. Run by read.mjs, which passes the store (`DATABASE`) and the secret (`SECRET`).
 */
const { DATABASE, SECRET } = process.env;
const SQL = 'SELECT * FROM leads WHERE id = ?';
const POOL_SIZE = 12; // as the program has

const key = createSecretKey(Buffer.from(SECRET));

function isSigned(authorization) {
  if (!authorization?.startsWith('Bearer ')) return false;
  const [header, payload, signature] = authorization.slice(7).split('.');
  const expected = createHmac('sha256', key).update(`${header}.${payload}`).digest();
  const given = Buffer.from(signature ?? '', 'base64url');
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return false;
  if (JSON.parse(Buffer.from(header, 'base64url')).alg !== 'HS256') return false;
  const { exp, iss, aud } = JSON.parse(Buffer.from(payload, 'base64url'));
  return exp * 1000 > Date.now() && iss === 'muster' && aud === 'muster-api';
}

/** A stored time: a Date from the server, UTC text from SQLite. */
const timeOf = (stored) => (stored instanceof Date ? stored : new Date(`${stored.replace(' ', 'T')}Z`));

const viewOf = (row) => ({
  id: row.id,
  name: row.name,
  email: row.email,
  phone: row.phone,
  status: row.status,
  source: row.source,
  company: row.company,
  assignedTo: row.assigned_to,
  tags: JSON.parse(row.tags),
  customFields: JSON.parse(row.custom_fields),
  metadata: JSON.parse(row.metadata),
  imageUrl: row.image_url,
  doNotContact: row.do_not_contact === 1,
  convertedTo: row.converted_to,
  createdBy: row.created_by,
  createdAt: timeOf(row.created_at),
  updatedAt: timeOf(row.updated_at),
  groups: [], // The program looks them up; these leads are in none.
  origin: row.origin_import_id === null ? null : { importId: row.origin_import_id, row: row.origin_row },
});

function openStore() {
  if (!/^(mysql|mariadb):/.test(DATABASE)) {
    const select = new Sqlite(DATABASE, { readonly: true }).prepare(SQL);
    return (id) => select.get(id);
  }
  const uri = DATABASE.replace(/^mariadb:/, 'mysql:');
  const pool = mysql.createPool({ uri, timezone: 'Z', supportBigNumbers: true, connectionLimit: POOL_SIZE });
  return async (id) => (await pool.execute(SQL, [id]))[0][0];
}

const read = openStore();
const app = fastify();
app.get('/api/v1/leads/:id', async (request, reply) => {
  if (!isSigned(request.headers.authorization)) return reply.code(401).send({ code: 'token-invalid' });
  const row = await read(Number(request.params.id));
  if (!row) return reply.code(404).send({ code: 'not-found' });
  reply.header('etag', `"v${row.version}"`);
  return viewOf(row);
});
console.log(`listens on ${await app.listen({ port: 0, host: '127.0.0.1' })}`);
