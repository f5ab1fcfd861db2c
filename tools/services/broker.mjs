import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Failure } from '../lib/project.mjs';
import { capture, which } from '../lib/run.mjs';
import { ownRelease, ownReleaseLibraries, unpack } from './debian.mjs';
import { dataFolder, freePort, isListening, OwnServer } from './process.mjs';

const DEFAULT_URL = 'amqp://guest:guest@127.0.0.1:5672';
/** By custom the management's port is the broker's and this. */
const MANAGEMENT_OFFSET = 10_000;

/** Opens a connection, asks the broker for its product and version, and closes it. */
async function versionOf(url) {
  const { connect } = (await import('amqplib')).default;
  const connection = await connect(url, { timeout: 5_000 });
  const { product, version } = connection.connection.serverProperties;
  await connection.close().catch(() => undefined);
  return `${product} ${version}`;
}

const portOf = (url) => Number(url.port || (url.protocol === 'amqps:' ? 5671 : 5672));

/** The broker at the configured address. @throws {Failure} saying why it is not used */
async function find() {
  const url = process.env.MUSTER_TEST_SERVICES_BROKER || process.env.BROKER_URL || DEFAULT_URL;
  const parsed = new URL(url);
  const where = `${parsed.hostname}:${portOf(parsed)}`;
  if (!(await isListening(portOf(parsed), parsed.hostname))) throw new Failure(`nothing listens at ${where}`);
  const version = await versionOf(url).catch((error) => {
    throw new Failure(`the broker at ${where} does not let us in (${error.message})`);
  });
  return { url, version, source: `found at ${where}` };
}

/** The script of RabbitMQ itself. Debian's command on PATH is a wrapper that insists on the user of the installed service. */
function scriptBehind(file) {
  const folder = dirname(realpathSync(file));
  const packaged = [join(folder, 'rabbitmq-server'), join(folder, '../lib/rabbitmq/bin/rabbitmq-server')];
  return packaged.find((each) => existsSync(each) && realpathSync(each) !== realpathSync(file)) ?? file;
}

/** Every quorum queue has files of its own: with the usual soft limit of 1,024 a few hundred queues are the end. */
const MORE_FILES = 'ulimit -n 20000 2>/dev/null || ulimit -n "$(ulimit -Hn)"; exec "$@"';

/**
 * Starts a broker with a node name, ports and folders of its own, and an epmd of its own.
 * @param {{script: string, epmd: string | null, env?: object}} program @param {boolean} management with its HTTP interface
 */
async function start({ script, epmd, env = {} }, source, management) {
  const folder = dataFolder('broker');
  const server = new OwnServer('RabbitMQ', folder);
  try {
    const [port, distribution] = [await freePort([0, MANAGEMENT_OFFSET]), await freePort()];
    const file = (name, content) => {
      writeFileSync(join(folder.path, name), content, { mode: 0o644 });
      return join(folder.path, name);
    };
    const home = {
      ...env,
      ERL_EPMD_ADDRESS: '127.0.0.1',
      RABBITMQ_NODENAME: `muster${port}@localhost`,
      RABBITMQ_NODE_IP_ADDRESS: '127.0.0.1',
      RABBITMQ_NODE_PORT: String(port),
      RABBITMQ_DIST_PORT: String(distribution),
      RABBITMQ_MNESIA_BASE: join(folder.path, 'mnesia'),
      RABBITMQ_LOG_BASE: join(folder.path, 'log'),
      RABBITMQ_LOGS: '-',
      RABBITMQ_PID_FILE: join(folder.path, 'pid'),
      RABBITMQ_CONF_ENV_FILE: file('rabbitmq-env.conf', ''),
      RABBITMQ_ENABLED_PLUGINS_FILE: file('enabled_plugins', management ? '[rabbitmq_management].\n' : '[].\n'),
      RABBITMQ_CONFIG_FILE: file(
        'rabbitmq.conf',
        [
          'vm_memory_high_watermark.absolute = 512MiB',
          'disk_free_limit.absolute = 50MB',
          ...(management ? ['management.tcp.ip = 127.0.0.1', `management.tcp.port = ${port + MANAGEMENT_OFFSET}`] : []),
          '',
        ].join('\n'),
      ),
    };
    if (epmd) {
      home.ERL_EPMD_PORT = String(await freePort());
      server.launch(epmd, [], home);
      const ready = () => isListening(Number(home.ERL_EPMD_PORT));
      await server.ready(ready);
    }
    server.launch('sh', ['-c', MORE_FILES, 'sh', script], home);
    const url = `amqp://guest:guest@127.0.0.1:${port}`;
    let version = '';
    await server.ready(async () => {
      if (!(await isListening(port))) return false;
      if (management && !(await isListening(port + MANAGEMENT_OFFSET))) return false;
      version = await versionOf(url).catch(() => '');
      return version !== '';
    });
    return { url, version, source, server };
  } catch (error) {
    await server.stop();
    throw error;
  }
}

async function fromPath({ management }) {
  const found = which('rabbitmq-server') ?? ['/usr/sbin/rabbitmq-server'].find((file) => existsSync(file));
  if (!found) throw new Failure('no rabbitmq-server on PATH');
  return start({ script: scriptBehind(found), epmd: which('epmd') }, `started from ${found}`, management);
}

/** Erlang's starters name the place where Debian installs them. */
function relocateErlang(fresh, tree) {
  const erlang = join(fresh, 'usr/lib/erlang');
  const runtime = readdirSync(erlang).find((name) => name.startsWith('erts-'));
  for (const file of [join(erlang, 'bin/erl'), join(erlang, runtime, 'bin/erl')]) {
    if (!existsSync(file)) continue;
    const text = readFileSync(file, 'utf8');
    writeFileSync(file, text.replaceAll('ROOTDIR=/usr/lib/erlang', `ROOTDIR=${join(tree, 'usr/lib/erlang')}`));
    chmodSync(file, 0o755);
  }
  mkdirSync(join(fresh, 'etc'), { recursive: true });
}

async function fromPackages({ management }) {
  const release = ownRelease();
  if (!release) throw new Failure('the release of this machine is not known');
  const tree = await unpack(`rabbitmq-${release}`, release, ['rabbitmq-server'], relocateErlang);
  const erlang = join(tree, 'usr/lib/erlang');
  const runtime = join(
    erlang,
    readdirSync(erlang).find((name) => name.startsWith('erts-')),
    'bin',
  );
  const version = readdirSync(join(tree, 'usr/lib/rabbitmq/lib')).find((name) => name.startsWith('rabbitmq_server-'));
  const script = join(tree, 'usr/lib/rabbitmq/lib', version, 'sbin/rabbitmq-server');
  const env = { PATH: `${join(erlang, 'bin')}:${runtime}:/usr/bin:/bin`, LD_LIBRARY_PATH: ownReleaseLibraries(tree) };
  return start({ script, epmd: join(runtime, 'epmd'), env }, `started from Debian packages (${release})`, management);
}

/**
 * Queues that nobody consumes from go after a minute. Each test server declares some, quorum queues hold files open, and a broker
 * with the usual limit of 1,024 open files stops taking connections after a few hundred.
 */
const EXPIRY = { pattern: '.*', definition: { expires: 60_000 }, 'apply-to': 'queues' };

/** Makes and removes a virtual host by the HTTP interface of a broker, or by rabbitmqctl on this machine's broker. */
function vhostTools(url) {
  const base = new URL(url);
  const protocol = base.protocol === 'amqps:' ? 'https:' : 'http:';
  const user = decodeURIComponent(base.username || 'guest');
  const password = decodeURIComponent(base.password || 'guest');
  const http = async (method, path, body) => {
    const response = await fetch(`${protocol}//${base.hostname}:${portOf(base) + MANAGEMENT_OFFSET}/api/${path}`, {
      method,
      headers: {
        authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
        'content-type': 'application/json',
      },
      ...(body ? { body: JSON.stringify(body) } : {}),
      signal: AbortSignal.timeout(10_000),
    });
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status}`);
  };
  const control = async (...args) => {
    const { ok, stderr } = await capture('rabbitmqctl', ['-q', ...args], { timeout: 60_000 });
    if (!ok) throw new Error(stderr);
  };
  const everything = { configure: '.*', write: '.*', read: '.*' };
  return [
    {
      add: async (name) => {
        await http('PUT', `vhosts/${name}`, {});
        await http('PUT', `permissions/${name}/${encodeURIComponent(user)}`, everything);
        await http('PUT', `policies/${name}/expiry`, EXPIRY);
      },
      remove: (name) => http('DELETE', `vhosts/${name}`),
    },
    {
      add: async (name) => {
        await control('add_vhost', name);
        await control('set_permissions', '-p', name, user, '.*', '.*', '.*');
        const { pattern, definition, 'apply-to': target } = EXPIRY;
        const policy = ['expiry', pattern, JSON.stringify(definition)];
        await control('set_policy', '-p', name, '--apply-to', target, ...policy);
      },
      remove: (name) => control('delete_vhost', name),
    },
  ];
}

/** Makes the virtual host of one run; on a broker that does not let us, a prefix for the names of its queues. */
async function lend({ url, server }, run) {
  const MUSTER_TEST_BROKER_PREFIX = run;
  // A broker of our own serves this run alone.
  if (server) return { env: { MUSTER_TEST_BROKER_URL: url, MUSTER_TEST_BROKER_PREFIX }, remove: async () => undefined };
  const lent = new URL(url);
  lent.pathname = `/${run}`;
  for (const tool of vhostTools(url)) {
    const remove = () => tool.remove(run);
    try {
      await tool.add(run);
    } catch {
      await remove().catch(() => undefined);
      continue;
    }
    // rabbitmqctl may speak to another broker than the one at that address.
    if (await versionOf(lent.href).catch(() => null)) {
      return { env: { MUSTER_TEST_BROKER_URL: lent.href, MUSTER_TEST_BROKER_PREFIX }, remove };
    }
    await remove().catch(() => undefined);
  }
  return {
    note: 'no virtual host could be made; the queues of this run are told apart by their prefix and stay behind',
    env: { MUSTER_TEST_BROKER_URL: url, MUSTER_TEST_BROKER_PREFIX },
    remove: async () => undefined,
  };
}

export const broker = {
  name: 'broker',
  port: 5672,
  find,
  fromPath,
  fromPackages,
  fromCompose: async (port) => {
    const url = `amqp://guest:guest@127.0.0.1:${port}`;
    const version = await versionOf(url).catch(() => null);
    return version && { url, version };
  },
  composeService: () => 'rabbitmq',
  lend,
  environment: ({ url }) => ({ MUSTER_TEST_SERVICES_BROKER: url }),
};
