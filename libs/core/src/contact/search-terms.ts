import { nationalPart } from './phone-plan';
import { isPrintableAscii } from './text';

/** What of a contact record a search finds it by. */
export interface Searchable {
  /** Names and company. */
  texts: readonly (string | null)[];
  /** Normalised, like `phone`. */
  email: string | null;
  /** E.164. */
  phone: string | null;
}

/**
 * One word of a search: it is found where any of these begins a term. Words are compared up to {@link MAX_TERM} characters.
 */
export type SearchWord = readonly string[];

/** The longest term, in code points. */
export const MAX_TERM = 40;
/** How many words of a search count; the longest ones. */
const MAX_WORDS = 8;
/** Of the local part of an address (`a1b2c3…@`), so many pieces can be found by their begin. */
const MAX_PIECES = 8;
/** So many digits and more are also looked for at the end of a number. */
const MIN_TAIL = 3;
/** Marks the term that is a phone number written backwards: what ends it begins the term. */
const TAIL = '~';

/** Letters that are no base letter with a mark, and how those without them on the keyboard write them. */
const PLAIN: Record<string, string> = {
  ...{ ß: 'ss', æ: 'ae', œ: 'oe', ø: 'o', ł: 'l', đ: 'd', ð: 'd', þ: 'th', ı: 'i', ħ: 'h', ŧ: 't', ς: 'σ' },
};

/** Small letters without marks. */
function fold(text: string): string {
  if (isPrintableAscii(text)) return text.toLowerCase();
  return text
    .normalize('NFKD')
    .replace(/\p{M}+/gu, '')
    .toLowerCase()
    .replace(/[ßæœøłđðþıħŧς]/g, (letter) => PLAIN[letter]);
}

const APOSTROPHES = /['’ʼ]/g;
/** Letters and digits, with dots and apostrophes inside. */
const WORDS = /[\p{L}\p{N}]+(?:[.'’ʼ][\p{L}\p{N}]+)*/gu;

const cut = (term: string): string => (term.length <= MAX_TERM ? term : Array.from(term).slice(0, MAX_TERM).join(''));
const reversed = (digits: string): string => Array.from(digits).reverse().join('');
const bare = (text: string): string => text.replace(APOSTROPHES, '');

/** `St.Gallen`: `st.gallen` and `gallen`; `O'Brien`: `obrien` and `brien`. */
function addWords(terms: Set<string>, folded: string): void {
  for (const [word] of folded.matchAll(WORDS)) {
    terms.add(cut(bare(word)));
    for (const { index } of word.matchAll(/[.'’ʼ]/g)) {
      const rest = bare(word.slice(index + 1));
      if (rest.length > 1) terms.add(cut(rest));
    }
  }
}

/** Where a piece of a local part begins: after a sign, and where letters and digits meet. */
const PIECES = /(?<![\p{L}\p{N}])[\p{L}\p{N}]|(?<=\p{N})\p{L}|(?<=\p{L})\p{N}/gu;
/** Where a piece of a domain begins, its last label aside. */
const LABELS = /(?<![\p{L}\p{N}])[\p{L}\p{N}](?=.*\.)/gu;

function addEmail(terms: Set<string>, address: string): void {
  const at = address.lastIndexOf('@');
  const local = bare(fold(address.slice(0, at)));
  const domain = fold(address.slice(at + 1));
  terms.add(cut(`${local}@`));
  let pieces = 0;
  for (const { index } of local.matchAll(PIECES)) {
    if (pieces++ === MAX_PIECES) break;
    terms.add(cut(`${local.slice(index)}@`));
  }
  for (const { index } of domain.matchAll(LABELS)) terms.add(cut(domain.slice(index)));
}

function addPhone(terms: Set<string>, phone: string): void {
  const digits = phone.replace(/\D/g, '');
  terms.add(digits);
  terms.add(nationalPart(phone) ?? digits);
  terms.add(TAIL + reversed(digits));
}

/**
 * What a record is found by, by what its terms begin with; rising, in the order of code units. A term that begins another one is left
 * out: whatever begins it begins the other.
 */
export function searchTerms({ texts, email, phone }: Searchable): string[] {
  const terms = new Set<string>();
  for (const text of texts) if (text) addWords(terms, fold(text));
  if (email) addEmail(terms, email);
  if (phone) addPhone(terms, phone);
  const rising = [...terms].sort();
  return rising.filter((term, index) => !rising[index + 1]?.startsWith(term));
}

/** Part of a number as people write it. */
const DIGITS = /^\+?[(\d][\d().\-/+]*$/;
const SIGNS = /^[-/().+]+$/;
const BEGIN = /^[^\p{L}\p{N}]+/u;
const END = /[^\p{L}\p{N}]+$/u;

/** A phone number that was typed in whole, without its country, with what dials out before it, or its last digits. */
function numberWord(text: string): SearchWord {
  const digits = text.replace(/\(0\)/g, '').replace(/\D/g, '');
  const plain = digits.replace(/^0+/, '');
  const word = [cut(digits)];
  if (plain !== '' && plain !== digits) word.push(cut(plain));
  if (digits.length >= MIN_TAIL) word.push(cut(TAIL + reversed(digits)));
  return word;
}

function* wordsOf(text: string): Generator<SearchWord> {
  let number = '';
  for (const chunk of fold(text).split(/\s+/)) {
    if (DIGITS.test(chunk) || (number !== '' && SIGNS.test(chunk))) {
      number += chunk;
      continue;
    }
    if (/\d/.test(number)) yield numberWord(number);
    number = '';
    const at = chunk.lastIndexOf('@');
    if (at < 0) {
      for (const [word] of chunk.matchAll(WORDS)) yield [cut(bare(word))];
      continue;
    }
    const local = bare(chunk.slice(0, at)).replace(BEGIN, '');
    const domain = chunk
      .slice(at + 1)
      .replace(BEGIN, '')
      .replace(END, '');
    if (local !== '') yield [cut(`${local}@`)];
    if (domain !== '') yield [cut(domain)];
  }
  if (/\d/.test(number)) yield numberWord(number);
}

/** The words of a search, the longest first; a record matches when it has all of them. A search without letters and digits has none. */
export function searchWords(text: string): SearchWord[] {
  const words = [...wordsOf(text)].sort((a, b) => b[0].length - a[0].length);
  const isImplied = (word: SearchWord, earlier: SearchWord[]) =>
    earlier.some((other) => other.every((prefix) => word.some((begin) => prefix.startsWith(begin))));
  const needed: SearchWord[] = [];
  for (const word of words) if (!isImplied(word, needed)) needed.push(word);
  return needed.slice(0, MAX_WORDS);
}

/** Whether a record with these terms has all the words. */
export const matchesWords = (terms: readonly string[], words: readonly SearchWord[]): boolean =>
  words.every((word) => word.some((prefix) => terms.some((term) => term.startsWith(prefix))));

/** Whether a record may have all words: holds for all that have them, and costs less than their terms. @param parts see {@link partsOfWord} */
export function mayMatch({ texts, email, phone }: Searchable, parts: readonly (readonly string[])[]): boolean {
  const text = [...texts, email, phone].map((each) => (each ? bare(fold(each)) : '')).join('|');
  return parts.every((any) => any.some((part) => text.includes(part)));
}

/** Whether a text that has the word has this in it (both in small letters, without apostrophes), provided it is ASCII. */
export const partsOfWord = (word: SearchWord): string[] =>
  word.map((prefix) => (prefix.startsWith(TAIL) ? reversed(prefix.slice(TAIL.length)) : prefix));
