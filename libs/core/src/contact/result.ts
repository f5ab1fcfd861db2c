/** Every code that a row or a field of a record can be refused with; the vocabulary is part of the HTTP contract. */
export const ROW_ERROR_CODES = [
  'required',
  'email-invalid',
  'phone-invalid',
  'date-invalid',
  'timezone-invalid',
  'number-invalid',
  'option-unknown',
  'too-long',
  'too-short',
  'country-invalid',
  'boolean-invalid',
  'url-invalid',
  'text-invalid',
  'list-invalid',
  'out-of-range',
  'pattern-mismatch',
  'unknown-field',
  'column-count',
  'encoding-invalid',
  'quote-malformed',
  'duplicate-in-file',
  'duplicate-existing',
  'match-ambiguous',
  'assignee-unknown',
  'group-unknown',
] as const;

export type RowErrorCode = (typeof ROW_ERROR_CODES)[number];

/** What is wrong with a value: a stable code for programs, a sentence for people. */
export interface Refusal {
  code: RowErrorCode;
  message: string;
}

/** The answer of every check: the normalised value, or why there is none. */
export type Checked<T> = { value: T } | Refusal;

/** An error of one field of a row or of a request body; `field` is the key of the target field. */
export interface RowError extends Refusal {
  field: string;
}

/** Tells a refused value from an accepted one. */
export function isRefused<T>(checked: Checked<T>): checked is Refusal {
  return 'code' in checked;
}

/** Makes a refusal. */
export function refuse(code: RowErrorCode, message: string): Refusal {
  return { code, message };
}

/**
 * Takes the value of a check, or notes its refusal under `field` and gives null.
 */
export function take<T>(checked: Checked<T>, field: string, errors: RowError[]): T | null {
  if ('code' in checked) {
    errors.push({ field, code: checked.code, message: checked.message });
    return null;
  }
  return checked.value;
}

const QUOTED_LENGTH = 40;

/** The value as a message shows it: in quotes, on one line, at most 40 characters of it. */
export function quote(raw: string): string {
  let shown = raw;
  if (raw.length > QUOTED_LENGTH) {
    const last = raw.charCodeAt(QUOTED_LENGTH - 2);
    const end = last >= 0xd800 && last <= 0xdbff ? QUOTED_LENGTH - 2 : QUOTED_LENGTH - 1;
    shown = raw.slice(0, end) + '…';
  }
  return `"${shown.replace(/[\p{Cc}\p{Cs}]/gu, ' ')}"`;
}
