import { createHash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import { FieldSet } from '@muster/core/contact/custom-fields';
import { readCell } from '@muster/core/contact/row';
import { FieldError, unavailable } from '@muster/core/errors';
import { Database } from '@muster/platform/database/database';
import { BulkBuffer, BulkValue } from '@muster/platform/database/dialect/dialect';
import { errorFields, logOf } from '@muster/platform/observability/logger';
import { LocalFiles } from '@muster/platform/storage/local-files';
import { ObjectNotFound, type Storage, STORAGE } from '@muster/platform/storage/storage';
import { StagedRow } from '@muster/platform/tabular/staged-rows';
import { LoadedFields } from '../custom-fields/custom-fields.service';
import { checkRow } from './imports.batch';
import { Import } from './imports.entity';
import { HolderReader } from './imports.holders';
import { matchKey, MatchRule, matchRule } from './imports.match';
import { Names } from './imports.names';
import { ImportNames } from './imports.names.service';
import { ImportPlans, rowReading } from './imports.plans';
import { FlagsBuilder, PreviewFlags } from './imports.preview.flags';
import { TargetTable } from './imports.targets';

/** For how long what a scan found counts, in milliseconds: meanwhile others may have stored what a row holds. */
const FRESH = 10 * 60_000;
/** The flags of how many imports a process keeps in memory. */
const KEPT = 16;
/** A scan of more rows leaves its result in the file store, for the other processes. */
const LARGE = 100_000;
const ROWS_AT_ONCE = 2_000;
/** How long a caller waits for a scan, in milliseconds; it goes on without them. */
const PATIENCE = 20_000;

/** Takes the values of a row as a buffer does, and keeps the last row only. */
export class RowCapture implements BulkBuffer {
  count = 0;
  values: readonly BulkValue[] = [];

  add(values: readonly BulkValue[]): void {
    this.count++;
    this.values = values;
  }

  read(): never {
    throw new Error('A captured row is not read back.');
  }
}

/** A row as the import would take it. */
export interface CheckedRow {
  row: number;
  errors: FieldError[] | null;
  /** By the columns of the bulk load; empty when there are errors. */
  values: readonly BulkValue[];
  email: string | null;
  phone: string | null;
  /** Of the custom field that rows are matched by. */
  key: string | null;
}

/** In which order an import looks for what a row meets. */
const ORDER = { email: ['email', 'phone'], phone: ['phone', 'email'], key: ['key', 'email', 'phone'] } as const;
type Way = (typeof ORDER)['key'][number];

/** Checks rows of an import that has not begun, as it would when it runs. */
export class RowReader {
  private readonly reading;
  private readonly check;
  readonly rule: MatchRule;
  private readonly keyAt: number[];
  private readonly capture = new RowCapture();

  constructor(work: Import, fields: FieldSet) {
    // Any base will do: ids are not looked at.
    this.reading = rowReading({ ...work, recordBase: 1 });
    this.check = this.reading.checker(fields);
    this.rule = matchRule(work.options, fields);
    const { field } = this.rule;
    this.keyAt = this.targets.flatMap((target, cell) => (field && target === `cf.${field.key}` ? [cell] : []));
  }

  /** Positions of the columns whose cells {@link read} takes. */
  get columns(): number[] {
    return this.reading.columns;
  }

  /** The targets of the mapped ones, which come first. */
  get targets(): string[] {
    return this.reading.targets;
  }

  get target(): TargetTable {
    return this.reading.target;
  }

  /** By what rows are told apart, first what they are matched by. */
  get ways(): readonly Way[] {
    return ORDER[this.rule.on ?? 'email'];
  }

  /** Names of the columns of the bulk load. */
  get names(): string[] {
    return this.reading.target.columns;
  }

  /** What a row is told apart by. */
  valuesOf(row: CheckedRow): (string | null)[] {
    return this.ways.map((way) => row[way]);
  }

  read(staged: StagedRow, names: Names): CheckedRow {
    const errors = checkRow(staged, this.check, this.capture, names);
    const values = errors ? [] : this.capture.values;
    const at = (name: string) => (errors ? null : (values[this.names.indexOf(name)] as string | null));
    const hasKey = !errors && this.keyAt.length > 0 && readCell(staged.cells, this.keyAt) !== null;
    const key = hasKey ? matchKey(this.rule, at('custom_fields')!) : null;
    return { row: staged.row, errors, values, email: at('email'), phone: at('phone'), key };
  }
}

/** Finds out which rows of a whole file are valid, invalid and duplicates: once, and then keeps it for a while. */
@Injectable()
export class ImportsPreviewScanService {
  private readonly log = logOf('imports');
  private readonly holders: HolderReader;
  private readonly kept = new Map<number, PreviewFlags>();
  private readonly running = new Map<string, Promise<PreviewFlags>>();
  /** Scans run one after another: each has its share of memory. */
  private queue: Promise<unknown> = Promise.resolve();

  constructor(
    @Inject(STORAGE) private readonly storage: Storage,
    private readonly files: LocalFiles,
    private readonly database: Database,
    private readonly plans: ImportPlans,
    private readonly names: ImportNames,
  ) {
    this.holders = new HolderReader(database);
  }

  /** The flags of an import, if they are known here and fresh. */
  atHand(work: Import, fields: LoadedFields): PreviewFlags | null {
    const flags = this.kept.get(work.id);
    return flags && isFresh(flags, fingerprintOf(work, fields)) ? flags : null;
  }

  /** The flags of an import. @throws 503 `preview-computing` when they take long; asked again later, they are there */
  async flags(work: Import, fields: LoadedFields): Promise<PreviewFlags> {
    const known = this.atHand(work, fields);
    if (known) return known;
    const fingerprint = fingerprintOf(work, fields);
    const key = `${work.id}/${fingerprint}`;
    let running = this.running.get(key);
    if (!running) {
      running = this.inTurn(() => this.findOrScan(work, fields, fingerprint)).finally(() => this.running.delete(key));
      this.running.set(key, running);
      running.catch((error: unknown) =>
        this.log.warn({ importId: work.id, ...errorFields(error) }, 'A preview could not be computed.'),
      );
    }
    const patience = new AbortController();
    try {
      const flags = await Promise.race([running, sleep(PATIENCE, null, { signal: patience.signal })]);
      if (flags) return flags;
    } finally {
      patience.abort();
    }
    throw unavailable('preview-computing', 'The rows of the file are being checked; ask again in a few seconds.');
  }

  /** Tells of some rows who in the store holds their values, in the order in which the import looks. */
  async storedHolders(reader: RowReader, rows: readonly CheckedRow[]): Promise<(row: CheckedRow) => (number | null)[]> {
    const select = <T>(sql: string, params: unknown[]) => this.database.query<T>(sql, params);
    const found = await this.holders.find(select, { plan: reader, rule: reader.rule }, rows);
    const holderOf = (way: Way, value: string | null) => {
      if (value === null) return null;
      return (way === 'key' ? found.key.get(value)?.[0] : found[way].get(value)) ?? null;
    };
    return (row) => reader.ways.map((way) => holderOf(way, row[way]));
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.queue.then(work);
    this.queue = turn.catch(() => undefined);
    return turn;
  }

  private async findOrScan(work: Import, fields: LoadedFields, fingerprint: string): Promise<PreviewFlags> {
    const large = work.totalRows! > LARGE;
    const stored = large ? await this.load(work) : null;
    if (stored && isFresh(stored, fingerprint)) return this.keep(work, stored);
    const flags = await this.scan(work, fields, fingerprint);
    if (large) await this.store(work, flags);
    return this.keep(work, flags);
  }

  private keep({ id }: Import, flags: PreviewFlags): PreviewFlags {
    this.kept.delete(id);
    this.kept.set(id, flags);
    if (this.kept.size > KEPT) this.kept.delete(this.kept.keys().next().value!);
    return flags;
  }

  private async scan(work: Import, fields: LoadedFields, fingerprint: string): Promise<PreviewFlags> {
    const sharing = await this.plans.sharingOf(work);
    const total = work.totalRows!;
    const computedAt = Date.now();
    const reader = new RowReader(work, fields);
    const builder = new FlagsBuilder(total, reader.ways.length);
    const staged = await this.plans.stagedTable(work);
    try {
      for (let from = 1; from <= total; from += ROWS_AT_ONCE) {
        const rows = await staged.readRows(from, from + ROWS_AT_ONCE - 1, reader.columns);
        const names = await this.names.of(work, reader.targets, rows);
        const checked = rows.map((row) => reader.read(row, names));
        const holders = await this.storedHolders(reader, checked);
        for (const row of checked) {
          if (row.errors) builder.addInvalid(row.row);
          else builder.addValid(row.row, reader.valuesOf(row), holders(row));
        }
        await setImmediate(); // others have their turn
      }
    } finally {
      await staged.close();
    }
    const keyAt = reader.ways.findIndex((way) => way === 'key');
    return builder.build({ fingerprint, computedAt }, keyAt < 0 ? sharing : builder.sharingAlso(sharing, keyAt));
  }

  private async load(work: Import): Promise<PreviewFlags | null> {
    const path = await this.files.temporaryPath('.flags');
    try {
      await this.storage.getFile(keyOf(work), path);
      return await PreviewFlags.read(path);
    } catch (error) {
      if (error instanceof ObjectNotFound) return null;
      throw error;
    } finally {
      await rm(path, { force: true });
    }
  }

  private async store(work: Import, flags: PreviewFlags): Promise<void> {
    const path = await this.files.temporaryPath('.flags');
    try {
      await flags.write(path);
      await this.storage.moveIn(keyOf(work), path);
    } finally {
      await rm(path, { force: true });
    }
  }
}

/** Beside the staged table; a new scan replaces it. */
const keyOf = ({ stagedKey }: Import) => `${stagedKey!}.flags`;

const isFresh = ({ head }: PreviewFlags, fingerprint: string) =>
  head.fingerprint === fingerprint && Date.now() - head.computedAt < FRESH;

/** Everything that the checks depend on, but for the store's records, users and groups. */
const fingerprintOf = ({ mapping, options, totalRows }: Import, { revision }: LoadedFields) =>
  createHash('sha256')
    .update(JSON.stringify([mapping, options, totalRows, revision]))
    .digest('hex');
