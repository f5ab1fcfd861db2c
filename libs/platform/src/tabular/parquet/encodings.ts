import { Bytes } from './thrift';

/** `count` numbers from `first` up, one by one: a block of differences says that all of them are one, in no bits. */
export function encodeSequence(first: number, count: number): Uint8Array {
  const bytes = new Bytes();
  bytes.pushVarint(DELTA_BLOCK);
  bytes.pushVarint(DELTA_MINIBLOCKS);
  bytes.pushVarint(count);
  bytes.pushVarint(first * 2);
  for (let done = 1; done < count; done += DELTA_BLOCK) {
    bytes.push(2); // one, in zigzag
    for (let i = 0; i < DELTA_MINIBLOCKS; i++) bytes.push(0);
  }
  return bytes.take();
}
const DELTA_BLOCK = 128;
const DELTA_MINIBLOCKS = 4;

/** Which rows have a value: one run when all or none do, else a bit for each row. */
export function encodePresence(present: Uint8Array, rows: number, nulls: number): Uint8Array {
  if (nulls > 0 && nulls < rows) return packBits(present, rows, 1);
  const bytes = new Bytes();
  bytes.pushVarint(rows * 2);
  bytes.push(nulls === 0 ? 1 : 0);
  return bytes.take();
}

/** The numbers of values in a dictionary of so many. */
export function encodeIndices(indices: Uint16Array, count: number, dictionarySize: number): Uint8Array {
  const width = Math.max(1, 32 - Math.clz32(dictionarySize - 1));
  return Buffer.concat([Uint8Array.of(width), packBits(indices, count, width)]);
}

/** One run of numbers of `width` bits each, the lowest bit first, filled up to a multiple of eight numbers. */
function packBits(values: Uint8Array | Uint16Array, count: number, width: number): Uint8Array {
  const eights = Math.ceil(count / 8);
  const header = new Bytes();
  header.pushVarint(eights * 2 + 1);
  const run = header.take();
  const packed = new Uint8Array(run.length + eights * width);
  packed.set(run);
  let at = run.length;
  let bits = 0;
  let pending = 0;
  for (let i = 0; i < count; i++) {
    pending |= values[i] << bits;
    for (bits += width; bits >= 8; bits -= 8) {
      packed[at++] = pending;
      pending >>>= 8;
    }
  }
  if (bits > 0) packed[at] = pending;
  return packed;
}
