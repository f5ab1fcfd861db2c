import type { DuckDBConnection, DuckDBListValue } from '@duckdb/node-api';
import { sqlText } from './duckdb';
import { cutText } from './header';

/**
 * `integer`, `decimal` (with a point), `date` (ISO, or day, month and year with `/`, `.` or `-`, each also with a time) and
 * `boolean` hold for every value that is not blank; `email` and `phone` for most of them.
 */
export type ColumnType = 'text' | 'integer' | 'decimal' | 'date' | 'boolean' | 'email' | 'phone' | 'empty';

/** What a column holds. A cell of nothing but white space is blank; values are compared without the space around them. */
export interface ColumnProfile {
  filled: number;
  empty: number;
  /** Exact; blanks are not counted. */
  distinct: number;
  /** The first five distinct values, each cut at 200 characters. */
  samples: string[];
  type: ColumnType;
}

const SAMPLES = 5;
const MAX_SAMPLE = 200;
/** The first distinct values, by which a type is guessed. */
const EXAMINED = 500;
/** The share of values that makes a column of addresses or numbers: some are always wrong. */
const MOST = 0.8;

/** The expressions are understood alike by JavaScript and by DuckDB. */
const EXACT: readonly (readonly [type: ColumnType, pattern: string])[] = [
  ['boolean', '(?:[Tt]rue|TRUE|[Ff]alse|FALSE|[Yy]es|YES|[Nn]o|NO|[YyNnTtFf])'],
  ['integer', '[+-]?(?:0|[1-9][0-9]{0,17})'],
  ['decimal', '[+-]?(?:0|[1-9][0-9]{0,17})?(?:\\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?'],
  [
    'date',
    '(?:[0-9]{4}[-/.][0-9]{1,2}[-/.][0-9]{1,2}|[0-9]{1,2}([-/.])[0-9]{1,2}[-/.](?:[0-9]{4}|[0-9]{2}))' +
      '(?:[T ][0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,9})?)?(?: ?[AaPp][Mm])?(?: ?(?:Z|[+-][0-9]{2}:?[0-9]{2}))?)?',
  ],
];
const EMAIL = /^(?:.*<)?[^\s@<>]+@[^\s@<>]+\.[^\s@<>]{2,}>?$/;
const PHONE = /^(?:tel:)?[+(]?[\d\s().\-/]+(?:\s*(?:x|ext\.?|#)\s*\d+)?$/i;
/** More than digits: a column of bare digits could be anything. */
const PHONE_MARKS = /^\+|\d[\s().\-/]+\d/;

/** White space and what looks like it. */
const BLANKS = sqlText(' \t\n\r\v\f\u0085\u00a0\u2002\u2003\u2009\u200b\u202f\u3000\ufeff');

/** The value without the space around it; only what does not begin and end in plain characters pays for the slow trim. */
const trimmed = (name: string) =>
  `CASE WHEN regexp_matches(${name}, '^[^!-~]|[^!-~]$') THEN trim(${name}, ${BLANKS}) ELSE ${name} END`;

/** Profiles a staged table, column by column, so that no more than one is in memory. */
export async function profileColumns(
  connection: DuckDBConnection,
  source: string,
  columnCount: number,
  totalRows: number,
): Promise<ColumnProfile[]> {
  const profiles: ColumnProfile[] = [];
  for (let column = 1; column <= columnCount; column++) {
    const result = await connection.run(
      `SELECT coalesce(sum(times), 0)::DOUBLE, count(*)::DOUBLE, arg_min(left(value, ${MAX_SAMPLE + 1}), first, ${EXAMINED})
       FROM (SELECT ${trimmed(`c${column}`)} AS value, count(*) AS times, min(_row) AS first
         FROM ${source} WHERE c${column} IS NOT NULL GROUP BY 1)
       WHERE value <> ''`,
    );
    const [filled, distinct, list] = (await result.getRows())[0] as [number, number, DuckDBListValue | null];
    const values = (list?.items ?? []) as string[];
    profiles.push({
      filled,
      empty: totalRows - filled,
      distinct,
      samples: values.slice(0, SAMPLES).map((value) => cutText(value, MAX_SAMPLE)),
      type: await typeOf(connection, source, `c${column}`, values),
    });
  }
  return profiles;
}

async function typeOf(
  connection: DuckDBConnection,
  source: string,
  name: string,
  values: readonly string[],
): Promise<ColumnType> {
  if (values.length === 0) return 'empty';
  for (const [type, pattern] of EXACT) {
    const whole = new RegExp(`^(?:${pattern})$`);
    if (!values.every((value) => whole.test(value))) continue;
    const result = await connection.run(
      `SELECT 1 FROM (SELECT ${trimmed(name)} AS value FROM ${source})
       WHERE value <> '' AND NOT regexp_full_match(value, ${sqlText(pattern)}) LIMIT 1`,
    );
    if ((await result.getRows()).length === 0) return type;
  }
  const share = (test: (value: string) => boolean) => values.filter(test).length / values.length;
  if (share((value) => EMAIL.test(value)) >= MOST) return 'email';
  return share(isPhone) >= MOST && share((value) => PHONE_MARKS.test(value)) >= 0.5 ? 'phone' : 'text';
}

function isPhone(value: string): boolean {
  const digits = value.replace(/\D/g, '').length;
  return digits >= 7 && digits <= 20 && PHONE.test(value);
}
