import parsePhoneNumber, { isSupportedCountry, type CountryCode, type PhoneNumber } from 'libphonenumber-js/core';
import { PHONE_METADATA, dialsOut, isStable, parsePlainPhone } from './phone-plan';
import { quote, refuse, type Checked } from './result';
import { foldFullWidth, trimText } from './text';

/** A normalised phone number. */
export interface NormalizedPhone {
  /** `+`, the calling code and the national number; digits only. */
  e164: string;
  /** The digits to dial once connected, when the text named them. */
  extension?: string;
}

/** The longest text that is looked at, in UTF-16 units. */
export const MAX_PHONE_TEXT = 64;

const LABEL =
  /^(?:tel|telephone|phone|ph|mobile|mob|cell|home|work|office|main|direct|p|t|m|c|h|w|o)(?:[.:]+|\s*[:：])\s*/i;
const NOTE = /\s*\((?:cell|mobile|mob|home|work|office|main|direct|m|c|h|w|o)\.?\)$/i;
const VANITY = /^\+?[\d\s().\-/]*\d[\d\s().\-/]*[a-z][a-z\d\s().\-/]*$/i;
const EXTENSION = /^(.*?)\s*(?:\bext(?:ension|n)?\b\.?|\bx\b|#|\bx(?=\d))[:\s.]*(\d{1,9})$/i;
const KEYPAD = '22233344455566677778889999';

function parse(text: string, region: CountryCode | undefined): PhoneNumber | undefined {
  const number = parsePhoneNumber(text, { defaultCountry: region, extract: false }, PHONE_METADATA);
  if (!number?.isPossible()) return undefined;
  if (isStable(number.countryCallingCode, number.nationalNumber)) return number;
  // A stored number must be read back as itself.
  const again = parsePhoneNumber(number.number, { extract: false }, PHONE_METADATA);
  if (!again?.isPossible() || again.number === number.number) return number;
  if (number.ext) again.setExt(number.ext);
  return again;
}

/** Reads letters as the keys they stand on: only after three digits or more, and only into a number that exists. */
function parseVanity(text: string, region: CountryCode | undefined): PhoneNumber | undefined {
  const split = EXTENSION.exec(text);
  const spoken = split ? split[1] : text;
  if (!VANITY.test(spoken)) return undefined;
  const letters = spoken.replace(/[^a-z]/gi, '').length;
  const digitsBefore = spoken.slice(0, spoken.search(/[a-z]/i)).replace(/\D/g, '').length;
  if (letters < 3 || digitsBefore < 3) return undefined;
  const dialled = spoken.replace(/[a-z]/gi, (letter) => KEYPAD[letter.toLowerCase().charCodeAt(0) - 0x61]);
  const number = parse(dialled, region);
  if (!number?.isValid()) return undefined;
  if (split) number.setExt(split[2]);
  return number;
}

function parseAnyShape(text: string, region: CountryCode | undefined): PhoneNumber | undefined {
  const number = parse(text, region);
  // `00` is how most of the world dials out. Where the region's own plan does not say so, it still wins over a national
  // number that would begin with two zeros.
  if (/^[^+\d]*0\D*0/.test(text) && !(number && region && dialsOut(text.replace(/\D/g, ''), region))) {
    const international = parse(text.replace(/^\D*0\D*0/, '+'), region);
    if (international) return international;
  }
  if (number) return number;
  if (/\(\s*0\s*\)/.test(text)) {
    const withoutTrunkZero = parse(text.replace(/\(\s*0\s*\)/, ' '), region);
    if (withoutTrunkZero) return withoutTrunkZero;
  }
  return parseVanity(text, region);
}

/**
 * The E.164 form of a phone number, and its extension. A number is accepted when it is possible: of a right length for its
 * country. National numbers are read in the plan of `defaultRegion` (an ISO 3166 alpha-2 code; an unknown one means that only
 * international numbers are read).
 *
 * Understood are `+`, `00` and the region's own dialling prefix, `tel:` links, labels (`Cell: …`, `… (home)`), extensions
 * (`x12`, `ext. 12`, `#12`, `;ext=12`), a trunk zero `(0)`, vanity letters (`1-800-FLOWERS`) and the digits of other scripts.
 * Everything else, and every text of more than 64 characters, is `phone-invalid`.
 */
export function normalizePhone(raw: string, defaultRegion: string): Checked<NormalizedPhone> {
  if (raw.length <= MAX_PHONE_TEXT) {
    const plain = parsePlainPhone(raw, defaultRegion);
    if (plain !== null) return { value: { e164: plain } };
  }
  const text = trimText(raw);
  if (text.length <= MAX_PHONE_TEXT) {
    const bare = foldFullWidth(text)
      .replace(LABEL, '')
      .replace(NOTE, '')
      .replace(/^[([]\s*\+/, '+')
      .trim();
    const region = isSupportedCountry(defaultRegion as CountryCode, PHONE_METADATA)
      ? (defaultRegion as CountryCode)
      : undefined;
    const number = parseAnyShape(bare, region);
    if (number) {
      return { value: number.ext ? { e164: number.number, extension: number.ext } : { e164: number.number } };
    }
  }
  return refuse('phone-invalid', `${quote(text)} is not a phone number`);
}
