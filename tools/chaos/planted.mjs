import { randomUUID } from 'node:crypto';
import { checkImport } from './checker.mjs';
import { ask } from './store.mjs';

const NOW = '2026-01-01 00:00:00.000';

/** What is done to a finished import, and what the checker must call it. `at` names rows of its ledger, records and events. */
const faults = (at) => [
  ['a record is deleted', 'record lost', ['DELETE FROM leads WHERE id = ?', [at.record]]],
  ['a record is stored twice', 'record twice', insertLead(at, at.record + 50_000_000, at.row)],
  ['a record of a rejected row is stored', 'record of no row', insertLead(at, at.record + 50_000_000, at.rejectedRow)],
  [
    "a record's e-mail is another",
    'record wrong',
    ['UPDATE leads SET email = ? WHERE id = ?', ['x@example.com', at.record]],
  ],
  ["a record's phone is gone", 'record wrong', ['UPDATE leads SET phone = NULL WHERE id = ?', [at.phoned]]],
  ['a record has another id', 'record wrong', ['UPDATE leads SET id = id + 50000000 WHERE id = ?', [at.record]]],
  [
    'an e-mail is stored twice, once in capitals',
    'email twice',
    ['UPDATE leads SET email = UPPER(?) WHERE id = ?', [at.email, at.other]],
  ],
  [
    'a run of the ledger is deleted',
    'row lost',
    ['DELETE FROM import_ledger WHERE import_id = ? AND first_row = ?', at.run],
  ],
  [
    'a row is in two runs of the ledger',
    'row twice',
    ['UPDATE import_ledger SET last_row = last_row + 1 WHERE import_id = ? AND first_row = ?', at.run],
  ],
  [
    'a run goes beyond the file',
    'row of no file',
    ['UPDATE import_ledger SET last_row = last_row + 10000000 WHERE import_id = ? AND first_row = ?', at.lastRun],
  ],
  [
    'an outcome is another',
    'outcome wrong',
    [`UPDATE import_ledger SET outcome = 'skipped' WHERE import_id = ? AND first_row = ?`, at.run],
  ],
  [
    "a rejected row's reason is another",
    'errors wrong',
    [`UPDATE import_ledger SET errors = '[]' WHERE import_id = ? AND first_row = ?`, at.rejectedRun],
  ],
  [
    'the ledger names another record',
    'record wrong',
    ['UPDATE import_ledger SET record_id = record_id + 1 WHERE import_id = ? AND first_row = ?', at.run],
  ],
  [
    'a chunk is not done',
    'chunk wrong',
    [`UPDATE import_chunks SET status = 'pending' WHERE import_id = ? AND seq = 1`, [at.importId]],
  ],
  ['an event is deleted', 'event lost', ['DELETE FROM outbox WHERE event_id = ?', [at.event]]],
  ['an event is said twice', 'event twice', sayAgain(at.event)],
  [
    'an event is not published',
    'event unpublished',
    ['UPDATE outbox SET published_at = NULL WHERE event_id = ?', [at.event]],
  ],
  ['an event is not handled', 'event unhandled', ['DELETE FROM inbox WHERE event_id = ?', [at.event]]],
  ['the end is said twice', 'event twice', sayAgain(at.completed)],
  [
    "an event's counts are others",
    'event wrong',
    ['UPDATE outbox SET payload = ? WHERE event_id = ?', [at.emptied, at.event]],
  ],
  [
    'an event names a chunk that does not exist',
    'event of no batch',
    ['UPDATE outbox SET payload = ? WHERE event_id = ?', [at.renumbered, at.event]],
  ],
  [
    'a delivery failed',
    'delivery failed',
    [
      `INSERT INTO failed_deliveries (consumer, event_id, envelope, status, attempts, error, next_attempt_at, created_at)
       VALUES ('imports.finish', ?, '{}', 'dead', 5, 'planted', ?, ?)`,
      [at.event, NOW, NOW],
    ],
  ],
  [
    'the import is not completed',
    'import wrong',
    [`UPDATE imports SET status = 'importing' WHERE id = ?`, [at.importId]],
  ],
  [
    'the import counts other rows',
    'import wrong',
    ['UPDATE imports SET total_rows = total_rows + 1 WHERE id = ?', [at.importId]],
  ],
];

function insertLead({ importId }, id, row) {
  return [
    `INSERT INTO leads (id, name, email, status, source, tags, custom_fields, metadata, do_not_contact, origin_import_id, origin_row, created_at, updated_at, version)
     VALUES (?, 'Planted', ?, 'new', 'planted', '[]', '{}', '{}', 0, ?, ?, ?, ?, 1)`,
    [id, `planted.${id}@example.com`, importId, row, NOW, NOW],
  ];
}

const sayAgain = (event) => [
  `INSERT INTO outbox (event_id, name, version, payload, occurred_at, published_at)
   SELECT ?, name, version, payload, occurred_at, published_at FROM outbox WHERE event_id = ?`,
  [randomUUID(), event],
];

/** Places to plant faults at: rows, records and events that the import has. */
async function findPlaces(store, importId) {
  const one = async (sql, params = []) => (await store.query(sql, params))[0];
  const run = await one(
    `SELECT first_row, record_id FROM import_ledger WHERE import_id = ? AND outcome = 'created' AND first_row > 1 AND last_row > first_row ORDER BY first_row LIMIT 1`,
    [importId],
  );
  const rejected = await one(
    `SELECT first_row FROM import_ledger WHERE import_id = ? AND outcome = 'rejected' ORDER BY first_row LIMIT 1`,
    [importId],
  );
  const last = await one('SELECT MAX(first_row) AS first_row FROM import_ledger WHERE import_id = ?', [importId]);
  const phoned = await one(
    'SELECT id FROM leads WHERE origin_import_id = ? AND phone IS NOT NULL ORDER BY id LIMIT 1',
    [importId],
  );
  const named = await one(
    'SELECT id, email FROM leads WHERE origin_import_id = ? AND email IS NOT NULL AND id <> ? ORDER BY id DESC LIMIT 1',
    [importId, run.record_id],
  );
  const event = await one(
    `SELECT event_id, payload FROM outbox WHERE name = 'import.batch-committed' ORDER BY id DESC LIMIT 1`,
  );
  const completed = await one(`SELECT event_id FROM outbox WHERE name = 'import.completed' ORDER BY id DESC LIMIT 1`);
  const payload = JSON.parse(event.payload);
  return {
    importId,
    run: [importId, Number(run.first_row)],
    lastRun: [importId, Number(last.first_row)],
    rejectedRun: [importId, Number(rejected.first_row)],
    row: Number(run.first_row),
    rejectedRow: Number(rejected.first_row),
    record: Number(run.record_id),
    other: Number(run.record_id) + 1,
    phoned: Number(phoned.id),
    email: named.email,
    event: event.event_id,
    completed: completed.event_id,
    emptied: JSON.stringify({ ...payload, counts: { created: 0 } }),
    renumbered: JSON.stringify({ ...payload, seq: 1_000_000 }),
  };
}

/**
 * Plants each fault into the finished import, looks whether the checker calls it by its name, and takes it back. The program
 * must not be running.
 * @returns {Promise<{fault: string, wanted: string, reported: string[], found: boolean}[]>}
 */
export function plantFaults(database, importId, expected) {
  return ask(database, async (store) => {
    const results = [];
    for (const [fault, wanted, [sql, params]] of faults(await findPlaces(store, importId))) {
      await store.query('BEGIN');
      try {
        await store.query(sql, params);
        const { deviations } = await checkImport(store, importId, expected);
        const reported = [...deviations.keys()];
        results.push({ fault, wanted, reported, found: reported.includes(wanted) });
      } finally {
        await store.query('ROLLBACK');
      }
    }
    return results;
  });
}
