import { read as readFd } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { pipeline, Readable } from 'node:stream';
import { crc32, createInflateRaw } from 'node:zlib';
import { fromRandomAccessReader, RandomAccessReader, type Entry, type ZipFile } from 'yauzl';
import { TabularError } from '../tabular-error';

/** How much a workbook may hold. */
export interface ArchiveLimits {
  /** Files inside it. */
  maxEntries: number;
  /** Bytes of all files inside it, unpacked; also of all texts that its cells hold. */
  maxUnpackedBytes: number;
  /** How many times larger than packed something may be, once it is larger than `freeBytes`. */
  maxRatio: number;
  freeBytes: number;
}

export const ARCHIVE_LIMITS: ArchiveLimits = {
  maxEntries: 10_000,
  maxUnpackedBytes: 4 * 1024 ** 3,
  maxRatio: 250,
  freeBytes: 64 * 1024 ** 2,
};

const CHUNK_BYTES = 64 * 1024;
const ENCRYPTED = 0x1;
const STORED = 0;
const DEFLATED = 8;
const LOCAL_HEADER = 0x04034b50;
const LOCAL_HEADER_BYTES = 30;

export const malformed = (message: string) => new TabularError('file-malformed', message);
export const encrypted = () =>
  new TabularError(
    'file-encrypted',
    'The workbook is protected with a password. Save it without one (File > Info > Protect Workbook > Encrypt with Password, and leave the password empty) and upload that.',
  );
const tooLarge = (message: string) => new TabularError('file-too-large', message);

/** Reads within the file only: a position beyond its end is an error of the archive, not of the program. */
class BoundedReader extends RandomAccessReader {
  constructor(
    private readonly file: FileHandle,
    private readonly size: number,
  ) {
    super();
  }

  override read(
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
    callback: (error: Error | null, bytesRead?: number) => void,
  ): void {
    if (!(position >= 0 && position + length <= this.size)) {
      process.nextTick(callback, new Error('it points beyond its end'));
    } else {
      readFd(this.file.fd, buffer, offset, length, position, callback);
    }
  }

  override close(callback: (error: Error | null) => void): void {
    callback(null);
  }
}

/**
 * The files in a zip archive, unpacked one by one as streams. The archive's table of contents is checked before anything is
 * unpacked, and what is unpacked is checked against it.
 *
 * Throws `TabularError`: `file-encrypted`, `file-malformed`, `file-too-large`.
 */
export class Archive {
  private constructor(
    private readonly file: FileHandle,
    readonly size: number,
    readonly limits: ArchiveLimits,
    /** By name in lower case: a package's names do not tell case apart. */
    private readonly entries: Map<string, Entry>,
  ) {}

  static async open(path: string, limits: ArchiveLimits = ARCHIVE_LIMITS): Promise<Archive> {
    const file = await open(path, 'r');
    try {
      const { size } = await file.stat();
      const zip = await contents(new BoundedReader(file, size), size);
      if (zip.entryCount > limits.maxEntries) {
        throw tooLarge(`The archive holds ${zip.entryCount} files; the limit is ${limits.maxEntries}.`);
      }
      return new Archive(file, size, limits, await checkedEntries(zip, size, limits));
    } catch (error) {
      await file.close();
      throw asTabular(error);
    }
  }

  get names(): string[] {
    return [...this.entries.keys()];
  }

  has(name: string): boolean {
    return this.entries.has(name.toLowerCase());
  }

  /** The bytes of a file, unpacked; its length and checksum must be those of the table of contents. */
  async *read(name: string): AsyncGenerator<Buffer> {
    const entry = this.entries.get(name.toLowerCase());
    if (!entry) throw malformed(`The workbook lacks its part "${name}".`);
    const stream = await this.unpack(entry);
    let length = 0;
    let checksum = 0;
    try {
      for await (const chunk of stream as AsyncIterable<Buffer>) {
        length += chunk.length;
        if (length > entry.uncompressedSize) throw malformed(`The part "${name}" is longer than the archive says.`);
        checksum = crc32(chunk, checksum);
        yield chunk;
      }
    } catch (error) {
      throw asTabular(error);
    } finally {
      stream.destroy();
    }
    if (length !== entry.uncompressedSize) throw malformed(`The part "${name}" is shorter than the archive says.`);
    if (checksum !== entry.crc32) throw malformed(`The part "${name}" is damaged: its checksum is wrong.`);
  }

  close(): Promise<void> {
    return this.file.close();
  }

  private async unpack(entry: Entry): Promise<Readable> {
    const header = Buffer.alloc(LOCAL_HEADER_BYTES);
    const { bytesRead } = await this.file.read(header, 0, LOCAL_HEADER_BYTES, entry.relativeOffsetOfLocalHeader);
    if (bytesRead < LOCAL_HEADER_BYTES || header.readUInt32LE(0) !== LOCAL_HEADER) {
      throw malformed('The archive is damaged: a file is not where it should be.');
    }
    const start =
      entry.relativeOffsetOfLocalHeader + LOCAL_HEADER_BYTES + header.readUInt16LE(26) + header.readUInt16LE(28);
    if (start + entry.compressedSize > this.size)
      throw malformed('The archive is damaged: a file ends beyond its end.');
    const packed = Readable.from(this.bytes(start, start + entry.compressedSize), { objectMode: false });
    if (entry.compressionMethod === STORED) return packed;
    // The error reaches who reads the last stream.
    return pipeline(packed, createInflateRaw({ chunkSize: CHUNK_BYTES }), () => undefined);
  }

  private async *bytes(start: number, end: number): AsyncGenerator<Buffer> {
    for (let at = start; at < end;) {
      const length = Math.min(CHUNK_BYTES, end - at);
      const { buffer, bytesRead } = await this.file.read(Buffer.allocUnsafe(length), 0, length, at);
      if (bytesRead === 0) throw malformed('The archive is damaged: it ends early.');
      at += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  }
}

function contents(reader: RandomAccessReader, size: number): Promise<ZipFile> {
  const options = { lazyEntries: true, autoClose: false, decodeStrings: false };
  return new Promise((resolve, reject) => {
    fromRandomAccessReader(reader, size, options, (error, zip) => (error ? reject(error) : resolve(zip)));
  });
}

function checkedEntries(zip: ZipFile, size: number, limits: ArchiveLimits): Promise<Map<string, Entry>> {
  const entries = new Map<string, Entry>();
  let packed = 0;
  let unpacked = 0;
  const check = (entry: Entry) => {
    const name = (entry.fileName as unknown as Buffer).toString('utf8').replaceAll('\\', '/').replace(/^\/+/, '');
    if (name.endsWith('/')) return;
    if (entry.generalPurposeBitFlag & ENCRYPTED) throw encrypted();
    if (entry.compressionMethod !== STORED && entry.compressionMethod !== DEFLATED) {
      throw malformed('The archive is packed in a way that workbooks are not.');
    }
    if (entries.has(name.toLowerCase())) throw malformed(`The archive holds "${name}" twice.`);
    packed += entry.compressedSize;
    unpacked += entry.uncompressedSize;
    if (packed > size) throw malformed('The archive is damaged: its files are larger than itself.');
    if (unpacked > limits.maxUnpackedBytes) {
      throw tooLarge(`Unpacked, the workbook has more than ${limits.maxUnpackedBytes} bytes.`);
    }
    if (entry.uncompressedSize > limits.freeBytes && entry.uncompressedSize > entry.compressedSize * limits.maxRatio) {
      throw tooLarge(`Unpacked, "${name}" is more than ${limits.maxRatio} times as large as packed.`);
    }
    entries.set(name.toLowerCase(), entry);
  };
  return new Promise((resolve, reject) => {
    zip.on('error', reject);
    zip.on('end', () => resolve(entries));
    zip.on('entry', (entry: Entry) => {
      try {
        check(entry);
      } catch (error) {
        zip.emit('error', error);
        return;
      }
      zip.readEntry();
    });
    zip.readEntry();
  });
}

/** What the archive's form makes fail is the file's fault; what the disk makes fail has a code of the system's. */
function asTabular(error: unknown): unknown {
  if (error instanceof TabularError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  if (code !== undefined && !code.startsWith('Z_')) return error;
  if (/encrypt/.test(message)) return encrypted();
  return malformed(`The archive is damaged: ${message.replace(/\.$/, '')}.`);
}
