import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { access, constants, copyFile, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { LocalUploads } from './local-uploads';
import { checkKey, ObjectNotFound, PartAddress, ReceivedPart, Storage, Upload } from './storage';
import { isStorageFull, storageFull } from './storage-full';

/** Files in a directory. Each is flushed, and moved to its place in one step. */
export class DirectoryStorage implements Storage {
  readonly uploads: LocalUploads;

  /** @param secrets sign the addresses of uploads */
  constructor(
    private readonly root: string,
    secrets: readonly string[],
  ) {
    this.uploads = new LocalUploads(root, secrets);
  }

  private path(key: string): string {
    return join(this.root, checkKey(key));
  }

  async moveIn(key: string, source: string): Promise<void> {
    const target = this.path(key);
    try {
      await mkdir(dirname(target), { recursive: true, mode: 0o700 });
      await flush(source);
      await rename(source, target).catch((error: unknown) => this.copyAcross(error, source, target));
      await flush(dirname(target));
    } catch (error) {
      throw storeError(error);
    }
  }

  /** The temporary directory may lie on another file system than the store. */
  private async copyAcross(error: unknown, source: string, target: string): Promise<void> {
    if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error;
    const partial = `${target}.${randomUUID()}.part`;
    try {
      await copyFile(source, partial);
      await flush(partial);
      await rename(partial, target);
    } finally {
      await rm(partial, { force: true });
    }
    await rm(source, { force: true });
  }

  localPath(key: string): string {
    return this.path(key);
  }

  async getFile(key: string, path: string): Promise<void> {
    await copyFile(await this.existing(key), path, constants.COPYFILE_FICLONE).catch((error: unknown) => {
      throw storeError(error);
    });
  }

  async stream(key: string): Promise<Readable> {
    return createReadStream(await this.existing(key));
  }

  async exists(key: string): Promise<boolean> {
    return (await this.sizeOf(key)) !== null;
  }

  async sizeOf(key: string): Promise<number | null> {
    return stat(this.path(key)).then(
      ({ size }) => size,
      () => null,
    );
  }

  async openUpload({ key }: Omit<Upload, 'id'>): Promise<null> {
    await this.uploads.open(key).catch((error: unknown) => {
      throw storeError(error);
    });
    return null;
  }

  async partAddress(upload: Upload, number: number, seconds: number): Promise<PartAddress> {
    return this.uploads.address(upload, number, seconds);
  }

  receivedParts(upload: Upload, withEtags: boolean): Promise<ReceivedPart[]> {
    return this.uploads.parts(upload, withEtags);
  }

  async completeUpload(upload: Upload): Promise<string> {
    if (!(await this.exists(upload.key))) {
      const whole = await this.uploads.join(upload).catch((error: unknown) => {
        throw storeError(error);
      });
      await this.moveIn(upload.key, whole);
    }
    await this.uploads.discard(upload);
    return upload.key;
  }

  async discardUpload(upload: Upload, keep: string | null): Promise<void> {
    await this.uploads.discard(upload);
    if (keep !== upload.key) await this.delete(upload.key);
  }

  async delete(key: string): Promise<void> {
    await rm(this.path(key), { force: true });
  }

  async check(): Promise<void> {
    await mkdir(this.root, { recursive: true, mode: 0o700 });
    await access(this.root, constants.W_OK);
  }

  private async existing(key: string): Promise<string> {
    if (!(await this.exists(key))) throw new ObjectNotFound(key);
    return this.path(key);
  }
}

async function flush(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

const storeError = (error: unknown) => (isStorageFull(error) ? storageFull(error) : error);
