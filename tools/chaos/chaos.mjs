import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import { ensureBuilt } from '../lib/build.mjs';
import { ensureInstalled, runOnNewNode } from '../lib/install.mjs';
import { Failure, main } from '../lib/project.mjs';

const USAGE = `npm run chaos -- [options]
  --profile P       embedded, services or both (both)
  --rows N          rows of each imported file (200000)
  --kills N         processes killed in each profile (20)
  --seed N          repeats the files and the plan of the kills of an earlier run
  --batch-rows N    rows of one transaction (1000)
  --database URL    MySQL or MariaDB server of the services profile; found or started without it
  --s3              files of the services profile in an S3-compatible server, found or started, instead of a directory
  --self-test       kills nothing: plants faults into a finished import, each of which the checker must find
  --keep            leaves the store and the files where they are
  --no-build        tests dist/ as it is`;

function number(values, name, low, high) {
  const value = Number(values[name]);
  if (!(Number.isInteger(value) && value >= low && value <= high)) throw new Error(`--${name}: ${low} to ${high}`);
  return value;
}

function readArguments() {
  try {
    const { values } = parseArgs({
      options: {
        profile: { type: 'string', default: 'both' },
        rows: { type: 'string' },
        kills: { type: 'string', default: '20' },
        seed: { type: 'string', default: String(randomBytes(4).readUInt32LE()) },
        'batch-rows': { type: 'string', default: '1000' },
        database: { type: 'string' },
        s3: { type: 'boolean', default: false },
        'self-test': { type: 'boolean', default: false },
        keep: { type: 'boolean', default: false },
        build: { type: 'boolean', default: true },
        help: { type: 'boolean', default: false },
      },
      allowNegative: true,
    });
    values.rows ??= values['self-test'] ? '20000' : '200000';
    const profiles = values.profile === 'both' ? ['embedded', 'services'] : [values.profile];
    if (!profiles.every((profile) => ['embedded', 'services'].includes(profile))) {
      throw new Error('--profile: embedded, services or both');
    }
    return {
      ...values,
      profiles,
      selfTest: values['self-test'],
      rows: number(values, 'rows', 1_000, 2_000_000),
      kills: number(values, 'kills', 0, 1_000),
      seed: number(values, 'seed', 0, 2 ** 32 - 1),
      batchRows: number(values, 'batch-rows', 100, 50_000),
    };
  } catch (error) {
    throw new Failure(`${error.message}\n${USAGE}`, 2);
  }
}

await main(async () => {
  const options = readArguments();
  if (options.help) return console.log(USAGE);
  await ensureInstalled();
  const elsewhere = await runOnNewNode();
  if (elsewhere !== null) return elsewhere;
  if (options.build) await ensureBuilt();
  const { runChaos } = await import('./run.mjs');
  return runChaos(options);
});
