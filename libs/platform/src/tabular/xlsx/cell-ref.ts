import { malformed } from './archive';

/** What a sheet has room for. */
export const MAX_COLUMN = 16_384;
const MAX_ROW = 1 << 30;

/** The place of a cell: row from 1, column from 0. */
export interface CellPlace {
  row: number;
  column: number;
}

/** Reads a place such as `B7`. @throws {TabularError} `file-malformed` */
export function parsePlace(text: string): CellPlace {
  let column = 0;
  let at = 0;
  for (; at < text.length && at < 4; at++) {
    const letter = text.charCodeAt(at) - 64;
    if (letter < 1 || letter > 26) break;
    column = column * 26 + letter;
  }
  const row = Number(text.slice(at));
  if (column < 1 || column > MAX_COLUMN || !Number.isInteger(row) || row < 1 || row > MAX_ROW) {
    throw malformed(`A cell of the sheet is at "${text.slice(0, 20)}", which is no place.`);
  }
  return { row, column: column - 1 };
}

/** The letters of a column, counted from 0. */
export function columnLetters(column: number): string {
  let letters = '';
  for (let rest = column + 1; rest > 0; rest = Math.floor((rest - 1) / 26)) {
    letters = String.fromCharCode(65 + ((rest - 1) % 26)) + letters;
  }
  return letters;
}
