/** A person's name in two parts; a part that the full name does not have is null. */
export interface NameParts {
  firstName: string | null;
  lastName: string | null;
}

const SUFFIX = /^(?:jr|sr|ii|iii|iv|v|phd|md|dds|esq|cpa|mba|ret)$/i;

function isSuffix(word: string): boolean {
  return SUFFIX.test(word.replace(/\./g, ''));
}

/** `first last`, without the part that is blank. */
export function joinName(first: string | null | undefined, last: string | null | undefined): string {
  const head = first?.trim() ?? '';
  const tail = last?.trim() ?? '';
  if (head === '') return tail;
  return tail === '' ? head : `${head} ${tail}`;
}

/**
 * Splits a full name by a simple rule, for people whose file has only one column: the last word is the last name, the words
 * before it the first; `Last, First` is turned round; a single word is a first name. A suffix (`Jr.`, `III`, `PhD`) stays
 * with the last name. Names that work otherwise (two family names, particles) need the two columns.
 */
export function splitName(full: string): NameParts {
  const name = full.trim().replace(/\s+/g, ' ');
  if (name === '') return { firstName: null, lastName: null };

  const comma = name.indexOf(',');
  if (comma >= 0) {
    const before = name.slice(0, comma).trim();
    const after = name.slice(comma + 1).trim();
    if (before === '' || after === '') return splitName(before + after);
    if (!isSuffix(after)) return { firstName: after, lastName: before };
    const { firstName, lastName } = splitName(before);
    return { firstName, lastName: lastName === null ? null : `${lastName}, ${after}` };
  }

  const words = name.split(' ');
  if (words.length === 1) return { firstName: name, lastName: null };
  const lastWords = words.length > 2 && isSuffix(words[words.length - 1]) ? 2 : 1;
  return { firstName: words.slice(0, -lastWords).join(' '), lastName: words.slice(-lastWords).join(' ') };
}
