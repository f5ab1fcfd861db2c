import { randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  paginateListObjectsV2,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  PutObjectCommand,
  S3Client,
  S3ServiceException,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { Upload as PartsUpload } from '@aws-sdk/lib-storage';
import { unavailable } from '@muster/core/errors';
import { Config } from '../config/config';
import { presign } from './s3-presign';
import {
  checkKey,
  ObjectNotFound,
  PartAddress,
  partCountOf,
  partSizeOf,
  ReceivedPart,
  Storage,
  Upload,
  UploadChanged,
} from './storage';
import { isStorageFull, storageFull } from './storage-full';

type S3Config = Extract<Config['storage'], { kind: 's3' }>;

const PART_SIZE = 16 * 1024 * 1024;

/** Any S3-compatible store. Credentials come from the AWS SDK's usual places. */
export class S3Storage implements Storage {
  private readonly client: S3Client;
  private readonly bucket: string;

  constructor(config: S3Config) {
    this.bucket = config.bucket;
    this.client = new S3Client({
      region: config.region,
      ...(config.endpoint ? { endpoint: config.endpoint } : {}),
      forcePathStyle: config.pathStyle,
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      maxAttempts: 4,
    });
  }

  async moveIn(key: string, path: string): Promise<void> {
    const upload = new PartsUpload({
      client: this.client,
      partSize: PART_SIZE,
      queueSize: 2,
      params: { Bucket: this.bucket, Key: checkKey(key), Body: createReadStream(path, { highWaterMark: 1 << 20 }) },
    });
    await this.answered(key, upload.done());
    await rm(path, { force: true });
  }

  localPath(): null {
    return null;
  }

  async getFile(key: string, path: string): Promise<void> {
    await pipeline(await this.stream(key), createWriteStream(path));
  }

  /** A body that ends early or breaks off is an error of the stream, so a truncated object is never taken for a whole one. */
  async stream(key: string): Promise<Readable> {
    const command = new GetObjectCommand({ Bucket: this.bucket, Key: checkKey(key) });
    const { Body, ContentLength } = await this.answered(key, this.client.send(command));
    const body = Body as Readable;
    return ContentLength === undefined ? body : Readable.from(exactly(body, ContentLength, key));
  }

  async exists(key: string): Promise<boolean> {
    return (await this.head(key)) !== null;
  }

  async sizeOf(key: string): Promise<number | null> {
    return (await this.head(key))?.size ?? null;
  }

  private async head(key: string): Promise<{ size: number; etag: string } | null> {
    const command = new HeadObjectCommand({ Bucket: this.bucket, Key: checkKey(key) });
    const found = await this.found(this.answered(key, this.client.send(command)));
    return found && { size: found.ContentLength!, etag: unquoted(found.ETag) };
  }

  /** Null in place of what is not there. */
  private async found<T>(answer: Promise<T>): Promise<T | null> {
    try {
      return await answer;
    } catch (error) {
      if (error instanceof ObjectNotFound) return null;
      throw error;
    }
  }

  /** A file of one part is put under a key of its own, and copied when it is there: the address to put it stays good. */
  async openUpload(upload: Omit<Upload, 'id'>): Promise<string | null> {
    if (partCountOf(upload) === 1) return null;
    const command = new CreateMultipartUploadCommand({ Bucket: this.bucket, Key: checkKey(upload.key) });
    return (await this.answered('', this.client.send(command))).UploadId!;
  }

  async partAddress(upload: Upload, number: number, seconds: number): Promise<PartAddress> {
    const { key, id } = upload;
    const size = partSizeOf(upload, number);
    const command =
      id === null
        ? new PutObjectCommand({ Bucket: this.bucket, Key: incomingOf(key) })
        : new UploadPartCommand({ Bucket: this.bucket, Key: checkKey(key), UploadId: id, PartNumber: number });
    return { url: await presign(this.client, command, size, seconds), headers: {} };
  }

  async receivedParts({ key, id }: Upload): Promise<ReceivedPart[]> {
    if (id === null) {
      const whole = await this.head(incomingOf(key));
      return whole ? [{ number: 1, ...whole }] : [];
    }
    return (await this.found(this.answered(key, this.listParts(key, id)))) ?? [];
  }

  /** By hand: the paginator of the client goes on for as long as a store names a next part, and some always do. */
  private async listParts(key: string, id: string): Promise<ReceivedPart[]> {
    const parts: ReceivedPart[] = [];
    for (let marker: string | undefined; ;) {
      const page = { Bucket: this.bucket, Key: checkKey(key), UploadId: id, PartNumberMarker: marker };
      const { Parts, IsTruncated } = await this.client.send(new ListPartsCommand(page));
      for (const { PartNumber, Size, ETag } of Parts ?? []) {
        parts.push({ number: PartNumber!, size: Size!, etag: unquoted(ETag) });
      }
      if (!IsTruncated || !Parts?.length) return parts;
      marker = String(parts.at(-1)!.number);
    }
  }

  async completeUpload({ key, id }: Upload, parts: ReceivedPart[]): Promise<string> {
    if (id === null) return this.copyWhole(key, parts);
    if (await this.exists(key)) return key;
    const command = new CompleteMultipartUploadCommand({
      Bucket: this.bucket,
      Key: checkKey(key),
      UploadId: id,
      MultipartUpload: { Parts: parts.map(({ number, etag }) => ({ PartNumber: number, ETag: `"${etag}"` })) },
    });
    await this.unchanged(key, this.client.send(command));
    return key;
  }

  /** Each call makes a copy of its own, so that none can change what another has looked at. */
  private async copyWhole(key: string, [whole]: ReceivedPart[]): Promise<string> {
    const copy = `${checkKey(key)}.${randomUUID()}`;
    const command = new CopyObjectCommand({
      Bucket: this.bucket,
      Key: copy,
      CopySource: `${this.bucket}/${incomingOf(key)}`,
      CopySourceIfMatch: `"${whole.etag}"`,
    });
    await this.unchanged(key, this.client.send(command));
    return copy;
  }

  /** @throws {UploadChanged} when the store says that it has other parts than we name */
  private async unchanged<T>(key: string, answer: Promise<T>): Promise<T> {
    try {
      return await this.answered(key, answer);
    } catch (error) {
      const { name, $metadata } = ((error as Error).cause ?? {}) as Partial<S3ServiceException>;
      const changed = $metadata?.httpStatusCode === 412 || name === 'InvalidPart' || error instanceof ObjectNotFound;
      throw changed ? new UploadChanged('The parts of the upload have changed.') : error;
    }
  }

  async discardUpload({ key, id }: Upload, keep: string | null): Promise<void> {
    const Bucket = this.bucket;
    const open = id === null ? [] : await this.openUploads(key);
    for (const { Key, UploadId } of open) {
      const command = new AbortMultipartUploadCommand({ Bucket, Key, UploadId });
      await this.found(this.answered(key, this.client.send(command)));
    }
    const keys = id === null ? [incomingOf(key)] : [];
    const list = async () => {
      for await (const { Contents } of paginateListObjectsV2(
        { client: this.client },
        { Bucket, Prefix: checkKey(key) },
      )) {
        keys.push(...(Contents ?? []).map(({ Key }) => Key!));
      }
    };
    await this.answered('', list());
    for (const each of keys) if (each !== keep) await this.delete(each);
  }

  private async openUploads(key: string) {
    const command = new ListMultipartUploadsCommand({ Bucket: this.bucket, Prefix: checkKey(key) });
    return (await this.answered('', this.client.send(command))).Uploads ?? [];
  }

  async delete(key: string): Promise<void> {
    await this.answered(key, this.client.send(new DeleteObjectCommand({ Bucket: this.bucket, Key: checkKey(key) })));
  }

  async check(): Promise<void> {
    await this.answered('', this.client.send(new HeadBucketCommand({ Bucket: this.bucket })));
  }

  private async answered<T>(key: string, answer: Promise<T>): Promise<T> {
    try {
      return await answer;
    } catch (error) {
      if (error instanceof S3ServiceException && error.$metadata.httpStatusCode === 404 && key)
        throw new ObjectNotFound(key);
      if (isStorageFull(error)) throw storageFull(error);
      throw Object.assign(unavailable('storage-unavailable', `The file store did not do what it was asked to.`), {
        cause: error,
      });
    }
  }
}

/** Where a file of one part arrives. */
const incomingOf = (key: string) => `incoming/${checkKey(key)}`;

const unquoted = (etag: string | undefined) => (etag ?? '').replaceAll('"', '');

async function* exactly(body: Readable, length: number, key: string): AsyncGenerator<Buffer> {
  let received = 0;
  let cause: unknown;
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      received += chunk.length;
      yield chunk;
    }
  } catch (error) {
    cause = error;
  }
  if (received !== length || cause) {
    const cut = unavailable('storage-unavailable', `The file store sent ${received} of ${length} bytes of ${key}.`);
    throw Object.assign(cut, { cause });
  }
}
