import { Metadata, type CountryCode, type MetadataJson } from 'libphonenumber-js/core';
import metadataJson from 'libphonenumber-js/metadata.max.json';

/** The full metadata: the smaller sets cannot tell which country of a shared calling code a number belongs to. */
export const PHONE_METADATA = metadataJson as unknown as MetadataJson;

/** The part of the library's metadata that its type declarations leave out. */
interface PlanReader {
  possibleLengths(): number[];
  IDDPrefix(): string;
  callingCode(): string;
  nationalNumberPattern(): string;
  nationalPrefixForParsing(): string | undefined;
}
interface MetadataReader {
  numberingPlan: PlanReader;
  selectNumberingPlan(countryOrCallingCode: string): void;
  getCountryCodesForCallingCode(callingCode: string): CountryCode[] | undefined;
  countryCallingCodes(): Record<string, CountryCode[]>;
  hasCountry(country: string): boolean;
}
const createReader = Metadata as unknown as new (json: MetadataJson) => MetadataReader;

/** What the fast path must know of one numbering plan. */
interface Plan {
  callingCode: string;
  /** One bit for each length of a national number that is possible in every country that shares the calling code. */
  lengths: number;
  /** Finds an international dialling prefix (`00`, `011`) at the start. */
  dialOut: RegExp;
  /** Finds a national prefix (`0`, `1`) at the start. */
  prefix: RegExp | null;
  pattern: RegExp;
}

function readPlan(reader: MetadataReader, countryOrCallingCode: string): Plan {
  reader.selectNumberingPlan(countryOrCallingCode);
  const plan = reader.numberingPlan;
  const callingCode = plan.callingCode();
  const prefix = plan.nationalPrefixForParsing();
  const result: Plan = {
    callingCode,
    lengths: ~0,
    dialOut: new RegExp(`^(?:${plan.IDDPrefix()})`),
    prefix: prefix ? new RegExp(`^(?:${prefix})`) : null,
    pattern: new RegExp(`^(?:${plan.nationalNumberPattern()})$`),
  };
  for (const country of reader.getCountryCodesForCallingCode(callingCode) ?? []) {
    reader.selectNumberingPlan(country);
    let lengths = 0;
    for (const length of reader.numberingPlan.possibleLengths()) lengths |= 1 << length;
    result.lengths &= lengths;
  }
  return result;
}

const byCallingCode: (Plan | undefined)[] = [];
const byRegion = new Map<string, Plan | null>();

function internationalPlan(digits: string): Plan | undefined {
  let callingCode = 0;
  for (let i = 0; i < 3; i++) {
    callingCode = callingCode * 10 + digits.charCodeAt(i) - 0x30;
    if (callingCode === 0) return undefined;
    const plan = byCallingCode[callingCode];
    if (plan !== undefined) return plan;
  }
  return undefined;
}

{
  const reader = new createReader(PHONE_METADATA);
  for (const callingCode of Object.keys(reader.countryCallingCodes())) {
    byCallingCode[Number(callingCode)] = readPlan(reader, callingCode);
  }
}

function regionalPlan(region: string): Plan | null {
  let plan = byRegion.get(region);
  if (plan === undefined) {
    const reader = new createReader(PHONE_METADATA);
    if (!reader.hasCountry(region)) return null;
    plan = readPlan(reader, region);
    byRegion.set(region, plan);
  }
  return plan;
}

/** Tells whether a number of digits begins with the prefix that dials out of the region. */
export function dialsOut(digits: string, region: string): boolean {
  return regionalPlan(region)?.dialOut.test(digits) ?? false;
}

/** An E.164 number without `+` and calling code; null when there is no such calling code. */
export function nationalPart(e164: string): string | null {
  const plan = internationalPlan(e164.slice(1));
  return plan ? e164.slice(1 + plan.callingCode.length) : null;
}

function isPossibleLength(plan: Plan, length: number): boolean {
  return length < 31 && (plan.lengths & (1 << length)) !== 0;
}

/**
 * False for the few numbers that would lose a national prefix when their E.164 form is read again: a number that is not in use,
 * or one of Russia's that begin with the prefix themselves.
 */
export function isStable(callingCode: string, national: string): boolean {
  return !byCallingCode[Number(callingCode)]?.prefix?.test(national);
}

/** The national number of a complete one, or null when only the library can tell. */
function nationalNumber(plan: Plan, digits: string): string | null {
  const found = plan.prefix?.exec(digits);
  if (!found) return isPossibleLength(plan, digits.length) ? digits : null;
  if (found.length > 1) return null;
  const rest = digits.slice(found[0].length);
  return isPossibleLength(plan, rest.length) && plan.pattern.test(rest) ? rest : null;
}

const PLUS = 0x2b;

/**
 * Answers for the plain shapes: digits with the usual punctuation, national or after one `+`. Where it answers, the answer
 * is that of the library; for every other shape, and for every number that is not plainly possible, it gives null. It
 * skips what makes the library slow (finding extensions and the one country among several that share a calling code) only
 * where that cannot change the answer.
 */
export function parsePlainPhone(text: string, region: string): string | null {
  const length = text.length;
  const international = text.charCodeAt(0) === PLUS;
  let digits = '';
  let start = -1;
  for (let i = international ? 1 : 0; i < length; i++) {
    const code = text.charCodeAt(i);
    if (code >= 0x30 && code <= 0x39) {
      if (start < 0) start = i;
      continue;
    }
    // space ( ) - . /
    if (code !== 0x20 && code !== 0x28 && code !== 0x29 && (code < 0x2d || code > 0x2f)) return null;
    if (start >= 0) {
      digits += text.slice(start, i);
      start = -1;
    }
  }
  if (start >= 0) digits += start === 0 ? text : text.slice(start);
  if (digits.length < 4 || digits.length > 17) return null;

  if (international) {
    const plan = internationalPlan(digits);
    if (plan === undefined) return null;
    const national = nationalNumber(plan, digits.slice(plan.callingCode.length));
    return national === null || !isStable(plan.callingCode, national) ? null : '+' + plan.callingCode + national;
  }

  const plan = regionalPlan(region);
  if (plan === null || (digits.charCodeAt(0) === 0x30 && digits.charCodeAt(1) === 0x30)) return null;
  const first = digits.charCodeAt(0);
  if (plan.callingCode === '1') {
    if (digits.length === 10 && first >= 0x32) return '+1' + digits;
    if (digits.length === 11 && first === 0x31 && digits.charCodeAt(1) >= 0x32) return '+' + digits;
    return null;
  }
  if (digits.startsWith(plan.callingCode) || plan.dialOut.test(digits)) return null;
  const national = nationalNumber(plan, digits);
  return national === null || !isStable(plan.callingCode, national) ? null : '+' + plan.callingCode + national;
}
