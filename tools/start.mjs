import { ensureBuilt } from './lib/build.mjs';
import { ensureInstalled, nodeBinary, PROGRAM_ENV, PROGRAM_FLAGS } from './lib/install.mjs';
import { inRoot, main } from './lib/project.mjs';
import { become } from './lib/run.mjs';

await main(async () => {
  await ensureInstalled();
  await ensureBuilt();
  const program = inRoot('dist', 'apps', 'api', 'src', 'main.js');
  const env = { ...PROGRAM_ENV, ...process.env };
  return become(await nodeBinary(), [...PROGRAM_FLAGS, program, ...process.argv.slice(2)], { env });
});
