import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { appendFileSync, mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { testProfile } from '@muster/testing/profile';
import { Server } from '@muster/testing/server';

const MiB = 1024 * 1024;

/** A file system of its own, on which a test may fill every byte. */
const disk = mkdtempSync(join(tmpdir(), 'muster-disk-'));
const mounted =
  testProfile() === 'embedded' && spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=200m', 'tmpfs', disk]).status === 0;
const filler = join(disk, 'filler');

const free = () => {
  const { bavail, bsize } = statfsSync(disk);
  return bavail * bsize;
};
function fillUpTo(left: number): void {
  const block = Buffer.alloc(MiB);
  while (free() > left + MiB) appendFileSync(filler, block);
  const rest = free() - left;
  if (rest > 0) appendFileSync(filler, Buffer.alloc(rest));
}
const makeRoom = () => rmSync(filler, { force: true });

// Needs a system that lets the test mount a file system, as containers run by root do. With services the files are not on this disk.
if (testProfile() === 'embedded' && !mounted) {
  process.stderr.write('THE TESTS OF A FULL DISK DID NOT RUN: this system lets no test mount a file system.\n');
}
(mounted ? describe : describe.skip)('a full disk (embedded profile)', () => {
  let server: Server;
  beforeAll(async () => {
    server = await Server.start({ DATA_DIR: join(disk, 'data'), IMPORT_MAX_DIRECT_BYTES: String(50 * MiB) });
  }, 90_000);
  afterEach(makeRoom);
  afterAll(() => server.stop());

  let salt = 0;
  const people = (rows: number) => {
    const tag = `d${++salt}`;
    // A column that is staged and not imported: file and table are large, and the store stays small.
    const filling = () => randomBytes(500).toString('hex');
    const lines = Array.from({ length: rows }, (_, row) => `Person ${row},p${row}@${tag}.example.com,${filling()}`);
    return `name,email,nothing\n${lines.join('\n')}\n`;
  };
  const view = async (id: number) => (await server.request('GET', `/imports/${id}`)).body;
  const waits = async (id: number) => {
    for (let tries = 0; tries < 600; tries++) {
      const seen = await view(id);
      if (seen.waiting) return seen;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`import ${id} does not wait: ${JSON.stringify(await view(id))}\n${server.api.said}`);
  };

  it('lets an analysis wait for room, and then finishes it unaided', async () => {
    const content = people(12_000);
    // Room for the file, and not for its copy as a table, which takes half as much.
    fillUpTo(Buffer.byteLength(content) + 3 * MiB);
    const { body } = await server.upload(content);
    expect(await waits(body.id)).toMatchObject({ status: 'analyzing', error: null, waiting: { code: 'storage-full' } });
    makeRoom();
    const done = await server.settled(body.id);
    expect(done).toMatchObject({ status: 'completed', waiting: null, counts: { total: 12_000, created: 12_000 } });
  }, 120_000);

  it('answers an upload with 507, keeps nothing of it, and takes it when there is room', async () => {
    const content = people(8_000);
    fillUpTo(MiB);
    const refused = await server.upload(content);
    expect(refused).toMatchObject({ status: 507, body: { code: 'storage-full' } });
    expect(refused.headers.get('retry-after')).toBe('60');
    makeRoom();
    expect(await server.import(content)).toMatchObject({
      status: 'completed',
      counts: { total: 8_000, created: 8_000 },
    });
  }, 120_000);

  it('answers a part with 507, and takes it when there is room', async () => {
    const content = people(8_000);
    const size = Buffer.byteLength(content);
    const { id, uploadUrl } = (
      await server.request('POST', '/imports/uploads', { fileName: 'people.csv', target: 'leads', size })
    ).body;
    const put = () => fetch(uploadUrl, { method: 'PUT', body: content });
    fillUpTo(MiB);
    const refused = await put();
    expect(refused.status).toBe(507);
    expect(await refused.json()).toMatchObject({ code: 'storage-full' });
    makeRoom();
    expect((await put()).status).toBe(200);
    expect((await server.request('POST', `/imports/${id}/analyze`, {})).status).toBe(202);
    expect(await server.settled(id)).toMatchObject({ status: 'completed', counts: { total: 8_000, created: 8_000 } });
  }, 120_000);

  it('lets an import wait for room in the store, with nothing half done, and then finishes it unaided', async () => {
    const ready = await server.import(people(10_000), { target: 'leads', autoStart: 'false' });
    expect(ready.status).toBe('ready');
    const stored = async () => (await server.request('GET', `/leads?importId=${ready.id}&limit=1`)).body.meta.total;
    fillUpTo(MiB);
    expect((await server.request('POST', `/imports/${ready.id}/start`, {})).status).toBe(202);
    const waiting = await waits(ready.id);
    expect(waiting).toMatchObject({ status: 'importing', error: null, waiting: { code: 'storage-full' } });
    expect(await stored()).toBe(waiting.counts.created);
    makeRoom();
    const done = await server.settled(ready.id);
    expect(done).toMatchObject({ status: 'completed', waiting: null, counts: { total: 10_000, created: 10_000 } });
    expect(await stored()).toBe(10_000);
  }, 120_000);
});

afterAll(() => {
  if (mounted) spawnSync('umount', [disk]);
  rmSync(disk, { recursive: true, force: true });
});
