import { rm, readFile, writeFile } from 'node:fs/promises';
import { Inject, Injectable } from '@nestjs/common';
import { LocalFiles } from '@muster/platform/storage/local-files';
import { type Storage, STORAGE } from '@muster/platform/storage/storage';
import { Import, Outcome, OUTCOMES } from './imports.entity';
import { indexOf } from './imports.preview.flags';
import type { Holder, Resolution } from './imports.resolver';

/** The outcomes that make, change or find a record as it should be. */
const EFFECTIVE: readonly Outcome[] = ['created', 'updated', 'unchanged'];

/** How a record is named before it has an id: by the row that makes it, as a negative number. */
const nameOf = ({ id, row }: Holder): number => (row === null ? id : -row);

/** What a dry run expects of each row, in little room: one byte a row, sixteen for each that matches a record. */
export class Forecast {
  constructor(
    /** By row: the place of its outcome among all outcomes. */
    private readonly outcomes: Uint8Array,
    /** The rows that match a record, rising; the record of each, and its version before the import. */
    private readonly rows: Uint32Array,
    private readonly records: Float64Array,
    private readonly versions: Uint32Array,
  ) {}

  /**
   * Whether a row may still do what was planned: the same outcome on the same record, which nobody but this import has changed. What does
   * nothing now and was to do nothing may do it for another reason.
   */
  allows({ row, outcome, holder }: Resolution): boolean {
    const planned = OUTCOMES[this.outcomes[row - 1]];
    if (!EFFECTIVE.includes(planned) && !EFFECTIVE.includes(outcome)) return true;
    if (planned !== outcome) return false;
    if (outcome === 'created') return true;
    const at = indexOf(this.rows, row);
    return at >= 0 && this.records[at] === nameOf(holder!) && this.versions[at] === holder!.version - holder!.own;
  }

  get bytes(): Uint8Array[] {
    const head = new Uint32Array([this.outcomes.length, this.rows.length]);
    return [head, this.outcomes, this.rows, this.records, this.versions].map(
      ({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength),
    );
  }

  static read(bytes: Buffer): Forecast {
    const [total, matched] = [bytes.readUInt32LE(0), bytes.readUInt32LE(4)];
    let at = 8;
    // Copies: numbers must begin at a multiple of their size.
    const part = (length: number) => Uint8Array.from(bytes.subarray(at, (at += length)));
    const outcomes = part(total);
    const rows = new Uint32Array(part(4 * matched).buffer);
    const records = new Float64Array(part(8 * matched).buffer);
    return new Forecast(outcomes, rows, records, new Uint32Array(part(4 * matched).buffer));
  }
}

/** Collects what a dry run expects; rows may come in any order, and again. */
export class ForecastBuilder {
  private readonly outcomes: Uint8Array;
  /** By row: the record that it matches, 0 for none, and its version before the import. */
  private readonly records: Float64Array;
  private readonly versions: Uint32Array;

  constructor(totalRows: number) {
    this.outcomes = new Uint8Array(totalRows);
    this.records = new Float64Array(totalRows);
    this.versions = new Uint32Array(totalRows);
  }

  exclude(row: number): void {
    this.outcomes[row - 1] = OUTCOMES.indexOf('excluded');
  }

  add({ row, outcome, holder }: Resolution): void {
    this.outcomes[row - 1] = OUTCOMES.indexOf(outcome);
    const matched = EFFECTIVE.includes(outcome) ? holder : null;
    // Read now: a record's version moves on with the rows that follow.
    this.records[row - 1] = matched ? nameOf(matched) : 0;
    this.versions[row - 1] = matched ? matched.version - matched.own : 0;
  }

  get counts(): Record<Outcome, number> {
    const counts = new Array<number>(OUTCOMES.length).fill(0);
    for (const outcome of this.outcomes) counts[outcome]++;
    return Object.fromEntries(OUTCOMES.map((outcome, index) => [outcome, counts[index]])) as Record<Outcome, number>;
  }

  build(): Forecast {
    const { outcomes, records, versions } = this;
    let count = 0;
    for (let index = 0; index < records.length; index++) if (records[index] !== 0) count++;
    const matched = {
      rows: new Uint32Array(count),
      records: new Float64Array(count),
      versions: new Uint32Array(count),
    };
    for (let index = 0, at = 0; at < count; index++) {
      if (records[index] === 0) continue;
      matched.rows[at] = index + 1;
      matched.records[at] = records[index];
      matched.versions[at++] = versions[index];
    }
    return new Forecast(outcomes, matched.rows, matched.records, matched.versions);
  }
}

/** Keeps forecasts in the file store, beside the staged table. */
@Injectable()
export class Forecasts {
  constructor(
    @Inject(STORAGE) private readonly storage: Storage,
    private readonly files: LocalFiles,
  ) {}

  async store(work: Import, planId: number, forecast: Forecast): Promise<void> {
    const path = await this.files.temporaryPath('.plan');
    try {
      await writeFile(path, forecast.bytes, { mode: 0o600 });
      await this.storage.moveIn(forecastKey(work.stagedKey!, planId), path);
    } finally {
      await rm(path, { force: true });
    }
  }

  /** @throws {ObjectNotFound} */
  async load(work: Import, planId: number): Promise<Forecast> {
    const path = await this.files.temporaryPath('.plan');
    try {
      await this.storage.getFile(forecastKey(work.stagedKey!, planId), path);
      return Forecast.read(await readFile(path));
    } finally {
      await rm(path, { force: true });
    }
  }

  delete(work: Import, planId: number): Promise<void> {
    return this.storage.delete(forecastKey(work.stagedKey!, planId));
  }
}

/** Where the forecast of a plan lies in the file store. */
export const forecastKey = (stagedKey: string, planId: number) => `${stagedKey}.plan-${planId}`;
