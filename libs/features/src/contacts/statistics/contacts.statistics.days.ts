import { parseInstant } from '@muster/platform/http/instant';
import { TimeCount, TimeUnit } from './contacts.statistics.dto';

const DAY = 86_400_000;
/** The most days of a timeline; a longer one goes by months. */
export const MAX_DAYS = 366;

const dayOf = (time: Date) => time.toISOString().slice(0, 10);
const timeOf = (day: string) => Date.parse(`${day}T00:00:00Z`);

/**
 * Lays counts out in time, without gaps: from the first day asked for, or the first that has a count, to the last.
 * @param counts by day, `YYYY-MM-DD`
 * @param from an instant as lists take it, like `to`
 */
export function layOut(
  counts: ReadonlyMap<string, number>,
  from?: string,
  to?: string,
): { unit: TimeUnit; entries: TimeCount[] } {
  const days = [...counts.keys()].toSorted();
  const first = from === undefined ? days.at(0) : dayOf(parseInstant(from)!.first);
  const last = to === undefined ? days.at(-1) : dayOf(parseInstant(to)!.last);
  if (first === undefined || last === undefined || first > last) return { unit: 'day', entries: [] };
  if ((timeOf(last) - timeOf(first)) / DAY < MAX_DAYS) return { unit: 'day', entries: byDay(counts, first, last) };
  // Nobody asks for thousands of empty months before the first record.
  return { unit: 'month', entries: days.length > 0 ? byMonth(counts, days[0], days.at(-1)!) : [] };
}

function byDay(counts: ReadonlyMap<string, number>, first: string, last: string): TimeCount[] {
  const entries: TimeCount[] = [];
  for (let time = timeOf(first); time <= timeOf(last); time += DAY) {
    const date = dayOf(new Date(time));
    entries.push({ date, count: counts.get(date) ?? 0 });
  }
  return entries;
}

function byMonth(counts: ReadonlyMap<string, number>, first: string, last: string): TimeCount[] {
  const months = new Map<string, number>();
  for (let month = first.slice(0, 7); month <= last.slice(0, 7); month = nextMonth(month)) months.set(month, 0);
  for (const [day, count] of counts) {
    const month = day.slice(0, 7);
    months.set(month, months.get(month)! + count);
  }
  return [...months].map(([date, count]) => ({ date, count }));
}

function nextMonth(month: string): string {
  const [year, number] = month.split('-').map(Number);
  return dayOf(new Date(Date.UTC(year, number, 1))).slice(0, 7);
}

/**
 * The ends of an entry of a timeline, as a list's `createdFrom` and `createdTo`: within what was asked for.
 * @param date `YYYY-MM-DD` or `YYYY-MM`
 */
export function endsOf(date: string, from?: string, to?: string): { createdFrom: string; createdTo: string } {
  const isMonth = date.length === 7;
  const first = isMonth ? `${date}-01` : date;
  const last = isMonth ? dayOf(new Date(timeOf(`${nextMonth(date)}-01`) - DAY)) : date;
  const begins = from !== undefined && parseInstant(from)!.first > parseInstant(first)!.first;
  const ends = to !== undefined && parseInstant(to)!.last < parseInstant(last)!.last;
  return { createdFrom: begins ? from : first, createdTo: ends ? to : last };
}
