import { chmodSync, copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, URLSearchParams } from 'node:url';
import { Failure } from '../lib/project.mjs';
import { capture, tail, which } from '../lib/run.mjs';
import { foreignProgram, unpack } from './debian.mjs';
import { dataFolder, freePort, isListening, OwnServer } from './process.mjs';
import { SECRET, swiftConfiguration, swiftKey } from './swift-config.mjs';

const DEFAULT_URL = 'http://127.0.0.1:9000';
const DEFAULT_REGION = 'us-east-1';
/** The release of which Swift speaks enough of S3. */
const SWIFT_RELEASE = 'trixie';

async function clientOf({ url, region, key, secret }) {
  const sdk = await import('@aws-sdk/client-s3');
  const client = new sdk.S3Client({
    endpoint: url,
    region,
    forcePathStyle: true,
    credentials: { accessKeyId: key, secretAccessKey: secret },
    requestChecksumCalculation: 'WHEN_REQUIRED',
    maxAttempts: 2,
  });
  return { sdk, send: (name, input) => client.send(new sdk[`${name}Command`](input)), close: () => client.destroy() };
}

async function withClient(service, work) {
  const client = await clientOf(service);
  try {
    return await work(client);
  } finally {
    client.close();
  }
}

/** Whether the server lets these credentials in. @throws what it answers otherwise */
const letsIn = (service) => withClient(service, ({ send }) => send('ListBuckets', {}));

async function productAt(url) {
  const response = await fetch(url, { signal: AbortSignal.timeout(5_000) }).catch(() => null);
  const server = response?.headers.get('server');
  if (server) return server;
  return response?.headers.get('x-trans-id') ? 'OpenStack Swift' : 'S3-compatible server';
}

/** The address, region and keys that are configured. The keys may also stand in the address. */
function configured() {
  const { MUSTER_TEST_SERVICES_STORAGE: own, STORAGE_URL: product, AWS_REGION: region = DEFAULT_REGION } = process.env;
  let url = new URL(own || DEFAULT_URL);
  let named = region;
  if (!own && product?.startsWith('s3:')) {
    const parameters = new URL(product).searchParams;
    // Without an endpoint it is AWS itself, where tests make nothing unless they are told to.
    if (!parameters.get('endpoint')) throw new Failure('STORAGE_URL names no endpoint');
    url = new URL(parameters.get('endpoint'));
    named = parameters.get('region') || region;
  }
  const inAddress = url.username ? [decodeURIComponent(url.username), decodeURIComponent(url.password)] : null;
  url.username = '';
  url.password = '';
  const inEnvironment = [process.env.AWS_ACCESS_KEY_ID, process.env.AWS_SECRET_ACCESS_KEY];
  // The last is what a MinIO has that nobody configured.
  const keys = [inAddress, inEnvironment, ['minioadmin', 'minioadmin']].find((pair) => pair?.[0] && pair[1]);
  return { url: url.href.replace(/\/$/, ''), region: named, key: keys[0], secret: keys[1] };
}

/** The server at the configured address. @throws {Failure} saying why it is not used */
async function find() {
  const service = configured();
  const { hostname, port, host, protocol } = new URL(service.url);
  if (!(await isListening(Number(port || (protocol === 'https:' ? 443 : 80)), hostname))) {
    throw new Failure(`nothing listens at ${host}`);
  }
  await letsIn(service).catch((error) => {
    throw new Failure(
      `the server at ${host} does not let us in (${error.name}); set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY`,
    );
  });
  return { ...service, version: await productAt(service.url), source: `found at ${host}` };
}

async function fromPath() {
  const minio = which('minio');
  if (!minio) throw new Failure('no minio on PATH');
  const folder = dataFolder('storage');
  const server = new OwnServer('MinIO', folder);
  try {
    const [port, console] = [await freePort(), await freePort()];
    const service = { url: `http://127.0.0.1:${port}`, region: DEFAULT_REGION, key: 'muster', secret: SECRET };
    server.launch(
      minio,
      [
        'server',
        '--address',
        `127.0.0.1:${port}`,
        '--console-address',
        `127.0.0.1:${console}`,
        join(folder.path, 'data'),
      ],
      { MINIO_ROOT_USER: service.key, MINIO_ROOT_PASSWORD: service.secret },
    );
    await server.ready(() =>
      letsIn(service).then(
        () => true,
        () => false,
      ),
    );
    const { stdout } = await capture(minio, ['--version']);
    const version = /RELEASE\.\S+/.exec(stdout)?.[0] ?? '';
    return { ...service, version: `MinIO ${version}`.trim(), source: `started from ${minio}`, server };
  } catch (error) {
    await server.stop();
    throw error;
  }
}

/** OpenStack Swift with its S3 interface: one proxy before one account, one container and one object server. */
async function fromPackages() {
  const tree = await unpack('swift', SWIFT_RELEASE, ['python3-swift', 'libisal2']);
  const folder = dataFolder('storage');
  const server = new OwnServer('Swift', folder);
  try {
    const port = await freePort([0, 1, 2, 3]);
    const etc = join(folder.path, 'etc');
    for (const name of [etc, join(folder.path, 'data')]) {
      mkdirSync(name);
      chmodSync(name, 0o777);
    }
    const launcher = join(etc, 'swift_node.py');
    copyFileSync(fileURLToPath(new URL('./swift_node.py', import.meta.url)), launcher);
    const user = folder.user.uid === undefined ? await userName() : 'nobody';
    for (const [name, text] of Object.entries(
      swiftConfiguration({ folder: folder.path, port, region: DEFAULT_REGION, user }),
    )) {
      writeFileSync(join(etc, name), text, { mode: 0o644 });
    }
    const [python, first] = foreignProgram(tree, 'usr/bin/python3');
    const env = {
      PYTHONHOME: join(tree, 'usr'),
      PYTHONPATH: join(tree, 'usr/lib/python3/dist-packages'),
      PYTHONDONTWRITEBYTECODE: '1',
    };
    const prepared = await capture(python, [...first, launcher, 'prepare', folder.path, String(port)], {
      cwd: folder.path,
      env: { ...env, PATH: process.env.PATH, LC_ALL: 'C.UTF-8' },
      ...folder.user,
    });
    if (!prepared.ok) throw new Failure(`Swift cannot run here: ${tail(prepared.stderr, 3)}`);
    server.launch(python, [...first, launcher, 'run', folder.path], env);
    const service = { url: `http://127.0.0.1:${port}`, region: DEFAULT_REGION, key: swiftKey, secret: SECRET };
    await server.ready(async () => {
      const up = await Promise.all([1, 2, 3].map((offset) => isListening(port + offset)));
      return (
        up.every(Boolean) &&
        letsIn(service).then(
          () => true,
          () => false,
        )
      );
    });
    const version = `OpenStack Swift ${prepared.stdout.trim()}`;
    return { ...service, version, source: `started from Debian packages (${SWIFT_RELEASE})`, server };
  } catch (error) {
    await server.stop();
    throw error;
  }
}

async function userName() {
  return (await capture('id', ['-un'])).stdout.trim();
}

/** Removes a bucket with all that is in it. */
async function removeBucket(service, bucket) {
  await withClient(service, async ({ send }) => {
    const uploads = await send('ListMultipartUploads', { Bucket: bucket }).catch(() => ({}));
    for (const { Key, UploadId } of uploads.Uploads ?? []) {
      await send('AbortMultipartUpload', { Bucket: bucket, Key, UploadId }).catch(() => undefined);
    }
    let ContinuationToken;
    do {
      const page = await send('ListObjectsV2', { Bucket: bucket, ContinuationToken });
      const keys = (page.Contents ?? []).map(({ Key }) => Key);
      while (keys.length > 0) {
        await Promise.all(keys.splice(0, 20).map((Key) => send('DeleteObject', { Bucket: bucket, Key })));
      }
      ContinuationToken = page.IsTruncated ? page.NextContinuationToken : undefined;
    } while (ContinuationToken);
    await send('DeleteBucket', { Bucket: bucket });
  });
}

/** Makes the bucket of one run, and gives what the tests need. */
async function lend(service, run) {
  await withClient(service, ({ send }) =>
    send('CreateBucket', {
      Bucket: run,
      ...(service.region === DEFAULT_REGION
        ? {}
        : { CreateBucketConfiguration: { LocationConstraint: service.region } }),
    }),
  );
  const parameters = new URLSearchParams({ region: service.region, endpoint: service.url, pathStyle: 'true' });
  return {
    env: { MUSTER_TEST_STORAGE_URL: `s3://${run}?${parameters}`, ...keysOf(service) },
    remove: () => removeBucket(service, run),
  };
}

function keysOf({ key, secret, region }) {
  return { AWS_ACCESS_KEY_ID: key, AWS_SECRET_ACCESS_KEY: secret, AWS_REGION: region };
}

export const storage = {
  name: 'storage',
  port: 9000,
  find,
  fromPath,
  fromPackages,
  fromCompose: async (port) => {
    const service = { url: `http://127.0.0.1:${port}`, region: DEFAULT_REGION, key: 'muster', secret: SECRET };
    return letsIn(service).then(
      async () => ({ ...service, version: await productAt(service.url) }),
      () => null,
    );
  },
  composeService: () => 'storage',
  lend,
  environment: (service) => ({ MUSTER_TEST_SERVICES_STORAGE: service.url, ...keysOf(service) }),
};
