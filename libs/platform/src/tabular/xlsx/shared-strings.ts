import { open, type FileHandle } from 'node:fs/promises';
import type { Archive } from './archive';
import { readMarkup, TextRuns } from './markup';

const BLOCK_BYTES = 32 * 1024;
const BLOCK_STRINGS = 8192;
/** Of the blocks that were read back, so much is kept. */
const CACHE_BYTES = 16 << 20;

/** Neighbouring strings. A block without `bytes` lies in the file. */
interface Block {
  /** The number of its first string. */
  first: number;
  count: number;
  length: number;
  bytes: Buffer | null;
  /** Where each string ends; as long as `bytes` is there. */
  ends: Uint32Array | null;
  position: number;
}

/**
 * The texts that a workbook's cells share, as UTF-8, by number. The first ones, which are the most used, stay in memory; what
 * goes beyond the limit lies in a temporary file, and of it only recently used blocks are in memory.
 */
export class SharedStrings {
  count = 0;
  /** Bytes of the strings that stay in memory. */
  resident = 0;
  private readonly blocks: Block[] = [];
  private building = Buffer.allocUnsafe(BLOCK_BYTES);
  private used = 0;
  private ends: number[] = [];
  private file: FileHandle | null = null;
  private fileBytes = 0;
  private waiting: Block[] = [];
  private last: Block | null = null;
  private readonly cached = new Set<Block>();
  private cachedBytes = 0;

  constructor(
    /** Where the file goes if there must be one; who makes this removes it. */
    private readonly path: string,
    private readonly memoryBytes = 64 << 20,
  ) {}

  /** Reads the part that holds the strings. */
  async fill(archive: Archive, part: string): Promise<void> {
    const runs = new TextRuns();
    const pending: string[] = [];
    await readMarkup(archive, part, 'sst', {
      open: (name, attributes) => runs.open(name, attributes),
      text: (text) => runs.add(text),
      close: (name) => {
        runs.close(name);
        if (name === 'si') pending.push(runs.take());
      },
      pause: async () => {
        for (const text of pending) this.add(text);
        pending.length = 0;
        await this.spill();
      },
    });
  }

  /** A string of the number, or null when `load` must fetch it first. @throws RangeError for a number that no string has */
  get(index: number): Uint8Array | null {
    const block = this.blockOf(index);
    if (block.bytes === null || block.ends === null) return null;
    const at = index - block.first;
    return block.bytes.subarray(at === 0 ? 0 : block.ends[at - 1], block.ends[at]);
  }

  async load(index: number): Promise<Uint8Array> {
    const block = this.blockOf(index);
    if (block.bytes === null) await this.readBack(block);
    return this.get(index)!;
  }

  async close(): Promise<void> {
    const { file } = this;
    this.file = null;
    await file?.close();
  }

  private add(text: string): void {
    const bytes = Buffer.from(text);
    if (this.used + bytes.length > this.building.length || this.ends.length === BLOCK_STRINGS) this.seal(bytes.length);
    bytes.copy(this.building, this.used);
    this.used += bytes.length;
    this.ends.push(this.used);
    this.count++;
  }

  /** Ends the block under work and begins the next, with room for so many bytes. */
  private seal(room: number): void {
    if (this.ends.length > 0) {
      const block: Block = {
        first: this.count - this.ends.length,
        count: this.ends.length,
        length: this.used,
        bytes: Buffer.from(this.building.subarray(0, this.used)),
        ends: Uint32Array.from(this.ends),
        position: 0,
      };
      this.blocks.push(block);
      const size = sizeOf(block);
      if (this.resident + size > this.memoryBytes) this.waiting.push(block);
      else this.resident += size;
    }
    if (room > this.building.length) this.building = Buffer.allocUnsafe(room);
    else if (this.building.length > BLOCK_BYTES) this.building = Buffer.allocUnsafe(Math.max(room, BLOCK_BYTES));
    this.used = 0;
    this.ends = [];
  }

  private async spill(): Promise<void> {
    this.seal(0);
    for (const block of this.waiting) {
      this.file ??= await open(this.path, 'wx+', 0o600);
      const ends = Buffer.from(block.ends!.buffer, block.ends!.byteOffset, block.ends!.byteLength);
      block.position = this.fileBytes;
      await this.file.writev([block.bytes!, ends], this.fileBytes);
      this.fileBytes += sizeOf(block);
      block.bytes = block.ends = null;
    }
    this.waiting = [];
  }

  private async readBack(block: Block): Promise<void> {
    const size = sizeOf(block);
    const bytes = Buffer.allocUnsafeSlow(size);
    let read = 0;
    while (read < size) {
      const { bytesRead } = await this.file!.read(bytes, read, size - read, block.position + read);
      if (bytesRead === 0) throw new Error('The file of shared texts is shorter than what was written.');
      read += bytesRead;
    }
    block.bytes = bytes.subarray(0, block.length);
    block.ends = new Uint32Array(bytes.buffer.slice(block.length, size));
    this.cached.add(block);
    this.cachedBytes += size;
    for (const oldest of this.cached) {
      if (this.cachedBytes <= CACHE_BYTES || oldest === block) break;
      this.cached.delete(oldest);
      this.cachedBytes -= sizeOf(oldest);
      oldest.bytes = oldest.ends = null;
    }
  }

  private blockOf(index: number): Block {
    const { last } = this;
    if (last !== null && index >= last.first && index < last.first + last.count) return last;
    if (!(index >= 0 && index < this.count)) throw new RangeError(`There is no shared text ${index}.`);
    let low = 0;
    let high = this.blocks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.blocks[middle].first <= index) low = middle;
      else high = middle - 1;
    }
    this.last = this.blocks[low];
    return this.last;
  }
}

const sizeOf = ({ length, count }: Block) => length + count * 4;
