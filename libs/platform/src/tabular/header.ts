/** Something about the file as a whole that a person should know; no row is refused for it. */
export interface TableWarning {
  code: 'header-duplicate' | 'header-empty' | 'header-cut' | 'header-malformed' | 'cell-error';
  message: string;
  /** The name of the column that it is about. */
  column?: string;
}

const MAX_NAME = 200;

/**
 * Makes the columns' names of the header's cells: on one line, trimmed, at most 200 characters, never empty
 * (`column_3`), never twice (`Email`, `Email (2)`).
 */
export function nameColumns(header: readonly string[]): { columns: string[]; warnings: TableWarning[] } {
  const warnings: TableWarning[] = [];
  const taken = new Set<string>();
  const wanted = header.map((cell, index) => {
    const text = cell.replace(/[\s\p{Cc}\ufeff\u200b]+/gu, ' ').trim();
    const name = text.length > MAX_NAME ? cutText(text, MAX_NAME) : text;
    const column = name || `column_${index + 1}`;
    if (name === '') {
      warnings.push({ code: 'header-empty', message: `Column ${index + 1} has no name in the header.`, column });
    } else if (name !== text) {
      warnings.push({ code: 'header-cut', message: `The name of column ${index + 1} was cut.`, column });
    }
    return column;
  });
  const originals = new Set(wanted);
  const columns = wanted.map((name, index) => {
    let unique = name;
    for (let n = 2; taken.has(unique) || (unique !== name && originals.has(unique)); n++) unique = `${name} (${n})`;
    taken.add(unique);
    if (unique !== name) {
      const message = `The header names "${name}" more than once; column ${index + 1} is called "${unique}".`;
      warnings.push({ code: 'header-duplicate', message, column: unique });
    }
    return unique;
  });
  return { columns, warnings };
}

/** The first `length` UTF-16 units of a text, one less where that would part a surrogate pair. */
export function cutText(text: string, length: number): string {
  const last = text.charCodeAt(length - 1);
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? length - 1 : length);
}
