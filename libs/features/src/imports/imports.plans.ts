import { Injectable } from '@nestjs/common';
import { FieldSet } from '@muster/core/contact/custom-fields';
import { StagedTable } from '@muster/platform/tabular/staged-table';
import { LocalFiles } from '@muster/platform/storage/local-files';
import { Forecast, Forecasts } from './imports.forecast';
import { ImportLedger } from './imports.ledger';
import { resolvesRows } from './imports.match';
import { RowRanges } from './imports.ranges';
import { Analysis, ChunkKind, Import, ImportChunk } from './imports.entity';
import { ImportsRepository } from './imports.repository';
import { checkerOf, RowSource, TARGET_TABLES } from './imports.targets';

/** How many imports a process keeps open at a time. */
const OPEN_PLANS = 4;
/** Of how many it knows the rows that share; each may take four bytes a row. */
const KNOWN_SHARING = 8;

/** Everything about one running import that does not change from chunk to chunk. */
export interface ImportPlan extends RowSource {
  staged: StagedTable;
  /** Rows that share an e-mail or phone with an earlier row, rising; empty when one chunk holds the whole file, or all run in order. */
  sharing: Uint32Array;
  /** Rows that the client left out: they have their outcome already. */
  excluded: RowRanges;
  /** What a dry run found, for an import that is bound to it. */
  bound: Forecast | null;
}

/** The mapping as positions: column index to target. */
export function mappedColumns(
  analysis: Analysis,
  mapping: Record<string, string | null>,
): { index: number; target: string }[] {
  return analysis.columns.flatMap(({ name }, index) => {
    const target = mapping[name];
    return target ? [{ index, target }] : [];
  });
}

/** Columns that hold the same kind of value. */
export interface IdentityKey {
  columns: number[];
  fold: 'text' | 'digits';
}

const sharingName = (importId: number, keys?: IdentityKey[]) => `${importId}/${keys ? JSON.stringify(keys) : ''}`;

/** What makes two rows the same person, in the words of {@link StagedTable.laterSharers}. */
export function identityKeys(mapped: { index: number; target: string }[]): IdentityKey[] {
  const columnsOf = (target: string) => mapped.filter((entry) => entry.target === target).map(({ index }) => index);
  return [
    { columns: columnsOf('email'), fold: 'text' as const },
    { columns: columnsOf('phone'), fold: 'digits' as const },
  ].filter(({ columns }) => columns.length > 0);
}

/**
 * Cuts a file into chunks: the whole file, or first the rows that stand alone and then, in order, those that share.
 * @param sharing null when every row may change what the next one meets: then all run in order
 */
export function planChunks(importId: number, totalRows: number, batchRows: number, sharing: Uint32Array | null) {
  const chunks: Pick<ImportChunk, 'importId' | 'seq' | 'kind' | 'firstRow' | 'lastRow'>[] = [];
  const add = (kind: ChunkKind, firstRow: number, lastRow: number) =>
    chunks.push({ importId, seq: chunks.length + 1, kind, firstRow, lastRow });
  if (totalRows > 0 && totalRows <= batchRows) {
    add('all', 1, totalRows);
    return chunks;
  }
  for (let first = 1; first <= totalRows; first += batchRows)
    add(sharing ? 'distinct' : 'ordered', first, Math.min(first + batchRows - 1, totalRows));
  for (let start = 0; sharing && start < sharing.length; start += batchRows) {
    add('sharing', sharing[start], sharing[Math.min(start + batchRows, sharing.length) - 1]);
  }
  return chunks;
}

/** What this process knows of the imports that it works on: open plans, most recently used last, and rows that share. */
@Injectable()
export class ImportPlans {
  private readonly plans = new Map<number, Promise<ImportPlan>>();
  private readonly sharing = new Map<string, Uint32Array>();

  constructor(
    private readonly files: LocalFiles,
    private readonly repository: ImportsRepository,
    private readonly ledger: ImportLedger,
    private readonly forecasts: Forecasts,
  ) {}

  get(importId: number): Promise<ImportPlan> {
    const known = this.plans.get(importId);
    this.plans.delete(importId);
    const plan = known ?? this.open(importId);
    this.plans.set(importId, plan);
    plan.catch(() => this.plans.delete(importId));
    this.closeOldest();
    return plan;
  }

  /** Keeps what was found under a mapping, for the planning that follows. */
  remember(importId: number, keys: IdentityKey[], sharing: Uint32Array): void {
    const name = sharingName(importId, keys);
    this.sharing.delete(name);
    this.sharing.set(name, sharing);
    for (const oldest of this.sharing.keys()) {
      if (this.sharing.size <= KNOWN_SHARING) return;
      this.sharing.delete(oldest);
    }
  }

  /** The rows of an import which share an e-mail or phone with an earlier row. */
  async sharingOf(work: Import): Promise<Uint32Array> {
    const keys = identityKeys(mappedColumns(work.analysis!, work.mapping!));
    const known = this.sharing.get(sharingName(work.id, keys));
    if (known) return known;
    const staged = await this.stagedTable(work);
    try {
      const sharing = await staged.laterSharers(keys);
      this.remember(work.id, keys, sharing);
      return sharing;
    } finally {
      await staged.close();
    }
  }

  async stagedTable({ stagedKey, analysis }: Import): Promise<StagedTable> {
    return StagedTable.open(await this.files.copyOf(stagedKey!), analysis!.columns.length);
  }

  async forget(importId: number): Promise<void> {
    const plan = this.plans.get(importId);
    this.plans.delete(importId);
    const prefix = sharingName(importId);
    for (const name of this.sharing.keys()) if (name.startsWith(prefix)) this.sharing.delete(name);
    await (await plan?.catch(() => undefined))?.staged.close();
  }

  private closeOldest(): void {
    for (const importId of this.plans.keys()) {
      if (this.plans.size <= OPEN_PLANS) return;
      void this.forget(importId);
    }
  }

  private async open(importId: number): Promise<ImportPlan> {
    const work = (await this.repository.find(importId))!;
    return {
      ...rowReading(work),
      staged: await this.stagedTable(work),
      sharing: resolvesRows(work.options) ? new Uint32Array() : await this.sharingOf(work),
      bound: work.options.ifPlan === undefined ? null : await this.forecasts.load(work, work.options.ifPlan),
      excluded: await this.ledger.rowsWith(importId, 'excluded'),
    };
  }
}

/** How the rows of an import are read and checked under its mapping: the same for who imports them and who only looks. */
export function rowReading(work: Import): RowSource {
  const analysis = work.analysis!;
  const mapped = mappedColumns(analysis, work.mapping!);
  const kept = work.options.keepUnmapped
    ? analysis.columns.map((_, index) => index).filter((index) => !mapped.some((entry) => entry.index === index))
    : [];
  const target = TARGET_TABLES[work.target];
  const targets = mapped.map((entry) => entry.target);
  const unmapped = kept.map((index) => analysis.columns[index].name);
  const reading = (fields: FieldSet) => target.reading(work, targets, unmapped, fields);
  return {
    work,
    target,
    columns: [...mapped.map(({ index }) => index), ...kept],
    targets,
    reading,
    checker: (fields) => checkerOf(reading(fields)),
  };
}

/** The rows of a chunk, of all those in its range: see {@link ChunkKind}. */
export function belongs(kind: ChunkKind, sharing: Uint32Array): (row: number) => boolean {
  if (kind === 'all' || kind === 'ordered') return () => true;
  const wanted = kind === 'sharing';
  return (row) => contains(sharing, row) === wanted;
}

function contains(sorted: Uint32Array, value: number): boolean {
  let low = 0;
  let high = sorted.length - 1;
  while (low <= high) {
    const middle = (low + high) >>> 1;
    const found = sorted[middle];
    if (found === value) return true;
    if (found < value) low = middle + 1;
    else high = middle - 1;
  }
  return false;
}
