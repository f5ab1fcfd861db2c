import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ensureInstalled, runOnNewNode } from '../lib/install.mjs';
import { isAlive, withLock, writeWhole } from '../lib/lock.mjs';
import { Failure, main, say } from '../lib/project.mjs';
import { removeProject } from './compose.mjs';
import { cacheFolder } from './debian.mjs';
import { keepServers, killOwnServers, stopProcesses } from './process.mjs';
import { kinds, provide } from './provide.mjs';

const USAGE = `usage: node tools/services/services.mjs up|down|status

  up      gets a database server, a broker, an S3-compatible server and Redis, and prints the lines that the tests use them by
  down    stops what \`up\` started
  status  says what is there`;

const stateFile = () => join(cacheFolder(), 'up.json');

const readState = () => (existsSync(stateFile()) ? JSON.parse(readFileSync(stateFile(), 'utf8')) : null);

const isUp = (server) => Boolean(server.project) || server.processes.every(({ pid, start }) => isAlive(pid, start));

function print(state) {
  for (const line of state.describes) say(`  ${line}`);
  for (const [name, value] of Object.entries(state.environment)) process.stdout.write(`export ${name}='${value}'\n`);
}

async function stop(state) {
  for (const server of state.servers) {
    if (server.project) await removeProject(server.project);
    else {
      await stopProcesses(server.processes);
      rmSync(server.folder, { recursive: true, force: true, maxRetries: 5 });
    }
  }
  rmSync(stateFile(), { force: true });
}

async function up() {
  const before = readState();
  if (before?.servers.every(isUp)) return print(before);
  if (before) await stop(before);
  keepServers();
  process.on('exit', (code) => code !== 0 && killOwnServers());
  process.on('SIGINT', () => process.exit(130));
  process.on('SIGTERM', () => process.exit(143));
  const provided = await provide({ run: `muster-up-${randomBytes(4).toString('hex')}`, management: true });
  const missing = provided.filter(({ service }) => !service);
  const reasons = missing.map(({ kind, reasons: why }) => `no ${kind.name}: ${why.join('; ')}`);
  if (missing.some(({ kind }) => !kind.optional)) throw new Failure(reasons.join('\n'));
  for (const line of reasons) say(`  ${line}`);
  const there = provided.filter(({ service }) => service);
  const state = {
    servers: there.flatMap(({ service }) => (service.server ? [service.server.describe()] : [])),
    describes: there.map(({ kind, service }) => `${kind.name.padEnd(9)} ${service.version}, ${service.source}`),
    environment: Object.assign({}, ...there.map(({ kind, service }) => kind.environment(service))),
  };
  writeWhole(stateFile(), JSON.stringify(state, null, 2));
  for (const [name, value] of Object.entries(state.environment)) process.stdout.write(`export ${name}='${value}'\n`);
}

async function status() {
  const state = readState();
  if (state?.servers.every(isUp)) return print(state);
  if (state) throw new Failure('some of what `up` started has ended; run `down`, then `up`');
  say('Nothing was started. At the configured addresses:');
  for (const kind of kinds) {
    const text = await kind.find().then(
      ({ version, source }) => `${version}, ${source}`,
      (error) => error.message,
    );
    say(`  ${kind.name.padEnd(9)} ${text}`);
  }
}

await main(async () => {
  const verb = process.argv[2];
  if (!['up', 'down', 'status'].includes(verb)) throw new Failure(USAGE, 2);
  await ensureInstalled();
  const elsewhere = await runOnNewNode();
  if (elsewhere !== null) return elsewhere;
  if (verb === 'status') await status();
  else if (verb === 'up') await withLock(stateFile(), up);
  else {
    await withLock(stateFile(), async () => {
      const state = readState();
      if (state) await stop(state);
      say(state ? 'Stopped.' : 'Nothing was started.');
    });
  }
  return 0;
});
