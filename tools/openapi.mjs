import { readFileSync, writeFileSync } from 'node:fs';
import { ensureBuilt } from './lib/build.mjs';
import { ensureInstalled, nodeBinary } from './lib/install.mjs';
import { Failure, inRoot, main, root, say } from './lib/project.mjs';
import { capture, tail } from './lib/run.mjs';

const file = inRoot('apps', 'api', 'openapi.json');

function committed() {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

function firstDifference(before, after) {
  const [old, fresh] = [before.split('\n'), after.split('\n')];
  const line = fresh.findIndex((text, index) => text !== old[index]);
  const at = line < 0 ? fresh.length : line;
  return `first difference in line ${at + 1}:\n  - ${old[at] ?? '(end of file)'}\n  + ${fresh[at] ?? '(end of file)'}`;
}

await main(async () => {
  await ensureInstalled();
  await ensureBuilt();
  const program = inRoot('dist', 'apps', 'api', 'src', 'openapi.js');
  const result = await capture(await nodeBinary(), ['--enable-source-maps', program], { cwd: root, timeout: 120_000 });
  if (!result.ok) throw new Failure(`the OpenAPI document could not be made:\n${tail(result.stderr)}`);
  const document = `${JSON.stringify(JSON.parse(result.stdout), null, 2)}\n`;
  const before = committed();
  if (before === document) return say('apps/api/openapi.json is up to date.');
  if (process.argv.includes('--check')) {
    throw new Failure(
      `apps/api/openapi.json is not what the code answers: run \`npm run openapi\` and commit it; ${firstDifference(before, document)}`,
    );
  }
  writeFileSync(file, document);
  say('Wrote apps/api/openapi.json.');
});
