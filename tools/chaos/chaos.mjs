import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import { ensureBuilt } from '../lib/build.mjs';
import { ensureInstalled, runOnNewNode } from '../lib/install.mjs';
import { Failure, main } from '../lib/project.mjs';

const USAGE = `npm run chaos -- [options]
  --profile P       embedded, services or both (both; services are started for the run, and left out where they cannot be)
  --faults list     says which faults there are, and ends
  --fault NAME      only this fault, or this group of faults; may be repeated (all)
  --rows N          rows of each imported file (20000)
  --batch-rows N    rows of one transaction (500)
  --seed N          repeats the files and the points of the faults of an earlier run
  --kills N         processes that the fault "kills" kills in each profile (6)
  --unreachable N   seconds for which the broker cannot be reached (20)
  --database URL    MySQL or MariaDB server of the services profile; it is never stopped
  --s3              files of the services profile in an S3-compatible server, even if no fault needs one
  --self-test       no faults: spoils a finished import in many ways, each of which the checker must find
  --mutants         plants bugs into copies of the program, each of which the checker must find; with --fault, those it exposes
  --fit             only says whether those bugs still fit the program
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
        faults: { type: 'string' },
        fault: { type: 'string', multiple: true, default: [] },
        rows: { type: 'string', default: '20000' },
        'batch-rows': { type: 'string', default: '500' },
        seed: { type: 'string', default: String(randomBytes(4).readUInt32LE()) },
        kills: { type: 'string', default: '6' },
        unreachable: { type: 'string', default: '20' },
        database: { type: 'string' },
        s3: { type: 'boolean', default: false },
        'self-test': { type: 'boolean', default: false },
        mutants: { type: 'boolean', default: false },
        fit: { type: 'boolean', default: false },
        keep: { type: 'boolean', default: false },
        build: { type: 'boolean', default: true },
        help: { type: 'boolean', default: false },
      },
      allowNegative: true,
    });
    const profiles = values.profile === 'both' ? ['embedded', 'services'] : [values.profile];
    if (!profiles.every((profile) => ['embedded', 'services'].includes(profile))) {
      throw new Error('--profile: embedded, services or both');
    }
    if (values.faults !== undefined && values.faults !== 'list')
      throw new Error('--faults: only "list"; --fault NAME runs one');
    return {
      ...values,
      profiles,
      selfTest: values['self-test'],
      rows: number(values, 'rows', 1_000, 2_000_000),
      kills: number(values, 'kills', 0, 1_000),
      seed: number(values, 'seed', 0, 2 ** 32 - 1),
      batchRows: number(values, 'batch-rows', 100, 50_000),
      unreachable: number(values, 'unreachable', 1, 3_600),
    };
  } catch (error) {
    throw new Failure(`${error.message}\n${USAGE}`, 2);
  }
}

async function chosenFaults(names) {
  const { faultsOf } = await import('./faults.mjs');
  try {
    return faultsOf(names);
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
  const faults = await chosenFaults(options.fault);
  if (options.faults) {
    for (const { name, group, profiles, about } of faults) {
      console.log(`${name.padEnd(23)} ${group.padEnd(9)} ${profiles.join(', ').padEnd(19)} ${about}`);
    }
    return 0;
  }
  if (options.build) await ensureBuilt();
  const { runChaos } = await import('./run.mjs');
  const { fitMutants, runMutants } = await import('./mutants.mjs');
  if (options.fit) return fitMutants();
  return options.mutants ? runMutants({ ...options, faults }) : runChaos({ ...options, faults });
});
