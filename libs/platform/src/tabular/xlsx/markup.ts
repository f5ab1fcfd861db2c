import { malformed, type Archive } from './archive';
import { Tokenizer } from './tokenizer';

/** What a part's markup holds, in its order. Names are without the prefix that the part's root has. */
export interface MarkupHandler {
  open(name: string, attributes: Record<string, string>): void;
  close?(name: string): void;
  text?(text: string): void;
  /** Between two pieces of the part, and at its end: the time for what takes some. */
  pause?(): Promise<void>;
}

/**
 * Reads the markup of a part in chunks. Whatever is not well-formed, and every document type (and with it every entity of the
 * file's own), is refused.
 *
 * Throws `TabularError` `file-malformed`.
 */
export class MarkupReader {
  private readonly tokenizer: Tokenizer;
  private prefix: string | null = null;

  constructor(
    private readonly part: string,
    private readonly root: string,
    handler: MarkupHandler,
  ) {
    this.tokenizer = new Tokenizer(
      {
        open: (name, attributes) => handler.open(this.named(name), attributes),
        close: (name) => handler.close?.(this.named(name)),
        text: (text) => handler.text?.(text),
      },
      (why) => this.refuse(why),
    );
  }

  write(chunk: Uint8Array): void {
    this.tokenizer.write(chunk);
  }

  /** Ends the part. */
  finish(): void {
    this.tokenizer.finish();
  }

  private named(name: string): string {
    if (this.prefix === null) {
      const colon = name.indexOf(':');
      this.prefix = name.slice(0, colon + 1);
      if (name.slice(colon + 1) !== this.root) this.refuse(`it begins with "${name.slice(0, 50)}"`);
    }
    if (this.prefix === '') return name;
    return name.startsWith(this.prefix) ? name.slice(this.prefix.length) : `:${name}`;
  }

  private refuse(why: string): never {
    throw malformed(`The part "${this.part}" of the workbook is malformed: ${why}.`);
  }
}

/** Reads a whole part. */
export async function readMarkup(archive: Archive, part: string, root: string, handler: MarkupHandler): Promise<void> {
  const reader = new MarkupReader(part, root, handler);
  for await (const chunk of archive.read(part)) {
    reader.write(chunk);
    await handler.pause?.();
  }
  reader.finish();
  await handler.pause?.();
}

/** Undoes the form in which workbooks write characters that markup does not have: `_x000D_`. */
export function unescape(text: string): string {
  if (!text.includes('_x')) return text;
  return text.replace(/_x([0-9A-Fa-f]{4})_/g, (_, code: string) => String.fromCharCode(parseInt(code, 16)));
}

/**
 * The text of an `si` or `is` element, gathered from its tags: the runs of rich text are joined, the phonetic ones left out.
 * White space around a run counts only where the run says so.
 */
export class TextRuns {
  private text = '';
  private run: string | null = null;
  private preserved = false;
  private phonetic = false;

  open(name: string, attributes: Record<string, string>): void {
    if (name === 'rPh') this.phonetic = true;
    if (name !== 't' || this.phonetic) return;
    this.run = '';
    this.preserved = attributes['xml:space'] === 'preserve';
  }

  add(text: string): void {
    if (this.run !== null) this.run += text;
  }

  close(name: string): void {
    if (name === 'rPh') this.phonetic = false;
    if (name !== 't' || this.run === null) return;
    this.text += this.preserved ? this.run : this.run.replace(/^[ \t\r\n]+|[ \t\r\n]+$/g, '');
    this.run = null;
  }

  /** The text, and begins anew. */
  take(): string {
    const { text } = this;
    this.text = '';
    this.run = null;
    this.phonetic = false;
    return unescape(text);
  }
}
