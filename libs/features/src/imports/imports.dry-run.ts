import { setImmediate } from 'node:timers/promises';
import { StagedRow, StagedTable } from '@muster/platform/tabular/staged-table';
import { LoadedFields } from '../custom-fields/custom-fields.service';
import { compileUpdater, propertyOf, valueOf } from './imports.changes';
import { PlanRejection, PlanResult, PlanSample } from './imports.entity';
import { Forecast, ForecastBuilder } from './imports.forecast';
import { Found, HolderReader, Lookup, Select } from './imports.holders';
import { matchKey } from './imports.match';
import { ImportNames } from './imports.names.service';
import { keyOf } from './imports.preview.flags';
import { RowRanges } from './imports.ranges';
import { CheckedRow, Holder, madeHolder, Resolution, Resolver, rowReader } from './imports.resolver';
import { RowSource } from './imports.targets';

/**
 * How many rows are looked up at a time. Values are looked up in the order of the index: the more at a time, the fewer of its pages are
 * read anew. While some are resolved the next are on their way.
 */
const LOOKED_UP_AT_ONCE = 100_000;
/** How many rows are in memory with all their cells. */
const ROWS_AT_ONCE = 20_000;
/** How many rows are checked before others have their turn. */
const ROWS_IN_A_TURN = 2_000;
/** Of a range, so many rows or fewer are read one by one. */
const FEW = 200;
/** How many rows of each kind a plan shows. */
const SAMPLES = 20;

interface Batch<Row = CheckedRow> {
  rows: Row[];
  found: Found;
  holders: Map<number, Holder>;
}

/** A row without its cells and values. */
interface BareRow extends CheckedRow {
  /** What a record that the row makes would be found by under the rule's field; it may be a default value. */
  made: string | null;
}

const NONE: never[] = [];

/**
 * Runs an import over a store that it only reads, with the same reading, matching and resolving of rows.
 *
 * Rows that share no value and no record with another row have their outcome whatever the order, so the first pass resolves each by
 * itself and forgets it. What the others become depends on the rows before them: a second pass resolves those alone, in the order of the
 * file, and keeps what they make of records. So memory is taken by what rows share, not by the file.
 */
export class DryRun {
  private readonly rule;
  private readonly read;
  private readonly updated = new Sampler<PlanSample>();
  private readonly rejected = new Sampler<PlanRejection>();
  private readonly builder: ForecastBuilder;
  private readonly links: Links;
  private readonly total: number;
  private readonly customAt: number;

  constructor(
    private readonly holders: HolderReader,
    private readonly select: Select,
    private readonly source: RowSource,
    private readonly staged: StagedTable,
    private readonly lookup: Lookup,
    private readonly fields: LoadedFields,
    private readonly excluded: RowRanges,
    private readonly names: ImportNames,
  ) {
    this.rule = lookup.rule;
    this.read = rowReader(source, this.rule, fields);
    this.total = staged.totalRows;
    this.customAt = source.target.columns.indexOf('custom_fields');
    this.builder = new ForecastBuilder(this.total);
    this.links = new Links(this.total);
  }

  /** @throws what the signal gives as its reason, when it is aborted */
  async run(signal: AbortSignal): Promise<{ forecast: Forecast; result: PlanResult }> {
    for (const { first, last } of this.excluded.ranges)
      for (let row = first; row <= last; row++) this.builder.exclude(row);
    await this.resolveEach(signal);
    const linked = this.links.linked();
    this.updated.drop(linked);
    this.rejected.drop(linked);
    await this.resolveLinked(linked, signal);
    const result = { counts: this.builder.counts, samples: this.updated.some(), rejected: this.rejected.some() };
    return { forecast: this.builder.build(), result };
  }

  private async resolveEach(signal: AbortSignal): Promise<void> {
    const parts = Math.ceil(this.total / LOOKED_UP_AT_ONCE);
    const starts = Array.from({ length: parts }, (_, index) => index * LOOKED_UP_AT_ONCE + 1);
    for await (const { rows, found, holders } of inOrder(starts, (from) => this.loadBare(from, signal))) {
      const resolver = this.resolver();
      for (const holder of holders.values()) resolver.add(holder);
      for (const row of rows) this.link(row, found);
      if (this.rule.policy !== 'update') {
        for (const row of rows) this.take(resolver.resolve(row));
        await setImmediate();
        continue;
      }
      // What a row changes takes its cells: those of rows that meet a record are read again.
      for (let start = 0; start < rows.length; start += ROWS_AT_ONCE) {
        signal.throwIfAborted();
        const some = rows.slice(start, start + ROWS_AT_ONCE);
        const meeting = some.filter((row) => meets(row, found)).map(({ row }) => row);
        const whole = new Map((await this.checked(meeting)).map((row) => [row.row, row]));
        for (const row of some) this.take(resolver.resolve(whole.get(row.row) ?? row));
      }
    }
  }

  /** Rows from one on without their cells, only with what they are looked up and linked by, and what was found. */
  private async loadBare(from: number, signal: AbortSignal): Promise<Batch<BareRow>> {
    const rows: BareRow[] = [];
    const end = Math.min(from + LOOKED_UP_AT_ONCE - 1, this.total);
    for (let first = from; first <= end; first += ROWS_AT_ONCE) {
      signal.throwIfAborted();
      const last = Math.min(first + ROWS_AT_ONCE - 1, end);
      for (const row of await this.check(this.staged.readRows(first, last, this.source.columns))) {
        const made = this.madeKey(row);
        const errors = row.errors.length === 0 ? NONE : row.errors;
        rows.push(Object.assign(row, { cells: NONE, values: NONE, errors, made }));
      }
    }
    const found = await this.holders.find(this.select, this.lookup, rows);
    return { rows, found, holders: await this.holders.read(this.select, this.lookup, found, false) };
  }

  private checked(rows: readonly number[]): Promise<CheckedRow[]> {
    return rows.length === 0 ? Promise.resolve([]) : this.check(this.readRows(Uint32Array.from(rows)));
  }

  private async resolveLinked(linked: Uint32Array, signal: AbortSignal): Promise<void> {
    const resolver = this.resolver();
    const known = new Set<number>();
    const parts: Uint32Array[] = [];
    for (let at = 0, end = 0; at < linked.length; at = end) {
      while (end < linked.length && linked[end] < linked[at] + ROWS_AT_ONCE) end++;
      parts.push(linked.subarray(at, end));
    }
    for await (const { rows, holders } of inOrder(parts, (part) => this.load(this.readRows(part)))) {
      signal.throwIfAborted();
      for (const [id, holder] of holders) {
        if (known.has(id)) continue; // as the rows before have left it
        known.add(id);
        resolver.add(holder);
      }
      for (const row of rows) {
        const resolution = resolver.resolve(row);
        this.take(resolution);
        const { target } = this.source;
        const made =
          resolution.outcome === 'created'
            ? madeHolder(-row.row, row, target, this.rule, this.lookup.importer !== null)
            : null;
        resolver.accept(resolution, made);
      }
      await setImmediate();
    }
  }

  private resolver(): Resolver {
    return new Resolver(this.rule, compileUpdater(this.source, this.fields));
  }

  private async readRows(rows: Uint32Array): Promise<StagedRow[]> {
    const { columns } = this.source;
    if (rows.length <= FEW) return this.staged.readRowSet([...rows], columns);
    const wanted = new Set(rows);
    const read = await this.staged.readRows(rows[0], rows[rows.length - 1], columns);
    return read.filter(({ row }) => wanted.has(row));
  }

  private async check(reading: Promise<StagedRow[]>): Promise<CheckedRow[]> {
    const rows: CheckedRow[] = [];
    const read = await reading;
    const names = await this.names.of(this.source.work, this.source.targets, read);
    for (const staged of read) {
      if (!this.excluded.has(staged.row)) rows.push(this.read(staged, names));
      if (staged.row % ROWS_IN_A_TURN === 0) await setImmediate();
    }
    return rows;
  }

  private async load(reading: Promise<StagedRow[]>): Promise<Batch> {
    const rows = await this.check(reading);
    const found = await this.holders.find(this.select, this.lookup, rows);
    return { rows, found, holders: await this.holders.read(this.select, this.lookup, found, false) };
  }

  private take(resolution: Resolution): void {
    const { row, outcome, holder, errors, changes } = resolution;
    this.builder.add(resolution);
    if (outcome === 'rejected') this.rejected.offer(() => ({ row, errors: errors! }));
    // A record that the import makes itself has no id yet.
    if (outcome !== 'updated' || holder!.row !== null) return;
    this.updated.offer(() => {
      const of = (column: string) => ({
        old: valueOf(column, holder!.values[column]),
        new: valueOf(column, changes![column]),
      });
      const fields = Object.keys(changes!).map((column) => [propertyOf(column), of(column)]);
      return { row, recordId: holder!.id, changes: Object.fromEntries(fields) as PlanSample['changes'] };
    });
  }

  private madeKey({ key, values }: CheckedRow): string | null {
    if (!this.rule.field || values.length === 0) return null;
    return key ?? matchKey(this.rule, values[this.customAt] as string);
  }

  /** Notes by what a row may be linked with others: its values, and the records that it meets where records change. */
  private link({ row, email, phone, key, made }: BareRow, found: Found): void {
    const { links, rule } = this;
    [email, phone, made].forEach((value, field) => {
      if (value !== null) links.add(row, keyOf(value, field));
    });
    if (rule.policy !== 'update') return;
    const ids = [found.email.get(email!), found.phone.get(phone!), ...(key === null ? [] : (found.key.get(key) ?? []))];
    // Ids and keys cannot meet: ids are negative here.
    for (const id of new Set(ids)) if (id !== undefined) links.add(row, -id);
  }
}

/** Whether some record holds what a row holds. */
const meets = ({ email, phone, key }: CheckedRow, { email: emails, phone: phones, key: keys }: Found): boolean =>
  (email !== null && emails.has(email)) || (phone !== null && phones.has(phone)) || (key !== null && keys.has(key));

/** Loads things, one ahead, and gives them in order. */
async function* inOrder<T, R>(items: readonly T[], load: (item: T) => Promise<R>): AsyncGenerator<R> {
  const ahead: Promise<R>[] = [];
  const start = (item: T) => {
    const loading = load(item);
    loading.catch(() => undefined); // whoever waits for it is told
    ahead.push(loading);
  };
  let next = 0;
  while (next < items.length || ahead.length > 0) {
    if (ahead.length === 0) start(items[next++]);
    const loaded = await ahead.shift()!;
    if (next < items.length) start(items[next++]);
    yield loaded;
  }
}

/** Finds the rows that have something in common with another row: two numbers for each thing of a row. */
class Links {
  private rows: Uint32Array;
  private things: Float64Array;
  private count = 0;

  constructor(expected: number) {
    this.rows = new Uint32Array(Math.max(2 * expected, 16));
    this.things = new Float64Array(this.rows.length);
  }

  add(row: number, thing: number): void {
    if (this.count === this.rows.length) {
      const [rows, things] = [new Uint32Array(2 * this.count), new Float64Array(2 * this.count)];
      rows.set(this.rows);
      things.set(this.things);
      [this.rows, this.things] = [rows, things];
    }
    this.rows[this.count] = row;
    this.things[this.count++] = thing;
  }

  /** Rising. */
  linked(): Uint32Array {
    const sorted = this.things.slice(0, this.count).sort();
    const shared = new Set<number>();
    for (let at = 1; at < sorted.length; at++) if (sorted[at] === sorted[at - 1]) shared.add(sorted[at]);
    const linked = new Set<number>();
    if (shared.size > 0) {
      for (let at = 0; at < this.count; at++) if (shared.has(this.things[at])) linked.add(this.rows[at]);
    }
    return Uint32Array.from(linked).sort();
  }
}

/** Keeps some of many, spread over all. */
class Sampler<T extends { row: number }> {
  private kept: T[] = [];
  private offered = 0;
  private stride = 1;

  offer(make: () => T): void {
    if (this.offered++ % this.stride !== 0) return;
    this.kept.push(make());
    if (this.kept.length < 4 * SAMPLES) return;
    this.kept = this.kept.filter((_, index) => index % 2 === 0);
    this.stride *= 2;
  }

  drop(rows: Uint32Array): void {
    const gone = new Set(rows);
    this.kept = this.kept.filter(({ row }) => !gone.has(row));
  }

  /** In the order of the file. */
  some(): T[] {
    const sorted = this.kept.toSorted((one, other) => one.row - other.row);
    if (sorted.length <= SAMPLES) return sorted;
    return Array.from({ length: SAMPLES }, (_, index) => sorted[Math.floor((index * sorted.length) / SAMPLES)]);
  }
}
