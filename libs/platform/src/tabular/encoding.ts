import { isUtf8 } from 'node:buffer';
import { open } from 'node:fs/promises';

/** The encodings that a text file may have; what an upload may name. */
export const ENCODINGS = ['utf-8', 'utf-16le', 'utf-16be', 'windows-1252', 'iso-8859-1', 'cp850', 'cp437'] as const;
export type Encoding = (typeof ENCODINGS)[number];

/** How the bytes of a file become characters. */
export interface DetectedEncoding {
  encoding: Encoding;
  /** Bytes of the byte order mark at the start. */
  bom: number;
  /** False when some bytes of a `utf-8` file are not UTF-8; always true for the other encodings. */
  valid: boolean;
}

const CHUNK = 1 << 20;
/** How many bytes outside UTF-8 are enough to tell the encoding. */
const ENOUGH_EVIDENCE = 100_000;

/**
 * Reads the byte order mark or else the bytes, all of them: text that begins in ASCII often shows its first accent late.
 * A file in which UTF-8 sequences outweigh the broken bytes stays `utf-8` with `valid: false`.
 *
 * @param override what somebody said; believed, but a matching byte order mark is still found
 */
export async function detectEncoding(
  path: string,
  override?: Encoding,
  signal?: AbortSignal,
): Promise<DetectedEncoding> {
  const file = await open(path, 'r');
  try {
    const buffer = Buffer.allocUnsafe(CHUNK);
    let length = (await file.read(buffer, 0, CHUNK, 0)).bytesRead;
    const marked = byteOrderMark(buffer.subarray(0, length));
    const encoding = override ?? marked?.encoding ?? utf16Pattern(buffer.subarray(0, Math.min(length, 65_536)));
    const bom = marked && (override === undefined || override === marked.encoding) ? marked.bom : 0;
    if (encoding !== null && encoding !== 'utf-8') return { encoding, bom, valid: true };

    const evidence = new Evidence();
    let valid = true;
    let position = 0;
    let carried = 0;
    while (length > 0) {
      signal?.throwIfAborted();
      const end = carried + length;
      const cut = length < CHUNK - carried ? end : sequenceBorder(buffer, end);
      const bytes = buffer.subarray(0, cut);
      if (!isUtf8(bytes)) {
        valid = false;
        if (encoding === 'utf-8' || evidence.add(bytes)) break;
      } else if (!valid) {
        evidence.add(bytes);
      }
      position += length;
      carried = end - cut;
      buffer.copyWithin(0, cut, end);
      length = (await file.read(buffer, carried, CHUNK - carried, position)).bytesRead;
    }
    if (carried > 0) valid = false;
    if (valid || encoding === 'utf-8' || evidence.isUtf8()) return { encoding: 'utf-8', bom, valid };
    return { encoding: evidence.singleByte(), bom: 0, valid: true };
  } finally {
    await file.close();
  }
}

function byteOrderMark(bytes: Buffer): { encoding: Encoding; bom: number } | null {
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) return { encoding: 'utf-8', bom: 3 };
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return { encoding: 'utf-16le', bom: 2 };
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return { encoding: 'utf-16be', bom: 2 };
  return null;
}

/** Recognises UTF-16 without a mark: the high bytes of Latin letters, delimiters and line ends are zero, all on one side. */
export function utf16Pattern(bytes: Uint8Array): 'utf-16le' | 'utf-16be' | null {
  let even = 0;
  let odd = 0;
  for (let i = 0; i < bytes.length; i++) {
    if (bytes[i] === 0) {
      if (i & 1) odd++;
      else even++;
    }
  }
  const pairs = bytes.length >> 1;
  if (pairs < 2) return null;
  if (odd > pairs * 0.1 && even <= odd * 0.05) return 'utf-16le';
  if (even > pairs * 0.1 && odd <= even * 0.05) return 'utf-16be';
  return null;
}

/** The last position at which no UTF-8 sequence is cut; `end` when the last bytes are no beginning of one. */
export function sequenceBorder(bytes: Uint8Array, end: number): number {
  for (let back = 1; back <= 3 && back <= end; back++) {
    const byte = bytes[end - back];
    if (byte < 0x80) return end;
    if (byte >= 0xc0) {
      const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
      return length > back ? end - back : end;
    }
  }
  return end;
}

const isLetter = (byte: number) => (byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x7a;

/** Weighs what the bytes above 0x7F look like. */
class Evidence {
  private sequences = 0;
  private broken = 0;
  private ansi = 0;
  private oem = 0;

  /** @returns whether more would not change the answer */
  add(bytes: Uint8Array): boolean {
    const end = bytes.length;
    for (let i = 0; i < end; i++) {
      const byte = bytes[i];
      if (byte < 0x80) continue;
      const length = byte >= 0xf5 || byte < 0xc2 ? 0 : byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
      let got = 1;
      while (got < length && i + got < end && (bytes[i + got] & 0xc0) === 0x80) got++;
      if (got === length) this.sequences++;
      else this.broken++;
      this.weigh(byte, i > 0 && isLetter(bytes[i - 1]), i + 1 < end && isLetter(bytes[i + 1]));
      if (got === length) i += got - 1;
    }
    return this.sequences + this.broken > ENOUGH_EVIDENCE;
  }

  /** Letters stand beside letters. In the DOS code pages they are 0x80–0xA5, in Windows-1252 0xC0–0xFF. */
  private weigh(byte: number, before: boolean, after: boolean): void {
    const weight = before && after ? 2 : before || after ? 1 : 0;
    if (byte >= 0xc0) {
      // 0xE1 is the sharp s of the DOS code pages.
      if (byte !== 0xe1 && byte !== 0xd7 && byte !== 0xf7) this.ansi += weight;
    } else if (byte === 0x92) {
      // The apostrophe of Windows-1252, against a rare capital.
      this.ansi += weight;
    } else if (byte >= 0x80 && byte <= 0xa5) {
      // Quotes and dashes of Windows-1252 lean on a word from one side only.
      const punctuation =
        byte === 0x80 || byte === 0x82 || byte === 0x84 || byte === 0x85 || (byte >= 0x91 && byte <= 0x99);
      this.oem += punctuation && weight === 1 ? 0.25 : weight;
      if (punctuation && weight === 1) this.ansi += 0.25;
    }
  }

  isUtf8(): boolean {
    return this.sequences > 0 && this.sequences * 2 >= this.broken;
  }

  singleByte(): Encoding {
    return this.oem > this.ansi ? 'cp850' : 'windows-1252';
  }
}
