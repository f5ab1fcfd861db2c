import { readCell } from '@muster/core/contact/row';
import { BulkValue } from '@muster/platform/database/dialect/dialect';
import { CUSTOMER_FIELDS, LEAD_FIELDS } from './imports.changes';
import { packedText, PackedRecords } from './imports.packed';
import { Cell, RowSource } from './imports.targets';
import { hashOf } from './imports.value-table';

/** Says whether a row changes a record, without saying what. */
export interface Glance {
  /** The columns of the record that it takes. */
  columns: string[];
  /**
   * What a row gives, as a number of 53 bits: that one which changes something looks as if it did not is less likely than one in 10^15.
   * 0 where it takes more than a glance.
   */
  ofRow(cells: readonly Cell[], values: readonly BulkValue[]): number;
  /** Which columns the row that was looked at last gives. */
  which: number;
  /** What the record that is looked at holds in those columns, which begin with `from`: the same number when the row changes nothing. */
  ofRecord(records: PackedRecords, from: number, which: number): number;
}

/** The target that is a full name, by the table, and the column behind it. */
const NAMES = { leads: ['name', 'name'], customers: ['fullName', 'full_name'] } as const;
/** So many columns fit into the bits of a number. */
const MOST = 30;
const START = 1;

/**
 * The glance of an import whose rows only set columns: `compileUpdater` gives no errors then, and changes what differs. Null where the
 * mapping asks for more: parts of names, lists that are added to, JSON that is merged, or cells that clear.
 */
export function compileGlance({ work, target, targets, columns }: RowSource): Glance | null {
  const { blankClears = false, tags } = work.options;
  if (blankClears || tags.length > 0 || columns.length > targets.length) return null;
  const [name, nameColumn] = NAMES[target.table];
  const plain: Record<string, string> = {
    ...(target.table === 'leads' ? LEAD_FIELDS : CUSTOMER_FIELDS),
    [name]: nameColumn,
    doNotContact: 'do_not_contact',
  };
  if (targets.length > MOST || new Set(targets).size < targets.length) return null;
  if (!targets.every((each) => Object.hasOwn(plain, each))) return null;
  const cells = targets.map((each, cell) => ({
    at: [cell],
    column: plain[each],
    from: target.columns.indexOf(plain[each]),
  }));
  const metadataAt = target.columns.indexOf('metadata');
  return {
    which: 0,
    columns: cells.map(({ column }) => column),
    ofRow(row, values) {
      if (values[metadataAt] !== '{}') return 0;
      let given = START;
      this.which = 0;
      for (let index = 0; index < cells.length; index++) {
        const { at, column, from } = cells[index];
        if (readCell(row, at) === null) continue;
        const value = values[from];
        if (column === 'do_not_contact' && value !== true) continue; // it is set and never cleared
        this.which |= 1 << index;
        const text = packedText(value === true ? 1 : (value as string | number | null));
        if (3 * text.length > scratch.length) return 0;
        given = mix(given, index, scratch, 0, scratch.write(text));
      }
      return given;
    },
    ofRecord(records, from, which) {
      let given = START;
      for (let index = 0; index < cells.length; index++) {
        if ((which & (1 << index)) === 0) continue;
        given = mix(given, index, records.bytes, records.start(from + index), records.end(from + index));
      }
      return given;
    },
  };
}

/** How long a value of a column can be in UTF-8, and more. */
const scratch = Buffer.alloc(65_536);

const mix = (before: number, index: number, bytes: Uint8Array, start: number, end: number) =>
  hashOf(bytes, start, end, before + index);
