import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { access, constants, copyFile, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { ProblemError } from '@muster/core/errors';
import { checkKey, ObjectNotFound, Storage } from './storage';

/** Files in a directory. Each is flushed, and moved to its place in one step. */
export class DirectoryStorage implements Storage {
  constructor(private readonly root: string) {}

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
    return stat(this.path(key)).then(
      () => true,
      () => false,
    );
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

function storeError(error: unknown): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (code !== 'ENOSPC' && code !== 'EDQUOT') return error;
  return new ProblemError('operational', 507, 'storage-full', 'The disk is full.', undefined, 60);
}
