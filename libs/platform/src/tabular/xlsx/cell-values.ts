/** What a cell's number format makes of its number. */
export interface CellFormat {
  /** `elapsed` is a time that may be longer than a day. */
  kind: 'number' | 'date' | 'time' | 'datetime' | 'elapsed';
  /** A format of nothing but zeros (postal codes, ids) fills a whole number up to so many digits; else 0. */
  digits: number;
}

export const GENERAL: CellFormat = { kind: 'number', digits: 0 };

const DAY = 86_400;
const MILLISECONDS = 86_400_000;
/** 9999-12-31, the last day that Excel knows. */
const LAST_DAY = 2_958_465;
/** Day 0 of the 1904 system, in days of the 1900 system. */
const DAYS_1904 = 1462;
const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;

/** The formats that have a number and no text in a workbook; those above 26 are of East Asia. */
export function builtinFormat(id: number): CellFormat {
  if ((id >= 14 && id <= 17) || (id >= 27 && id <= 31) || id === 36 || (id >= 50 && id <= 58))
    return { ...GENERAL, kind: 'date' };
  if ((id >= 18 && id <= 21) || (id >= 32 && id <= 35) || id === 45 || id === 47) return { ...GENERAL, kind: 'time' };
  if (id === 22) return { ...GENERAL, kind: 'datetime' };
  return id === 46 ? { ...GENERAL, kind: 'elapsed' } : GENERAL;
}

/** Reads a format such as `dd/mm/yyyy`, by its first section; what is quoted, escaped or in brackets says nothing. */
export function parseFormat(code: string): CellFormat {
  const bare = code.replace(/"[^"]*"?|[\\_*]./g, '').split(';')[0];
  if (/^0{2,}$/.test(bare)) return { ...GENERAL, digits: bare.length };
  if (/\[(?:h+|m+|s+)\]/i.test(bare)) return { ...GENERAL, kind: 'elapsed' };
  const runs =
    bare
      .replace(/\[[^\]]*\]/g, '')
      .replace(/AM\/PM|A\/P|General/gi, '')
      .toLowerCase()
      .match(/d+|m+|y+|h+|s+/g) ?? [];
  let date = false;
  let time = false;
  runs.forEach((run, index) => {
    const letter = run[0];
    if (letter === 'h' || letter === 's') time = true;
    else if (letter !== 'm' || run.length > 2) date = true;
    else if (runs[index - 1]?.[0] === 'h' || runs[index + 1]?.[0] === 's') time = true;
    else date = true;
  });
  if (date) return { ...GENERAL, kind: time ? 'datetime' : 'date' };
  return time ? { ...GENERAL, kind: 'time' } : GENERAL;
}

/** A numeric cell as text. What is no number stays as it is. */
export function numericText(raw: string, format: CellFormat, date1904: boolean): string {
  if (format.kind !== 'number' && NUMBER.test(raw)) {
    const text = dateText(Number(raw), format.kind, date1904);
    if (text !== null) return text;
  }
  const text = numberText(raw);
  return format.digits > text.length && /^\d+$/.test(text) ? text.padStart(format.digits, '0') : text;
}

/**
 * A number as decimal text. Whole numbers keep all of their digits; others have at most 15, which is what Excel keeps and
 * shows: 19.989999999999998 is 19.99. From 1e21 on, and below 1e-6, there is an exponent.
 */
export function numberText(raw: string): string {
  if (/^-?\d+$/.test(raw)) {
    const digits = raw.replace(/^(-?)0+(?=\d)/, '$1');
    return digits === '-0' ? '0' : digits;
  }
  if (!NUMBER.test(raw)) return raw;
  const value = Number(Number(raw).toPrecision(15));
  return Number.isFinite(value) ? String(value === 0 ? 0 : value) : raw;
}

/**
 * The date, the time or both that a serial number stands for, to the second: a date has its time beside it where there is one,
 * and a time its date. Days of the 1900 system are counted as Excel does, with a 29 February 1900; its day 0 is none, so that a
 * serial below 1 is a time. Null for what Excel cannot show as a date: negative numbers, and those after the year 9999.
 */
export function dateText(
  serial: number,
  kind: 'date' | 'time' | 'datetime' | 'elapsed',
  date1904: boolean,
): string | null {
  const seconds = Math.round(serial * DAY);
  let day = Math.floor(seconds / DAY);
  const rest = seconds - day * DAY;
  if (!(serial >= 0) || day > LAST_DAY - (date1904 ? DAYS_1904 : 0)) return null;
  if (kind === 'elapsed') return timeText(seconds);
  if (day === 0 && (!date1904 || kind === 'time')) return timeText(rest);
  if (date1904) day += DAYS_1904;
  const date = dayText(day);
  return rest === 0 && kind === 'date' ? date : `${date} ${timeText(rest)}`;
}

function dayText(day: number): string {
  if (day === 60) return '1900-02-29';
  return new Date(Date.UTC(1899, 11, day < 60 ? 31 : 30) + day * MILLISECONDS).toISOString().slice(0, 10);
}

function timeText(seconds: number): string {
  const two = (value: number) => String(value).padStart(2, '0');
  return `${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
}

/** A date that stands in the workbook as ISO 8601, in the form of the others. */
export function isoText(raw: string): string {
  const found = /^(\d{4}-\d{2}-\d{2})?T?(?:(\d{2}:\d{2})(:\d{2})?(?:\.\d+)?)?Z?$/.exec(raw);
  if (!found || raw === '') return raw;
  const [, date, minutes, seconds = ':00'] = found;
  if (minutes === undefined) return date ?? raw;
  const time = minutes + seconds;
  return date === undefined ? time : time === '00:00:00' ? date : `${date} ${time}`;
}
