import { parseBoolean } from './boolean';
import { CompiledField } from './custom-fields';
import { CustomValue, noOption, optionFinder } from './custom-fields-value';
import { parseDate, type DateHint } from './date';
import { quote, refuse, type Checked } from './result';
import { normalizeText, trimText } from './text';

/** How to read numbers and dates that a region writes in its own way. */
export type CellHint = DateHint;

const GROUPING = /(?<=\d)[\s'’](?=\d{3}(?:\D|$))/g;
const NUMBER = /^[+-]?(?:\d[\d.,]*|[.,]\d+)(?:e[+-]?\d{1,3})?$/i;
const PIECE = /[ \t]*"((?:[^"]|"")*)"(?=[ \t]*(?:[,;|\r\n]|$))|[^,;|\r\n]+/g;
const PIECE_WITH_COMMAS = /[ \t]*"((?:[^"]|"")*)"(?=[ \t]*(?:[;|\r\n]|$))|[^;|\r\n]+/g;

/**
 * Makes the reader of one field's cells in a file. Numbers may have grouping and a decimal comma or point, dates are those of
 * `parseDate`, yes and no as people write them, options in any case; options of a multi-list are parted by `;`, `|`, `,` or line
 * breaks, and may stand in double quotes. Then the field's own rules hold.
 *
 * @returns null for a blank cell
 */
export function customCellReader(
  field: CompiledField,
  hint: CellHint = {},
): (cell: string) => Checked<CustomValue | null> {
  const convert = converterOf(field, hint);
  return (cell) => {
    const text = trimText(cell);
    if (text === '') return { value: null };
    const converted = convert(text);
    return 'code' in converted ? converted : field.check(converted.value);
  };
}

/** Reads one cell; for many cells of a field make a {@link customCellReader} once. */
export function readCustomCell(field: CompiledField, cell: string, hint: CellHint = {}): Checked<CustomValue | null> {
  return customCellReader(field, hint)(cell);
}

/**
 * A stored value under the rules of a field that has another type now: as it is where they take it, else read as a cell.
 * @returns null when there is no such value
 */
export function convertCustomValue(
  read: (cell: string) => Checked<CustomValue | null>,
  field: CompiledField,
  value: unknown,
) {
  const kept = field.check(value);
  if (!('code' in kept)) return kept.value;
  const text = Array.isArray(value) ? value.join('; ') : String(value);
  const checked = read(text);
  return 'code' in checked ? null : checked.value;
}

function converterOf(field: CompiledField, hint: CellHint): (text: string) => Checked<CustomValue> {
  switch (field.type) {
    case 'text':
      return (text) => ({ value: text });
    case 'number': {
      const comma = decimalComma(hint.region ?? 'US');
      return (text) => parseNumber(text, comma);
    }
    case 'date':
      return (text) => parseDate(text, hint);
    case 'boolean':
      return parseBoolean;
    case 'list': {
      const find = optionFinder(field);
      return (text) => {
        const option = find(normalizeText(text));
        return option === undefined ? noOption(text, field) : { value: option };
      };
    }
    case 'multi-list':
      return listConverter(field);
  }
}

/** Whether people of a region write a decimal comma. */
function decimalComma(region: string): boolean {
  try {
    const locale = new Intl.Locale(`und-${region}`).maximize();
    const parts = new Intl.NumberFormat(locale).formatToParts(1.5);
    return parts.find(({ type }) => type === 'decimal')?.value === ',';
  } catch (error) {
    if (error instanceof RangeError) return false; // no region
    throw error;
  }
}

/**
 * Reads a number as people write it: `1,234.5`, `1.234,5`, `1 234,5`, `1'234.5`, `-12`, `1e6`. Where one separator before three digits
 * could be either, the region decides. A whole number of more digits than a number holds exactly is refused, not rounded.
 */
export function parseNumber(raw: string, comma = false): Checked<number> {
  const refused = () => refuse('number-invalid', `${quote(raw.trim())} is not a number`);
  const text = raw
    .trim()
    .replace(/\u2212/g, '-')
    .replace(GROUPING, '');
  if (text.length > 60 || !NUMBER.test(text)) return refused();
  const [, mantissa, exponent] = /^([^e]*)(e.*)?$/i.exec(text)!;
  const decimal = decimalOf(mantissa, comma);
  const [whole, fraction, ...more] = decimal === null ? [mantissa] : mantissa.split(decimal);
  if (more.length > 0 || (fraction !== undefined && !/^\d*$/.test(fraction))) return refused();
  const grouped = /[.,]/.test(whole);
  if (grouped && !/^[+-]?\d{1,3}(?:\.\d{3})+$/.test(whole) && !/^[+-]?\d{1,3}(?:,\d{3})+$/.test(whole))
    return refused();
  const value = Number(`${whole.replace(/[.,]/g, '') || '0'}${fraction ? `.${fraction}` : ''}${exponent ?? ''}`);
  if (!Number.isFinite(value)) return refused();
  if (!fraction && !exponent && !Number.isSafeInteger(value)) {
    return refuse('number-invalid', `${quote(raw.trim())} has more digits than a number holds exactly`);
  }
  return { value: value === 0 ? 0 : value };
}

/** Which of the separators in a number is the decimal one; null when none is. */
function decimalOf(mantissa: string, comma: boolean): string | null {
  const [points, commas] = ['.', ','].map((separator) => mantissa.split(separator).length - 1);
  if (points > 0 && commas > 0) return mantissa.lastIndexOf('.') > mantissa.lastIndexOf(',') ? '.' : ',';
  if (points + commas !== 1) return null; // none, or the same one several times: grouping
  const separator = points === 1 ? '.' : ',';
  const mayGroup = /^[+-]?[1-9]\d{0,2}[.,]\d{3}$/.test(mantissa);
  return mayGroup && separator !== (comma ? ',' : '.') ? null : separator;
}

function listConverter(field: CompiledField): (text: string) => Checked<CustomValue> {
  const find = optionFinder(field);
  const read = (pieces: string[]): Checked<string[]> => {
    const options: string[] = [];
    for (const piece of pieces.map((each) => normalizeText(each)).filter((each) => each !== '')) {
      const option = find(piece);
      if (option === undefined) return noOption(piece, field);
      options.push(option);
    }
    return { value: options };
  };
  return (text) => {
    // An option may hold a comma: the whole cell and the pieces between stronger separators are tried first.
    for (const pieces of [[text], piecesOf(text, PIECE_WITH_COMMAS)]) {
      const options = read(pieces);
      if ('value' in options) return options;
    }
    return read(piecesOf(text, PIECE));
  };
}

const piecesOf = (text: string, pattern: RegExp) =>
  [...text.matchAll(pattern)].map(([piece, quoted]) => (quoted === undefined ? piece : quoted.replace(/""/g, '"')));
