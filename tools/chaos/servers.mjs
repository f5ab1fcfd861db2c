import { Failure, say } from '../lib/project.mjs';
import { broker } from '../services/broker.mjs';
import { database } from '../services/database.mjs';
import { allowedWays } from '../services/provide.mjs';
import { storage } from '../services/storage.mjs';
import { Gate } from './gate.mjs';
import { S3Proxy } from './s3-proxy.mjs';

/** Starts a server that nobody else uses. It ends with this script. @throws {Failure} when there is no way */
async function startOwn(kind) {
  const ways = {
    path: () => kind.fromPath({ management: false }),
    packages: () => kind.fromPackages({ management: false }),
  };
  const reasons = [];
  for (const way of allowedWays().filter((each) => ways[each])) {
    try {
      return await ways[way]();
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      reasons.push(error.message);
    }
  }
  throw new Failure(`a ${kind.name} of our own cannot be started: ${reasons.join('; ') || 'no way is allowed'}`);
}

/**
 * The servers of the services profile: our own, so that nobody is hurt when they are stopped. The broker is reached through a
 * {@link Gate}, the file store through an {@link S3Proxy}; where no S3-compatible server can be had, files lie in a directory.
 * @param {{database?: string, s3: boolean}} options `database`: a server to use instead, which is then never stopped
 */
export async function startServers(options) {
  const [store, queues, files] = await Promise.all([
    options.database ? { url: options.database } : startOwn(database),
    startOwn(broker),
    options.s3 ? startOwn(storage).catch(explain) : null,
  ]);
  const gate = await Gate.to(Number(new URL(queues.url).port));
  const throughGate = new URL(queues.url);
  throughGate.port = gate.port;
  const servers = { database: store, broker: { ...queues, url: throughGate.href, direct: queues.url, gate } };
  if (files) {
    const proxy = await S3Proxy.before(files.url);
    servers.storage = { ...files, url: proxy.url, proxy };
  }
  const names = [store, queues, files].flatMap((service) => service?.version ?? []);
  say(`own servers: ${names.join(', ')}`);
  return servers;
}

function explain(error) {
  if (!(error instanceof Failure)) throw error;
  say(`${error.message}; files lie in a directory`);
  return null;
}
