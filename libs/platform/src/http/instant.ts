const DAY = 86_400_000;
const INSTANT = /^[1-9]\d{3}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d))?$/;

/** A stretch of time: a time is one millisecond long, a date lasts a day. Both ends are part of it. */
export interface Instant {
  first: Date;
  last: Date;
}

/** Reads an ISO 8601 date (taken in UTC) or a time with its zone; null when it is neither, or there is no such day. */
export function parseInstant(text: string): Instant | null {
  if (!INSTANT.test(text)) return null;
  const day = new Date(`${text.slice(0, 10)}T00:00:00Z`);
  if (Number.isNaN(day.getTime()) || day.toISOString().slice(0, 10) !== text.slice(0, 10)) return null;
  if (text.length === 10) return { first: day, last: new Date(day.getTime() + DAY - 1) };
  const time = new Date(text);
  const year = time.getUTCFullYear();
  return year >= 1000 && year <= 9999 ? { first: time, last: time } : null;
}
