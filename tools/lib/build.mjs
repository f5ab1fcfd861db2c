import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { nodeBinary } from './install.mjs';
import { withLock, writeWhole } from './lock.mjs';
import { Failure, inRoot, root, say } from './project.mjs';
import { capture } from './run.mjs';

const stampFile = inRoot('dist', '.muster-build');
const BUILD_TIMEOUT = 10 * 60_000;

/** What the build does not read. */
const IGNORED = /(?:^|[/\\])(?:node_modules|dist|testing|test|openapi\.json)$|\.(?:db-|e2e-)?spec\.ts$/;

function* sourceFiles(folder) {
  const entries = readdirSync(inRoot(folder), { withFileTypes: true });
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(folder, entry.name);
    if (IGNORED.test(path)) continue;
    if (entry.isDirectory()) yield* sourceFiles(path);
    else if (entry.isFile()) yield path;
  }
}

function wantedStamp() {
  const hash = createHash('sha256');
  const single = readdirSync(root).filter((name) =>
    /^(?:tsconfig.*\.json|nest-cli\.json|package-lock\.json)$/.test(name),
  );
  for (const file of [...single.sort(), ...sourceFiles('apps'), ...sourceFiles('libs')]) {
    const content = readFileSync(inRoot(file));
    hash.update(`${file}\0${content.length}\0`).update(content);
  }
  return hash.digest('hex');
}

function isBuilt(stamp) {
  return existsSync(stampFile) && readFileSync(stampFile, 'utf8').trim() === stamp;
}

async function build() {
  say('Building …');
  const began = Date.now();
  rmSync(stampFile, { force: true });
  const nest = inRoot('node_modules', '@nestjs', 'cli', 'bin', 'nest.js');
  const result = await capture(await nodeBinary(), [nest, 'build'], { cwd: root, timeout: BUILD_TIMEOUT });
  if (!result.ok) {
    say(`${result.stdout}${result.stderr}`.trim());
    throw new Failure('the build failed; what the compiler said is above');
  }
  say(`Built in ${((Date.now() - began) / 1000).toFixed(1)} s.`);
}

/**
 * Makes dist/ what the sources are. Does nothing when it already is. The dependencies must be installed.
 * @throws {Failure} when the sources do not compile
 */
export async function ensureBuilt() {
  if (isBuilt(wantedStamp())) return;
  await withLock(
    `${root} build`,
    async () => {
      const stamp = wantedStamp();
      if (isBuilt(stamp)) return;
      await build();
      mkdirSync(inRoot('dist'), { recursive: true });
      writeWhole(stampFile, `${stamp}\n`);
    },
    () => say('Waiting for another process that builds …'),
  );
}
