import { createHash, randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Storage } from './storage';
import { isStorageFull, storageFull } from './storage-full';

/** How much of the disk the copies of stored objects may take, in bytes; the least recently used go first. */
const CACHE_BYTES = 20 * 1024 ** 3;
/** Temporary files older than this belong to no living work, in milliseconds. */
const STALE = 24 * 3_600_000;

/** Local copies and temporary files, under the data directory. */
export class LocalFiles {
  private readonly temporary: string;
  private readonly cache: string;
  private readonly fetching = new Map<string, Promise<string>>();

  constructor(
    dataDir: string,
    private readonly storage: Storage,
  ) {
    this.temporary = join(dataDir, 'tmp');
    this.cache = join(dataDir, 'cache');
  }

  /** A path for a new temporary file. Who asks removes it. */
  async temporaryPath(suffix: string): Promise<string> {
    await mkdir(this.temporary, { recursive: true, mode: 0o700 });
    this.sweep();
    return join(this.temporary, `${randomUUID()}${suffix}`);
  }

  /** Writes a stream to a temporary file. @throws `tooLarge()` past `maxBytes`, and then the file is removed */
  async receive(
    source: Readable,
    maxBytes: number,
    tooLarge: () => Error,
  ): Promise<{ path: string; size: number; sha256: string }> {
    const path = await this.temporaryPath('.upload');
    const hash = createHash('sha256');
    let size = 0;
    const meter = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        size += chunk.length;
        if (size > maxBytes) return done(tooLarge());
        hash.update(chunk);
        done(null, chunk);
      },
    });
    try {
      await pipeline(source, meter, createWriteStream(path, { mode: 0o600 }));
      return { path, size, sha256: hash.digest('hex') };
    } catch (error) {
      await rm(path, { force: true });
      throw isStorageFull(error) ? storageFull(error) : error;
    }
  }

  /** Where a stored object that never changes can be read on this machine. Copies are shared, and kept while there is room. */
  async copyOf(key: string): Promise<string> {
    const inPlace = this.storage.localPath(key);
    if (inPlace) return inPlace;
    const path = this.cached(key);
    let fetching = this.fetching.get(path);
    if (!fetching) {
      fetching = this.fetch(key, path).finally(() => this.fetching.delete(path));
      this.fetching.set(path, fetching);
    }
    return fetching;
  }

  /** Removes the copy of an object that this machine needs no more. Who reads it reads on. */
  async forget(key: string): Promise<void> {
    await rm(this.cached(key), { force: true });
  }

  private cached(key: string): string {
    return join(this.cache, key.replaceAll('/', '_'));
  }

  private async fetch(key: string, path: string): Promise<string> {
    const present = await stat(path).then(
      () => true,
      () => false,
    );
    if (present) {
      await utimes(path, new Date(), new Date());
      return path;
    }
    await mkdir(this.cache, { recursive: true, mode: 0o700 });
    this.evict();
    const partial = `${path}.${randomUUID()}.part`;
    try {
      await this.storage.getFile(key, partial);
      await rename(partial, path);
    } finally {
      await rm(partial, { force: true });
    }
    return path;
  }

  private evict(): void {
    const files = entries(this.cache).sort((a, b) => b.mtimeMs - a.mtimeMs);
    let total = 0;
    for (const file of files) {
      total += file.size;
      if (total > CACHE_BYTES) rmSync(file.path, { force: true });
    }
  }

  private sweep(): void {
    for (const file of entries(this.temporary)) {
      if (Date.now() - file.mtimeMs > STALE) rmSync(file.path, { recursive: true, force: true });
    }
  }
}

function entries(directory: string): { path: string; size: number; mtimeMs: number }[] {
  return readdirSync(directory).flatMap((name) => {
    const path = join(directory, name);
    const stats = statSync(path, { throwIfNoEntry: false });
    return stats ? [{ path, size: stats.size, mtimeMs: stats.mtimeMs }] : [];
  });
}
