import { BulkBuffer, BulkValue, formatTime } from './dialect';

const TAB = 0x09;
const NEWLINE = 0x0a;
const BACKSLASH = 0x5c;
/** The letter that stands for an escaped byte, as LOAD DATA reads it; 0 for bytes that stand for themselves. */
const ESCAPES = new Uint8Array(128);
for (const [char, letter] of [
  ['\\', '\\'],
  ['\t', 't'],
  ['\n', 'n'],
  ['\r', 'r'],
  ['\0', '0'],
] as const) {
  ESCAPES[char.charCodeAt(0)] = letter.charCodeAt(0);
}
const SPECIAL = /[\\\t\n\r\0]/g;

/**
 * Rows written as bytes, in the format of MySQL's LOAD DATA: a line a row, cells parted by tabs, `\N` for null, backslash
 * escapes. One buffer for all of them: strings of the same content cost several times as much in garbage.
 */
export class BulkText implements BulkBuffer {
  private bytes: Buffer;
  /** Bytes written so far. */
  private length = 0;
  /** Where each line ends. */
  private readonly ends: number[] = [];

  constructor(capacity = 1 << 20) {
    this.bytes = Buffer.allocUnsafe(capacity);
  }

  get count(): number {
    return this.ends.length;
  }

  add(values: readonly BulkValue[]): void {
    for (let index = 0; index < values.length; index++) {
      if (index > 0) this.bytes[this.length++] = TAB;
      this.write(values[index]);
    }
    this.room(1);
    this.bytes[this.length++] = NEWLINE;
    this.ends.push(this.length);
  }

  read(index: number): (string | null)[] {
    const start = index === 0 ? 0 : this.ends[index - 1];
    return decodeRow(this.bytes.toString('utf8', start, this.ends[index] - 1));
  }

  /** All lines. Valid until the next {@link add}. */
  get lines(): Buffer {
    return this.bytes.subarray(0, this.length);
  }

  private write(value: BulkValue): void {
    if (typeof value === 'string') return this.writeText(value);
    if (value === null) return this.writeText('\\N', false);
    if (typeof value === 'number') return this.writeText(String(value));
    if (typeof value === 'boolean') return this.writeText(value ? '1' : '0');
    this.writeText(formatTime(value));
  }

  private writeText(text: string, escape = true): void {
    // Twice the length holds every escape; with three bytes a unit also every character; one more is for the separator.
    this.room(text.length * 3 + 2);
    const { bytes } = this;
    let at = this.length;
    for (let index = 0; index < text.length; index++) {
      const code = text.charCodeAt(index);
      if (code > 127) return this.writeUnicode(text);
      const letter = escape ? ESCAPES[code] : 0;
      if (letter !== 0) {
        bytes[at++] = BACKSLASH;
        bytes[at++] = letter;
      } else {
        bytes[at++] = code;
      }
    }
    this.length = at;
  }

  private writeUnicode(text: string): void {
    const escaped = text.replace(SPECIAL, (char) => `\\${String.fromCharCode(ESCAPES[char.charCodeAt(0)])}`);
    this.room(escaped.length * 3 + 2);
    this.length += this.bytes.write(escaped, this.length, 'utf8');
  }

  private room(size: number): void {
    if (this.length + size <= this.bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.bytes.length * 2, this.length + size));
    this.bytes.copy(larger, 0, 0, this.length);
    this.bytes = larger;
  }
}

const UNESCAPES: Record<string, string> = { t: '\t', n: '\n', r: '\r', '0': '\0', '\\': '\\' };

/** The cells of one line of a bulk load, without its line end. */
function decodeRow(line: string): (string | null)[] {
  const cells: (string | null)[] = line.split('\t');
  if (!line.includes('\\')) return cells;
  for (let index = 0; index < cells.length; index++) {
    const cell = cells[index]!;
    if (cell === '\\N') cells[index] = null;
    else if (cell.includes('\\')) cells[index] = cell.replace(/\\(.)/g, (_, char: string) => UNESCAPES[char] ?? char);
  }
  return cells;
}
