import { refuse, type Checked } from './result';

const EDGE_INVISIBLES = '\\s\\u00AD\\u200B-\\u200F\\u2060\\uFEFF';
const LEADING_INVISIBLES = new RegExp(`^[${EDGE_INVISIBLES}]+`);

function isEdgeInvisible(code: number): boolean {
  return (
    (code >= 0x200b && code <= 0x200f) ||
    code === 0x00ad ||
    code === 0x2060 ||
    code === 0xfeff ||
    code <= 0x20 ||
    (code >= 0x80 && String.fromCharCode(code).trim() === '')
  );
}

/** Trims white space and the invisible characters (zero-width space, soft hyphen, marks of direction) that copying leaves. */
export function trimText(raw: string): string {
  const text = raw.trim();
  if (text === '') return text;
  if (text.charCodeAt(0) < 0x80 && text.charCodeAt(text.length - 1) < 0x80) return text;
  let end = text.length;
  while (end > 0 && isEdgeInvisible(text.charCodeAt(end - 1))) end--;
  return text.slice(0, end).replace(LEADING_INVISIBLES, '');
}

/** Folds the full-width forms of ASCII (U+FF01–FF5E), the ideographic full stop and space to ASCII; leaves the rest alone. */
export function foldFullWidth(text: string): string {
  return text.replace(/[\uFF01-\uFF5E\u3000\u3002\uFF61]/g, (character) => {
    const code = character.charCodeAt(0);
    if (code === 0x3000) return ' ';
    return code >= 0xff01 ? (code === 0xff61 ? '.' : String.fromCharCode(code - 0xfee0)) : '.';
  });
}

/** True when every character is a printable ASCII character: such text is its own normal form. */
export function isPrintableAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x20 || code > 0x7e) return false;
  }
  return true;
}

/** The length in code points, which is how a `VARCHAR(n)` counts. */
export function codePointLength(text: string): number {
  let length = text.length;
  for (let i = 0; i < text.length - 1; i++) {
    const code = text.charCodeAt(i);
    if (code < 0xd800 || code > 0xdbff) continue;
    const next = text.charCodeAt(i + 1);
    if (next >= 0xdc00 && next <= 0xdfff) {
      length--;
      i++;
    }
  }
  return length;
}

/**
 * Trims, composes (NFC) and strips control characters and lone surrogates. In a single-line field a tab or a line break
 * becomes one space; in a multi-line field both stay, and every line break is written `\n`.
 */
export function normalizeText(raw: string, multiline = false): string {
  const text = trimText(raw);
  if (isPrintableAscii(text)) return text;
  const lines = multiline ? text.replace(/\r\n?/g, '\n') : text.replace(/[\t\r\n\v\f\u0085\u2028\u2029]+/g, ' ');
  const clean = lines.replace(multiline ? /(?![\t\n])[\p{Cc}\p{Cs}]/gu : /[\p{Cc}\p{Cs}]/gu, '');
  return trimText(clean.normalize('NFC'));
}

/**
 * Normalises free text and holds it to its limits.
 *
 * @param max the longest allowed text, in code points
 * @param min the shortest allowed text, in code points; a blank text is `required` when it is above 0
 */
export function cleanText(raw: string, max: number, min = 0, multiline = false): Checked<string> {
  const value = normalizeText(raw, multiline);
  if (value.length > max) {
    const length = codePointLength(value);
    if (length > max) return refuse('too-long', `is longer than ${max} characters (${length})`);
  }
  if (value.length < 2 * min) {
    if (value === '' && min > 0) return refuse('required', 'is blank');
    if (codePointLength(value) < min) return refuse('too-short', `is shorter than ${min} characters`);
  }
  return { value };
}

const NEEDS_ESCAPE = /^'*[=+\-@\t\r]/;
const IS_ESCAPED = /^'+[=+\-@\t\r]/;

/**
 * Protects a value that a spreadsheet would take for a formula by a leading quote. A value that already looks protected
 * gets one more, so that `unescapeFormula(escapeFormula(x)) === x` for every x.
 */
export function escapeFormula(raw: string): string {
  return NEEDS_ESCAPE.test(raw) ? "'" + raw : raw;
}

/** Takes one protecting quote away: the opposite of `escapeFormula`. */
export function unescapeFormula(raw: string): string {
  return raw.charCodeAt(0) === 0x27 && IS_ESCAPED.test(raw) ? raw.slice(1) : raw;
}

/** Lower-case letters and digits with single spaces between: how words of headers and options are compared. */
export function foldWords(raw: string): string {
  return raw
    .normalize('NFKD')
    .replace(/\p{M}+/gu, '')
    .toLowerCase()
    .replace(/ß/g, 'ss')
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim();
}

/** A name as names are compared: in lower case, runs of white space as one space. */
export const nameKeyOf = (name: string): string => normalizeText(name).replace(/\s+/g, ' ').toLowerCase();
