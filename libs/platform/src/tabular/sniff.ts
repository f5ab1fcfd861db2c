import { isUtf8 } from 'node:buffer';
import { open } from 'node:fs/promises';
import { utf16Pattern } from './encoding';

/**
 * What the first bytes of a file show. `detail` names the format of a `binary` one where it is known. A `zip` may be a workbook;
 * a `compound` file is one of the old Excel format, or an encrypted one.
 */
export interface Sniffed {
  kind: 'text' | 'empty' | 'binary' | 'zip' | 'compound';
  detail?: string;
}

/** How much of a file is looked at. */
export const SAMPLE_BYTES = 65_536;

const COMPOUND = '\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1';
const MAGIC: readonly (readonly [name: string, bytes: string])[] = [
  ['png', '\x89PNG\r\n\x1a\n'],
  ['jpeg', '\xff\xd8\xff'],
  ['gif', 'GIF87a'],
  ['gif', 'GIF89a'],
  ['pdf', '%PDF-'],
  ['gzip', '\x1f\x8b'],
  ['bzip2', 'BZh'],
  ['xz', '\xfd7zXZ\x00'],
  ['zstd', '\x28\xb5\x2f\xfd'],
  ['7z', "7z\xbc\xaf'\x1c"],
  ['rar', 'Rar!\x1a\x07'],
  ['sqlite', 'SQLite format 3\x00'],
  ['parquet', 'PAR1'],
  ['elf', '\x7fELF'],
  ['tiff', 'II*\x00'],
  ['tiff', 'MM\x00*'],
  ['utf-32', '\xff\xfe\x00\x00'],
  ['utf-32', '\x00\x00\xfe\xff'],
];

/**
 * Tells by content, never by name, whether a file can be read as text. A file of nothing but white space and a byte order
 * mark is `empty`.
 */
export async function sniffFile(path: string): Promise<Sniffed> {
  const file = await open(path, 'r');
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(SAMPLE_BYTES), 0, SAMPLE_BYTES, 0);
    return sniff(buffer.subarray(0, bytesRead), bytesRead < SAMPLE_BYTES);
  } finally {
    await file.close();
  }
}

/** @param whole whether `bytes` is all there is */
export function sniff(bytes: Buffer, whole: boolean): Sniffed {
  if (bytes.length === 0) return { kind: 'empty' };
  const start = bytes.toString('latin1');
  const magic = MAGIC.find(([, signature]) => start.startsWith(signature));
  if (magic && !(magic[0] === 'utf-32' && isUtf16OfBlanks(bytes))) return { kind: 'binary', detail: magic[0] };
  if (start.startsWith(COMPOUND)) return { kind: 'compound' };
  if (start.startsWith('PK\x03\x04') || start.startsWith('PK\x05\x06')) return { kind: 'zip' };
  if (start.startsWith('MZ') && start.slice(0, 1024).includes('\x00\x00\x00')) return { kind: 'binary', detail: 'exe' };
  if (start.slice(4, 8) === 'ftyp') return { kind: 'binary', detail: 'mp4' };
  if (start.startsWith('RIFF') && /^(WEBP|WAVE|AVI )/.test(start.slice(8, 12)))
    return { kind: 'binary', detail: 'riff' };

  const wide = start.startsWith('\xff\xfe') || start.startsWith('\xfe\xff') || utf16Pattern(bytes) !== null;
  if (whole && isBlank(start, wide)) return { kind: 'empty' };
  if (wide) return { kind: 'text' };

  let controls = 0;
  for (const byte of bytes) {
    if (byte < 0x20 && !(byte >= 0x09 && byte <= 0x0d) && byte !== 0x1a && byte !== 0x1b) controls++;
  }
  const share = controls / bytes.length;
  // Three bytes less at the end, so that a character cut by the sample does not count against it.
  const valid = isUtf8(bytes) || (!whole && [1, 2, 3].some((cut) => isUtf8(bytes.subarray(0, bytes.length - cut))));
  return share > 0.25 || (!valid && share > 0.03) ? { kind: 'binary' } : { kind: 'text' };
}

function isUtf16OfBlanks(bytes: Buffer): boolean {
  return (
    bytes.length > 4 && bytes.subarray(2).every((byte) => byte <= 0x20) && bytes.subarray(4).some((byte) => byte > 0)
  );
}

function isBlank(start: string, wide: boolean): boolean {
  const text = start.replace(/^(?:\xef\xbb\xbf|\xff\xfe|\xfe\xff)/, '');
  return wide ? text.replaceAll('\0', '').trim() === '' : /^\s*$/.test(text.replaceAll('\xa0', 'x'));
}
