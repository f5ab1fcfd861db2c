function cell(value) {
  if (typeof value !== 'number') return String(value);
  return Number.isInteger(value) ? String(value) : value.toFixed(1);
}

/** Rows as a plain table; numbers stand at the right. @param {string[]} columns the keys, which are the headings too */
export function table(columns, rows) {
  const texts = rows.map((row) => columns.map((column) => cell(row[column])));
  const isNumber = columns.map((column) => rows.every((row) => typeof row[column] === 'number'));
  const width = columns.map((column, at) => Math.max(column.length, ...texts.map((row) => row[at].length)));
  const line = (cells) =>
    cells.map((text, at) => (isNumber[at] ? text.padStart(width[at]) : text.padEnd(width[at]))).join('  ');
  return [line(columns), width.map((each) => '─'.repeat(each)).join('  '), ...texts.map(line)].join('\n');
}
