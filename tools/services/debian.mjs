import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { withLock } from '../lib/lock.mjs';
import { Failure, say } from '../lib/project.mjs';
import { capture, which } from '../lib/run.mjs';

/**
 * Programs from Debian packages without installing them: apt downloads them and all that they need from the Debian archive
 * that this machine already uses (signatures checked), dpkg-deb unpacks them into a cache. No maintainer script runs and
 * nothing outside the cache changes, so this works for any user.
 */

/** Where unpacked packages are kept; MUSTER_SERVICES_CACHE sets another place. */
export function cacheFolder() {
  const path = process.env.MUSTER_SERVICES_CACHE || join(tmpdir(), `muster-services-${process.getuid?.() ?? 'user'}`);
  mkdirSync(path, { recursive: true, mode: 0o755 });
  if (process.getuid && statSync(path).uid !== process.getuid()) {
    throw new Failure(`${path} belongs to another user; set MUSTER_SERVICES_CACHE`);
  }
  return path;
}

/** Why packages cannot be had here, or null. */
export function whyNoPackages() {
  const missing = ['apt-get', 'apt-config', 'dpkg', 'dpkg-deb'].find((tool) => !which(tool));
  return missing ? `this is no Debian machine (${missing} is missing)` : null;
}

/** The code name of this machine's release, e.g. bookworm. */
export function ownRelease() {
  const release = existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : '';
  return /^VERSION_CODENAME="?([a-z]+)"?$/m.exec(release)?.[1] ?? null;
}

/** The archives among this machine's own apt sources that hold whole releases, in their order. */
async function mirrors() {
  const format = '$(REPO_URI) $(RELEASE) $(COMPONENT)';
  const { stdout } = await capture('apt-get', [
    'indextargets',
    '--no-release-info',
    '--format',
    format,
    'Identifier: Packages',
  ]);
  const whole = stdout
    .split('\n')
    .map((line) => line.split(' '))
    .filter(
      ([uri, release, component]) => uri && component === 'main' && !/-(security|updates|backports)/.test(release),
    );
  return [...new Set(whole.map(([uri]) => uri))];
}

/** An apt that knows one release, a machine on which nothing is installed, and this machine's network settings. */
async function aptConfiguration(folder, mirror, release) {
  for (const part of [
    ...['apt.conf.d', 'preferences.d', 'sources.list.d'].map((name) => `etc/apt/${name}`),
    'var/lib/apt/lists/partial',
    'var/lib/dpkg',
    'var/cache/apt/archives/partial',
  ]) {
    mkdirSync(join(folder, part), { recursive: true });
  }
  const architecture = (await capture('dpkg', ['--print-architecture'])).stdout.trim();
  const keyring = ['gpg', 'pgp']
    .map((type) => `/usr/share/keyrings/debian-archive-keyring.${type}`)
    .find((file) => existsSync(file));
  const options = [`arch=${architecture}`, ...(keyring ? [`signed-by=${keyring}`] : [])].join(' ');
  writeFileSync(join(folder, 'etc/apt/sources.list'), `deb [${options}] ${mirror} ${release} main\n`);
  writeFileSync(join(folder, 'var/lib/dpkg/status'), '');
  const network = (await capture('apt-config', ['dump'])).stdout
    .split('\n')
    .filter((line) => /^Acquire::(http|https|ForceIPv|Check-)/.test(line));
  const file = join(folder, 'apt.conf');
  writeFileSync(
    file,
    `${[
      ...network,
      `Dir "${folder}";`,
      'Dir::Etc::netrc "/etc/apt/auth.conf";',
      'Dir::Etc::netrcparts "/etc/apt/auth.conf.d";',
      'APT::Sandbox::User "root";',
      'APT::Install-Recommends "false";',
      'APT::Update::Error-Mode "any";',
      'Acquire::Languages "none";',
      'Acquire::Retries "2";',
      'Acquire::http::Timeout "20";',
      'Acquire::https::Timeout "20";',
    ].join('\n')}\n`,
  );
  return { ...process.env, APT_CONFIG: file, DEBIAN_FRONTEND: 'noninteractive' };
}

async function download(folder, release, packages) {
  let why = "no Debian archive among this machine's apt sources";
  for (const mirror of await mirrors()) {
    const env = await aptConfiguration(folder, mirror, release);
    const update = await capture('apt-get', ['-qq', 'update'], { env, timeout: 300_000 });
    const got = update.ok
      ? await capture('apt-get', ['-qq', '-y', '--download-only', 'install', ...packages], { env, timeout: 900_000 })
      : update;
    if (got.ok) return;
    why = /^E: .*/m.exec(got.stderr)?.[0] ?? (got.stderr.trim().split('\n').pop() || 'apt failed');
  }
  throw new Failure(`${packages.join(', ')} cannot be had from Debian ${release} (${why})`);
}

/**
 * Unpacks packages of a release with everything that they need; once, and then from the cache.
 * @param {string} name of the tree in the cache @param {(root: string) => void} adapt changes a fresh tree before it is used
 * @returns {Promise<string>} the root of the tree @throws {Failure} when the packages cannot be had
 */
export async function unpack(name, release, packages, adapt = () => undefined) {
  const why = whyNoPackages();
  if (why) throw new Failure(why);
  const folder = cacheFolder();
  const tree = join(folder, name);
  const wanted = `${release} ${packages.join(' ')}`;
  const isThere = () => existsSync(join(tree, '.unpacked')) && readFileSync(join(tree, '.unpacked'), 'utf8') === wanted;
  if (isThere()) return tree;
  await withLock(tree, async () => {
    if (isThere()) return;
    say(`Fetching ${packages.join(', ')} (Debian ${release}) into ${folder} …`);
    const [apt, fresh] = [`${tree}.apt`, `${tree}.new`];
    for (const path of [apt, fresh]) rmSync(path, { recursive: true, force: true });
    mkdirSync(fresh, { recursive: true });
    try {
      await download(apt, release, packages);
      const archives = join(apt, 'var/cache/apt/archives');
      for (const file of readdirSync(archives).filter((each) => each.endsWith('.deb'))) {
        const { ok, stderr } = await capture('dpkg-deb', ['-x', join(archives, file), fresh], { timeout: 300_000 });
        if (!ok) throw new Failure(`${file} cannot be unpacked: ${stderr.trim()}`);
      }
      // The tree is used where it will be moved to.
      adapt(fresh, tree);
      writeFileSync(join(fresh, '.unpacked'), wanted);
      rmSync(tree, { recursive: true, force: true });
      renameSync(fresh, tree);
    } finally {
      for (const path of [apt, fresh]) rmSync(path, { recursive: true, force: true });
    }
  });
  return tree;
}

function librariesOf(tree) {
  const triplets = readdirSync(join(tree, 'usr/lib')).filter((name) => name.includes('-linux-gnu'));
  return triplets
    .flatMap((name) => [join(tree, 'usr/lib', name), join(tree, 'lib', name)])
    .filter((folder) => existsSync(folder));
}

/** Libraries for programs of this machine's own release: they use its C library. */
export function ownReleaseLibraries(tree) {
  return librariesOf(tree).join(':');
}

/**
 * How a program of another release is run: by the dynamic loader and the C library that were unpacked with it.
 * @returns {[string, string[]]} a file and the arguments before the program's own
 */
export function foreignProgram(tree, program) {
  const libraries = librariesOf(tree);
  const loader = libraries
    .flatMap((folder) => readdirSync(folder).map((name) => join(folder, name)))
    .find((file) => /\/ld-linux[^/]*\.so\.\d+$/.test(file));
  if (!loader) throw new Failure(`${tree} holds no dynamic loader`);
  return [loader, ['--inhibit-cache', '--library-path', libraries.join(':'), join(tree, program)]];
}
