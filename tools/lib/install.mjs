import { createHash } from 'node:crypto';
import { accessSync, chmodSync, constants, existsSync, lstatSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { delimiter, dirname, join, sep } from 'node:path';
import { withLock, writeWhole } from './lock.mjs';
import { Failure, inRoot, root, say } from './project.mjs';
import { become, capture, tail, which } from './run.mjs';

const stampFile = inRoot('node_modules', '.muster-install');
const INSTALL_TIMEOUT = 15 * 60_000;
/** The oldest Node.js that runs the built program. */
const OLDEST = [22, 12];

const readJson = (file) => JSON.parse(readFileSync(file, 'utf8'));
const inModules = (path) => path.startsWith(inRoot('node_modules') + sep);

/** What decides whether an installation is still the right one: the dependencies and the machine, not the scripts. */
function wantedStamp() {
  const { dependencies, devDependencies, optionalDependencies, overrides, allowScripts } = readJson(
    inRoot('package.json'),
  );
  return createHash('sha256')
    .update(JSON.stringify({ dependencies, devDependencies, optionalDependencies, overrides, allowScripts }))
    .update(readFileSync(inRoot('package-lock.json')))
    .update(`${process.platform} ${process.arch}`)
    .digest('hex');
}

function readStamp() {
  try {
    return readFileSync(stampFile, 'utf8').trim();
  } catch {
    return '';
  }
}

/** Whether npm's own record of what it installed is what the lock file asks for: then somebody ran `npm ci` by hand. */
function isInstalledByHand() {
  const record = inRoot('node_modules', '.package-lock.json');
  if (!existsSync(record)) return false;
  const installed = readJson(record).packages;
  return Object.entries(readJson(inRoot('package-lock.json')).packages).every(([path, wanted]) => {
    if (path === '') return true;
    const found = installed[path];
    if (!found) return wanted.optional === true && path !== 'node_modules/node';
    return found.version === wanted.version && existsSync(inRoot(path, 'package.json'));
  });
}

/** `npx muster` finds the program here; npm itself does not link the bin of the project that it installs. */
function linkOwnProgram() {
  const link = inRoot('node_modules', '.bin', 'muster');
  if (process.platform === 'win32' || lstatSync(link, { throwIfNoEntry: false })) return;
  mkdirSync(dirname(link), { recursive: true });
  symlinkSync(join('..', '..', 'tools', 'muster.mjs'), link);
  try {
    accessSync(link, constants.X_OK);
  } catch {
    chmodSync(inRoot('tools', 'muster.mjs'), 0o755);
  }
}

/** npm's program and the Node.js to run it with: not the one inside node_modules, which the installation replaces. */
function npmCommand() {
  const { npm_execpath: script } = process.env;
  const node = inModules(process.execPath) ? which('node', (folder) => inModules(join(folder, sep))) : process.execPath;
  if (node && script?.endsWith('npm-cli.js') && existsSync(script)) return [node, script];
  const npm = which('npm', (folder) => inModules(join(folder, sep)));
  if (!npm) throw new Failure('npm is not on PATH; it comes with Node.js');
  return [npm];
}

function explain(output) {
  const network =
    /\b(ENOTFOUND|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EAI_AGAIN|ENETUNREACH|ERR_SOCKET_TIMEOUT|EIDLETIMEOUT)\b/;
  const cause = network.exec(output);
  if (cause)
    return `the package registry cannot be reached (${cause[1]}); check the network, or npm's registry and proxy settings`;
  if (/\b(E401|E403|E407)\b/.test(output)) return "the package registry refused access; check npm's settings";
  if (/\bENOSPC\b/.test(output)) return 'the disk is full';
  return 'the dependencies could not be installed; what npm said is above';
}

async function install() {
  const [file, ...args] = npmCommand();
  say('Installing the dependencies …');
  const began = Date.now();
  const path = (process.env.PATH ?? '').split(delimiter).filter((folder) => !inModules(join(folder, sep)));
  const result = await capture(
    file,
    [...args, 'ci', '--include=dev', '--include=optional', '--no-audit', '--no-fund'],
    {
      cwd: root,
      timeout: INSTALL_TIMEOUT,
      env: { ...process.env, PATH: path.join(delimiter), npm_config_dry_run: 'false' },
    },
  );
  if (!result.ok) {
    const output = `${result.stdout}${result.stderr}`;
    say(tail(output, 40));
    throw new Failure(explain(output));
  }
  say(`Installed in ${((Date.now() - began) / 1000).toFixed(1)} s.`);
}

/**
 * Makes node_modules what the lock file asks for. Does nothing when it already is: that costs a few milliseconds.
 * @throws {Failure} when npm cannot install
 */
export async function ensureInstalled() {
  const stamp = wantedStamp();
  if (readStamp() === stamp) return linkOwnProgram();
  await withLock(
    `${root} install`,
    async () => {
      if (readStamp() === stamp) return;
      if (!isInstalledByHand()) await install();
      linkOwnProgram();
      writeWhole(stampFile, `${stamp}\n`);
    },
    () => say('Waiting for another process that installs the dependencies …'),
  );
}

function isNewEnough() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  return major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1]);
}

let chosen = null;

/**
 * The Node.js that runs the built program: the one that the optional package `node` brings, else this one if it is new enough.
 * @returns {Promise<string>} its path @throws {Failure} when there is neither
 */
export async function nodeBinary() {
  if (chosen) return chosen;
  const own = inRoot('node_modules', 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
  if (process.execPath === own) return (chosen = own);
  if (existsSync(own)) {
    const { ok } = await capture(own, ['--version'], { timeout: 20_000 });
    if (ok) return (chosen = own);
  }
  if (isNewEnough()) return (chosen = process.execPath);
  throw new Failure(
    `Muster runs on Node.js ${OLDEST.join('.')} or newer. This is ${process.versions.node}, and npm could not install the newer one that comes with the dependencies: install Node.js 24, then try again`,
  );
}

/**
 * How the built program is run. Its young generation is kept small: an import makes much garbage that dies at once, and what a
 * large one would save in time it takes in memory.
 */
export const PROGRAM_FLAGS = ['--enable-source-maps', '--max-semi-space-size=16'];

/** What the built program has in its environment: fewer arenas of the C library, which never give back what they once took. */
export const PROGRAM_ENV = { MALLOC_ARENA_MAX: '2' };

/**
 * Runs this script again on {@link nodeBinary} when this Node.js is too old for the installed packages.
 * @returns {Promise<number | null>} the exit code of that run, or null when there was no need
 */
export async function runOnNewNode() {
  return isNewEnough() ? null : become(await nodeBinary(), process.argv.slice(1));
}
