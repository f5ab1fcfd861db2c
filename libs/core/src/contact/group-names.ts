import { refuse, type Checked } from './result';
import { nameKeyOf } from './text';

/** The most groups that one cell may name. */
export const MAX_GROUPS = 20;

const PIECES = /[ \t]*"((?:[^"]|"")*)"(?=[ \t]*(?:[;\r\n]|$))|[^;\r\n]+/g;

/**
 * Reads the names of groups of one cell, as {@link nameKeyOf} has them: parted by semicolon or line break, for names may hold commas;
 * double quotes keep those inside a name.
 */
export function parseGroupNames(cell: string): Checked<string[]> {
  const keys = new Set<string>();
  for (const [whole, quoted] of cell.matchAll(PIECES)) {
    const key = nameKeyOf(quoted === undefined ? whole : quoted.replace(/""/g, '"'));
    if (key !== '') keys.add(key);
    if (keys.size > MAX_GROUPS) return refuse('too-long', `has more than ${MAX_GROUPS} groups`);
  }
  return { value: [...keys] };
}
