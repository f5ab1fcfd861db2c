import { open, type FileHandle } from 'node:fs/promises';

const HEADER_BYTES = 512;
const ENTRY_BYTES = 128;
/** Entries that are looked at; the streams of an encrypted workbook are among the first. */
const MAX_SECTORS = 64;
const LISTED_TABLES = 109;

/** The names of the streams in a compound file (the container of .xls, and of encrypted workbooks), as far as it is intact. */
export async function compoundNames(path: string): Promise<string[]> {
  const file = await open(path, 'r');
  try {
    const header = await bytesAt(file, 0, HEADER_BYTES);
    if (header.length < HEADER_BYTES) return [];
    const sectorBytes = header.readUInt16LE(30) === 12 ? 4096 : 512;
    const at = (sector: number) => (sector + 1) * sectorBytes;
    const names: string[] = [];
    let sector = header.readUInt32LE(48);
    for (let i = 0; i < MAX_SECTORS; i++) {
      const entries = await bytesAt(file, at(sector), sectorBytes);
      for (let start = 0; start + ENTRY_BYTES <= entries.length; start += ENTRY_BYTES) {
        const length = Math.min(64, entries.readUInt16LE(start + 64)) - 2;
        if (length > 0) names.push(entries.toString('utf16le', start, start + length));
      }
      const table = Math.floor((sector * 4) / sectorBytes);
      if (entries.length < sectorBytes || table >= LISTED_TABLES) break;
      const next = await bytesAt(file, at(header.readUInt32LE(76 + 4 * table)) + ((sector * 4) % sectorBytes), 4);
      if (next.length < 4) break;
      sector = next.readUInt32LE(0);
    }
    return names;
  } finally {
    await file.close();
  }
}

/** What there is of the file at a place; nothing beyond its end. */
async function bytesAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, position);
  return buffer.subarray(0, bytesRead);
}
