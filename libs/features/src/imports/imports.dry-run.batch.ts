import { Links } from './imports.dry-run.links';
import { Glance } from './imports.glance';
import { PackedRecords } from './imports.packed';
import { CheckedRow, Holder, Met } from './imports.resolver';
import { grown, ValueTable } from './imports.value-table';

/** Rows are taken until their values are as large as this, in bytes. */
const MOST_BYTES = 48 * 1024 ** 2;
const FIRST_RECORDS = 1_024;

/**
 * The columns of a record: its id, e-mail and phone; and where more counts, its version, whether the importer may change it, and the
 * glance's columns.
 */
const [ID, EMAIL, PHONE, VERSION, WRITABLE, HELD] = [0, 1, 2, 3, 4, 5];
const NONE: number[] = [];

/** The values of rows, and the records that hold them. A value is named by the first row that has it, counted from 1. */
class Values {
  readonly table: ValueTable;
  /** By row: its value, 0 for none. */
  readonly of: Uint32Array;
  /** By value: the record that holds it; and whether the first row that has the value changes nothing in it. */
  readonly record: Uint32Array;
  readonly isSame: Uint8Array;

  constructor(rows: number, field: number) {
    this.table = new ValueTable(rows, field);
    this.of = new Uint32Array(rows);
    this.record = new Uint32Array(rows + 1);
    this.isSame = new Uint8Array(rows + 1);
  }

  /** @returns the hash of the value */
  add(at: number, value: string): number {
    this.of[at] = this.table.add(at + 1, value);
    return this.table.hash;
  }
}

/** Rows of a file that are not rejected anyway, in columns: what they are found by, and once records came, which they meet. */
export class DryRunBatch {
  readonly email: Values;
  readonly phone: Values;
  /** The values of the rule's custom field, and the ids of the records that have each. */
  readonly keys: Values;
  private readonly keyed = new Map<number, number[]>();
  private readonly numbers: Uint32Array;
  /** By row: see {@link Glance}; 0 where its cells are needed. */
  private readonly given: Float64Array;
  private readonly which: Int32Array;
  /** Those that lack something that a new record needs. */
  private readonly incomplete = new Set<number>();
  private rows = 0;
  /** The records that rows meet, from 1. */
  private ids = new Float64Array(FIRST_RECORDS);
  private versions = new Uint32Array(FIRST_RECORDS);
  private writable = new Uint8Array(FIRST_RECORDS);
  private records = 0;
  private readonly keyedRecords = new Map<number, number>();

  /**
   * @param glance null where none will do
   * @param isKeyed whether rows are found by a custom field too
   */
  constructor(
    private readonly capacity: number,
    private readonly glance: Glance | null,
    isKeyed: boolean,
  ) {
    this.email = new Values(capacity, 0);
    this.phone = new Values(capacity, 1);
    this.keys = new Values(isKeyed ? capacity : 0, 2);
    this.numbers = new Uint32Array(capacity);
    this.given = new Float64Array(glance ? capacity : 0);
    this.which = new Int32Array(glance ? capacity : 0);
  }

  /** How many more rows it takes. */
  get room(): number {
    return this.email.table.length + this.phone.table.length > MOST_BYTES ? 0 : this.capacity - this.rows;
  }

  get size(): number {
    return this.rows;
  }

  isIncomplete(at: number): boolean {
    return this.incomplete.has(at);
  }

  row(at: number): number {
    return this.numbers[at];
  }

  /** Takes a row, and links it by its e-mail and phone. */
  add({ row, email, phone, key, errors, cells, values }: CheckedRow, links: Links): void {
    const at = this.rows++;
    this.numbers[at] = row;
    if (email !== null) links.add(row, this.email.add(at, email));
    if (phone !== null) links.add(row, this.phone.add(at, phone));
    if (key !== null) this.keys.add(at, key);
    if (errors.length > 0) this.incomplete.add(at);
    else if (this.glance) {
      this.given[at] = this.glance.ofRow(cells, values);
      this.which[at] = this.glance.which;
    }
  }

  /** Notes a record that custom values find; it is given to {@link meet} later. */
  addKeyed(key: string, id: number): void {
    const bytes = Buffer.from(key);
    const number = this.keys.table.find(bytes, 0, bytes.length);
    const ids = this.keyed.get(number);
    if (ids) ids.push(id);
    else this.keyed.set(number, [id]);
    this.keyedRecords.set(id, 0);
  }

  get keyedIds(): Iterable<number> {
    return this.keyedRecords.keys();
  }

  /** Takes records that rows may meet. One that comes again adds to what is known of it. */
  meet(records: PackedRecords): void {
    while (records.next()) this.meetOne(records);
  }

  /** The ids of the records that a row meets, each once. */
  idsAt(at: number): number[] {
    return [...new Set(this.recordsAt(at).map((record) => this.ids[record]))];
  }

  /** The records that a row meets, without what they hold; null for none. */
  metAt(at: number): Met | null {
    const { email, phone } = this;
    const [byEmail, byPhone] = [email.record[email.of[at]], phone.record[phone.of[at]]];
    const ids = this.keyedAt(at);
    if (byEmail === 0 && byPhone === 0 && ids.length === 0) return null;
    const made: Holder[] = [];
    const holder = (record: number): Holder | null => {
      if (record === 0) return null;
      const known = made.find(({ id }) => id === this.ids[record]);
      if (!known) made.push(this.holder(record));
      return known ?? made.at(-1)!;
    };
    return { email: holder(byEmail), phone: holder(byPhone), keyed: ids.flatMap((record) => holder(record) ?? []) };
  }

  /** Whether a row changes a record that it meets by its e-mail or phone; null where that takes its cells. */
  changesAt(at: number, { email }: Met, holder: Holder): boolean | null {
    if (!this.glance || this.given[at] === 0) return null;
    const by = email === holder ? this.email : this.phone;
    return by.isSame[by.of[at]] === 0;
  }

  private meetOne(records: PackedRecords): void {
    const byEmail = this.find(this.email, records, EMAIL);
    const byPhone = this.find(this.phone, records, PHONE);
    const isKeyed = this.keyedRecords.size > 0 && this.keyedRecords.has(records.number(ID));
    if (byEmail === 0 && byPhone === 0 && !isKeyed) return;
    const number = this.addRecord(records);
    if (isKeyed) this.keyedRecords.set(this.ids[number], number);
    if (byEmail !== 0) this.hold(this.email, byEmail, number, records);
    if (byPhone !== 0) this.hold(this.phone, byPhone, number, records);
  }

  private find({ table }: Values, records: PackedRecords, column: number): number {
    return table.find(records.bytes, records.start(column), records.end(column));
  }

  private hold(values: Values, number: number, record: number, records: PackedRecords): void {
    values.record[number] = record;
    if (!this.glance) return;
    const at = number - 1;
    const same = this.given[at] !== 0 && this.glance.ofRecord(records, HELD, this.which[at]) === this.given[at];
    values.isSame[number] = same ? 1 : 0;
  }

  private addRecord(records: PackedRecords): number {
    const number = ++this.records;
    if (number === this.ids.length) {
      this.ids = grown(this.ids);
      this.versions = grown(this.versions);
      this.writable = grown(this.writable);
    }
    this.ids[number] = records.number(ID);
    if (records.width > VERSION) {
      this.versions[number] = records.number(VERSION);
      this.writable[number] = records.number(WRITABLE);
    }
    return number;
  }

  private holder(record: number): Holder {
    const writable = this.writable[record] === 1;
    return { id: this.ids[record], row: null, version: this.versions[record], writable, own: 0, key: null, values: {} };
  }

  private keyedAt(at: number): number[] {
    const ids = this.keyed.get(this.keys.of[at]) ?? NONE;
    return ids.map((id) => this.keyedRecords.get(id)!).filter((record) => record !== 0);
  }

  private recordsAt(at: number): number[] {
    const { email, phone } = this;
    const records = [email.record[email.of[at]], phone.record[phone.of[at]], ...this.keyedAt(at)];
    return records.filter((record) => record !== 0);
  }
}
