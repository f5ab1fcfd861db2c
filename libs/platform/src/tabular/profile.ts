import type { DuckDBConnection } from '@duckdb/node-api';
import { isOutOfMemory, sqlText } from './duckdb';
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
const BLANKS = ' \t\n\r\v\f\u0085\u00a0\u2002\u2003\u2009\u200b\u202f\u3000\ufeff';
const CODES = [...BLANKS].map((blank) => blank.charCodeAt(0)).join();
/** Most characters are told from blanks by the first comparison. */
const isBlank = (character: string) => `(ord(${character}) NOT BETWEEN 33 AND 126 AND ord(${character}) IN (${CODES}))`;
/** Whether a value begins or ends with a blank: only these pay for the slow trim. */
const hasEdges = (name: string) => `(${isBlank(name)} OR ${isBlank(`${name}[-1]`)})`;
const trimmed = (name: string) => `CASE WHEN ${hasEdges(name)} THEN trim(${name}, ${sqlText(BLANKS)}) ELSE ${name} END`;

/** The rows in which the first values are looked for, before more are. */
const FIRST_ROWS = 20_480;
/** How many bytes of different values are counted at a time, and what each takes besides its own. */
const BYTES_AT_ONCE = 40 << 20;
const BYTES_OF_VALUE = 32;
/** So many values, or fewer, are put together by themselves. */
const FEW = 250_000;
/** Values that do not fit into the memory are counted in so many times as many parts, and these again, up to this many parts. */
const FINER = 8;
const MAX_PARTS = 4096;
/** Values that come so often on average are taken once each. */
const OFTEN = 4;

/** What a column holds, as far as it is known. */
export interface ColumnCount {
  filled: number;
  distinct: number;
  /** Whether a value begins or ends with a blank. */
  edges: boolean;
}

/**
 * Profiles a staged table, column by column, so that no more than one is in memory.
 *
 * @param known for each column what is known of it
 * @param bytes what the values of each column take in the file, before compression
 */
export async function profileColumns(
  connection: DuckDBConnection,
  source: string,
  known: readonly (ColumnCount | null)[],
  bytes: readonly number[],
  totalRows: number,
): Promise<ColumnProfile[]> {
  const profiles: ColumnProfile[] = [];
  for (const [column, count] of known.entries()) {
    const reader = new ColumnReader(connection, source, `c${column + 1}`, bytes[column]);
    profiles.push(await reader.profile(totalRows, count));
  }
  return profiles;
}

/** Few columns need trimming, and grouping values as they are stored is several times as fast. */
class ColumnReader {
  constructor(
    private readonly connection: DuckDBConnection,
    private readonly source: string,
    private readonly name: string,
    private readonly bytes: number,
  ) {}

  async profile(totalRows: number, known: ColumnCount | null): Promise<ColumnProfile> {
    const stored = known ?? (await this.count(this.name, totalRows));
    const value = stored.edges ? trimmed(this.name) : this.name;
    const { filled, distinct } = stored.edges && !known ? await this.count(value, totalRows) : stored;
    const values = await this.firstValues(value, distinct, totalRows);
    return {
      filled,
      empty: totalRows - filled,
      distinct,
      samples: values.slice(0, SAMPLES).map((sample) => cutText(sample, MAX_SAMPLE)),
      type: await this.typeOf(value, values, distinct <= FEW && distinct * OFTEN < filled),
    };
  }

  /** How many values there are and how many different ones, and whether some need trimming. */
  private async count(value: string, totalRows: number): Promise<ColumnCount> {
    const most = this.bytes + totalRows * BYTES_OF_VALUE;
    let parts = most > BYTES_AT_ONCE ? Math.max(1, Math.ceil((await this.estimate(value)) / BYTES_AT_ONCE)) : 1;
    for (;;) {
      try {
        return await this.countInParts(value, parts);
      } catch (error) {
        // Not all that does not fit can be spilled.
        if (!isOutOfMemory(error) || parts >= MAX_PARTS) throw error;
        parts *= FINER;
      }
    }
  }

  /** About how many bytes it takes to count the different values. */
  private async estimate(value: string): Promise<number> {
    const [[bytes]] = await this.rows(
      `SELECT approx_count_distinct(${value}) * (coalesce(avg(strlen(${this.name})), 0) + ${BYTES_OF_VALUE}) FROM ${this.source}`,
    );
    return bytes as number;
  }

  /** Each part has values of its own, so that fewer are in memory at a time. */
  private async countInParts(value: string, parts: number): Promise<ColumnCount> {
    const sum: ColumnCount = { filled: 0, distinct: 0, edges: false };
    for (let part = 0; part < parts; part++) {
      const where = parts === 1 ? 'true' : `hash(${value}) % ${parts} = ${part}`;
      const { filled, distinct, edges } = await this.countWhere(value, where);
      Object.assign(sum, { filled: sum.filled + filled, distinct: sum.distinct + distinct, edges: sum.edges || edges });
    }
    return sum;
  }

  private async countWhere(value: string, where: string): Promise<ColumnCount> {
    const [[filled, distinct, edges]] = (await this.rows(
      `SELECT coalesce(sum(times), 0)::DOUBLE, count(*)::DOUBLE, coalesce(bool_or(${hasEdges('value')}), false)
       FROM (SELECT ${value} AS value, count(*) AS times FROM ${this.source}
             WHERE ${this.name} IS NOT NULL AND ${where} GROUP BY 1)
       WHERE value <> ''`,
    )) as [number, number, boolean][];
    return { filled, distinct, edges };
  }

  /** The first {@link EXAMINED} distinct values, each cut. */
  private async firstValues(value: string, distinct: number, totalRows: number): Promise<string[]> {
    const wanted = Math.min(EXAMINED, distinct);
    if (wanted === 0) return [];
    for (let lastRow = FIRST_ROWS; ; lastRow *= FINER) {
      // By their hashes, for the values may be long; of two that meet in one, a sample would be missing.
      const rows = (await this.rows(
        `SELECT start FROM (
           SELECT any_value(left(value, ${MAX_SAMPLE + 1})) AS start, min(_row) AS first
           FROM (SELECT ${value} AS value, _row FROM ${this.source} WHERE ${this.name} IS NOT NULL AND _row <= ${lastRow})
           WHERE value <> '' GROUP BY hash(value))
         ORDER BY first LIMIT ${wanted}`,
      )) as [string][];
      if (rows.length === wanted || lastRow >= totalRows) return rows.map(([start]) => start);
    }
  }

  /** @param repeated whether to test each value once rather than each cell */
  private async typeOf(value: string, values: readonly string[], repeated: boolean): Promise<ColumnType> {
    if (values.length === 0) return 'empty';
    for (const [type, pattern] of EXACT) {
      const whole = new RegExp(`^(?:${pattern})$`);
      if (!values.every((each) => whole.test(each))) continue;
      const others = await this.rows(
        `SELECT 1 FROM (SELECT ${repeated ? 'DISTINCT ' : ''}${value} AS value FROM ${this.source})
         WHERE value <> '' AND NOT regexp_full_match(value, ${sqlText(pattern)}) LIMIT 1`,
      );
      if (others.length === 0) return type;
    }
    const share = (test: (each: string) => boolean) => values.filter(test).length / values.length;
    if (share((each) => EMAIL.test(each)) >= MOST) return 'email';
    return share(isPhone) >= MOST && share((each) => PHONE_MARKS.test(each)) >= 0.5 ? 'phone' : 'text';
  }

  private async rows(sql: string): Promise<unknown[][]> {
    return (await this.connection.run(sql)).getRows();
  }
}

function isPhone(value: string): boolean {
  const digits = value.replace(/\D/g, '').length;
  return digits >= 7 && digits <= 20 && PHONE.test(value);
}
