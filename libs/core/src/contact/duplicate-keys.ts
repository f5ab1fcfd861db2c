import { nationalPart } from './phone-plan';
import { foldWords } from './text';

/** Why records may be the same person; the place of a reason is its number in the store, so new ones go to the end. */
export const DUPLICATE_REASONS = ['phone', 'name-company', 'name-email'] as const;
export type DuplicateReason = (typeof DUPLICATE_REASONS)[number];

/** What of a record its keys are made of. */
export interface Comparable {
  name: string | null;
  company: string | null;
  /** Normalised, like `phone`. */
  email: string | null;
  /** E.164. */
  phone: string | null;
  phoneExtension: string | null;
}

/** Two records with the same reason and text may be the same person. */
export interface DuplicateKey {
  reason: DuplicateReason;
  text: string;
}

/** Fewer digits than these say nothing. */
const MIN_DIGITS = 6;

/**
 * The keys of a record.
 *
 * - `phone`: the digits of the number without its country code, and the same with its extension: so it finds the number that was stored
 *   under another country, and the one whose extension was taken for a part of it.
 * - `name-company`: the words of the name, in any order, and those of the company; without case, accents and punctuation.
 * - `name-email`: the words of the name, and what stands before the `@` (without `+tag`).
 */
export function duplicateKeys({ name, company, email, phone, phoneExtension }: Comparable): DuplicateKey[] {
  const keys: DuplicateKey[] = [];
  const digits = phone === null ? '' : (nationalPart(phone) ?? phone.slice(1));
  if (digits.length >= MIN_DIGITS) {
    keys.push({ reason: 'phone', text: digits });
    const extension = (phoneExtension ?? '').replace(/\D/g, '');
    if (extension) keys.push({ reason: 'phone', text: digits + extension });
  }
  const person = foldWords(name ?? '')
    .split(' ')
    .toSorted()
    .join(' ');
  if (person === '') return keys;
  const firm = foldWords(company ?? '');
  if (firm !== '') keys.push({ reason: 'name-company', text: `${person}|${firm}` });
  const local = email === null ? '' : email.slice(0, email.lastIndexOf('@')).replace(/\+.*$/, '');
  if (local !== '') keys.push({ reason: 'name-email', text: `${person}|${local}` });
  return keys;
}
