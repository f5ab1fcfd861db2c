/**
 * Looks at a finished import from outside: the store's tables and what the file says must be in them. It shares no code with
 * the program.
 */

const OUTCOMES = ['created', 'updated', 'unchanged', 'skipped', 'excluded', 'rejected'];
/** How many examples of one kind of deviation are told. */
const EXAMPLES = 5;

/** Deviations by kind. */
export class Findings {
  constructor() {
    this.kinds = new Map();
  }

  add(kind, detail) {
    const found = this.kinds.get(kind) ?? { count: 0, examples: [] };
    found.count++;
    if (found.examples.length < EXAMPLES) found.examples.push(detail);
    this.kinds.set(kind, found);
  }

  /** @param {unknown} actual @param {unknown} expected */
  equal(kind, actual, expected, what) {
    const [a, b] = [JSON.stringify(actual), JSON.stringify(expected)];
    if (a !== b) this.add(kind, `${what}: ${a}, must be ${b}`);
  }

  count(kind) {
    return this.kinds.get(kind)?.count ?? 0;
  }
}

/**
 * @param {import('./store.mjs').Store} store
 * @param {number} importId
 * @param {ReturnType<import('./expectations.mjs').expectationsOf>} expected
 * @returns {Promise<{counts: Record<string, number>, deviations: Map<string, {count: number, examples: string[]}>}>}
 */
export async function checkImport(store, importId, expected) {
  const findings = new Findings();
  const total = expected.rows.length;
  const work = await checkResource(store, importId, expected, findings);
  const rows = await checkLedger(store, importId, expected, findings);
  const records = await checkRecords(store, importId, work, rows, expected, findings);
  await checkUnique(store, findings);
  const chunks = await checkChunks(store, importId, total, findings);
  const events = await checkEvents(store, importId, chunks, rows, findings);
  return {
    counts: {
      rows: total,
      ...countOutcomes(rows),
      records,
      lost: findings.count('row lost') + findings.count('record lost'),
      twice: findings.count('row twice') + findings.count('record twice'),
      mismatched: findings.count('outcome wrong') + findings.count('errors wrong') + findings.count('record wrong'),
      chunks: chunks.length,
      ...events,
    },
    deviations: findings.kinds,
  };
}

async function checkResource(store, importId, expected, findings) {
  const [work] = await store.query('SELECT status, total_rows, file_hash, record_base FROM imports WHERE id = ?', [
    importId,
  ]);
  findings.equal('import wrong', work?.status, 'completed', 'status');
  findings.equal('import wrong', Number(work?.total_rows), expected.rows.length, 'rows');
  findings.equal('import wrong', work?.file_hash, expected.hash, 'hash of the file');
  return work;
}

/** @returns {Promise<({outcome: string, recordId: number | null} | undefined)[]>} what the ledger says of each row; index 0 is unused */
async function checkLedger(store, importId, expected, findings) {
  const total = expected.rows.length;
  const rows = await readLedger(store, 'import_ledger', importId, total, findings);
  for (let row = 1; row <= total; row++) {
    const wanted = expected.rows[row - 1].errors;
    if (!rows[row]) {
      findings.add('row lost', `row ${row}`);
      continue;
    }
    findings.equal('outcome wrong', rows[row].outcome, wanted.length === 0 ? 'created' : 'rejected', `row ${row}`);
    findings.equal('errors wrong', rows[row].errors.sort(), [...wanted].sort(), `row ${row}`);
  }
  return rows;
}

/** @returns {Promise<({outcome: string, recordId: number | null} | undefined)[]>} what a ledger says of each row; index 0 is unused */
export async function readLedger(store, table, importId, total, findings) {
  const entries = await store.query(
    `SELECT first_row, last_row, outcome, record_id, errors FROM ${table} WHERE import_id = ? ORDER BY first_row`,
    [importId],
  );
  const rows = new Array(total + 1);
  for (const entry of entries) {
    const [first, last] = [Number(entry.first_row), Number(entry.last_row)];
    if (!(first >= 1 && last >= first && last <= total)) findings.add('row of no file', `rows ${first} to ${last}`);
    const errors = entry.errors === null ? [] : JSON.parse(entry.errors).map(({ field, code }) => `${field}:${code}`);
    for (let row = Math.max(first, 1); row <= Math.min(last, total); row++) {
      if (rows[row]) findings.add('row twice', `row ${row}`);
      const recordId = entry.record_id === null ? null : Number(entry.record_id) + row - first;
      rows[row] = { outcome: entry.outcome, recordId, errors };
    }
  }
  return rows;
}

export function countOutcomes(rows) {
  const counts = Object.fromEntries(OUTCOMES.map((outcome) => [outcome, 0]));
  for (const row of rows) if (row) counts[row.outcome]++;
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0));
}

/** @returns {Promise<number>} records that name this import as their origin */
async function checkRecords(store, importId, work, rows, expected, findings) {
  const total = expected.rows.length;
  const stored = await store.query(
    'SELECT id, origin_row, name, email, phone FROM leads WHERE origin_import_id = ? ORDER BY id',
    [importId],
  );
  const base = Number(work?.record_base);
  const seen = new Uint8Array(total + 1);
  for (const { id, origin_row: originRow, name, email, phone } of stored) {
    const row = Number(originRow);
    const entry = rows[row];
    if (entry?.outcome !== 'created') {
      findings.add('record of no row', `record ${id} of row ${originRow}`);
      continue;
    }
    if (seen[row]++ > 0) findings.add('record twice', `row ${row}`);
    findings.equal('record wrong', Number(id), entry.recordId, `row ${row}: id, as the ledger says`);
    findings.equal('record wrong', Number(id), base + row - 1, `row ${row}: id, from the reserved range`);
    const wanted = expected.rows[row - 1];
    findings.equal('record wrong', [name, email, phone], [wanted.name, wanted.email, wanted.phone], `row ${row}`);
  }
  for (let row = 1; row <= total; row++) {
    if (rows[row]?.outcome === 'created' && seen[row] === 0) findings.add('record lost', `row ${row}`);
  }
  return stored.length;
}

/** No e-mail address and no phone number twice, whatever the unique indexes say. */
export async function checkUnique(store, findings) {
  for (const column of ['email', 'phone']) {
    const twice = await store.query(
      `SELECT LOWER(${column}) AS value, COUNT(*) AS n FROM leads WHERE ${column} IS NOT NULL GROUP BY LOWER(${column}) HAVING COUNT(*) > 1`,
    );
    for (const { value, n } of twice) findings.add(`${column} twice`, `${value}: ${n} records`);
  }
}

/** @returns {Promise<number[]>} the numbers of the import's chunks */
export async function checkChunks(store, importId, total, findings) {
  const chunks = await store.query(
    'SELECT seq, status, first_row, last_row FROM import_chunks WHERE import_id = ? ORDER BY seq',
    [importId],
  );
  chunks.forEach(({ seq, status, first_row: first, last_row: last }, index) => {
    findings.equal('chunk wrong', Number(seq), index + 1, 'number of a chunk');
    findings.equal('chunk wrong', status, 'done', `chunk ${seq}`);
    if (Number(first) < 1 || Number(last) > total)
      findings.add('chunk wrong', `chunk ${seq}: rows ${first} to ${last}`);
  });
  if (chunks.length === 0 && total > 0) findings.add('chunk wrong', 'there are none');
  return chunks.map(({ seq }) => Number(seq));
}

export async function eventsOf(store, importId, name) {
  const events = await store.query('SELECT event_id, payload, published_at FROM outbox WHERE name = ? ORDER BY id', [
    name,
  ]);
  return events
    .map(({ event_id: id, payload, published_at: publishedAt }) => ({
      name,
      id,
      publishedAt,
      payload: JSON.parse(payload),
    }))
    .filter(({ payload }) => Number(payload.importId) === importId);
}

/** Who handles which events. */
const CONSUMERS = {
  'import.created': 'imports.analyze',
  'import.started': 'imports.plan',
  'import.batch-committed': 'imports.finish',
};

/** One event for each committed chunk, published, and handled once; and each of the others that an import says, once. */
export async function checkEvents(store, importId, chunks, rows, findings) {
  const committed = await eventsOf(store, importId, 'import.batch-committed');
  const ofChunk = new Map(chunks.map((seq) => [seq, 0]));
  for (const { payload } of committed) {
    const seq = Number(payload.seq);
    if (!ofChunk.has(seq)) findings.add('event of no batch', `chunk ${seq}`);
    else ofChunk.set(seq, ofChunk.get(seq) + 1);
  }
  for (const [seq, n] of ofChunk) {
    if (n === 0) findings.add('event lost', `chunk ${seq}`);
    if (n > 1) findings.add('event twice', `chunk ${seq}: ${n} events`);
  }
  const outcomes = countOutcomes(rows);
  findings.equal('event wrong', sumCounts(committed), outcomes, 'sum of the counts of all batches');

  const once = [];
  for (const name of ['import.created', 'import.started', 'import.completed']) {
    const said = await eventsOf(store, importId, name);
    if (said.length === 0) findings.add('event lost', name);
    if (said.length > 1) findings.add('event twice', `${name}: ${said.length} events`);
    if (name === 'import.completed') findings.equal('event wrong', sumCounts(said), outcomes, `counts of ${name}`);
    once.push(...said);
  }
  for (const { id, publishedAt } of [...committed, ...once]) {
    if (publishedAt === null) findings.add('event unpublished', id);
  }

  const inbox = await store.query('SELECT consumer, event_id FROM inbox');
  const handled = new Set(inbox.map((row) => `${row.consumer} ${row.event_id}`));
  const isHandled = (name, id) => !CONSUMERS[name] || handled.has(`${CONSUMERS[name]} ${id}`);
  for (const { name, id, payload } of [...committed, ...once]) {
    if (!isHandled(name, id)) findings.add('event unhandled', `${name} ${payload.seq ?? ''}`);
  }
  for (const failed of await store.query('SELECT consumer, event_id, status, error FROM failed_deliveries')) {
    findings.add('delivery failed', `${failed.consumer} ${failed.event_id} (${failed.status}): ${failed.error}`);
  }
  return {
    eventsCommitted: committed.length,
    eventsPublished: committed.filter(({ publishedAt }) => publishedAt !== null).length,
    eventsHandled: committed.filter(({ name, id }) => isHandled(name, id)).length,
  };
}

function sumCounts(events) {
  const sum = Object.fromEntries(OUTCOMES.map((outcome) => [outcome, 0]));
  for (const { payload } of events) {
    for (const [outcome, count] of Object.entries(payload.counts)) sum[outcome] = (sum[outcome] ?? 0) + count;
  }
  return Object.fromEntries(Object.entries(sum).filter(([, count]) => count > 0));
}

/** Whether everything that was said has been published and handled. */
export async function isQuiet(store) {
  const [{ n: waiting }] = await store.query('SELECT COUNT(*) AS n FROM outbox WHERE published_at IS NULL');
  const [{ n: retrying }] = await store.query(`SELECT COUNT(*) AS n FROM failed_deliveries WHERE status = 'retrying'`);
  let unhandled = 0;
  for (const [name, consumer] of Object.entries(CONSUMERS)) {
    const [{ n }] = await store.query(
      'SELECT COUNT(*) AS n FROM outbox WHERE name = ? AND event_id NOT IN (SELECT event_id FROM inbox WHERE consumer = ?)',
      [name, consumer],
    );
    unhandled += Number(n);
  }
  return Number(waiting) + Number(retrying) + unhandled === 0;
}
