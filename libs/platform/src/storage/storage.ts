import { Readable } from 'node:stream';

/** Thrown by {@link Storage} when there is no object of that key. */
export class ObjectNotFound extends Error {
  constructor(readonly key: string) {
    super(`There is no stored object "${key}".`);
    this.name = 'ObjectNotFound';
  }
}

/**
 * Where files are kept. Keys are made by the server: letters, digits, `-`, `_`, `.` and `/`. A stored object is whole or
 * absent; putting a key again replaces it. Failures of the store itself are operational errors.
 */
export interface Storage {
  /** Moves a local file into the store, durably. The local file is gone afterwards; after a failure it may still be there. */
  moveIn(key: string, path: string): Promise<void>;
  /** Where the object lies on this machine, for reading; null when it has to be fetched. */
  localPath(key: string): string | null;
  /** Copies an object into a local file. @throws {ObjectNotFound} */
  getFile(key: string, path: string): Promise<void>;
  /** The object's content. @throws {ObjectNotFound} */
  stream(key: string): Promise<Readable>;
  exists(key: string): Promise<boolean>;
  /** Deletes an object; an absent one is no error. */
  delete(key: string): Promise<void>;
  /** @throws when the store cannot be used now */
  check(): Promise<void>;
}

export const STORAGE = Symbol('Storage');

const KEY = /^[A-Za-z0-9_-][A-Za-z0-9._-]*(\/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$/;

/** @throws when the key could leave the store, or is not one that the server makes */
export function checkKey(key: string): string {
  if (key.length > 500 || !KEY.test(key)) throw new Error(`"${key}" is not a storage key.`);
  return key;
}
