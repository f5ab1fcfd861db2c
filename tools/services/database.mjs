import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '../lib/project.mjs';
import { capture, tail, which } from '../lib/run.mjs';
import { foreignProgram, ownRelease, ownReleaseLibraries, unpack } from './debian.mjs';
import { dataFolder, freePort, isListening, OwnServer } from './process.mjs';

const DEFAULT_URL = 'mysql://root@127.0.0.1:3306';

/** The kind of server that MUSTER_TEST_DATABASE insists on: `mysql`, `mariadb`, or null for either. */
function insisted() {
  const kind = process.env.MUSTER_TEST_DATABASE || null;
  if (kind && kind !== 'mysql' && kind !== 'mariadb') {
    throw new Failure(`MUSTER_TEST_DATABASE=${kind} is neither mysql nor mariadb`);
  }
  return kind;
}

const kindOf = (version) => (/mariadb/i.test(version) ? 'mariadb' : 'mysql');
const titleOf = (version) =>
  `${kindOf(version) === 'mariadb' ? 'MariaDB' : 'MySQL'} ${/\d+\.\d+\.\d+/.exec(version)?.[0] ?? version}`;

/** Runs statements on the server of a URL; any database that the URL names is left aside. */
export async function onServer(url, work) {
  const { createConnection } = (await import('mysql2/promise')).default;
  const server = new URL(url);
  server.pathname = '/';
  server.protocol = 'mysql:';
  const connection = await createConnection({ uri: server.href, connectTimeout: 5_000 });
  try {
    return await work(async (sql, values) => (await connection.query(sql, values))[0]);
  } finally {
    await connection.end().catch(() => undefined);
  }
}

const versionOf = (url) => onServer(url, async (query) => (await query('SELECT VERSION() AS version'))[0].version);

/** The server at the configured address. @throws {Failure} saying why it is not used */
async function find() {
  const url = process.env.MUSTER_TEST_SERVICES_DATABASE || process.env.DATABASE_URL || DEFAULT_URL;
  if (!/^(mysql|mariadb):/.test(url)) throw new Failure('DATABASE_URL is no mysql:// address');
  const { hostname, port } = new URL(url);
  const where = `${hostname}:${port || 3306}`;
  if (!(await isListening(Number(port || 3306), hostname))) throw new Failure(`nothing listens at ${where}`);
  const version = await versionOf(url).catch((error) => {
    throw new Failure(`the server at ${where} does not let us in (${error.message})`);
  });
  const kind = insisted();
  if (kind && kindOf(version) !== kind) throw new Failure(`the server at ${where} is ${titleOf(version)}, not ${kind}`);
  return { url, version: titleOf(version), source: `found at ${where}` };
}

/** The root account is made for TCP, which is all that the tests use. */
const ROOT_SQL = [
  "CREATE USER IF NOT EXISTS 'root'@'127.0.0.1' IDENTIFIED BY '';",
  "ALTER USER 'root'@'127.0.0.1' IDENTIFIED BY '';",
  "GRANT ALL ON *.* TO 'root'@'127.0.0.1' WITH GRANT OPTION;",
  '',
].join('\n');

/**
 * Starts a server on an empty data folder.
 * @param {object} program how it is run
 * @param {[string, string[]]} program.server the file and its first arguments
 * @param {string[]} program.options where it finds its own files
 * @param {(folder: string, run: Function) => Promise<void>} program.initialise fills the data folder
 */
async function start({ server: [file, first], options, initialise }, source) {
  const folder = dataFolder('database');
  const server = new OwnServer('the database server', folder);
  try {
    const data = join(folder.path, 'data');
    const asRoot = process.getuid?.() === 0 && folder.user.uid === undefined ? ['--user=root'] : [];
    const common = [...first, '--no-defaults', ...options, `--datadir=${data}`, ...asRoot];
    const run = async (program, args, more) => {
      const result = await capture(program, args, {
        cwd: folder.path,
        env: { PATH: process.env.PATH, LC_ALL: 'C.UTF-8', TMPDIR: folder.path },
        timeout: 180_000,
        ...folder.user,
        ...more,
      });
      if (!result.ok)
        throw new Failure(`the data folder cannot be filled:\n${tail(`${result.stdout}${result.stderr}`)}`);
    };
    writeFileSync(join(folder.path, 'root.sql'), ROOT_SQL, { mode: 0o644 });
    await initialise({ data, asRoot, run: (args, more) => run(file, [...common, ...args], more), runOther: run });
    const port = await freePort();
    server.launch(file, [
      ...common,
      `--port=${port}`,
      '--bind-address=127.0.0.1',
      `--socket=${join(folder.path, 's')}`,
      `--pid-file=${join(folder.path, 'pid')}`,
      `--init-file=${join(folder.path, 'root.sql')}`,
      '--skip-name-resolve',
      '--local-infile=1',
      '--innodb-buffer-pool-size=256M',
      '--max-connections=200',
    ]);
    const url = `mysql://root@127.0.0.1:${port}`;
    let version = '';
    await server.ready(async () => {
      if (!(await isListening(port))) return false;
      version = await versionOf(url).catch(() => '');
      return version !== '';
    });
    return { url, version: titleOf(version), source, server };
  } catch (error) {
    await server.stop();
    throw error;
  }
}

/** MySQL fills its data folder by itself. */
const initialiseMysql = ({ run }) => run(['--initialize-insecure']);

/** A server from PATH: `mariadbd`, or `mysqld`, which may be either. */
async function fromPath() {
  const kind = insisted();
  for (const name of ['mariadbd', 'mysqld']) {
    const file =
      which(name) ?? ['/usr/sbin', '/usr/local/sbin'].map((each) => join(each, name)).find((each) => existsSync(each));
    if (!file) continue;
    const { stdout, ok } = await capture(file, ['--no-defaults', '--version']);
    const found = kindOf(stdout);
    if (!ok || (kind && found !== kind)) continue;
    const source = `started from ${file}`;
    if (found === 'mysql')
      return start({ server: [file, []], options: ['--mysqlx=OFF'], initialise: initialiseMysql }, source);
    const install = which('mariadb-install-db') ?? which('mysql_install_db');
    if (!install) continue;
    const initialise = ({ data, asRoot, runOther }) =>
      runOther(install, [
        '--no-defaults',
        `--datadir=${data}`,
        '--auth-root-authentication-method=normal',
        '--skip-test-db',
        ...asRoot,
      ]);
    return start({ server: [file, []], options: [], initialise }, source);
  }
  throw new Failure(`no ${kind ?? 'mariadbd or mysqld'} on PATH that can be used`);
}

/** MariaDB's installer is a script for an installed server; its steps are these files, in its order. */
const MARIADB_SETUP = [
  'mysql_system_tables.sql',
  'mysql_performance_tables.sql',
  'mysql_system_tables_data.sql',
  'maria_add_gis_sp_bootstrap.sql',
  'mysql_sys_schema.sql',
];

async function mariadbFromPackages(release) {
  const tree = await unpack(`mariadb-${release}`, release, ['mariadb-server']);
  const share = join(tree, 'usr/share/mysql');
  const program = ['usr/sbin/mariadbd', 'usr/sbin/mysqld']
    .map((each) => join(tree, each))
    .find((each) => existsSync(each));
  const libraries = ownReleaseLibraries(tree);
  const options = [
    `--basedir=${join(tree, 'usr')}`,
    `--lc-messages-dir=${share}`,
    `--character-sets-dir=${join(share, 'charsets')}`,
    `--plugin-dir=${join(tree, 'usr/lib/mysql/plugin')}`,
  ];
  const initialise = async ({ data, run, runOther }) => {
    await runOther('mkdir', ['-m', '700', data]);
    const steps = MARIADB_SETUP.map((name) => join(share, name)).filter((file) => existsSync(file));
    const sql = [
      'create database if not exists mysql;',
      'use mysql;',
      'SET @auth_root_socket=NULL;',
      'SET @skip_auth_anonymous=1;',
    ];
    await run(
      [
        '--bootstrap',
        '--skip-log-bin',
        '--enforce-storage-engine=',
        '--max-allowed-packet=8M',
        '--net-buffer-length=16K',
      ],
      { input: `${sql.join('\n')}\n${steps.map((file) => readFileSync(file, 'utf8')).join('\n')}` },
    );
  };
  const server = ['env', [`LD_LIBRARY_PATH=${libraries}`, program]];
  return start({ server, options, initialise }, `started from Debian packages (${release})`);
}

/** MySQL is only in Debian's unstable release, so it runs on the C library of that release. */
async function mysqlFromPackages() {
  const tree = await unpack('mysql', 'sid', ['mysql-server-core']);
  const options = [
    `--basedir=${join(tree, 'usr')}`,
    `--lc-messages-dir=${join(tree, 'usr/share/mysql')}`,
    `--character-sets-dir=${join(tree, 'usr/share/mysql/charsets')}`,
    `--plugin-dir=${join(tree, 'usr/lib/mysql/plugin')}`,
    '--secure-file-priv=NULL',
    '--mysqlx=OFF',
  ];
  const server = foreignProgram(tree, 'usr/sbin/mysqld');
  return start({ server, options, initialise: initialiseMysql }, 'started from Debian packages (sid)');
}

async function fromPackages() {
  const kind = insisted();
  const release = ownRelease();
  if (kind === 'mysql' || (!kind && !release)) return mysqlFromPackages();
  if (!release) throw new Failure('the release of this machine is not known');
  return mariadbFromPackages(release);
}

/**
 * Makes the database of one run on a server, and gives what the tests need.
 * @param {{url: string}} service @param {string} run the name of the run
 */
async function lend({ url }, run) {
  const name = run.replace(/[^a-z0-9]/g, '_');
  await onServer(url, (query) => query(`CREATE DATABASE \`${name}\` CHARACTER SET utf8mb4`));
  const lent = new URL(url);
  lent.pathname = `/${name}`;
  return {
    env: { MUSTER_TEST_DATABASE_URL: lent.href.replace(/^mariadb:/, 'mysql:') },
    // Test files make databases of their own, whose names begin with that of the run.
    remove: () =>
      onServer(url, async (query) => {
        const left = await query(
          'SELECT schema_name AS name FROM information_schema.schemata WHERE schema_name LIKE ?',
          [`${name.replaceAll('_', '\\_')}%`],
        );
        for (const row of left) await query(`DROP DATABASE IF EXISTS \`${row.name}\``);
      }),
  };
}

/** What one service of Docker Compose is reached by. */
const composed = (port) => `mysql://root@127.0.0.1:${port}`;

export const database = {
  name: 'database',
  port: 3306,
  find,
  fromPath,
  fromPackages,
  fromCompose: async (port) => {
    const url = composed(port);
    const version = await versionOf(url).catch(() => null);
    return version && { url, version: titleOf(version) };
  },
  composeService: () => insisted() ?? 'mariadb',
  lend,
  environment: ({ url }) => ({ MUSTER_TEST_SERVICES_DATABASE: url }),
};
