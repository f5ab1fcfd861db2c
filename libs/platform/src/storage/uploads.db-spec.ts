import { createHash, randomUUID } from 'node:crypto';
import { createReadStream, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { readConfig } from '../config/config';
import { DirectoryStorage } from './directory.storage';
import { LocalUploads } from './local-uploads';
import { S3Storage } from './s3.storage';
import { PartAddress, partCountOf, partSizeOf, Storage, Upload, UploadChanged } from './storage';

const SECRETS = ['a first secret of the installation, long enough', 'an older one that still verifies, long too'];
/** What S3 stores take as a part that is not the last. */
const PART = 5 * 1024 * 1024;

interface Answer {
  status: number;
  etag: string;
}
type Send = (address: PartAddress, bytes: Buffer) => Promise<Answer>;

/** Sends as a client would, to a store that has addresses of its own. */
const overHttp: Send = async ({ url, headers }, bytes) => {
  const answer = await fetch(url, { method: 'PUT', headers, body: new Uint8Array(bytes) });
  await answer.arrayBuffer();
  return { status: answer.status, etag: (answer.headers.get('etag') ?? '').replaceAll('"', '') };
};

function readAddress(url: string) {
  const { pathname, searchParams } = new URL(url, 'http://localhost');
  const [name, number] = pathname.split('/').slice(-2);
  const at = (parameter: string) => searchParams.get(parameter)!;
  const numbers = { number: Number(number), size: Number(at('size')), expires: Number(at('expires')) };
  return { name, ...numbers, signature: at('signature') };
}

/** Does what the API does behind a local address. */
const toDirectory =
  (uploads: LocalUploads): Send =>
  async ({ url }, bytes) => {
    try {
      const part = readAddress(url);
      uploads.verify(part);
      return { status: 200, etag: await uploads.receive(part, Readable.from([bytes])) };
    } catch (error) {
      return { status: (error as { status?: number }).status ?? 500, etag: '' };
    }
  };

const root = mkdtempSync(join(tmpdir(), 'muster-uploads-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const directory = new DirectoryStorage(root, SECRETS);
const s3Url = process.env.MUSTER_TEST_STORAGE_URL;
const stores: [string, Storage, Send][] = [['directory', directory, toDirectory(directory.uploads)]];
if (s3Url) {
  const { storage } = readConfig({ STORAGE_URL: s3Url });
  stores.push(['s3', new S3Storage(storage as never), overHttp]);
}

describe.each(stores)('uploads into a store: %s', (_name, storage, send) => {
  const bytes = (size: number, fill: number) => Buffer.alloc(size, fill);
  const open = async (size: number, partSize = size): Promise<Upload> => {
    const upload = { key: `uploads/${randomUUID()}`, size, partSize };
    return { ...upload, id: await storage.openUpload(upload) };
  };
  const sendPart = async (upload: Upload, number: number, fill: number) =>
    send(await storage.partAddress(upload, number, 600), bytes(partSizeOf(upload, number), fill));
  const whole = async (key: string) => buffer(await storage.stream(key));

  it('takes a file in one part, and no address can change it afterwards', async () => {
    const upload = await open(1_000);
    expect(await storage.receivedParts(upload, false)).toEqual([]);
    const address = await storage.partAddress(upload, 1, 600);
    const { status, etag } = await send(address, bytes(1_000, 65));
    expect(status).toBe(200);
    const parts = await storage.receivedParts(upload, true);
    expect(parts).toEqual([{ number: 1, size: 1_000, etag }]);
    const key = await storage.completeUpload(upload, parts);
    expect(key.startsWith(upload.key)).toBe(true);
    expect(await storage.sizeOf(key)).toBe(1_000);
    await send(address, bytes(1_000, 66));
    expect((await whole(key)).equals(bytes(1_000, 65))).toBe(true);
    await storage.discardUpload(upload, key);
    expect(await storage.exists(key)).toBe(true);
    await storage.discardUpload(upload, null);
    expect(await storage.exists(key)).toBe(false);
    expect(await storage.receivedParts(upload, false)).toEqual([]);
  });

  it('joins the parts in the order of their numbers; one that is sent again counts instead', async () => {
    const upload = await open(2 * PART + 7, PART);
    expect(partCountOf(upload)).toBe(3);
    for (const [number, fill] of [
      [3, 67],
      [1, 90],
      [2, 66],
      [1, 65],
    ]) {
      expect((await sendPart(upload, number, fill)).status).toBe(200);
    }
    const parts = await storage.receivedParts(upload, false);
    expect(parts.map(({ number, size }) => [number, size])).toEqual([
      [1, PART],
      [2, PART],
      [3, 7],
    ]);
    const key = await storage.completeUpload(upload, parts);
    const digest = createHash('sha256')
      .update(await whole(key))
      .digest('hex');
    const right = Buffer.concat([bytes(PART, 65), bytes(PART, 66), bytes(7, 67)]);
    expect(digest).toBe(createHash('sha256').update(right).digest('hex'));
    expect(await storage.completeUpload(upload, parts)).toBe(key); // a retry finds it done
    await storage.discardUpload(upload, null);
    expect(await storage.exists(key)).toBe(false);
  }, 60_000);

  it('takes as many bytes as were announced, and no others', async () => {
    const upload = await open(100);
    const address = await storage.partAddress(upload, 1, 600);
    for (const size of [99, 101, 5_000]) {
      expect((await send(address, bytes(size, 65))).status).toBeGreaterThanOrEqual(400);
    }
    expect(await storage.receivedParts(upload, false)).toEqual([]);
    await storage.discardUpload(upload, null);
  });

  it('refuses an address that was changed', async () => {
    const [upload, other] = [await open(100), await open(100)];
    const { url } = await storage.partAddress(upload, 1, 600);
    const { url: otherUrl } = await storage.partAddress(other, 1, 600);
    const stranger = `${new URL(otherUrl, 'http://localhost').pathname}${new URL(url, 'http://localhost').search}`;
    const foreign = url.startsWith('/') ? stranger : new URL(stranger, url).href;
    expect((await send({ url: foreign, headers: {} }, bytes(100, 65))).status).toBe(403);
    expect(await storage.receivedParts(other, false)).toEqual([]);
    for (const each of [upload, other]) await storage.discardUpload(each, null);
  });

  it('says when the parts are not those that were listed', async () => {
    const upload = await open(100);
    await sendPart(upload, 1, 65);
    const parts = await storage.receivedParts(upload, true);
    await storage.discardUpload(upload, null);
    await expect(storage.completeUpload(upload, parts)).rejects.toThrow(UploadChanged);
  });
});

describe('local upload addresses', () => {
  const uploads = new LocalUploads(root, SECRETS);
  const upload: Upload = { key: `uploads/${randomUUID()}`, id: null, size: 10, partSize: 10 };
  const place = join(root, 'incoming', upload.key.replace('/', '_'));

  it('are good until they expire, under any secret of the installation and under none else', () => {
    const older = new LocalUploads(root, SECRETS.slice(1)).address(upload, 1, 60);
    expect(() => uploads.verify(readAddress(older.url))).not.toThrow();
    const strange = new LocalUploads(root, ['another installation, with its own secret']).address(upload, 1, 60);
    expect(() => uploads.verify(readAddress(strange.url))).toThrow(/not an upload address/);
    const expired = uploads.address(upload, 1, -1);
    expect(() => uploads.verify(readAddress(expired.url))).toThrow(/new upload address/);
    const part = readAddress(uploads.address(upload, 1, 60).url);
    for (const change of [{ size: 11 }, { number: 2 }, { expires: part.expires + 60 }, { signature: '00' }]) {
      expect(() => uploads.verify({ ...part, ...change })).toThrow(/not an upload address/);
    }
  });

  it('leave nothing of a part that broke off, and keep the one before', async () => {
    await uploads.open(upload.key);
    const part = { name: upload.key.replace('/', '_'), number: 1, size: 10 };
    await uploads.receive(part, Readable.from([Buffer.from('0123456789')]));
    const broken = Readable.from(
      (function* () {
        yield Buffer.from('abc');
        throw new Error('the connection is gone');
      })(),
    );
    await expect(uploads.receive(part, broken)).rejects.toThrow('the connection is gone');
    expect(readdirSync(place)).toEqual(['1']);
    expect(readFileSync(join(place, '1'), 'utf8')).toBe('0123456789');
  });

  it('take nothing for an upload that is closed or was never opened', async () => {
    const part = { name: 'uploads_never', number: 1, size: 1 };
    await expect(uploads.receive(part, Readable.from(['x']))).rejects.toMatchObject({ code: 'upload-ended' });
    expect(existsSync(join(root, 'incoming', 'uploads_never'))).toBe(false);
  });

  it('join parts from where an interrupted join left off', async () => {
    const parts = { key: `uploads/${randomUUID()}`, id: null, size: 25, partSize: 10 };
    await uploads.open(parts.key);
    const name = parts.key.replace('/', '_');
    for (const [number, text] of [
      [1, 'aaaaaaaaaa'],
      [2, 'bbbbbbbbbb'],
      [3, 'ccccc'],
    ] as const) {
      await uploads.receive({ name, number, size: text.length }, Readable.from([text]));
    }
    const whole = await uploads.join(parts);
    const late = uploads.receive({ name, number: 1, size: 10 }, Readable.from(['zzzzzzzzzz']));
    await expect(late).rejects.toMatchObject({ code: 'upload-ended' });
    // The same again, as if the last part had been written by halves when the power went.
    await (await import('node:fs/promises')).truncate(whole, 22);
    await (await import('node:fs/promises')).writeFile(join(whole, '..', '3'), 'ccccc');
    expect(await uploads.join(parts)).toBe(whole);
    expect((await buffer(createReadStream(whole))).toString()).toBe(`${'a'.repeat(10)}${'b'.repeat(10)}ccccc`);
  });
});
