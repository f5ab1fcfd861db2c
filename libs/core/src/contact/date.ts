import { quote, refuse, type Checked } from './result';
import { trimText } from './text';

/** How to read a date whose order of day and month the text leaves open. */
export interface DateHint {
  /** Region of the file, ISO 3166 alpha-2. Month first in the United States and where their habit holds, else day first. */
  region?: string;
  /** Decides the order whatever the region. */
  dayFirst?: boolean;
}

const MONTH_FIRST = new Set(['US', 'AS', 'GU', 'MP', 'PR', 'UM', 'VI', 'FM', 'MH', 'PW', 'PH']);
const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const MONTH_NAMES = 'january february march april may june july august september october november december'.split(' ');

const TIME = '(?:[T ]\\d{1,2}:\\d{2}(?::\\d{2}(?:[.,]\\d{1,9})?)?(?: ?[AP]M)?(?: ?(?:Z|UTC|[+-]\\d{2}:?\\d{2}))?)?';
const YEAR_FIRST = new RegExp(`^(\\d{4})([-/.])(\\d{1,2})\\2(\\d{1,2})${TIME}$`, 'i');
const YEAR_LAST = new RegExp(`^(\\d{1,2})([-/.])(\\d{1,2})\\2(\\d{4})${TIME}$`, 'i');
const DAY_NAME = /^(\d{1,2})(?:st|nd|rd|th)?[-\s./]+([a-z]{3,9})\.?[-\s,/]+(\d{4})$/i;
const NAME_DAY = /^([a-z]{3,9})\.?[-\s]+(\d{1,2})(?:st|nd|rd|th)?[-\s,]+(\d{4})$/i;
const MAX_TEXT = 40;

function daysIn(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

function toIso(year: number, month: number, day: number): string | null {
  if (year < 1 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month)) return null;
  return `${String(year).padStart(4, '0')}-${month < 10 ? '0' : ''}${month}-${day < 10 ? '0' : ''}${day}`;
}

function monthOf(word: string): number {
  const name = word.toLowerCase();
  const month = MONTHS.indexOf(name.slice(0, 3));
  return month >= 0 && (name.length === 3 || name === 'sept' || name === MONTH_NAMES[month]) ? month + 1 : 0;
}

function read(text: string, hint: DateHint): string | null {
  let found = YEAR_FIRST.exec(text);
  if (found) return toIso(Number(found[1]), Number(found[3]), Number(found[4]));

  found = YEAR_LAST.exec(text);
  if (found) {
    const first = Number(found[1]);
    const second = Number(found[3]);
    const dayFirst = hint.dayFirst ?? (found[2] === '.' || !MONTH_FIRST.has(hint.region ?? 'US'));
    const day = (dayFirst && second <= 12) || first > 12 ? first : second;
    return toIso(Number(found[4]), day === first ? second : first, day);
  }

  found = DAY_NAME.exec(text);
  if (found) return toIso(Number(found[3]), monthOf(found[2]), Number(found[1]));
  found = NAME_DAY.exec(text);
  if (found) return toIso(Number(found[3]), monthOf(found[1]), Number(found[2]));
  return null;
}

/**
 * Reads a date and gives it as `YYYY-MM-DD`. Understood are `YYYY-MM-DD`, `YYYY/MM/DD`, `M/D/YYYY`, `D/M/YYYY`, `D.M.YYYY`,
 * `D-Mon-YYYY` and `Mon D, YYYY` with English month names; a time after a numeric date is dropped, the date is taken as it is
 * written. Where day and month could be exchanged the hint decides (the default is month first); a part above 12 is the day.
 * Two-digit years, serial numbers of spreadsheets and days that do not exist are `date-invalid`.
 */
export function parseDate(raw: string, hint: DateHint = {}): Checked<string> {
  const text = trimText(raw);
  const value = text.length <= MAX_TEXT ? read(text, hint) : null;
  return value === null ? refuse('date-invalid', `${quote(text)} is not a date that exists`) : { value };
}

/** Today in UTC, as `YYYY-MM-DD`. */
export function todayUtc(): string {
  return new Date().toISOString().slice(0, 10);
}

/**
 * Reads a date of birth: after 1900-01-01 (which is what programs write for an unknown date) and before today.
 *
 * @param today the current date as `YYYY-MM-DD`; the clock's in UTC by default
 */
export function parseBirthDate(raw: string, hint: DateHint = {}, today: string = todayUtc()): Checked<string> {
  const checked = parseDate(raw, hint);
  if ('code' in checked) return checked;
  if (checked.value >= today) return refuse('date-invalid', `${quote(raw.trim())} is not in the past`);
  if (checked.value <= '1900-01-01') return refuse('date-invalid', `${quote(raw.trim())} is not after 1900-01-01`);
  return checked;
}
