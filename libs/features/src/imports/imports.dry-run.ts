import { setImmediate } from 'node:timers/promises';
import { Database } from '@muster/platform/database/database';
import { StagedRows } from '@muster/platform/tabular/staged-rows';
import { StagedTable } from '@muster/platform/tabular/staged-table';
import { LoadedFields } from '../custom-fields/custom-fields.service';
import { Change, compileUpdater, propertyOf, valueOf } from './imports.changes';
import { DryRunBatch } from './imports.dry-run.batch';
import { Links } from './imports.dry-run.links';
import { PlanRejection, PlanResult, PlanSample } from './imports.entity';
import { Forecast, ForecastBuilder } from './imports.forecast';
import { compileGlance, Glance } from './imports.glance';
import { HolderReader, Lookup, Select } from './imports.holders';
import { matchKey } from './imports.match';
import { ImportNames } from './imports.names.service';
import { keyOf } from './imports.preview.flags';
import { RowRanges } from './imports.ranges';
import { RecordReader, Way } from './imports.records';
import {
  CheckedRow,
  decide,
  Holder,
  isFatal,
  madeHolder,
  Met,
  Resolution,
  Resolver,
  rowReader,
} from './imports.resolver';
import { RowSource } from './imports.targets';

/**
 * How many rows are looked up at a time. Values are looked up in the order of the index: the more at a time, the fewer of its pages are
 * read anew.
 */
const LOOKED_UP_AT_ONCE = 100_000;
/** How many rows meet the records of one walk. */
const WALKED_AT_ONCE = 500_000;
/** How many rows are in memory with all their cells. */
const ROWS_AT_ONCE = 20_000;
/** How many rows are checked before others have their turn. */
const ROWS_IN_A_TURN = 2_000;
/** Of a range, so many rows or fewer are read one by one. */
const FEW = 200;
/** How many rows of each kind a plan shows. */
const SAMPLES = 20;

interface Part {
  rows: CheckedRow[];
  holders: Map<number, Holder>;
}

/** Stands for what a row changes, where that is only looked up for samples. */
const SOMETHING: Change = { next: { id: null }, errors: [] };
const NOTHING: Change = { next: {}, errors: [] };
const NOBODY: Met = { email: null, phone: null, keyed: [] };

/** A row that changes a record; what, if it is known. */
type Updated = PlanSample | { row: number };

/**
 * Runs an import over a store that it only reads, with the same reading, matching and deciding of rows.
 *
 * Rows that share no value and no record with another row have their outcome whatever the order, so the first pass decides each by
 * itself. It keeps of a row what it is found by, in columns, and reads rows again only to show them, or where a glance at what they give
 * does not tell whether they change a record. What the others become depends on the rows before them: another pass resolves those
 * alone, in the order of the file, and keeps what they make of records. So memory is taken by what rows share, not by the file.
 */
export class DryRun {
  private readonly rule;
  private readonly read;
  private readonly glance: Glance | null;
  private readonly holders: HolderReader;
  private readonly records: RecordReader;
  private readonly updated = new Sampler<Updated>();
  private readonly rejected = new Sampler<PlanRejection>();
  private readonly builder: ForecastBuilder;
  private readonly links: Links;
  private readonly total: number;
  private readonly customAt: number;
  /** How many values each row is looked up by. */
  private readonly fields: number;
  /** The rows that are decided next are read beside those before them. */
  private reading: Promise<StagedRows> | null = null;

  /** @param way how records are found; by default the cheaper way */
  constructor(
    database: Database,
    private readonly select: Select,
    private readonly source: RowSource,
    private readonly staged: StagedTable,
    private readonly lookup: Lookup,
    private readonly customFields: LoadedFields,
    private readonly excluded: RowRanges,
    private readonly names: ImportNames,
    private readonly way?: Way,
  ) {
    this.rule = lookup.rule;
    this.read = rowReader(source, this.rule, customFields);
    this.glance = this.rule.policy === 'update' ? compileGlance(source) : null;
    this.holders = new HolderReader(database);
    this.records = new RecordReader(database, select, lookup, this.glance);
    this.total = staged.totalRows;
    this.customAt = source.target.columns.indexOf('custom_fields');
    this.fields = ['email', 'phone'].filter((field) => source.targets.includes(field)).length;
    this.builder = new ForecastBuilder(this.total);
    this.links = new Links(this.total);
  }

  /** @throws what the signal gives as its reason, when it is aborted */
  async run(signal: AbortSignal): Promise<{ forecast: Forecast; result: PlanResult }> {
    for (const { first, last } of this.excluded.ranges)
      for (let row = first; row <= last; row++) this.builder.exclude(row);
    await this.decideEach(signal);
    const linked = this.links.linked();
    this.updated.drop(linked);
    this.rejected.drop(linked);
    await this.resolveLinked(linked, signal);
    const result = {
      counts: this.builder.counts,
      samples: await this.complete(this.updated.some()),
      rejected: this.rejected.some(),
    };
    return { forecast: this.builder.build(), result };
  }

  private async decideEach(signal: AbortSignal): Promise<void> {
    const way = this.way ?? (await this.records.wayFor(this.fields * Math.min(this.total, WALKED_AT_ONCE)));
    const atOnce = Math.min(this.total, way === 'walk' ? WALKED_AT_ONCE : LOOKED_UP_AT_ONCE);
    for (let next = 1; next <= this.total;) {
      const batch = new DryRunBatch(atOnce, this.glance, this.rule.field !== null);
      next = await this.fill(batch, next, signal);
      await this.records.meet(batch, way, signal);
      const slow = await this.decide(batch);
      for (let at = 0; at < slow.length; at += LOOKED_UP_AT_ONCE) {
        await this.resolveSlow(batch, slow.slice(at, at + LOOKED_UP_AT_ONCE), signal);
      }
    }
  }

  /** Reads rows into a batch. @returns the first row that is not read */
  private async fill(batch: DryRunBatch, from: number, signal: AbortSignal): Promise<number> {
    let next = from;
    for (let last = this.lastWith(next); next <= last && last - next < batch.room; last = this.lastWith(next)) {
      signal.throwIfAborted();
      const reading = this.reading ?? this.staged.rowsOf(next, last, this.source.columns);
      this.reading =
        last < this.total ? this.staged.rowsOf(last + 1, this.lastWith(last + 1), this.source.columns) : null;
      this.reading?.catch(() => undefined); // whoever waits for it is told
      await this.check(reading, (row) => {
        if (isFatal(this.rule, row) || this.rule.refusal) this.take(decide(this.rule, row, NOBODY, () => NOTHING));
        else this.keep(batch, row);
      });
      next = last + 1;
    }
    return next;
  }

  /** The last of the rows that are read together, by the first of them. */
  private lastWith(first: number): number {
    return Math.min(first + ROWS_AT_ONCE - 1, this.total);
  }

  private keep(batch: DryRunBatch, row: CheckedRow): void {
    // What a record that the row makes would be found by under the rule's field; it may be a default value.
    const made = this.rule.field ? (row.key ?? matchKey(this.rule, row.values[this.customAt] as string)) : null;
    if (made !== null) this.links.add(row.row, keyOf(made, 2));
    batch.add(row, this.links);
  }

  /** @returns the places in the batch of the rows whose cells are needed */
  private async decide(batch: DryRunBatch): Promise<number[]> {
    const slow: number[] = [];
    const isUpdate = this.rule.policy === 'update';
    for (let at = 0; at < batch.size; at++) {
      if (at % ROWS_IN_A_TURN === 0) await setImmediate();
      const row = { row: batch.row(at), errors: NO_ERRORS };
      const met = batch.metAt(at);
      // Ids and keys cannot meet: ids are negative here.
      if (isUpdate && met) for (const id of batch.idsAt(at)) this.links.add(row.row, -id);
      let isSlow = isUpdate && batch.isIncomplete(at);
      const resolution = isSlow
        ? null
        : decide(this.rule, row, met ?? NOBODY, (holder) => {
            const changes = batch.changesAt(at, met!, holder);
            if (changes === null) isSlow = true;
            return changes ? SOMETHING : NOTHING;
          });
      if (isSlow) slow.push(at);
      else this.take(resolution!);
    }
    return slow;
  }

  /** Resolves rows of a batch one by one, with their cells and all that the records which they meet hold. */
  private async resolveSlow(batch: DryRunBatch, places: number[], signal: AbortSignal): Promise<void> {
    const ids = new Set(places.flatMap((at) => batch.idsAt(at)));
    const found = {
      ids,
      email: new Map<string, number>(),
      phone: new Map<string, number>(),
      key: new Map<string, number[]>(),
    };
    const holders = await this.holders.read(this.select, this.lookup, found, false);
    const resolver = this.resolver();
    for (const holder of holders.values()) resolver.add(holder);
    for (let start = 0; start < places.length; start += ROWS_AT_ONCE) {
      signal.throwIfAborted();
      const rows = Uint32Array.from(places.slice(start, start + ROWS_AT_ONCE), (at) => batch.row(at));
      await this.check(this.readRows(rows), (row) => this.take(resolver.resolve(row)));
    }
  }

  private async resolveLinked(linked: Uint32Array, signal: AbortSignal): Promise<void> {
    const resolver = this.resolver();
    const known = new Set<number>();
    const parts: Uint32Array[] = [];
    for (let at = 0, end = 0; at < linked.length; at = end) {
      while (end < linked.length && linked[end] < linked[at] + ROWS_AT_ONCE) end++;
      parts.push(linked.subarray(at, end));
    }
    for await (const { rows, holders } of inOrder(parts, (part) => this.load(part))) {
      signal.throwIfAborted();
      for (const [id, holder] of holders) {
        if (known.has(id)) continue; // as the rows before have left it
        known.add(id);
        resolver.add(holder);
      }
      for (const row of rows) {
        const resolution = resolver.resolve(row);
        this.take(resolution, sampleOf(resolution));
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
    return new Resolver(this.rule, compileUpdater(this.source, this.customFields));
  }

  private async readRows(rows: Uint32Array): Promise<StagedRows> {
    const { columns } = this.source;
    if (rows.length <= FEW) return this.staged.readRowSet([...rows], columns);
    const wanted = new Set(rows);
    const read = await this.staged.rowsOf(rows[0], rows[rows.length - 1], columns);
    return [...read].filter(({ row }) => wanted.has(row));
  }

  private async check(reading: Promise<StagedRows>, take: (row: CheckedRow) => void): Promise<void> {
    const read = await reading;
    const names = await this.names.of(this.source.work, this.source.targets, read);
    for (const staged of read) {
      if (!this.excluded.has(staged.row)) take(this.read(staged, names));
      if (staged.row % ROWS_IN_A_TURN === 0) await setImmediate();
    }
  }

  private async load(part: Uint32Array): Promise<Part> {
    const rows: CheckedRow[] = [];
    await this.check(this.readRows(part), (row) => rows.push(row));
    const found = await this.holders.find(this.select, this.lookup, rows);
    return { rows, holders: await this.holders.read(this.select, this.lookup, found, false) };
  }

  /** @param sample of a row that changes a record, where it can only be had now */
  private take(resolution: Resolution, sample?: () => PlanSample): void {
    const { row, outcome, holder, errors } = resolution;
    this.builder.add(resolution);
    if (outcome === 'rejected') this.rejected.offer(() => ({ row, errors: errors! }));
    // A record that the import makes itself has no id yet.
    if (outcome === 'updated' && holder!.row === null) this.updated.offer(sample ?? (() => ({ row })));
  }

  /** What rows change, of those of which that is not known yet; without those that a person has changed meanwhile. */
  private async complete(samples: Updated[]): Promise<PlanSample[]> {
    const left = samples.filter((sample) => !('changes' in sample)).map(({ row }) => row);
    const { rows, holders } = await this.load(Uint32Array.from(left));
    const resolver = this.resolver();
    for (const holder of holders.values()) resolver.add(holder);
    const known = new Map(
      rows.flatMap((row) => {
        const resolution = resolver.resolve(row);
        return resolution.outcome === 'updated' ? [[row.row, sampleOf(resolution)()] as const] : [];
      }),
    );
    return samples.flatMap((sample) => ('changes' in sample ? sample : (known.get(sample.row) ?? [])));
  }
}

const NO_ERRORS: never[] = [];

const sampleOf =
  ({ row, holder, changes }: Resolution) =>
  (): PlanSample => {
    const of = (column: string) => ({
      old: valueOf(column, holder!.values[column]),
      new: valueOf(column, changes![column]),
    });
    const fields = Object.keys(changes!).map((column) => [propertyOf(column), of(column)]);
    return { row, recordId: holder!.id, changes: Object.fromEntries(fields) as PlanSample['changes'] };
  };

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
