import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { inRoot } from '../lib/project.mjs';

const REPORT = inRoot('docs', 'benchmarks.md');
const PROCESS = { services: 'worker', embedded: 'single process' };
const BASELINE = { services: 'LOAD DATA LOCAL INFILE', embedded: 'prepared INSERT, one transaction' };

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

const thousands = (value) => Math.round(value).toLocaleString('en-US');
const seconds = (values) =>
  values.length === 1
    ? `${values[0].toFixed(2)} s`
    : `${median(values).toFixed(2)} s (${Math.min(...values).toFixed(2)}–${Math.max(...values).toFixed(2)})`;
const megabytes = (bytes) => (bytes === null ? 'not known' : `${thousands(bytes / 1024 ** 2)} MB`);

/** A Markdown table with aligned columns. */
function table(head, body) {
  const widths = head.map((_, column) => Math.max(3, ...[head, ...body].map((cells) => cells[column].length)));
  const row = (cells, fill = ' ') =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column], fill)).join(' | ')} |`;
  return [
    row(head),
    row(
      head.map(() => ''),
      '-',
    ),
    ...body.map((cells) => row(cells)),
  ].join('\n');
}

/** Import to baseline in rows per second, for each pair of neighbouring runs: what slows the machine for a while slows both. */
const ratiosOf = (times, baselines) => times.map((each, run) => baselines[run] / each);

const ratio = (values) =>
  values.length === 1
    ? `**${values[0].toFixed(2)}**`
    : `**${median(values).toFixed(2)}** (${Math.min(...values).toFixed(2)}–${Math.max(...values).toFixed(2)})`;

const quantile = (rising, part) => rising[Math.min(rising.length - 1, Math.floor(rising.length * part))];
const milliseconds = (value) => (value < 10 ? value.toFixed(1) : String(Math.round(value)));

/** Times of lists in milliseconds: median and 99 %, what more rows cost, and what a plain look-up by id costs. */
export function listsTable(results) {
  return results
    .map(({ version, sizes }) => {
      const plain = sizes.map(({ calls }) => median(calls[0].times));
      const head = ['what, one call at a time', ...sizes.map(({ rows }) => `${thousands(rows)} leads: p50 / p99`)];
      const body = sizes[0].calls.map(({ name, counts }, kind) => {
        const times = sizes.map(({ calls }) => calls[kind].times);
        const last = median(times.at(-1));
        return [
          counts ? `${name} (counts)` : name,
          ...times.map((each) => `${milliseconds(median(each))} / ${milliseconds(quantile(each, 0.99))} ms`),
          ...(sizes.length > 1 ? [`**${(last / median(times[0])).toFixed(2)}**`] : []),
          (last / plain.at(-1)).toFixed(2),
        ];
      });
      const more = sizes.length > 1 ? ['last / first'] : [];
      const filled = sizes.map(
        ({ rows, indexing }) => `${thousands(rows)} in ${indexing.toFixed(0)} s (${thousands(rows / indexing)}/s)`,
      );
      const text = table([...head, ...more, 'last / a lead by its id'], body);
      return `${version}; terms of searches written by one worker: ${filled.join(', ')}.\n\n${text}\n`;
    })
    .join('\n');
}

/** Seconds of plans and of the analyses before them, and their ratio, pair by pair; of the import that follows, and of its undo. */
export function plansTable(results) {
  const lines = results.flatMap(({ version, rows, pairs, counts, updated, undone }) => [
    ...Object.entries(pairs).map(([policy, timed]) => [
      ...[version, `plan, \`${policy}\``, seconds(timed.map(({ analysis }) => analysis))],
      ...[seconds(timed.map(({ plan }) => plan)), ratio(timed.map(({ plan, analysis }) => plan / analysis))],
    ]),
    [
      version,
      `import, \`update\`: ${thousands(counts.updated)} updated`,
      '',
      seconds([updated]),
      `${thousands(rows / updated)} rows/s`,
    ],
    [version, 'undo of that import', '', seconds([undone]), `${thousands(rows / undone)} rows/s`],
  ]);
  return table(['database', 'what', 'analysis', 'time', 'ratio'], lines);
}

export function importsTable(results) {
  const lines = results.flatMap(({ profile, rows, imports, baselines, version }) => {
    const line = (what, times, compared = '') => [
      version,
      what,
      seconds(times),
      thousands(rows / median(times)),
      compared,
    ];
    const whole = imports.map((each) => each.seconds);
    const started = imports.map(({ phases }) => phases.importing);
    return [
      line(`baseline: ${BASELINE[profile]}`, baselines),
      line('import, start to completed', started, ratio(ratiosOf(started, baselines))),
      line('import, upload to completed', whole, ratio(ratiosOf(whole, baselines))),
    ];
  });
  const analyses = results.map(({ version, imports, conversions }) => {
    const times = imports.map(({ phases }) => phases.analyzing);
    return [version, seconds(times), seconds(conversions), ratio(ratiosOf(conversions, times))];
  });
  const phases = results.map(({ profile, imports }) => {
    const of = (name) => `${median(imports.map((each) => each.phases[name])).toFixed(2)} s`;
    return [
      profile,
      of('upload'),
      of('analyzing'),
      of('importing'),
      megabytes(Math.max(...imports.map((each) => each.peak))),
    ];
  });
  const { rows, bytes, imports } = results[0];
  return [
    `${thousands(rows)} rows, ${(bytes / 1e6).toFixed(0)} MB of CSV; ${imports.length} run(s), median (min–max).`,
    '',
    table(['store', 'what', 'time', 'rows/s', 'import / baseline'], lines),
    '',
    table(['store', 'analysis', 'DuckDB: CSV to Parquet', 'analysis / DuckDB'], analyses),
    '',
    table(['profile', 'upload', 'analyzing', 'importing', 'peak memory of the importing process'], phases),
  ].join('\n');
}

/** Who asks, in the rows of the table. */
const ASKED = {
  baseline: 'baseline: Fastify, one prepared SELECT',
  admin: 'program, asked by an admin',
  agents: 'program, asked by agents',
};

export function readTable(results) {
  const lines = results.flatMap((result) =>
    Object.keys(ASKED).map((side) => {
      const ratios = result[side].map(({ rate }, round) => rate / result.baseline[round].rate);
      const processor = median(result[side].map(({ cpu }) => cpu));
      return [
        result.version,
        ASKED[side],
        thousands(median(result[side].map(({ rate }) => rate))),
        side === 'baseline' ? '' : ratio(ratios),
        Number.isNaN(processor) ? 'not known' : `${thousands(processor)} µs`,
      ];
    }),
  );
  const [{ leads, connections, rounds }] = results;
  return [
    `${thousands(leads)} leads, ${connections} connections; ${rounds} round(s), median (min–max).`,
    '',
    table(['store', 'what', 'answers/s', 'program / baseline', "server's processor time"], lines),
  ].join('\n');
}

export function memoryTable(results) {
  const lines = results.flatMap(({ profile, version, peaks }) =>
    peaks.map(({ rows, peak, seconds: time }) => [
      profile,
      version,
      PROCESS[profile],
      thousands(rows),
      megabytes(peak),
      `${time.toFixed(1)} s`,
    ]),
  );
  return table(['profile', 'store', 'process', 'rows', 'peak resident memory', 'import took'], lines);
}

export function largeTable(results) {
  const lines = results.map(({ profile, version, storage, rows, bytes, seconds: time, phases, peaks }) => [
    profile,
    `${version}, ${storage}`,
    `${(bytes / 1e9).toFixed(2)} GB`,
    thousands(rows),
    `${time.toFixed(0)} s (${Object.values(phases)
      .map((phase) => phase.toFixed(0))
      .join(' + ')})`,
    megabytes(peaks.api),
    profile === 'embedded' ? '–' : megabytes(peaks.worker),
  ]);
  const head = [
    'profile',
    'store',
    'file',
    'rows',
    'took (upload + analysis + import)',
    'peak memory',
    'of the worker',
  ];
  return table(head, lines);
}

/** One line on where this was measured. @param {number} load the load average before the first run */
export function machine(results, load) {
  const [{ model }] = cpus();
  const stores = [...new Set(results.map(({ version }) => version))].join(', ');
  const settings = ['IMPORT_BATCH_ROWS', 'WORKER_CONCURRENCY']
    .filter((name) => process.env[name])
    .map((name) => `, ${name}=${process.env[name]}`);
  return (
    `\nMachine: ${cpus().length} cores (${model.trim()}), ${(totalmem() / 1024 ** 3).toFixed(0)} GB memory, ` +
    `${process.platform} ${process.arch}, Node ${process.versions.node}, ${stores}${settings.join('')}; load before the run ${load.toFixed(1)}.`
  );
}

/** Puts a result between its markers in docs/benchmarks.md. */
export function writeReport(section, text) {
  const [open, close] = [`<!-- ${section}:begin -->`, `<!-- ${section}:end -->`];
  const report = readFileSync(REPORT, 'utf8');
  const [start, end] = [report.indexOf(open), report.indexOf(close)];
  if (start < 0 || end < start) throw new Error(`docs/benchmarks.md has no ${open} … ${close}`);
  writeFileSync(REPORT, `${report.slice(0, start + open.length)}\n\n${text.trim()}\n\n${report.slice(end)}`);
  console.log(`Written to docs/benchmarks.md (${section}).`);
}
