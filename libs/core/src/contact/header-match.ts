import { normalizeEmail } from './email';
import { REQUIRED, TARGET_FIELDS, type ContactTarget } from './fields';
import { normalizePhone } from './phone';
import { foldWords, unescapeFormula } from './text';

/** A column as the analysis of a file knows it. */
export interface SampledColumn {
  name: string;
  /** A few of its values; blank ones are ignored. */
  samples: readonly string[];
}

/** The field suggested for a column, and how sure that is: 1 for the field's own key, 0 when there is none. */
export interface MappingSuggestion {
  column: string;
  target: string | null;
  confidence: number;
}

interface Candidate {
  index: number;
  target: string;
  confidence: number;
}

/** Columns that a file of rejected rows carries beside the original ones. */
const OWN_COLUMNS = new Set(['_row', '_errors']);

/** Words that say whose field it is, not which. */
const NOISE = new Set(
  'contact customer client lead person personal primary main your default preferred prospect kunde kunden cliente billing mailing'.split(
    ' ',
  ),
);
/** A column with one of these words is about somebody or something else. */
const FOREIGN = new Set(
  (
    'fax telefax owner assigned assignee agent rep salesperson manager creator created updated modified by referrer referred sender ' +
    'parent spouse emergency assistant invoice website web url link password id uuid verified valid bounced count type'
  ).split(' '),
);

/** A header is judged by its first characters. */
const MAX_HEADER = 200;

const KEY = 1;
const ALIAS = 0.95;
const NOISY_ALIAS = 0.85;
const LATER_NUMBER = 0.6;
const BY_VALUES = 0.7;
const CONTRADICTED = 0.2;

/** What kind of line a phone column is, best first; the first word found decides. */
const LINES: readonly [words: RegExp, confidence: number][] = [
  [/\b(?:mobile?|mobil\w*|cell\w*|handy\w*|celular|movil|portable|gsm|whatsapp)\b/, 0.97],
  [/\b(?:home|privat|landline|festnetz)\b/, 0.75],
  [/\b(?:work|business|office|company|geschaftlich)\b/, 0.65],
  [/\b(?:other|alt|alternate|second|secondary)\b/, 0.6],
];

/** A header as words: camel case and digits parted, accents and punctuation gone, lower case. */
export function foldHeader(header: string): string {
  return foldWords(
    header
      .normalize('NFC')
      .replace(/(\p{Ll})(\p{Lu})/gu, '$1 $2')
      .replace(/(\p{Lu})(\p{Lu}\p{Ll})/gu, '$1 $2')
      .replace(/(\p{L})(\d)/gu, '$1 $2'),
  );
}

type Vocabulary = ReadonlyMap<string, string[]>;

function buildVocabulary(target: ContactTarget): Vocabulary {
  const vocabulary = new Map<string, string[]>();
  for (const field of TARGET_FIELDS[target]) {
    for (const alias of new Set([foldHeader(field.key), ...field.aliases])) {
      vocabulary.set(alias, [...(vocabulary.get(alias) ?? []), field.key]);
    }
  }
  return vocabulary;
}

const VOCABULARIES: Readonly<Record<ContactTarget, Vocabulary>> = {
  leads: buildVocabulary('leads'),
  customers: buildVocabulary('customers'),
};

function filledSamples(column: SampledColumn): string[] {
  return column.samples.map((sample) => unescapeFormula(sample).trim()).filter((sample) => sample !== '');
}

function share(samples: readonly string[], test: (sample: string) => boolean): number {
  return samples.length === 0 ? 0 : samples.filter(test).length / samples.length;
}

const isEmail = (sample: string) => 'value' in normalizeEmail(sample);
/** A value that is a phone number whatever its header: international, or ten digits with punctuation. */
const isEvidentPhone = (sample: string) =>
  /^(?:\+|00|\(|\d{3}[-. ]\d{3}[-. ])[\d\s().\-/+]+$/.test(sample) && 'value' in normalizePhone(sample, 'US');

/** True when the values cannot be what the field holds. */
function contradicts(target: string, samples: readonly string[]): boolean {
  if (samples.length === 0) return false;
  if (target === 'email') return !samples.some((sample) => /[@＠]/.test(sample));
  if (target === 'phone') return !samples.some((sample) => (sample.match(/\p{Nd}/gu)?.length ?? 0) >= 5);
  // Numbers of users are those of another system.
  if (target === 'assignee') return !samples.some((sample) => /\p{L}/u.test(sample));
  if (target === 'dateOfBirth') return !samples.some((sample) => /\d{4}/.test(sample));
  return /name$/i.test(target) && share(samples, isEmail) > 0.5;
}

/** The fields that a header means by its words, with the confidence of the match. */
function matchWords(words: string, vocabulary: Vocabulary): { targets: readonly string[]; confidence: number } | null {
  const exact = vocabulary.get(words);
  if (exact) return { targets: exact, confidence: ALIAS };

  const numbered = /^(.+?) (?:no |nr |number )?(\d{1,2})$/.exec(words);
  if (numbered) {
    const found = matchWords(numbered[1], vocabulary);
    const later = Number(numbered[2]) > 1;
    return (
      found && { targets: found.targets, confidence: later ? LATER_NUMBER * found.confidence : found.confidence - 0.02 }
    );
  }
  const bare = words
    .split(' ')
    .filter((word) => !NOISE.has(word))
    .join(' ');
  if (bare !== '' && bare !== words) {
    const found = vocabulary.get(bare);
    if (found) return { targets: found, confidence: NOISY_ALIAS };
  }
  return null;
}

function rankPhone(words: string, confidence: number): number {
  for (const [line, rank] of LINES) {
    if (line.test(words)) return Math.min(rank, confidence + 0.05);
  }
  return confidence;
}

function candidatesOf(index: number, column: SampledColumn, target: ContactTarget): Candidate[] {
  if (OWN_COLUMNS.has(column.name)) return [];
  const samples = filledSamples(column);
  const asKey = TARGET_FIELDS[target].find((field) => field.key === column.name);
  if (asKey) {
    return [{ index, target: asKey.key, confidence: contradicts(asKey.key, samples) ? CONTRADICTED : KEY }];
  }
  const words = foldHeader(column.name.slice(0, MAX_HEADER));
  const found = matchWords(words, VOCABULARIES[target]);
  if (found) {
    const candidates = found.targets.map((key) => {
      const confidence = key === 'phone' ? rankPhone(words, found.confidence) : found.confidence;
      return { index, target: key, confidence: contradicts(key, samples) ? CONTRADICTED : confidence };
    });
    if (candidates.some((candidate) => candidate.confidence > CONTRADICTED)) return candidates;
    return [...candidates, ...byValues(index, samples)];
  }
  return words.split(' ').some((word) => FOREIGN.has(word)) ? [] : byValues(index, samples);
}

function byValues(index: number, samples: readonly string[]): Candidate[] {
  const emails = share(samples, isEmail);
  if (emails >= 0.6) return [{ index, target: 'email', confidence: BY_VALUES * emails }];
  const phones = share(samples, isEvidentPhone);
  if (phones >= 0.8) return [{ index, target: 'phone', confidence: (BY_VALUES - 0.15) * phones }];
  return [];
}

/**
 * A bare `Name` (or the French `Nom`) is the whole name when it stands alone, and the last name beside a first name without
 * a last one, unless its values have several words. `Nombre` and `Nome` are the whole name when no last name is there.
 */
function settleNames(columns: readonly SampledColumn[], candidates: Candidate[], target: ContactTarget): void {
  const whole = target === 'leads' ? 'name' : 'fullName';
  const words = columns.map((column) => foldHeader(column.name.slice(0, MAX_HEADER)));
  const has = (key: string, except: number) =>
    candidates.some(
      (candidate) => candidate.target === key && candidate.index !== except && candidate.confidence > CONTRADICTED,
    );

  for (const candidate of [...candidates]) {
    const { index } = candidate;
    const word = words[index];
    if (columns[index].name === whole) continue;
    if (candidate.target === whole && word === 'name' && has('firstName', index) && !has('lastName', index)) {
      if (share(filledSamples(columns[index]), (sample) => /\s/.test(sample)) < 0.5) candidate.target = 'lastName';
    } else if (candidate.target === 'lastName' && word === 'nom' && !has('firstName', index)) {
      candidate.target = whole;
    } else if (candidate.target === 'firstName' && /^(?:nombre|nome)$/.test(word) && !has('lastName', index)) {
      candidate.target = whole;
    }
  }
}

/**
 * Suggests a field for each column, in the order of the columns. A field goes to one column only: the one whose header, and
 * whose values, fit it best; of several phone columns to mobile before main before home before work, never to a fax. A column
 * whose header is the field's own key keeps it with confidence 1, unless its values cannot be such.
 */
export function suggestMapping(target: ContactTarget, columns: readonly SampledColumn[]): MappingSuggestion[] {
  const candidates = columns.flatMap((column, index) => candidatesOf(index, column, target));
  settleNames(columns, candidates, target);
  candidates.sort((a, b) => b.confidence - a.confidence || a.index - b.index);

  const suggestions: MappingSuggestion[] = columns.map(({ name }) => ({ column: name, target: null, confidence: 0 }));
  const taken = new Set<string>();
  for (const candidate of candidates) {
    const suggestion = suggestions[candidate.index];
    if (suggestion.target !== null || taken.has(candidate.target)) continue;
    taken.add(candidate.target);
    suggestion.target = candidate.target;
    suggestion.confidence = Math.round(candidate.confidence * 100) / 100;
  }
  return suggestions;
}

/**
 * What a mapping still lacks: `name` or `email|phone` for leads, `fullName` for customers; empty when it is complete.
 *
 * @param mapping suggestions, or an object from column to field
 */
export function missingRequired(
  target: ContactTarget,
  mapping: readonly { target: string | null }[] | Readonly<Record<string, string | null>>,
): string[] {
  const values: readonly (string | null)[] = Array.isArray(mapping)
    ? (mapping as readonly { target: string | null }[]).map((entry) => entry.target)
    : Object.values(mapping as Record<string, string | null>);
  const mapped = new Set(values);
  return REQUIRED[target].filter(({ anyOf }) => !anyOf.some((key) => mapped.has(key))).map(({ says }) => says);
}
