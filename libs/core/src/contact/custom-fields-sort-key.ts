import { CompiledField } from './custom-fields';
import { CustomFieldType } from './custom-fields-value';

/** The longest key, in code points. */
export const MAX_SORT_KEY = 191;
/** Of a longer text the key keeps so many code points, and a checksum of the whole. */
const KEPT = 170;

/** One value of a record in the index of a filterable field. */
export interface IndexEntry {
  /** Compared by bytes, keys have the order of the values; '' stands for no value and comes first. */
  sortKey: string;
  /** The value of a number. */
  number: number | null;
}

const ABSENT: readonly IndexEntry[] = [{ sortKey: '', number: null }];

/** The entries of a record's value: of a multi-list one for each option, of everything else one; never none. */
export function indexEntries({ type }: Pick<CompiledField, 'type'>, value: unknown): readonly IndexEntry[] {
  const entries = (type === 'multi-list' && Array.isArray(value) ? value : [value]).flatMap((each: unknown) => {
    const sortKey = sortKeyOf(type, each);
    return sortKey === null ? [] : [{ sortKey, number: type === 'number' ? (each as number) : null }];
  });
  return entries.length > 0 ? entries : ABSENT;
}

/** The key of one value; null for no value, and for one of another type (its field is being converted). */
export function sortKeyOf(type: CustomFieldType, value: unknown): string | null {
  switch (type) {
    case 'number':
      return typeof value === 'number' && Number.isFinite(value) ? numberKey(value) : null;
    case 'boolean':
      return typeof value === 'boolean' ? String(Number(value)) : null;
    case 'date':
      return typeof value === 'string' && /^\d{4}-\d{2}-\d{2}$/.test(value) ? value : null;
    default:
      return typeof value === 'string' && value !== '' ? textKey(value) : null;
  }
}

const bytes = new DataView(new ArrayBuffer(8));

/** A number as 16 hexadecimal digits that sort as the numbers do. */
function numberKey(value: number): string {
  bytes.setFloat64(0, value === 0 ? 0 : value);
  const bits = bytes.getBigUint64(0);
  // Of a negative number all bits are turned over, of another the sign: then the bits sort as whole numbers.
  const sorted = bits >> 63n ? ~bits & 0xffff_ffff_ffff_ffffn : bits | (1n << 63n);
  return sorted.toString(16).padStart(16, '0');
}

/**
 * A text as it is compared: composed, in lower case, white space as single spaces. No key ends in a space, which a database may
 * pad or ignore.
 */
function textKey(value: string): string {
  const folded = value.normalize('NFC').toLowerCase().normalize('NFC').replace(/\s+/g, ' ').trim();
  if (folded.length <= MAX_SORT_KEY) return folded;
  const points = Array.from(folded);
  if (points.length <= MAX_SORT_KEY) return folded;
  return `${points.slice(0, KEPT).join('')}~${checksum(folded)}`;
}

/** 64 bits of FNV-1a over UTF-16 units, 16 hexadecimal digits: tells long texts of the same begin apart. */
function checksum(text: string): string {
  let hash = 0xcbf29ce484222325n;
  for (let i = 0; i < text.length; i++) {
    hash = ((hash ^ BigInt(text.charCodeAt(i))) * 0x100000001b3n) & 0xffff_ffff_ffff_ffffn;
  }
  return hash.toString(16).padStart(16, '0');
}
