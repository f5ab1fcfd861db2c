import { decode } from 'iconv-lite';
import type { Encoding } from './encoding';

/** Stands for a character that does not exist: never valid in UTF-8, so that the parser finds it in its row. */
const BROKEN = 0xff;

/** Turns the chunks of a file into UTF-8. Bytes that stand for no character become the byte 0xFF, which is not UTF-8. */
export interface Transcoder {
  /** The result is valid until the next call. */
  push(chunk: Uint8Array): Uint8Array;
  finish(): Uint8Array;
}

/** Null when the bytes are UTF-8 already. */
export function createTranscoder(encoding: Encoding): Transcoder | null {
  if (encoding === 'utf-8') return null;
  if (encoding === 'utf-16le' || encoding === 'utf-16be') return new Utf16Transcoder(encoding === 'utf-16be');
  return new SingleByteTranscoder(encoding);
}

const NOTHING = new Uint8Array(0);

class SingleByteTranscoder implements Transcoder {
  /** Of every byte above 0x7F up to three bytes of UTF-8, the first lowest. */
  private readonly table = new Uint32Array(128);
  private output = NOTHING;

  constructor(encoding: Encoding) {
    for (let i = 0; i < 128; i++) {
      const utf8 = Buffer.from(decode(Buffer.from([0x80 + i]), encoding));
      const character = utf8.toString();
      this.table[i] = character === '\ufffd' ? BROKEN : utf8[0] | (utf8[1] << 8) | ((utf8[2] ?? 0) << 16);
    }
  }

  push(chunk: Uint8Array): Uint8Array {
    if (this.output.length < chunk.length * 3) this.output = new Uint8Array(chunk.length * 3);
    const { output, table } = this;
    let length = 0;
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i];
      if (byte < 0x80) {
        output[length++] = byte;
      } else {
        const utf8 = table[byte - 0x80];
        output[length++] = utf8 & 0xff;
        if (utf8 > 0xff) output[length++] = (utf8 >> 8) & 0xff;
        if (utf8 > 0xffff) output[length++] = utf8 >> 16;
      }
    }
    return output.subarray(0, length);
  }

  finish(): Uint8Array {
    return NOTHING;
  }
}

class Utf16Transcoder implements Transcoder {
  private output = NOTHING;
  /** The first byte of a code unit that the chunk cut; -1 for none. */
  private half = -1;
  /** A high surrogate that waits for its low one; 0 for none. */
  private high = 0;

  constructor(private readonly bigEndian: boolean) {}

  push(chunk: Uint8Array): Uint8Array {
    const size = chunk.length * 2 + 8;
    if (this.output.length < size) this.output = new Uint8Array(size);
    const { output, bigEndian } = this;
    let length = 0;
    let high = this.high;
    let i = 0;
    while (true) {
      let first = this.half;
      if (first >= 0) this.half = -1;
      else if (i < chunk.length) first = chunk[i++];
      else break;
      if (i >= chunk.length) {
        this.half = first;
        break;
      }
      const second = chunk[i++];
      const unit = bigEndian ? (first << 8) | second : (second << 8) | first;
      if (high !== 0) {
        if (unit >= 0xdc00 && unit <= 0xdfff) {
          const point = 0x10000 + ((high - 0xd800) << 10) + (unit - 0xdc00);
          output[length++] = 0xf0 | (point >> 18);
          output[length++] = 0x80 | ((point >> 12) & 0x3f);
          output[length++] = 0x80 | ((point >> 6) & 0x3f);
          output[length++] = 0x80 | (point & 0x3f);
          high = 0;
          continue;
        }
        output[length++] = BROKEN;
        high = 0;
      }
      if (unit < 0x80) {
        output[length++] = unit;
      } else if (unit < 0x800) {
        output[length++] = 0xc0 | (unit >> 6);
        output[length++] = 0x80 | (unit & 0x3f);
      } else if (unit >= 0xd800 && unit <= 0xdbff) {
        high = unit;
      } else if (unit >= 0xdc00 && unit <= 0xdfff) {
        output[length++] = BROKEN;
      } else {
        output[length++] = 0xe0 | (unit >> 12);
        output[length++] = 0x80 | ((unit >> 6) & 0x3f);
        output[length++] = 0x80 | (unit & 0x3f);
      }
    }
    this.high = high;
    return output.subarray(0, length);
  }

  finish(): Uint8Array {
    return this.half >= 0 || this.high !== 0 ? Uint8Array.of(BROKEN) : NOTHING;
  }
}
