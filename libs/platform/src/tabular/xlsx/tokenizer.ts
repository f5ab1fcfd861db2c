import { isUtf8 } from 'node:buffer';
import { TextDecoder } from 'node:util';

/** What markup holds, in its order. Names are as they stand, with their prefix. */
export interface Tokens {
  open(name: string, attributes: Record<string, string>): void;
  close(name: string): void;
  /** One text may come in several pieces where there are comments or literal parts in it. */
  text(text: string): void;
}

/** The most that one text, tag or comment may take, in characters. */
const MAX_PIECE = 2 << 20;
const MAX_ATTRIBUTES = 256;
const MAX_DEPTH = 64;
/** Names that are known to be names; there are never many different ones in good markup. */
const MAX_NAMES = 4096;

const NAME = /^[\p{L}_][\p{L}\p{N}\p{M}_.·-]*(?::[\p{L}_][\p{L}\p{N}\p{M}_.·-]*)?$/u;
// eslint-disable-next-line no-control-regex -- these are the characters that markup must not hold
const FORBIDDEN = /[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/;
const ENTITIES: Record<string, string> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };
const INCOMPLETE = -1;

const LF = 0x0a;
const TAB = 0x09;
const SPACE = 0x20;
const BANG = 0x21;
const QUOTE = 0x22;
const APOSTROPHE = 0x27;
const SLASH = 0x2f;
const EQUALS = 0x3d;
const GREATER = 0x3e;
const QUESTION = 0x3f;

/**
 * Takes markup apart, in chunks that may be cut anywhere, in bounded memory. It knows well-formed XML 1.0 without document
 * types, in UTF-8 and UTF-16; at the first thing that is not it calls `fail`, which must throw.
 */
export class Tokenizer {
  private decoder: Utf8Decoder | Utf16Decoder | null = null;
  /** What is not complete yet. */
  private rest = '';
  private afterCr = false;
  private readonly path: string[] = [];
  private readonly names = new Set<string>();
  private rooted = false;

  constructor(
    private readonly tokens: Tokens,
    private readonly fail: (why: string) => never,
  ) {}

  write(chunk: Uint8Array): void {
    this.decoder ??= decoderOf(chunk);
    const decoded = this.decoder.decode(chunk);
    if (decoded === null || FORBIDDEN.test(decoded)) this.fail('it holds what are no characters');
    this.take(this.lineEnds(decoded));
  }

  finish(): void {
    if (this.decoder?.ended() === false) this.fail('it ends within a character');
    if (this.rest.includes('<')) this.fail('it ends within a tag');
    this.told(this.rest);
    if (!this.rooted || this.path.length > 0) this.fail('it ends before its last tag');
  }

  /** Every line end as one line feed. */
  private lineEnds(text: string): string {
    if (!this.afterCr && !text.includes('\r')) return text;
    const from = this.afterCr && text.startsWith('\n') ? 1 : 0;
    if (text !== '') this.afterCr = text.endsWith('\r');
    return text.slice(from).replace(/\r\n?/g, '\n');
  }

  private take(decoded: string): void {
    const text = this.rest === '' ? decoded : this.rest + decoded;
    let done = 0;
    for (;;) {
      const open = text.indexOf('<', done);
      if (open < 0) break;
      // The text waits for what follows it, so that it is told once.
      if (open > done) {
        this.told(text.slice(done, open));
        done = open;
      }
      const next = this.markup(text, open);
      if (next === INCOMPLETE) break;
      done = next;
    }
    this.rest = text.slice(done);
    if (this.rest.length > MAX_PIECE) this.fail('a single text or tag is too long');
  }

  private told(text: string): void {
    if (text === '') return;
    if (this.path.length > 0) this.tokens.text(text.includes('&') ? this.entities(text) : text);
    else if (/[^ \t\n]/.test(text)) this.fail('it holds text outside of its tags');
  }

  /** Takes what stands at a `<`. @returns where it ends, or `INCOMPLETE` */
  private markup(text: string, open: number): number {
    switch (text.charCodeAt(open + 1)) {
      case SLASH:
        return this.closing(text, open + 2);
      case BANG:
        return this.declaration(text, open);
      case QUESTION: {
        const end = text.indexOf('?>', open + 2);
        if (end < 0) return INCOMPLETE;
        this.instruction(text.slice(open + 2, end));
        return end + 2;
      }
      default:
        return open + 1 < text.length ? this.opening(text, open + 1) : INCOMPLETE;
    }
  }

  private instruction(text: string): void {
    const encoding = /^xml\s.*?\sencoding\s*=\s*["']([^"']*)["']/s.exec(text)?.[1];
    if (encoding !== undefined && !/^(?:utf-?(?:8|16)|us-ascii)$/i.test(encoding)) {
      this.fail(`its encoding is ${encoding}`);
    }
  }

  private declaration(text: string, open: number): number {
    if (text.startsWith('<!--', open)) {
      const end = text.indexOf('-->', open + 4);
      return end < 0 ? INCOMPLETE : end + 3;
    }
    if (text.startsWith('<![CDATA[', open)) {
      const end = text.indexOf(']]>', open + 9);
      if (end < 0) return INCOMPLETE;
      if (this.path.length === 0) this.fail('it holds text outside of its tags');
      if (end > open + 9) this.tokens.text(text.slice(open + 9, end));
      return end + 3;
    }
    if ('<!--'.startsWith(text.slice(open)) || '<![CDATA['.startsWith(text.slice(open))) return INCOMPLETE;
    return this.fail('it declares a document type');
  }

  private closing(text: string, from: number): number {
    const end = text.indexOf('>', from);
    if (end < 0) return INCOMPLETE;
    const open = this.path.pop();
    const name = text.slice(from, end);
    if (name !== open && name.trimEnd() !== open)
      this.fail(`a tag "${open ?? ''}" is closed as "${name.slice(0, 50)}"`);
    this.tokens.close(open);
    return end + 1;
  }

  private opening(text: string, from: number): number {
    let at = from;
    let code = text.charCodeAt(at);
    while (code > SPACE && code !== GREATER && code !== SLASH) code = text.charCodeAt(++at);
    if (at === text.length) return INCOMPLETE;
    const name = this.known(text.slice(from, at));
    const attributes: Record<string, string> = {};
    let count = 0;
    for (;;) {
      const spaced = isSpace(code);
      while (isSpace(code)) code = text.charCodeAt(++at);
      if (at >= text.length) return INCOMPLETE;
      if (code === GREATER) {
        this.opened(name, attributes);
        return at + 1;
      }
      if (code === SLASH) {
        if (at + 1 === text.length) return INCOMPLETE;
        if (text.charCodeAt(at + 1) !== GREATER) this.fail(`the tag "${name}" is malformed`);
        this.opened(name, attributes);
        this.path.pop();
        this.tokens.close(name);
        return at + 2;
      }
      if (!spaced || ++count > MAX_ATTRIBUTES) this.fail(`the tag "${name}" is malformed`);
      const start = at;
      while (code > SPACE && code !== EQUALS && code !== GREATER && code !== SLASH) code = text.charCodeAt(++at);
      const end = at;
      while (isSpace(code)) code = text.charCodeAt(++at);
      if (at >= text.length) return INCOMPLETE;
      if (code !== EQUALS) this.fail(`the tag "${name}" is malformed`);
      do code = text.charCodeAt(++at);
      while (isSpace(code));
      if (at >= text.length) return INCOMPLETE;
      if (code !== QUOTE && code !== APOSTROPHE) this.fail(`the tag "${name}" is malformed`);
      const close = text.indexOf(code === QUOTE ? '"' : "'", at + 1);
      if (close < 0) return INCOMPLETE;
      const attribute = this.known(text.slice(start, end));
      if (Object.hasOwn(attributes, attribute)) this.fail(`the tag "${name}" has "${attribute}" twice`);
      attributes[attribute] = this.attributeValue(text.slice(at + 1, close));
      at = close + 1;
      code = text.charCodeAt(at);
    }
  }

  private opened(name: string, attributes: Record<string, string>): void {
    if (this.path.length === 0 && this.rooted) this.fail('it goes on after its last tag');
    this.rooted = true;
    if (this.path.push(name) > MAX_DEPTH) this.fail('its tags are nested too deep');
    this.tokens.open(name, attributes);
  }

  private known(name: string): string {
    if (this.names.has(name)) return name;
    if (name.length > 1000 || !NAME.test(name)) this.fail(`"${name.slice(0, 50)}" is no name of a tag`);
    // A copy: a piece of the text would keep all of it.
    if (this.names.size < MAX_NAMES) this.names.add(Buffer.from(name).toString());
    return name;
  }

  private attributeValue(value: string): string {
    if (value.includes('<')) this.fail('a tag stands within a tag');
    const spaced = value.includes('\n') || value.includes('\t') ? value.replace(/[\n\t]/g, ' ') : value;
    return spaced.includes('&') ? this.entities(spaced) : spaced;
  }

  private entities(text: string): string {
    return text.replace(/&(?:#(\d{1,7}|x[\da-f]{1,6});|([a-z]+);)?/gi, (entity, number?: string, name?: string) => {
      if (name !== undefined && Object.hasOwn(ENTITIES, name)) return ENTITIES[name];
      const code = number === undefined ? NaN : Number(/^x/i.test(number) ? `0${number}` : number);
      const character = code <= 0x10ffff ? String.fromCodePoint(code) : '';
      if (character === '' || FORBIDDEN.test(character) || (code >= 0xd800 && code <= 0xdfff)) {
        this.fail(`"${entity.slice(0, 50)}" stands for no character`);
      }
      return character;
    });
  }
}

/** Only what is left of the line ends counts. */
function isSpace(code: number): boolean {
  return code === SPACE || code === LF || code === TAB;
}

function decoderOf(start: Uint8Array): Utf8Decoder | Utf16Decoder {
  const [first, second] = start;
  if ((first === 0xff && second === 0xfe) || (first === 0x3c && second === 0)) return new Utf16Decoder('utf-16le');
  if ((first === 0xfe && second === 0xff) || (first === 0 && second === 0x3c)) return new Utf16Decoder('utf-16be');
  return new Utf8Decoder();
}

/** Several times as fast as a `TextDecoder` that streams. Gives null for bytes that are no characters. */
class Utf8Decoder {
  private cut = Buffer.alloc(0);
  private begun = false;

  decode(chunk: Uint8Array): string | null {
    const bytes =
      this.cut.length > 0
        ? Buffer.concat([this.cut, chunk])
        : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
    let end = bytes.length;
    for (let back = 1; back <= 3 && back <= bytes.length; back++) {
      const byte = bytes[bytes.length - back];
      if ((byte & 0xc0) === 0x80) continue;
      if (byte >= 0xc0 && back < (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2)) end = bytes.length - back;
      break;
    }
    this.cut = Buffer.from(bytes.subarray(end));
    const whole = bytes.subarray(0, end);
    if (!isUtf8(whole)) return null;
    const from = !this.begun && whole[0] === 0xef && whole[1] === 0xbb && whole[2] === 0xbf ? 3 : 0;
    this.begun ||= whole.length > 0;
    return whole.toString('utf8', from);
  }

  ended(): boolean {
    return this.cut.length === 0;
  }
}

class Utf16Decoder {
  private readonly decoder: InstanceType<typeof TextDecoder>;

  constructor(encoding: 'utf-16le' | 'utf-16be') {
    this.decoder = new TextDecoder(encoding, { fatal: true });
  }

  decode(chunk: Uint8Array): string | null {
    try {
      return this.decoder.decode(chunk, { stream: true });
    } catch {
      return null;
    }
  }

  ended(): boolean {
    try {
      return this.decoder.decode() === '';
    } catch {
      return false;
    }
  }
}
