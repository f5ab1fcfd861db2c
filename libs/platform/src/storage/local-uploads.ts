import { createHash, createHmac, hkdfSync, randomUUID, timingSafeEqual } from 'node:crypto';
import { constants, createReadStream, createWriteStream } from 'node:fs';
import { access, mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { conflict, invalid, ProblemError } from '@muster/core/errors';
import { checkKey, partCountOf, partSizeOf, PartAddress, ReceivedPart, Upload, UploadChanged } from './storage';
import { isStorageFull, storageFull } from './storage-full';

/** Where the API takes parts, on any of its addresses. */
export const LOCAL_UPLOADS = '/api/v1/files/uploads';
/** Separates this use of the installation's secrets from every other. */
const CONTEXT = 'muster/local-uploads/v1';
const READ_AT_ONCE = 1 << 20;

/** One part as its address names it. */
export interface SignedPart {
  /** The upload. */
  name: string;
  /** From 1. */
  number: number;
  /** Bytes. */
  size: number;
  /** Seconds since 1970. */
  expires: number;
  /** Hex. */
  signature: string;
}

/**
 * Uploads into a directory by addresses that the API signs and serves. Each upload has a directory of its own with a file for each part,
 * which is moved to its place when it is whole. A finished upload has no such directory any more, so nothing can be sent to it.
 */
export class LocalUploads {
  private readonly keys: Buffer[];

  /** @param secrets of the installation: the first signs, all verify */
  constructor(
    private readonly root: string,
    secrets: readonly string[],
  ) {
    this.keys = secrets.map((secret) => Buffer.from(hkdfSync('sha256', secret, '', CONTEXT, 32)));
  }

  async open(key: string): Promise<void> {
    await mkdir(this.place(nameOf(key)), { recursive: true, mode: 0o700 });
  }

  address(upload: Upload, number: number, seconds: number): PartAddress {
    const part = { name: nameOf(upload.key), number, size: partSizeOf(upload, number) };
    const expires = Math.floor(Date.now() / 1000) + seconds;
    const signature = sign(this.keys[0], { ...part, expires });
    const query = `size=${part.size}&expires=${expires}&signature=${signature}`;
    return { url: `${LOCAL_UPLOADS}/${part.name}/${number}?${query}`, headers: {} };
  }

  /** @throws 403 `upload-address-invalid`, `upload-address-expired` */
  verify(part: SignedPart): void {
    const given = Buffer.from(part.signature, 'hex');
    const right = this.keys.some((key) => {
      const expected = Buffer.from(sign(key, part), 'hex');
      return given.length === expected.length && timingSafeEqual(given, expected);
    });
    if (!right) throw refused('upload-address-invalid', 'This is not an upload address that was given out.');
    if (part.expires * 1000 < Date.now()) throw refused('upload-address-expired', 'Ask for a new upload address.');
  }

  /**
   * Takes a part, in place of one that was there. It counts when it is whole and on the disk.
   * @returns its etag
   * @throws 409 `upload-ended`; 422 `upload-size-mismatch`; 507 `storage-full`
   */
  async receive(
    { name, number, size }: Pick<SignedPart, 'name' | 'number' | 'size'>,
    source: Readable,
  ): Promise<string> {
    const path = join(this.place(name), String(number));
    const partial = `${path}.${randomUUID()}.partial`;
    const hash = createHash('sha256');
    let received = 0;
    const meter = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        received += chunk.length;
        if (received > size) return done(wrongSize(size));
        hash.update(chunk);
        done(null, chunk);
      },
    });
    try {
      await pipeline(source, meter, createWriteStream(partial, { flags: 'wx', mode: 0o600, flush: true }));
      if (received !== size) throw wrongSize(size);
      await rename(partial, path);
      return hash.digest('hex');
    } catch (error) {
      await rm(partial, { force: true });
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw ended();
      throw isStorageFull(error) ? storageFull(error) : error;
    }
  }

  /** Takes a part as {@link receive} does, by its address. @throws like {@link verify} too */
  async receiveAt(address: string, source: Readable): Promise<string> {
    const { pathname, searchParams } = new URL(address, 'http://localhost');
    const [name, number] = pathname.split('/').slice(-2);
    const [size, expires] = ['size', 'expires'].map((parameter) => Number(searchParams.get(parameter)));
    const part = { name, number: Number(number), size, expires, signature: searchParams.get('signature') ?? '' };
    this.verify(part);
    return this.receive(part, source);
  }

  async parts(upload: Upload, withEtags: boolean): Promise<ReceivedPart[]> {
    const directory = this.place(nameOf(upload.key));
    const names = await readdir(directory).catch(absentAsNone);
    const numbers = names.filter((name) => /^\d+$/.test(name)).map(Number);
    const parts = numbers
      .sort((a, b) => a - b)
      .map(async (number) => {
        const path = join(directory, String(number));
        return { number, size: (await stat(path)).size, etag: withEtags ? await hashOf(path) : '' };
      });
    return Promise.all(parts);
  }

  /**
   * Closes an upload and joins its parts in the first one's file. It may be interrupted at any point: a part is removed when its bytes are
   * in their place, for good.
   * @returns the path of the whole
   */
  async join(upload: Upload): Promise<string> {
    const directory = this.place(nameOf(upload.key));
    const closed = `${directory}.closed`;
    await rename(directory, closed).catch(absentAsNone);
    const whole = join(closed, '1');
    if (!(await isThere(whole))) throw new UploadChanged('The upload is gone.');
    for (let number = 2; number <= partCountOf(upload); number++) {
      const part = join(closed, String(number));
      if (!(await isThere(part))) continue;
      const start = (number - 1) * upload.partSize;
      await pipeline(
        createReadStream(part, { highWaterMark: READ_AT_ONCE }),
        createWriteStream(whole, { flags: 'r+', start, flush: true }),
      );
      await rm(part);
    }
    return whole;
  }

  async discard(upload: Upload): Promise<void> {
    const directory = this.place(nameOf(upload.key));
    for (const path of [directory, `${directory}.closed`]) await rm(path, { recursive: true, force: true });
  }

  private place(name: string): string {
    return join(this.root, 'incoming', checkKey(name));
  }
}

const nameOf = (key: string) => checkKey(key).replaceAll('/', '_');

const sign = (key: Buffer, { name, number, size, expires }: Omit<SignedPart, 'signature'>) =>
  createHmac('sha256', key).update(`PUT\n${name}\n${number}\n${size}\n${expires}`).digest('hex');

const isThere = (path: string) =>
  access(path, constants.F_OK).then(
    () => true,
    () => false,
  );

function absentAsNone(error: unknown): never[] {
  if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
  throw error;
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: READ_AT_ONCE }), hash);
  return hash.digest('hex');
}

const refused = (code: string, message: string) => new ProblemError('user', 403, code, message);
const ended = () => conflict('upload-ended', 'Nothing can be sent to this upload any more.');
const wrongSize = (size: number) =>
  invalid('upload-size-mismatch', `This part has ${size} bytes, no more and no fewer.`);
