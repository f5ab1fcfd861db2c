import type { DuckDBConnection } from '@duckdb/node-api';
import { sqlText } from './duckdb';

/** Values that make two rows the same. */
export interface SharingKey {
  /** Positions of the columns that hold it, from 0. */
  columns: readonly number[];
  /**
   * How values are made comparable. Whatever is the same e-mail address (`text`) or phone number (`digits`) in another
   * spelling folds to the same key: capitals, white space and invisible characters, full-width letters, `mailto:` links
   * and display names; punctuation, dialling prefixes and trunk zeros, letters for digits, extensions.
   */
  fold: 'text' | 'digits';
}

/** Numbers are compared by their last eight digits. */
const FULL = 10 ** 8;
const LOWEST_FULL = 10 ** 7;
const FULL_WIDTH = Array.from({ length: 94 }, (_, i) => String.fromCharCode(0xff01 + i)).join('');
const ASCII = Array.from({ length: 94 }, (_, i) => String.fromCharCode(0x21 + i)).join('');
const OTHER_DIGITS = ['٠١٢٣٤٥٦٧٨٩', '۰۱۲۳۴۵۶۷۸۹', '०१२३४५६७८९', '০১২৩৪৫৬৭৮৯'];

/** Costs much for each value, so nothing but text outside ASCII comes here. */
const toAscii = (cell: string) =>
  OTHER_DIGITS.reduce(
    (text, digits) => `translate(${text}, '${digits}', '0123456789')`,
    `translate(nfc_normalize(${cell}), ${sqlText(FULL_WIDTH + '。｡')}, ${sqlText(ASCII + '..')})`,
  );
const UNUSUAL = '[！-～。｡٠-٩۰-۹०-९০-৯]';
const plain = (cell: string) =>
  `CASE WHEN regexp_matches(${cell}, '${UNUSUAL}') THEN lower(${toAscii(cell)}) ELSE lower(${cell}) END`;

/** Almost every address is plain and needs no more than lower case. */
function foldText(cell: string): string {
  const lower = plain(cell);
  const bare = `regexp_replace(${lower}, '^.*<([^<>]*)>[^<>]*$', '\\1', 's')`;
  const linked = `regexp_replace(${bare}, '^[^a-z]*mailto:([^?]*).*$', '\\1', 's')`;
  const decoded = `lower(coalesce(TRY(url_decode(${linked})), ${linked}))`;
  const kept = (text: string) => `regexp_replace(${text}, '[^a-z0-9@._+-]', '', 'g')`;
  return `CASE WHEN regexp_full_match(${cell}, '[A-Za-z0-9@._+-]*') THEN lower(${cell})
    WHEN regexp_matches(${cell}, '[<>:]|${UNUSUAL}') THEN ${kept(`nfc_normalize(${decoded})`)}
    ELSE ${kept(`lower(nfc_normalize(${cell}))`)} END`;
}

const EXTENSION =
  '(^|[^a-z])(?:;?\\s*(?:e?xt(?:ensi ?o?n?)?n?|anexo|int|x)[-.:=,\\s]*\\(?[0-9]{1,20}\\)?|[#~;,]+[-.:=\\s]*[0-9]{1,20}|[- ]+[0-9]{1,6}#)#?\\s*$';
const KEYPAD = '22233344455566677778889999';

/** The digits as a number: leading zeros (trunk prefixes) do not count. More than 19 are no phone number. */
function foldDigits(cell: string): string {
  const ascii = `regexp_replace(replace(${plain(cell)}, 'доб', 'ext'), '[^!-~]+', ' ', 'g')`;
  const unlabelled = `regexp_replace(${ascii}, '^[^0-9]+|\\s*[(\\[][a-z. ]*[)\\]]\\s*$', '', 'g')`;
  const dialled = `translate(regexp_replace(${unlabelled}, '${EXTENSION}', '\\1'), 'abcdefghijklmnopqrstuvwxyz', '${KEYPAD}')`;
  const digits = `CASE WHEN regexp_full_match(${cell}, '[0-9+ ()./-]*') THEN translate(${cell}, '+ ()./-', '')
    ELSE regexp_replace(${dialled}, '[^0-9]', '', 'g') END`;
  return `TRY_CAST(${digits} AS UBIGINT)`;
}

/**
 * Folds every key once into a temporary table of hashes (equal hashes of different values only report a row too many) and
 * groups them; DuckDB spills what does not fit.
 */
export async function findLaterSharers(
  connection: DuckDBConnection,
  source: string,
  keys: readonly SharingKey[],
): Promise<Uint32Array> {
  const rows: Uint32Array[] = [];
  for (const key of keys) {
    const { columns } = key;
    const text = key.fold === 'text';
    if (columns.length === 0) continue;
    const folded = text ? foldText : foldDigits;
    const each = columns.map((column) => {
      const cell = `c${column + 1}`;
      return `SELECT _row::UINTEGER AS r, ${folded(cell)} AS k FROM ${source} WHERE ${cell} IS NOT NULL`;
    });
    // The last eight digits, with a 1 before them so that a shorter number never equals the end of a longer one.
    const kept = text ? 'hash(k)' : `(CASE WHEN k < ${LOWEST_FULL} THEN k ELSE ${FULL} + k % ${FULL} END)::UINTEGER`;
    try {
      // What folds to nothing goes later: a condition here would fold every cell twice.
      await connection.run(`CREATE TEMP TABLE folded AS SELECT r, ${kept} AS k FROM (${each.join(' UNION ALL ')})`);
      rows.push(await sharers(connection, `SELECT r, k FROM folded WHERE k <> ${text ? "hash('')" : 0}`));
      if (!text) rows.push(...(await shortSharers(connection)));
    } finally {
      await connection.run('DROP TABLE IF EXISTS folded');
    }
  }
  return mergeRows(rows);
}

/** All rows that are in one of the lists, rising. */
export function mergeRows(lists: readonly Uint32Array[]): Uint32Array {
  if (lists.length === 1) return lists[0];
  const all = new Set<number>();
  for (const rows of lists) for (const row of rows) all.add(row);
  return Uint32Array.from(all).sort();
}

/** A short number can be the end of one that was written with its prefixes. */
async function shortSharers(connection: DuckDBConnection): Promise<Uint32Array[]> {
  const found: Uint32Array[] = [];
  const lengths = await connection.run(`SELECT DISTINCT length(k::VARCHAR)::INTEGER FROM folded WHERE k < ${FULL}`);
  for (const [length] of (await lengths.getRows()) as [number][]) {
    if (length < 4) continue;
    const low = 10 ** (length - 1);
    const end = `k % ${10 ** length}`;
    found.push(
      await sharers(
        connection,
        `SELECT r, ${end} AS k FROM folded WHERE k >= ${low}
          AND ${end} IN (SELECT k FROM folded WHERE k >= ${low} AND k < ${low * 10})`,
      ),
    );
  }
  return found;
}

async function sharers(connection: DuckDBConnection, keyed: string): Promise<Uint32Array> {
  const result = await connection.run(
    `WITH keyed AS (${keyed}),
      shared AS (SELECT k, min(r) AS first FROM keyed GROUP BY k HAVING min(r) <> max(r))
     SELECT DISTINCT r FROM keyed JOIN shared USING (k) WHERE r > first`,
  );
  const chunks = await result.fetchAllChunks();
  const rows = new Uint32Array(chunks.reduce((sum, chunk) => sum + chunk.rowCount, 0));
  let at = 0;
  for (const chunk of chunks) {
    rows.set(chunk.getColumnValues(0) as number[], at);
    at += chunk.rowCount;
  }
  return rows.sort();
}
