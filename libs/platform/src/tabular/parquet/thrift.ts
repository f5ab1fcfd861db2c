/** A value of Thrift's compact protocol; the kinds that Parquet's metadata is made of. */
type Value =
  | { i32: number }
  | { i64: number }
  | { bytes: Uint8Array }
  | { struct: Struct }
  | { encoded: Uint8Array } // a struct
  | { list: readonly Value[] };

/** Fields by their numbers. */
export type Struct = Readonly<Record<number, Value | undefined>>;

const kindOf = (value: Value) =>
  'i32' in value ? 5 : 'i64' in value ? 6 : 'bytes' in value ? 8 : 'list' in value ? 9 : 12;

/** A struct in Thrift's compact protocol. Numbers must not be negative. */
export function encodeStruct(struct: Struct): Uint8Array {
  const bytes = new Bytes();
  pushStruct(bytes, struct);
  return bytes.take();
}

/** Bytes that become more. */
export class Bytes {
  private room = Buffer.allocUnsafe(64);
  private used = 0;

  push(byte: number): void {
    this.reserve(1);
    this.room[this.used++] = byte;
  }

  /** A whole number as bytes of seven bits, the lowest first. */
  pushVarint(value: number): void {
    let rest = value;
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) this.push((rest % 0x80) | 0x80);
    this.push(rest);
  }

  pushAll(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.room.set(bytes, this.used);
    this.used += bytes.length;
  }

  /** What was pushed, with nothing that is larger behind it. */
  take(): Uint8Array {
    return Uint8Array.prototype.slice.call(this.room, 0, this.used);
  }

  private reserve(more: number): void {
    if (this.used + more <= this.room.length) return;
    const larger = Buffer.allocUnsafe((this.used + more) * 2);
    larger.set(this.room.subarray(0, this.used));
    this.room = larger;
  }
}

function pushStruct(bytes: Bytes, struct: Struct): void {
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

function pushValue(bytes: Bytes, value: Value): void {
  if ('i32' in value) bytes.pushVarint(value.i32 * 2);
  else if ('i64' in value) bytes.pushVarint(value.i64 * 2);
  else if ('struct' in value) pushStruct(bytes, value.struct);
  else if ('encoded' in value) bytes.pushAll(value.encoded);
  else if ('list' in value) pushList(bytes, value.list);
  else {
    bytes.pushVarint(value.bytes.length);
    bytes.pushAll(value.bytes);
  }
}

function pushList(bytes: Bytes, items: readonly Value[]): void {
  const kind = items.length > 0 ? kindOf(items[0]) : 12;
  if (items.length < 15) bytes.push((items.length << 4) | kind);
  else {
    bytes.push(0xf0 | kind);
    bytes.pushVarint(items.length);
  }
  for (const item of items) pushValue(bytes, item);
}
