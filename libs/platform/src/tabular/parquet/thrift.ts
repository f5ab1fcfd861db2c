/** A value of Thrift's compact protocol; the kinds that Parquet's metadata is made of. */
type Value =
  { i32: number } | { i64: number } | { bytes: Uint8Array } | { struct: Struct } | { list: readonly Value[] };

/** Fields by their numbers. */
export type Struct = Readonly<Record<number, Value | undefined>>;

const kindOf = (value: Value) =>
  'i32' in value ? 5 : 'i64' in value ? 6 : 'bytes' in value ? 8 : 'list' in value ? 9 : 12;

/** A struct in Thrift's compact protocol. Numbers must not be negative. */
export function encodeStruct(struct: Struct): Uint8Array {
  const bytes: number[] = [];
  pushStruct(bytes, struct);
  return Uint8Array.from(bytes);
}

/** A whole number as bytes of seven bits, the lowest first. */
export function pushVarint(bytes: number[], value: number): void {
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  bytes.push(rest);
}

function pushStruct(bytes: number[], struct: Struct): void {
  let last = 0;
  for (const [key, value] of Object.entries(struct)) {
    if (value === undefined) continue;
    const id = Number(key);
    bytes.push(((id - last) << 4) | kindOf(value));
    last = id;
    pushValue(bytes, value);
  }
  bytes.push(0);
}

function pushValue(bytes: number[], value: Value): void {
  if ('i32' in value) pushVarint(bytes, value.i32 * 2);
  else if ('i64' in value) pushVarint(bytes, value.i64 * 2);
  else if ('struct' in value) pushStruct(bytes, value.struct);
  else if ('list' in value) pushList(bytes, value.list);
  else {
    pushVarint(bytes, value.bytes.length);
    for (const byte of value.bytes) bytes.push(byte);
  }
}

function pushList(bytes: number[], items: readonly Value[]): void {
  const kind = items.length > 0 ? kindOf(items[0]) : 12;
  if (items.length < 15) bytes.push((items.length << 4) | kind);
  else {
    bytes.push(0xf0 | kind);
    pushVarint(bytes, items.length);
  }
  for (const item of items) pushValue(bytes, item);
}
