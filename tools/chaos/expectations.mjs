import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

/**
 * What must become of each row of a file, by rules that hold for the generated files only: an e-mail address is valid when it
 * looks like `x@y.z`, a phone number when it has ten digits after a leading 1 is taken away.
 */

/** Reads a comma-separated file with quotes. Lines without any character are no rows. */
function readCsv(text) {
  const rows = [];
  let cells = [];
  let cell = '';
  let quoted = false;
  let wasQuoted = false;
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (quoted) {
      if (char !== '"') cell += char;
      else if (text[i + 1] === '"') cell += text[++i];
      else quoted = false;
    } else if (char === '"') {
      quoted = wasQuoted = true;
    } else if (char === ',') {
      cells.push(cell);
      cell = '';
    } else if (char === '\n') {
      if (cells.length > 0 || cell !== '' || wasQuoted) rows.push([...cells, cell]);
      cells = [];
      cell = '';
      wasQuoted = false;
    } else {
      cell += char;
    }
  }
  return rows;
}

const EMAIL = /^[a-z0-9.]+@[a-z0-9]+(\.[a-z0-9]+)+$/;

function judge(cells, width) {
  if (cells.length > width) return { errors: [':column-count'] };
  const [name = '', emailText = '', phoneText = ''] = cells.map((cell) => cell.trim());
  const email = emailText.toLowerCase();
  const digits = phoneText.replace(/\D/g, '').replace(/^1(?=\d{10}$)/, '');
  const errors = [];
  if (name === '') errors.push('name:required');
  if (email !== '' && !EMAIL.test(email)) errors.push('email:email-invalid');
  if (phoneText !== '' && digits.length !== 10) errors.push('phone:phone-invalid');
  if (email === '' && phoneText === '') errors.push('email:required');
  return { errors, name, email: email || null, phone: phoneText === '' ? null : `+1${digits}` };
}

/**
 * @param {string} path
 * @param {Set<string>} taken e-mails and phones that were stored before; those that this file stores are added
 * @returns {{hash: string, rows: {errors: string[], name: string, email: string | null, phone: string | null}[]}} row 1 first; a
 * row without errors must be stored
 */
export function expectationsOf(path, taken) {
  const bytes = readFileSync(path);
  const [header, ...lines] = readCsv(bytes.toString());
  const ours = new Set();
  const rows = lines.map((cells) => {
    const row = judge(cells, header.length);
    if (row.errors.length > 0) return row;
    for (const field of ['email', 'phone']) {
      const value = row[field];
      if (value === null) continue;
      if (taken.has(value)) row.errors.push(`${field}:duplicate-existing`);
      else if (ours.has(value)) row.errors.push(`${field}:duplicate-in-file`);
    }
    if (row.errors.length === 0) for (const value of [row.email, row.phone]) if (value !== null) ours.add(value);
    return row;
  });
  for (const value of ours) taken.add(value);
  return { hash: createHash('sha256').update(bytes).digest('hex'), rows };
}
