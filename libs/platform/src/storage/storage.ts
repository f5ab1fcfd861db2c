import { Readable } from 'node:stream';

/** Thrown by {@link Storage} when there is no object of that key. */
export class ObjectNotFound extends Error {
  constructor(readonly key: string) {
    super(`There is no stored object "${key}".`);
    this.name = 'ObjectNotFound';
  }
}

/** A file that a client sends straight to the store: whole, or in parts of `partSize` bytes of which the last may be smaller. */
export interface Upload {
  /** Made by the server. What the store keeps of the upload is under this key, or under keys that it derives from it. */
  key: string;
  /** What {@link Storage.openUpload} answered. */
  id: string | null;
  /** Bytes of the whole file, as announced. */
  size: number;
  /** Bytes; `size` where the file comes whole. */
  partSize: number;
}

export const partCountOf = ({ size, partSize }: Pick<Upload, 'size' | 'partSize'>): number =>
  Math.max(1, Math.ceil(size / partSize));

/** Bytes of one part. @param number from 1 */
export const partSizeOf = ({ size, partSize }: Pick<Upload, 'size' | 'partSize'>, number: number): number =>
  Math.min(partSize, size - (number - 1) * partSize);

/** A part that is in the store. */
export interface ReceivedPart {
  /** From 1. */
  number: number;
  /** Bytes. */
  size: number;
  /** What the store calls these bytes, without quotes: what it told the client who sent them. */
  etag: string;
}

/** Where and how a client sends a part. */
export interface PartAddress {
  /** The address is the permission: whoever has it may send the part. One that begins with `/` is the API's own. */
  url: string;
  /** Headers that must be sent. */
  headers: Record<string, string>;
}

/** Thrown by {@link Storage} when the parts of an upload are not those that were listed. */
export class UploadChanged extends Error {}

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
  /** Bytes of an object; null when there is none. */
  sizeOf(key: string): Promise<number | null>;
  /** Deletes an object; an absent one is no error. */
  delete(key: string): Promise<void>;
  /** Makes the place where the parts arrive. @returns the upload's `id` */
  openUpload(upload: Omit<Upload, 'id'>): Promise<string | null>;
  /** Where a client sends a part of so many bytes, and no others. @param seconds for how long the address is good */
  partAddress(upload: Upload, number: number, seconds: number): Promise<PartAddress>;
  /** The parts that arrived, by number. Etags are worked out only when asked for, where that means to read the file. */
  receivedParts(upload: Upload, withEtags: boolean): Promise<ReceivedPart[]>;
  /**
   * Makes the parts one object, which none of the addresses can change any more. Repeated after a failure it goes on.
   * @param parts what {@link receivedParts} listed
   * @returns the object's key: the upload's own, or one that begins with it
   * @throws {UploadChanged} when there are other parts by now
   */
  completeUpload(upload: Upload, parts: ReceivedPart[]): Promise<string>;
  /** Removes whatever there is of an upload, but for the object `keep`. To be repeated once its addresses are no good any more. */
  discardUpload(upload: Upload, keep: string | null): Promise<void>;
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
