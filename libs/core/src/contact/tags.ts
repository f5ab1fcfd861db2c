import { refuse, type Checked } from './result';
import { codePointLength, normalizeText } from './text';

/** The longest tag, in code points. */
export const MAX_TAG_LENGTH = 50;
/** The most tags of one record. */
export const MAX_TAGS = 20;

const PIECES = /[ \t]*"((?:[^"]|"")*)"(?=[ \t]*(?:[,;|\r\n]|$))|[^,;|\r\n]+/g;
/** No cell of allowed tags is longer, however they are parted and quoted. */
const MAX_CELL = 10_000;
const NEEDS_QUOTES = /[",;|\r\n]/;

/** Checks a list of tags: trims each, drops blanks and repetitions (case-blind, the first spelling stays). */
export function checkTags(tags: readonly string[], maxTags = MAX_TAGS): Checked<string[]> {
  const value: string[] = [];
  const seen = new Set<string>();
  for (const raw of tags) {
    const tag = normalizeText(raw);
    if (tag === '') continue;
    if (tag.length > MAX_TAG_LENGTH && codePointLength(tag) > MAX_TAG_LENGTH) {
      return refuse('too-long', `has a tag longer than ${MAX_TAG_LENGTH} characters`);
    }
    const key = tag.toLowerCase();
    if (seen.has(key)) continue;
    if (value.length === maxTags) return refuse('too-long', `has more than ${maxTags} tags`);
    seen.add(key);
    value.push(tag);
  }
  return { value };
}

/** Reads the tags of one cell: parted by comma, semicolon, bar or line break; double quotes keep those inside a tag. */
export function parseTags(cell: string, maxTags = MAX_TAGS): Checked<string[]> {
  if (cell.length > MAX_CELL) return refuse('too-long', `has more than ${maxTags} tags`);
  const pieces: string[] = [];
  for (const piece of cell.matchAll(PIECES)) {
    pieces.push(piece[1] === undefined ? piece[0] : piece[1].replace(/""/g, '"'));
  }
  return checkTags(pieces, maxTags);
}

/** How many different cells a reader remembers. */
const REMEMBERED = 1_000;

/**
 * Makes a {@link parseTags} for many cells: the columns of tags that lists of people have hold few different cells. Equal cells
 * give the same list, frozen.
 */
export function tagReader(maxTags = MAX_TAGS): (cell: string) => Checked<string[]> {
  const known = new Map<string, Checked<string[]>>();
  return (cell) => {
    let tags = known.get(cell);
    if (tags === undefined) {
      tags = parseTags(cell, maxTags);
      if ('value' in tags) Object.freeze(tags.value);
      if (known.size < REMEMBERED) known.set(cell, tags);
    }
    return tags;
  };
}

/** Writes tags into one cell, so that `parseTags` reads the same tags back. */
export function formatTags(tags: readonly string[]): string {
  return tags.map((tag) => (NEEDS_QUOTES.test(tag) ? `"${tag.replace(/"/g, '""')}"` : tag)).join('; ');
}
