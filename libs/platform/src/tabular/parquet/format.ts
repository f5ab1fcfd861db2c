import { promisify } from 'node:util';
import { constants, zstdCompress } from 'node:zlib';
import { encodeSequence } from './encodings';
import type { TextPages } from './text-column';
import { encodeStruct, type Struct } from './thrift';

/** One column of one row group, as it stands in the file. */
export interface ColumnChunk {
  parts: Uint8Array[];
  /** Bytes of the parts. */
  size: number;
  /** Its entry among the metadata, when it begins at `offset`. */
  metadata(offset: number): Struct;
  /** Bytes before compression. */
  unpacked: number;
}

// Numbers of https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
const INT64 = 2;
const BYTE_ARRAY = 6;
const REQUIRED = 0;
const OPTIONAL = 1;
const UTF8 = 0;
const PLAIN = 0;
const RLE = 3;
const DELTA_BINARY_PACKED = 5;
const RLE_DICTIONARY = 8;
const UNCOMPRESSED = 0;
const ZSTD = 6;
const DATA_PAGE = 0;
const DICTIONARY_PAGE = 2;

const compress = promisify(zstdCompress);
const FASTEST = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };
/** Smaller chunks are not compressed, nor those with a dictionary, which are small already. */
const MIN_COMPRESSED = 512;

export const MAGIC = Buffer.from('PAR1');

/** The column of row numbers from `first` up. */
export function numberChunk(name: string, first: number, rows: number): ColumnChunk {
  const body = encodeSequence(first, rows);
  const statistics = { 3: { i64: 0 }, 5: { bytes: int64(first + rows - 1) }, 6: { bytes: int64(first) } };
  const pages = [{ body, header: dataPage(rows, DELTA_BINARY_PACKED) }];
  return chunkOf({ name, type: INT64, encodings: [DELTA_BINARY_PACKED], rows, statistics }, pages, null);
}

/** Compresses the pages, beside the caller. */
export async function textChunk(name: string, pages: TextPages, rows: number): Promise<ColumnChunk> {
  const { dictionary, dictionarySize, data, nulls } = pages;
  const bodies = [
    ...(dictionary
      ? [{ body: dictionary, header: { 1: { i32: DICTIONARY_PAGE }, 7: { struct: dictionaryOf(dictionarySize) } } }]
      : []),
    { body: data, header: dataPage(rows, dictionary ? RLE_DICTIONARY : PLAIN) },
  ];
  const size = bodies.reduce((sum, { body }) => sum + body.length, 0);
  const packed =
    dictionary || size < MIN_COMPRESSED ? null : await Promise.all(bodies.map(({ body }) => compress(body, FASTEST)));
  const encodings = dictionary ? [PLAIN, RLE, RLE_DICTIONARY] : [PLAIN, RLE];
  return chunkOf({ name, type: BYTE_ARRAY, encodings, rows, statistics: { 3: { i64: nulls } } }, bodies, packed);
}

/** The end of the file. @param groups what {@link groupOf} made of each row group */
export function footerOf(columns: readonly string[], rows: number, groups: readonly Uint8Array[]): Uint8Array[] {
  const schema: Struct[] = [
    { 4: { bytes: Buffer.from('schema') }, 5: { i32: columns.length } },
    ...columns.map((name, index) =>
      index === 0
        ? { 1: { i32: INT64 }, 3: { i32: REQUIRED }, 4: { bytes: Buffer.from(name) } }
        : { 1: { i32: BYTE_ARRAY }, 3: { i32: OPTIONAL }, 4: { bytes: Buffer.from(name) }, 6: { i32: UTF8 } },
    ),
  ];
  const footer = encodeStruct({
    1: { i32: 1 },
    2: structs(schema),
    3: { i64: rows },
    4: { list: groups.map((encoded) => ({ encoded })) },
    6: { bytes: Buffer.from('muster') },
  });
  const length = Buffer.allocUnsafe(4);
  length.writeUInt32LE(footer.length);
  return [footer, length, MAGIC];
}

/** The metadata of a row group whose chunks stand one after another from `offset` on; a large file has thousands. */
export function groupOf(chunks: readonly ColumnChunk[], rows: number, offset: number): Uint8Array {
  let at = offset;
  let unpacked = 0;
  const columns = chunks.map((chunk): Struct => {
    const entry = { 2: { i64: at }, 3: { struct: chunk.metadata(at) } };
    at += chunk.size;
    unpacked += chunk.unpacked;
    return entry;
  });
  return encodeStruct({ 1: structs(columns), 2: { i64: unpacked }, 3: { i64: rows } });
}

interface Page {
  body: Uint8Array;
  header: Struct;
}

interface ColumnEntry {
  name: string;
  type: number;
  encodings: number[];
  rows: number;
  statistics: Struct;
}

/** @param packed the pages' compressed bodies; null when they are written as they are */
function chunkOf(entry: ColumnEntry, pages: readonly Page[], packed: readonly Uint8Array[] | null): ColumnChunk {
  const parts: Uint8Array[] = [];
  let size = 0;
  let unpacked = 0;
  let dataOffset = 0;
  pages.forEach(({ body, header }, index) => {
    const stored = packed?.[index] ?? body;
    const head = encodeStruct({
      1: header[1],
      2: { i32: body.length },
      3: { i32: stored.length },
      5: header[5],
      7: header[7],
    });
    dataOffset = size; // the data page is the last
    parts.push(head, stored);
    size += head.length + stored.length;
    unpacked += head.length + body.length;
  });
  return {
    parts,
    size,
    unpacked,
    metadata: (offset) => ({
      1: { i32: entry.type },
      2: enums(entry.encodings),
      3: { list: [{ bytes: Buffer.from(entry.name) }] },
      4: { i32: packed ? ZSTD : UNCOMPRESSED },
      5: { i64: entry.rows },
      6: { i64: unpacked },
      7: { i64: size },
      9: { i64: offset + dataOffset },
      11: pages.length > 1 ? { i64: offset } : undefined,
      12: { struct: entry.statistics },
    }),
  };
}

const dataPage = (values: number, encoding: number): Struct => ({
  1: { i32: DATA_PAGE },
  5: { struct: { 1: { i32: values }, 2: { i32: encoding }, 3: { i32: RLE }, 4: { i32: RLE } } },
});
const dictionaryOf = (values: number): Struct => ({ 1: { i32: values }, 2: { i32: PLAIN } });
const structs = (items: readonly Struct[]) => ({ list: items.map((struct) => ({ struct })) });
const enums = (values: readonly number[]) => ({ list: values.map((i32) => ({ i32 })) });

function int64(value: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeBigInt64LE(BigInt(value));
  return bytes;
}
