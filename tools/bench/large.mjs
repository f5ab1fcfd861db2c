import { createWriteStream, rmSync } from 'node:fs';
import { open, statfs } from 'node:fs/promises';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Failure, say } from '../lib/project.mjs';
import { countLeads, databaseVersion } from './baseline.mjs';
import { line } from './lead-file.mjs';
import { openPlace } from './place.mjs';
import { Program } from './program.mjs';

const POLL = 250;
const ROWS_AT_ONCE = 1_000;
/** Columns beside those of a lead file: 20 in all. Nobody maps them. */
const EXTRA = Array.from({ length: 12 }, (_, index) => `Survey ${index + 1}`);
const WORDS =
  'amber,basalt,cobalt,delta,ember,fjord,garnet,harbour,indigo,juniper,kelp,linden,marble,nectar,opal,pollen'.split(
    ',',
  );
/** Bytes of a row, on average. */
const ROW_BYTES = 1_014;
/** What a worker may have resident, in bytes. */
const MEMORY_LIMIT = 500 * 1024 ** 2;
/** Times the file's size that must be free: the file, the uploaded one, its parts or its local copy, the staged table and the store. */
const SPACE = 4.5;
const PATIENCE = 4 * 3_600_000;

function row(i) {
  let text = line(i).slice(0, -1);
  let seed = (i * 2_654_435_761) >>> 0;
  for (let column = 0; column < EXTRA.length; column++) {
    text += ',';
    for (let word = 0; word < 11; word++) {
      seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
      text += `${word ? ' ' : ''}${WORDS[seed >>> 28]}`;
    }
  }
  return `${text}\n`;
}

/** Writes invented leads of 20 columns; the same for the same size. @returns {Promise<{rows: number, bytes: number}>} */
async function writeWideFile(path, bytes) {
  const rows = Math.floor(bytes / ROW_BYTES);
  const out = createWriteStream(path, { highWaterMark: 1 << 20 });
  out.write(`Name,Email,Phone,Company,Source,Status,Tags,Do not contact,${EXTRA.join(',')}\n`);
  for (let start = 0; start < rows; start += ROWS_AT_ONCE) {
    let text = '';
    for (let i = start; i < Math.min(start + ROWS_AT_ONCE, rows); i++) text += row(i);
    if (!out.write(text)) await once(out, 'drain');
  }
  out.end();
  await once(out, 'finish');
  return { rows, bytes: out.bytesWritten };
}

/** Imports one large file by the steps of a client, watching memory and whether the progress that is told is true. */
export async function large(profile, files, { gigabytes, database, s3 }) {
  const { bavail, bsize } = await statfs(files);
  const needed = gigabytes * 1e9 * SPACE;
  if (bavail * bsize < needed) throw new Failure(`${gigabytes} GB need ${(needed / 1e9).toFixed(0)} GB of free disk`);
  const path = join(files, 'wide.csv');
  const { rows, bytes } = await writeWideFile(path, gigabytes * 1e9);
  say(`${profile}: ${rows} rows of 20 columns, ${(bytes / 1e9).toFixed(2)} GB`);
  const place = await openPlace(profile, { name: 'bench', database, s3 });
  const program = new Program(place);
  try {
    await program.start();
    const version = await databaseVersion(place.database);
    const began = performance.now();
    const elapsed = () => (performance.now() - began) / 1000;
    const id = await send(program, path, bytes);
    const marks = { upload: elapsed() };
    say(`  sent in ${marks.upload.toFixed(1)} s`);
    const view = await follow(program, id, rows, (status) => (marks[status] ??= elapsed()));
    const seconds = elapsed();
    const stored = await countLeads(place.database);
    if (stored !== view.counts.created)
      throw new Failure(`${stored} leads are stored, ${view.counts.created} are told`);
    const peaks = { api: program.api.peakMemory, worker: program.importer.peakMemory };
    const phases = {
      upload: marks.upload,
      analyzing: marks.importing - marks.upload,
      importing: seconds - marks.importing,
    };
    say(
      `  ${seconds.toFixed(1)} s; ${JSON.stringify(view.counts)}; peak memory ${MB(peaks.api)} and ${MB(peaks.worker)} MB`,
    );
    if (peaks.worker > MEMORY_LIMIT) throw new Failure(`the worker had ${MB(peaks.worker)} MB resident`);
    return { profile, version, storage: place.storage, rows, bytes, seconds, phases, peaks, samples: view.samples };
  } finally {
    await program.stop();
    await place.remove();
    rmSync(path, { force: true });
  }
}

const MB = (bytes) => Math.round(bytes / 1024 ** 2);

/** Sends what is missing until nothing is. @returns {Promise<number>} the import's id */
async function send(program, path, size) {
  const file = await open(path);
  try {
    let view = await program.post('/imports/uploads', { fileName: 'wide.csv', size, target: 'leads' });
    while (view.parts.length > 0) {
      for (const part of view.parts) {
        const body = Buffer.alloc(part.size);
        await file.read(body, 0, part.size, (part.number - 1) * view.partSize);
        const answer = await fetch(part.uploadUrl, { method: part.method, headers: part.headers, body });
        if (!answer.ok)
          throw new Failure(`part ${part.number}: ${answer.status} ${(await answer.text()).slice(0, 300)}`);
        await answer.arrayBuffer();
      }
      view = await program.post(`/imports/${view.id}/parts`, {});
    }
    await program.post(`/imports/${view.id}/analyze`, {});
    return view.id;
  } finally {
    await file.close();
  }
}

/** Polls to the end. @throws {Failure} where what is told goes back, goes beyond the total, or does not add up */
async function follow(program, id, rows, mark) {
  const deadline = Date.now() + PATIENCE;
  let last = 0;
  for (let samples = 1; ; samples++) {
    const view = await program.get(`/imports/${id}`);
    const { processed, total } = view.progress;
    mark(view.status);
    if (processed < last) throw new Failure(`the progress went back from ${last} to ${processed}`);
    if (total !== null && (processed > total || total !== rows))
      throw new Failure(`${processed} of ${total}, not ${rows}`);
    const { total: told, ...outcomes } = view.counts;
    if (told !== total) throw new Failure(`the total is told as ${told} and as ${total}`);
    const sum = Object.values(outcomes).reduce((all, count) => all + count, 0);
    if (sum !== processed) throw new Failure(`the counts sum to ${sum}, and ${processed} are called processed`);
    last = processed;
    if (view.status === 'completed') {
      if (sum !== rows) throw new Failure(`${sum} of ${rows} rows have an outcome`);
      return { ...view, samples };
    }
    if (!['analyzing', 'importing'].includes(view.status))
      throw new Failure(`${view.status}: ${JSON.stringify(view.error)}`);
    if (Date.now() > deadline) throw new Failure('the import does not end');
    await pause(POLL);
  }
}
