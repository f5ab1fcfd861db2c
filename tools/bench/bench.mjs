import { parseArgs } from 'node:util';
import { ensureBuilt } from '../lib/build.mjs';
import { ensureInstalled, runOnNewNode } from '../lib/install.mjs';
import { Failure, main } from '../lib/project.mjs';

const USAGE = `npm run bench -- [options]
  --rows N          rows of the imported file (500000)
  --runs N          runs; import and baseline alternate (3)
  --profile P       embedded, services or both (both)
  --database URL    MySQL or MariaDB server of the services profile; found or started without it
  --import          measure only imports against the database's own loader, and analyses against DuckDB
  --read            measure only how fast a lead is read
  --rounds N        rounds of that; program and baseline alternate (10)
  --lists           measure only lists and searches of leads
  --sizes N,N       how many leads are stored for that (10000,1000000)
  --plan            measure only the plan of an import, against the analysis of its file
  --memory          measure peak memory at 200,000 and 2,000,000 rows instead of speed
  --large           import one large file of 20 columns, sent in parts; memory and progress are watched
  --gigabytes N     its size (5)
  --s3              with files in an S3 store
  --write           write the result into docs/benchmarks.md
  --no-build        measure dist/ as it is
IMPORT_BATCH_ROWS and WORKER_CONCURRENCY are passed on to the program when they are set.`;

function readArguments() {
  try {
    const { values } = parseArgs({
      options: {
        rows: { type: 'string', default: '500000' },
        runs: { type: 'string', default: '3' },
        profile: { type: 'string', default: 'both' },
        database: { type: 'string' },
        import: { type: 'boolean', default: false },
        read: { type: 'boolean', default: false },
        rounds: { type: 'string', default: '10' },
        lists: { type: 'boolean', default: false },
        sizes: { type: 'string', default: '10000,1000000' },
        plan: { type: 'boolean', default: false },
        memory: { type: 'boolean', default: false },
        large: { type: 'boolean', default: false },
        gigabytes: { type: 'string', default: '5' },
        s3: { type: 'boolean', default: false },
        write: { type: 'boolean', default: false },
        build: { type: 'boolean', default: true },
        help: { type: 'boolean', default: false },
      },
      allowNegative: true,
    });
    const [rows, runs, rounds] = [values.rows, values.runs, values.rounds].map(Number);
    if (!(rows >= 1 && rows <= 5_000_000)) throw new Error('--rows: 1 to 5000000');
    if (!(runs >= 1 && runs <= 20)) throw new Error('--runs: 1 to 20');
    if (!(rounds >= 1 && rounds <= 100)) throw new Error('--rounds: 1 to 100');
    const sizes = values.sizes.split(',').map(Number);
    if (!sizes.every((size) => size >= 1_000 && size <= 5_000_000)) throw new Error('--sizes: each 1000 to 5000000');
    const gigabytes = Number(values.gigabytes);
    if (!(gigabytes >= 0.01 && gigabytes <= 5)) throw new Error('--gigabytes: 0.01 to 5');
    const { read, memory, lists, plan, large } = values;
    if ([values.import, read, memory, lists, plan, large].filter(Boolean).length > 1) {
      throw new Error('--import, --read, --memory, --lists, --plan or --large, one of them');
    }
    const profiles = values.profile === 'both' ? ['services', 'embedded'] : [values.profile];
    if (!profiles.every((profile) => ['services', 'embedded'].includes(profile))) {
      throw new Error('--profile: embedded, services or both');
    }
    return { ...values, rows, runs, rounds, sizes, gigabytes, profiles };
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
  const { measure } = await import('./measure.mjs');
  await measure(options);
});
