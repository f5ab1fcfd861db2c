import { quote, refuse, type Checked } from './result';
import { foldFullWidth, trimText } from './text';

const MAX_ADDRESS = 254;
const MAX_LOCAL = 64;
const MAX_LABEL = 63;
/** The longest text in which an address is looked for: `Display Name <address>` and `mailto:` links included. */
const MAX_INPUT = 1024;

const LOCAL = 1;
const DOMAIN = 2;
const UPPER = 4;
/** What each ASCII character may be part of. */
const ALLOWED = new Uint8Array(128);
for (let code = 0; code < 128; code++) {
  const character = String.fromCharCode(code);
  if (/[a-z0-9]/.test(character)) ALLOWED[code] = LOCAL | DOMAIN;
  else if (/[A-Z]/.test(character)) ALLOWED[code] = LOCAL | DOMAIN | UPPER;
  else if (character === '-') ALLOWED[code] = LOCAL | DOMAIN;
  else if ("!#$%&'*+/=?^_`{|}~".includes(character)) ALLOWED[code] = LOCAL;
}

const INTERNATIONAL = /[\p{L}\p{M}\p{N}]/u;

/**
 * Judges an address in one pass. Gives 0 when it is not valid, else 1 plus `UPPER` when an ASCII letter is a capital.
 * Letters outside ASCII are allowed only when `international` is true.
 */
function judge(address: string, international: boolean): number {
  const length = address.length;
  let at = -1;
  let labelStart = 0;
  let lastDot = -1;
  let seen = 1;
  for (let i = 0; i < length; i++) {
    const code = address.charCodeAt(i);
    if (code === 0x2e) {
      if (i === labelStart) return 0;
      if (at >= 0 && !isLabel(address, labelStart, i)) return 0;
      lastDot = i;
      labelStart = i + 1;
    } else if (code === 0x40) {
      if (at >= 0 || i === labelStart || i > MAX_LOCAL) return 0;
      at = i;
      lastDot = -1;
      labelStart = i + 1;
    } else if (code < 128) {
      const allowed = ALLOWED[code];
      if ((allowed & (at < 0 ? LOCAL : DOMAIN)) === 0) return 0;
      seen |= allowed & UPPER;
    } else {
      if (!international) return 0;
      const character = String.fromCodePoint(address.codePointAt(i) as number);
      if (!INTERNATIONAL.test(character)) return 0;
      i += character.length - 1;
    }
  }
  if (at < 0 || lastDot < 0 || length > MAX_ADDRESS) return 0;
  if (!isLabel(address, labelStart, length)) return 0;
  return isTopLevel(address, labelStart) ? seen : 0;
}

function isLabel(address: string, start: number, end: number): boolean {
  const length = end - start;
  return (
    length > 0 && length <= MAX_LABEL && address.charCodeAt(start) !== 0x2d && address.charCodeAt(end - 1) !== 0x2d
  );
}

function isTopLevel(address: string, start: number): boolean {
  if (address.length - start < 2) return false;
  for (let i = start; i < address.length; i++) {
    const code = address.charCodeAt(i);
    if (code < 0x30 || code > 0x39) return true;
  }
  return false;
}

/** Takes the address out of `mailto:` links and of `Display Name <address>`; null when that names several. */
function unwrap(text: string): string | null {
  let address = text;
  if (address.endsWith('>')) {
    const open = address.lastIndexOf('<');
    if (open < 0) return null;
    const name = address
      .slice(0, open)
      .trim()
      .replace(/^["']|["']$/g, '');
    address = address.slice(open + 1, -1).trim();
    if (/[<>]/.test(name)) return null;
    if (name.includes('@') && name.toLowerCase() !== address.toLowerCase()) return null;
  }
  if (/^mailto:/i.test(address)) {
    address = address.slice(7).split('?', 1)[0];
    try {
      address = decodeURIComponent(address);
    } catch {
      return null;
    }
  }
  return address.trim();
}

function invalid(raw: string): Checked<string> {
  return refuse('email-invalid', `${quote(raw)} is not an e-mail address`);
}

/**
 * The normal form of an e-mail address, under which two spellings of one address are equal: trimmed, NFC, lower-case,
 * full-width forms of ASCII folded; taken out of `mailto:` and `Name <address>`.
 *
 * Valid is what is used in practice: a dot-atom of at most 64 characters (letters of any script) before one `@`, then at
 * least two domain labels of letters, digits and inner hyphens, the last of two characters or more and not all digits; 254
 * characters in all. Quoted local parts, comments and address literals are refused (`email-invalid`).
 */
export function normalizeEmail(raw: string): Checked<string> {
  if (raw.length <= MAX_ADDRESS) {
    const verdict = judge(raw, false);
    if (verdict === 1) return { value: raw };
    if (verdict === (1 | UPPER)) return { value: raw.toLowerCase() };
  }
  const text = trimText(raw);
  if (text.length > MAX_INPUT) return invalid(text);
  const address = unwrap(foldFullWidth(text));
  if (address === null) return invalid(text);
  const value = address.normalize('NFC').toLowerCase().normalize('NFC');
  return judge(value, true) === 0 ? invalid(text) : { value };
}
