/**
 * Looks at an import that changes records, and at its undo, from outside: the tables before it, what its file says, and the tables
 * after it. It shares no code with the program.
 */

import { checkChunks, checkEvents, checkUnique, countOutcomes, eventsOf, Findings, readLedger } from './checker.mjs';

/** What is kept about leads so that they are found and counted, beside the table itself. */
const KEPT = {
  terms: `SELECT record_id, term FROM search_terms WHERE noun = 'l' ORDER BY record_id, term`,
  keys: `SELECT record_id, kind, key_hash FROM duplicate_keys WHERE noun = 'leads' ORDER BY record_id, kind, key_hash`,
  tags: `SELECT record_id, tag FROM contact_tags WHERE noun = 'l' ORDER BY record_id, tag`,
  counts: `SELECT facet, assignee, creator, SUM(n) AS n FROM contact_counts WHERE noun = 'l'
    GROUP BY facet, assignee, creator HAVING SUM(n) <> 0 ORDER BY facet, assignee, creator`,
};

/** Everything about leads that an undo has to bring back. Nothing may wait for the index of searches. */
export async function snapshot(store) {
  const leads = new Map();
  for (const lead of await store.query('SELECT * FROM leads ORDER BY id')) leads.set(Number(lead.id), lead);
  const kept = {};
  for (const [name, sql] of Object.entries(KEPT))
    kept[name] = (await store.query(sql)).map((row) => JSON.stringify(row));
  return { leads, kept };
}

/** Whether the terms, keys and tags of all records are written. */
export async function isIndexed(store) {
  const [{ n }] = await store.query('SELECT COUNT(*) AS n FROM search_backlog');
  return Number(n) === 0;
}

const MOVING = ['version', 'updated_at'];
const without = (lead, names) =>
  JSON.stringify(Object.fromEntries(Object.entries(lead).filter(([name]) => !names.includes(name))));

/**
 * @param {import('./store.mjs').Store} store
 * @param {{id: number | null, email: string, company: string}[]} rows of the file: which lead each changes, or null
 * @param {Awaited<ReturnType<typeof snapshot>>} before
 */
export async function checkUpdates(store, importId, rows, before) {
  const findings = new Findings();
  const ledger = await readLedger(store, 'import_ledger', importId, rows.length, findings);
  const after = await snapshot(store);
  const touched = new Set();
  rows.forEach(({ id, email, company }, index) => {
    const row = index + 1;
    const said = ledger[row];
    if (!said) return findings.add('row lost', `row ${row}`);
    findings.equal('outcome wrong', said.outcome, id === null ? 'created' : 'updated', `row ${row}`);
    if (id !== null) findings.equal('record wrong', said.recordId, id, `row ${row}: id`);
    const lead = after.leads.get(said.recordId);
    if (!lead) return findings.add('record lost', `row ${row}`);
    if (touched.has(said.recordId)) findings.add('record twice', `row ${row}`);
    touched.add(said.recordId);
    findings.equal('record wrong', [lead.email, lead.company], [email, company], `row ${row}`);
    if (id === null) {
      findings.equal(
        'record wrong',
        [Number(lead.origin_import_id), Number(lead.origin_row)],
        [importId, row],
        `row ${row}`,
      );
      return;
    }
    const old = before.leads.get(id);
    findings.equal('changed twice', Number(lead.version), Number(old.version) + 1, `row ${row}: version`);
    const others = [...MOVING, 'company'];
    findings.equal('record wrong', without(lead, others), without(old, others), `row ${row}: other columns`);
  });
  for (const [id, lead] of after.leads) {
    if (touched.has(id)) continue;
    if (!before.leads.has(id)) findings.add('record of no row', `record ${id}`);
    else
      findings.equal('record wrong', without(lead, []), without(before.leads.get(id), []), `record ${id}, of no row`);
  }
  const noted = await store.query(
    'SELECT file_row, COUNT(*) AS n FROM import_changes WHERE import_id = ? GROUP BY file_row ORDER BY file_row',
    [importId],
  );
  const wanted = rows.flatMap(({ id }, index) => (id === null ? [] : [[index + 1, 1]]));
  const found = noted.map(({ file_row: row, n }) => [Number(row), Number(n)]);
  findings.equal('changes wrong', found, wanted, 'rows of which the old values are kept');
  await checkUnique(store, findings);
  const chunks = await checkChunks(store, importId, rows.length, findings);
  const events = await checkEvents(store, importId, chunks, ledger, findings);
  return { findings, counts: { rows: rows.length, ...countOutcomes(ledger), ...events } };
}

/** After the undo everything must be as it was before the import, but for versions and the times of changes. */
export async function checkUndone(store, importId, rows, before) {
  const findings = new Findings();
  const [{ status }] = await store.query('SELECT status FROM imports WHERE id = ?', [importId]);
  findings.equal('import wrong', status, 'undone', 'status');
  const ledger = await readLedger(store, 'import_undo_ledger', importId, rows.length, findings);
  rows.forEach(({ id }, index) => {
    const row = index + 1;
    if (!ledger[row]) return findings.add('row lost', `row ${row} of the undo`);
    findings.equal(
      'outcome wrong',
      ledger[row].outcome,
      id === null ? 'deleted' : 'restored',
      `row ${row} of the undo`,
    );
  });
  const after = await snapshot(store);
  const changed = new Set(rows.flatMap(({ id }) => id ?? []));
  for (const [id, lead] of after.leads) {
    const old = before.leads.get(id);
    if (!old) {
      findings.add('record twice', `record ${id} is still there`);
      continue;
    }
    findings.equal('record wrong', without(lead, MOVING), without(old, MOVING), `record ${id}`);
    const steps = changed.has(id) ? 2 : 0;
    findings.equal('changed twice', Number(lead.version), Number(old.version) + steps, `record ${id}: version`);
  }
  for (const id of before.leads.keys()) if (!after.leads.has(id)) findings.add('record lost', `record ${id}`);
  for (const name of Object.keys(KEPT)) {
    const [old, now] = [new Set(before.kept[name]), new Set(after.kept[name])];
    for (const row of now) if (!old.has(row)) findings.add(`${name} wrong`, `too many: ${row}`);
    for (const row of old) if (!now.has(row)) findings.add(`${name} wrong`, `lost: ${row}`);
  }
  const said = await eventsOf(store, importId, 'import.undo-committed');
  const [{ n }] = await store.query(
    `SELECT COUNT(*) AS n FROM import_chunks WHERE import_id = ? AND kind IN ('delete', 'restore')`,
    [importId],
  );
  const seqs = new Set(said.map(({ payload }) => payload.seq));
  findings.equal('event wrong', [said.length, seqs.size], [Number(n), Number(n)], 'events of the chunks of the undo');
  findings.equal('event wrong', (await eventsOf(store, importId, 'import.undone')).length, 1, 'import.undone');
  return { findings };
}
