import { readFileSync } from 'node:fs';

/** What of the store an import may change. A thawed worker must leave all of it alone. */
const TRACES = [
  'SELECT * FROM imports ORDER BY id',
  'SELECT * FROM import_chunks ORDER BY import_id, seq',
  'SELECT * FROM import_ledger ORDER BY import_id, first_row',
  'SELECT id, version, updated_at, origin_import_id, origin_row FROM leads ORDER BY id',
  'SELECT event_id, name, payload FROM outbox ORDER BY id',
];

const tracesOf = async (site) => {
  const traces = [];
  for (const sql of TRACES) traces.push(JSON.stringify(await site.query(sql)));
  return traces;
};

const isFrozen = ({ pid }) => /^\d+ \(.*\) T/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));

/** How long a thawed process has to notice that its claim is gone, in milliseconds. */
const NOTICE_LIMIT = 60_000;

/**
 * A worker freezes (SIGSTOP) with a claim in its hand, past the lease; another one does the work; then the first one thaws and
 * goes on where it was.
 * @param {string} point where @param {number} passings among how many one is chosen
 * @param {RegExp} goneOn what its log says when it has gone on and is done with the claim
 */
const frozen = (name, point, passings, goneOn) => ({
  name,
  group: 'frozen',
  about: `a worker freezes at ${point} past its lease and thaws when another one has done the work: it must write nothing`,
  profiles: ['services'],
  applies: () => process.platform === 'linux',
  run: async (site) => {
    const { program } = site;
    // One lane: the claim at the point is then the only one, and no transaction is open.
    const env = { WORKER_CONCURRENCY: '1', LOG_LEVEL: 'info' };
    const worker = await site.arm(`${point}:${1 + site.random.below(passings)}:stop`, env);
    const importId = await site.upload();
    await site.until(() => isFrozen(worker), 60_000, 'the freeze');
    program.spawnWorker(1);
    const since = Date.now();
    await site.untilCompleted(importId);
    await site.until(
      async () => (await site.query('SELECT COUNT(*) AS n FROM outbox WHERE name = ?', ['import.completed']))[0].n > 0,
      5_000,
    );
    const took = { completed: Date.now() - since };
    const before = await tracesOf(site);
    const said = worker.output.length;
    worker.child.kill('SIGCONT');
    await site
      .until(() => goneOn.test(worker.output.slice(said)), NOTICE_LIMIT, 'the end of the thawed claim')
      .catch(({ message }) => site.deviates('thawed worker silent', message));
    const after = await tracesOf(site);
    TRACES.forEach((sql, index) => {
      if (after[index] !== before[index]) site.deviates('thawed worker wrote', sql.replace(/^.*FROM (\w+).*$/, '$1'));
    });
    await site.settle(importId);
    site.recovered = took;
    await worker.stop();
    site.restore();
    await site.ready();
  },
});

export const frozenFaults = [
  frozen('frozen-chunk', 'chunk.claimed', 8, /A chunk was lost|A chunk failed|A chunk is done/),
  frozen('frozen-analysis', 'import.staged', 1, /"Analyzed\."|The analysis failed|The import failed/),
];
