import { createReadStream, createWriteStream, existsSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { INestApplicationContext } from '@nestjs/common';
import { Presets, SingleBar } from 'cli-progress';
import { Command, Option } from 'commander';
import { messageOf, ProblemError, tooLarge } from '@muster/core/errors';
import { Principal } from '@muster/core/principal';
import { AdminBootstrap } from '@muster/features/auth/auth.admin';
import { AuthService } from '@muster/features/auth/auth.service';
import { ImportView } from '@muster/features/imports/imports.dto';
import { DUPLICATE_POLICIES, IMPORT_TARGETS, OUTCOMES, ImportTarget } from '@muster/features/imports/imports.entity';
import { readRequest, ImportRequest } from '@muster/features/imports/imports.options';
import { ImportsPlanningService } from '@muster/features/imports/imports.planning.service';
import { ImportsRowsService } from '@muster/features/imports/imports.rows.service';
import { ImportsService } from '@muster/features/imports/imports.service';
import { Config } from '@muster/platform/config/config';
import { LocalFiles } from '@muster/platform/storage/local-files';
import { inApplication } from '../context';
import { uploadFile } from '../upload';

interface Flags {
  target: string;
  options?: string;
  mapping?: string;
  rejected?: string;
  duplicates?: string;
  matchOn?: string;
  plan?: boolean;
}

const REFRESH = 200;
const OPEN = ['analyzing', 'importing'];

/** Imports a file without a server (or beside one), with a progress bar and a summary. */
export const importCommand = () =>
  new Command('import')
    .description('import a CSV, TSV or XLSX file; rejected rows are written beside it')
    .argument('<file>', 'the file')
    .addOption(
      new Option('--target <target>', 'what the rows become').choices([...IMPORT_TARGETS]).makeOptionMandatory(),
    )
    .addOption(
      new Option('--duplicates <policy>', 'what happens to a row that matches a record').choices([
        ...DUPLICATE_POLICIES,
      ]),
    )
    .option('--match-on <field>', 'what rows are matched by: email, phone or cf.<key> (default: e-mail, then phone)')
    .option('--plan', 'only say what the import would do; it then waits, and can be started over HTTP')
    .option('--options <json>', 'import options, as in the API: {"delimiter":";","duplicates":"skip",…}')
    .option('--mapping <json>', 'column name to target; suggested when absent')
    .option('--rejected <file>', 'where rejected rows go (default: FILE.rejected.csv)')
    .action(async (file: string, flags: Flags) => {
      if (!existsSync(file) || !statSync(file).isFile()) {
        process.stderr.write(`There is no file ${file}.\n`);
        process.exitCode = 1;
        return;
      }
      await inApplication(true, (app, config) => importFile(app, config, file, flags));
    });

async function importFile(app: INestApplicationContext, config: Config, file: string, flags: Flags): Promise<number> {
  const imports = app.get(ImportsService, { strict: false });
  try {
    await announceAdmin(app);
    const caller = await app.get(AuthService, { strict: false }).systemPrincipal();
    const { target, mapping, plan = false } = flags;
    const options = optionsOf(flags);
    const fields = { target, ...(options ? { options } : {}), ...(mapping ? { mapping } : {}) };
    const request = readRequest({ ...fields, autoStart: String(!plan) }, config.defaultRegion);
    const { size } = statSync(file);
    const id =
      size > config.imports.maxDirectBytes
        ? await sendInSteps(app, caller, file, size, { ...fields, autoStart: !plan })
        : await sendAtOnce(app, caller, file, request);
    const done = await follow(imports, caller, id);
    if (plan && done.status === 'ready' && done.missing.length === 0) return await showPlan(app, caller, id);
    return await summarize(app, caller, done, flags.rejected ?? `${file}.rejected.csv`);
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    process.stderr.write(`${messageOf(error)} (${error.code})\n`);
    for (const { field, message } of error.errors ?? []) process.stderr.write(`  ${field}: ${message}\n`);
    return 1;
  }
}

/** Prints what an import would do. */
async function showPlan(app: INestApplicationContext, caller: Principal, id: number): Promise<number> {
  const planning = app.get(ImportsPlanningService, { strict: false });
  let view = await planning.plan(caller, id, {});
  while (view.status === 'running') {
    await sleep(REFRESH);
    view = await planning.current(caller, id);
  }
  const out = (line: string) => process.stdout.write(`${line}\n`);
  out(`\nImport ${id}, plan ${view.planId}: ${view.status}`);
  if (view.error) out(`  ${view.error.code}: ${view.error.detail}`);
  for (const outcome of OUTCOMES) {
    const count = view.counts?.[outcome] ?? 0;
    if (count > 0) out(`  ${outcome.padEnd(9)}  ${String(count).padStart(9)}`);
  }
  for (const { row, recordId, changes } of view.samples) {
    const each = Object.entries(changes).map(
      ([field, change]) => `${field}: ${JSON.stringify(change.old)} -> ${JSON.stringify(change.new)}`,
    );
    out(`  row ${row} would change record ${recordId}: ${each.join(', ')}`);
  }
  for (const { row, errors } of view.rejected) {
    out(
      `  row ${row} would be rejected: ${errors.map(({ field, message }) => `${field} ${message}`.trim()).join('; ')}`,
    );
  }
  return view.status === 'ready' ? 0 : 1;
}

/** The options as the API takes them, as JSON; those that have a flag of their own win. */
function optionsOf({ options, duplicates, matchOn }: Flags): string | undefined {
  const named = { ...(duplicates ? { duplicates } : {}), ...(matchOn ? { matchOn } : {}) };
  if (Object.keys(named).length === 0) return options;
  try {
    return JSON.stringify({ ...(JSON.parse(options ?? '{}') as object), ...named });
  } catch {
    return options; // whoever reads it says what is wrong
  }
}

async function sendAtOnce(app: INestApplicationContext, caller: Principal, file: string, request: ImportRequest) {
  const received = await app
    .get(LocalFiles, { strict: false })
    .receive(createReadStream(file), Number.MAX_SAFE_INTEGER, () =>
      tooLarge('file-too-large', 'The file is too large.'),
    );
  const imports = app.get(ImportsService, { strict: false });
  return (await imports.create(caller, { ...received, fileName: basename(file) }, request)).id;
}

/** Large files go to the file store in parts, with a progress bar of their own. @param fields checked */
async function sendInSteps(
  app: INestApplicationContext,
  caller: Principal,
  file: string,
  size: number,
  { target, options, mapping, autoStart }: { target: string; options?: string; mapping?: string; autoStart: boolean },
): Promise<number> {
  const given = (text: string | undefined) => (text === undefined ? undefined : (JSON.parse(text) as object));
  const input = { target: target as ImportTarget, options: given(options), mapping: given(mapping), autoStart };
  const bar = new SingleBar(
    { format: '{bar} {percentage}% | {value}/{total} bytes sent', hideCursor: true, noTTYOutput: false },
    Presets.shades_classic,
  );
  bar.start(size, 0);
  try {
    return await uploadFile(app, caller, file, { ...input, fileName: basename(file), size }, (sent) =>
      bar.update(sent),
    );
  } finally {
    bar.stop();
  }
}

async function announceAdmin(app: INestApplicationContext): Promise<void> {
  const admin = await app.get(AdminBootstrap, { strict: false }).ensureAdmin();
  if (admin?.password) {
    process.stderr.write(`The first admin was created: ${admin.email}, password ${admin.password} (shown only now).\n`);
  }
}

async function follow(imports: ImportsService, caller: Principal, id: number): Promise<ImportView> {
  const bar = new SingleBar(
    {
      format: '{bar} {percentage}% | {value}/{total} rows | {speed} rows/s | {state}',
      hideCursor: true,
      clearOnComplete: false,
      noTTYOutput: false,
    },
    Presets.shades_classic,
  );
  let started = false;
  for (;;) {
    const view = await imports.view(caller, id);
    const { processed, rowsPerSecond } = view.progress;
    if (view.counts.total !== null && !started) {
      bar.start(view.counts.total, 0, { speed: 0, state: view.status });
      started = true;
    }
    if (started) bar.update(processed, { speed: rowsPerSecond, state: view.status });
    if (!OPEN.includes(view.status)) {
      if (started) bar.stop();
      return view;
    }
    await sleep(REFRESH);
  }
}

async function summarize(
  app: INestApplicationContext,
  caller: Principal,
  view: ImportView,
  rejectedFile: string,
): Promise<number> {
  const { counts } = view;
  const out = (line: string) => process.stdout.write(`${line}\n`);
  out(`\nImport ${view.id}: ${view.status}`);
  if (view.error) {
    out(`  ${view.error.code}${view.error.line ? ` (line ${view.error.line})` : ''}: ${view.error.detail}`);
  }
  if (view.status === 'ready') {
    out(
      `  No column was found for: ${view.missing.join(', ')}. Name the columns with --mapping '{"Column":"target",…}'.`,
    );
    out(`  The file's columns: ${Object.keys(view.mapping ?? {}).join(', ')}`);
  }
  if (counts.total !== null) {
    out(`  rows read  ${String(counts.total).padStart(9)}`);
    for (const outcome of OUTCOMES)
      if (counts[outcome] > 0) out(`  ${outcome.padEnd(9)}  ${String(counts[outcome]).padStart(9)}`);
  }
  if (counts.rejected > 0) {
    const lines = await app.get(ImportsRowsService, { strict: false }).rejectedCsv(caller, view.id);
    await pipeline(Readable.from(lines, { objectMode: false }), createWriteStream(rejectedFile));
    out(`\n  ${counts.rejected} rejected rows with their reasons: ${rejectedFile}`);
    out('  Fix them there and import that file: only those rows are read again.');
  }
  return view.status === 'completed' ? 0 : 1;
}
