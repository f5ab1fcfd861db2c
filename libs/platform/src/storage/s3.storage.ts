import { createReadStream, createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  S3Client,
  S3ServiceException,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { unavailable } from '@muster/core/errors';
import { Config } from '../config/config';
import { checkKey, ObjectNotFound, Storage } from './storage';

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
    const upload = new Upload({
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
    try {
      await this.answered(key, this.client.send(new HeadObjectCommand({ Bucket: this.bucket, Key: checkKey(key) })));
      return true;
    } catch (error) {
      if (error instanceof ObjectNotFound) return false;
      throw error;
    }
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
      throw Object.assign(unavailable('storage-unavailable', `The file store did not do what it was asked to.`), {
        cause: error,
      });
    }
  }
}

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
