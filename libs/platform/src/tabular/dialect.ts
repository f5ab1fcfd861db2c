/** The delimiters that are looked for, the likeliest first. */
export const DELIMITERS = [',', ';', '\t', '|'] as const;
export type Delimiter = (typeof DELIMITERS)[number];

/** How the text of a file is cut into cells. */
export interface Dialect {
  delimiter: Delimiter;
  /** Bytes of a first line `sep=;` (a hint to spreadsheets), its line end included; 0 without one. */
  hintLength: number;
}

/** The number of bytes that is enough for `detectDialect`. */
export const DIALECT_SAMPLE_BYTES = 65_536;

const QUOTE = 0x22;
const LF = 0x0a;
const CR = 0x0d;

/**
 * Finds the delimiter with which most rows have as many cells as the header; with more cells where that is even. A hint
 * line wins over the guess, an override over both. A file of one column has the delimiter `,`.
 *
 * @param sample the first bytes of the text as UTF-8, without a byte order mark
 * @param whole whether the sample is the whole text; its last row counts only then
 */
export function detectDialect(sample: Uint8Array, whole: boolean, override?: Delimiter): Dialect {
  const hint = /^"?sep=([,;\t|])"?(?:\r\n|\r|\n|$)/i.exec(Buffer.from(sample.subarray(0, 16)).toString('latin1'));
  if (hint) return { delimiter: override ?? (hint[1] as Delimiter), hintLength: hint[0].length };
  if (override !== undefined) return { delimiter: override, hintLength: 0 };
  let best: Delimiter = ',';
  let bestScore = 0;
  for (const delimiter of DELIMITERS) {
    const counts = cellCounts(sample, delimiter.charCodeAt(0), whole);
    const header = counts[0] ?? 1;
    if (header < 2) continue;
    const same = counts.filter((count) => count === header).length / counts.length;
    const score = same + 0.1 * (1 - 1 / header);
    if (score > bestScore) {
      best = delimiter;
      bestScore = score;
    }
  }
  return { delimiter: best, hintLength: 0 };
}

/** The numbers of cells of the rows that are not blank. */
function cellCounts(bytes: Uint8Array, delimiter: number, whole: boolean): number[] {
  const counts: number[] = [];
  let cells = 1;
  let blank = true;
  let quoted = false;
  let atStart = true;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i];
    if (quoted) {
      if (byte === QUOTE) {
        if (bytes[i + 1] === QUOTE) i++;
        else quoted = false;
      }
    } else if (byte === LF || byte === CR) {
      if (!blank) counts.push(cells);
      cells = 1;
      blank = atStart = true;
    } else if (byte === delimiter) {
      cells++;
      blank = false;
      atStart = true;
    } else if (byte === QUOTE && atStart) {
      quoted = true;
      blank = atStart = false;
    } else {
      if (byte !== 0x20 && byte !== 0x09) blank = false;
      atStart = false;
    }
  }
  if (!blank && (counts.length === 0 || (whole && !quoted))) counts.push(cells);
  return counts;
}
