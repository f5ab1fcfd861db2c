import { FieldError } from '@muster/core/errors';
import { Injectable } from '@nestjs/common';
import { Database } from '@muster/platform/database/database';
import { SqlCondition } from '@muster/platform/database/record-table';
import { Tx } from '@muster/platform/database/transactions';
import { marks } from '@muster/platform/database/sql';
import { RowRange, RowRanges } from './imports.ranges';
import { ImportTarget, LedgerEntry, Outcome, OUTCOMES } from './imports.entity';

/** How many entries one INSERT carries; six values each stay within every database's limit. More go by the bulk load. */
const ENTRIES_AT_ONCE = 500;

export type OutcomeCounts = Record<Outcome, number>;

/** What became of one row. */
export interface RowOutcome<O extends string = Outcome> {
  row: number;
  outcome: O;
  recordId: number | null;
  errors: FieldError[] | null;
}

export const noCounts = (): OutcomeCounts => ({
  created: 0,
  updated: 0,
  unchanged: 0,
  skipped: 0,
  excluded: 0,
  rejected: 0,
});

export const sumOf = (counts: OutcomeCounts): number => OUTCOMES.reduce((sum, outcome) => sum + counts[outcome], 0);

/** Joins the outcomes of rows (in rising order) into runs of neighbouring rows that fared alike. */
export function toEntries<O extends string>(importId: number, outcomes: Iterable<RowOutcome<O>>): LedgerEntry<O>[] {
  const entries: LedgerEntry<O>[] = [];
  let last: LedgerEntry<O> | undefined;
  for (const { row, outcome, recordId, errors } of outcomes) {
    if (last && extendsRun(last, row, outcome, recordId, errors)) {
      last.lastRow = row;
    } else {
      last = { importId, firstRow: row, lastRow: row, outcome, recordId, errors };
      entries.push(last);
    }
  }
  return entries;
}

function extendsRun<O extends string>(
  last: LedgerEntry<O>,
  row: number,
  outcome: O,
  recordId: number | null,
  errors: FieldError[] | null,
) {
  if (last.outcome !== outcome || last.lastRow !== row - 1) return false;
  const expected = last.recordId === null ? null : last.recordId + (row - last.firstRow);
  if (recordId !== expected) return false;
  return (
    errors === last.errors ||
    (errors !== null && last.errors !== null && JSON.stringify(errors) === JSON.stringify(last.errors))
  );
}

export function countsOf(entries: LedgerEntry[]): OutcomeCounts {
  const counts = noCounts();
  for (const { outcome, firstRow, lastRow } of entries) counts[outcome] += lastRow - firstRow + 1;
  return counts;
}

interface CountRow {
  import_id: number;
  outcome: string;
  n: number | string;
}

/** A row of the ledger as raw SQL gives it. */
interface StoredEntry<O extends string> {
  first_row: number;
  last_row: number;
  outcome: O;
  record_id: number | null;
  errors: string | null;
}

/** The SQL of a ledger, which tells for each of an import's rows one of some outcomes: entries are only ever added. */
export abstract class RowLedger<O extends string> {
  protected constructor(
    protected readonly database: Database,
    private readonly table: string,
    private readonly outcomes: readonly O[],
  ) {}

  async add(tx: Tx, entries: LedgerEntry<O>[]): Promise<void> {
    if (entries.length > ENTRIES_AT_ONCE) return this.load(tx, entries);
    for (let start = 0; start < entries.length; start += ENTRIES_AT_ONCE) {
      const slice = entries.slice(start, start + ENTRIES_AT_ONCE);
      await tx.query(
        `INSERT INTO ${this.table} (import_id, first_row, last_row, outcome, record_id, errors) VALUES ${slice.map(() => '(?, ?, ?, ?, ?, ?)').join(', ')}`,
        slice.flatMap((entry) => [
          entry.importId,
          entry.firstRow,
          entry.lastRow,
          entry.outcome,
          entry.recordId,
          entry.errors && JSON.stringify(entry.errors),
        ]),
      );
    }
  }

  private async load(tx: Tx, entries: LedgerEntry<O>[]): Promise<void> {
    const { dialect } = this.database;
    const buffer = dialect.bulkBuffer();
    for (const { importId, firstRow, lastRow, outcome, recordId, errors } of entries) {
      buffer.add([importId, firstRow, lastRow, outcome, recordId, errors && JSON.stringify(errors)]);
    }
    const columns = ['import_id', 'first_row', 'last_row', 'outcome', 'record_id', 'errors'];
    const added = await dialect.bulkInsert(tx.runner, this.table, columns, buffer);
    if (added !== entries.length) throw new Error(`${entries.length - added} runs of rows had an outcome already.`);
  }

  /** The counts of several imports, computed from their committed entries. */
  counts(importIds: number[]): Promise<Map<number, Record<O, number>>> {
    return this.sum(importIds, (sql) => this.database.query(sql, importIds));
  }

  /** The same, as a transaction sees them. */
  countsIn(tx: Tx, importIds: number[]): Promise<Map<number, Record<O, number>>> {
    return this.sum(importIds, async (sql) => (await tx.query<CountRow>(sql, importIds)).rows);
  }

  private async sum(
    importIds: number[],
    query: (sql: string) => Promise<CountRow[]>,
  ): Promise<Map<number, Record<O, number>>> {
    const none = () => Object.fromEntries(this.outcomes.map((outcome) => [outcome, 0])) as Record<O, number>;
    const result = new Map(importIds.map((id) => [id, none()]));
    if (importIds.length === 0) return result;
    const rows = await query(
      `SELECT import_id, outcome, SUM(last_row - first_row + 1) AS n FROM ${this.table} WHERE import_id IN (${marks(importIds)}) GROUP BY import_id, outcome`,
    );
    for (const { import_id, outcome, n } of rows) result.get(Number(import_id))![outcome as O] = Number(n);
    return result;
  }

  /** Up to `limit` rows after `afterRow`, in the order of the file. */
  async rowsAfter(importId: number, outcome: O | undefined, afterRow: number, limit: number): Promise<RowOutcome<O>[]> {
    const stored = await this.database.query<StoredEntry<O>>(
      `SELECT first_row, last_row, outcome, record_id, errors FROM ${this.table} WHERE import_id = ? AND last_row > ?${outcome ? ' AND outcome = ?' : ''} ORDER BY first_row LIMIT ${limit}`,
      [importId, afterRow, ...(outcome ? [outcome] : [])],
    );
    return expand(stored, afterRow + 1, limit);
  }

  /** Rows by position among those of the outcome: `offset` of them are passed over. */
  async rowsAt(importId: number, outcome: O | undefined, offset: number, limit: number): Promise<RowOutcome<O>[]> {
    const stored = await this.database.query<StoredEntry<O> & { running: number | string }>(
      `SELECT * FROM (
         SELECT first_row, last_row, outcome, record_id, errors, SUM(last_row - first_row + 1) OVER (ORDER BY first_row) AS running
         FROM ${this.table} WHERE import_id = ?${outcome ? ' AND outcome = ?' : ''}
       ) entries WHERE running > ? AND running - (last_row - first_row + 1) < ? ORDER BY first_row`,
      [importId, ...(outcome ? [outcome] : []), offset, offset + limit],
    );
    if (stored.length === 0) return [];
    const { first_row, last_row, running } = stored[0];
    const before = Number(running) - (Number(last_row) - Number(first_row) + 1);
    return expand(stored, Number(first_row) + (offset - before), limit);
  }

  /** Up to `limit` rows with one of some outcomes after `afterRow`, as a transaction sees them. */
  async rowsFrom(
    tx: Tx,
    importId: number,
    outcomes: readonly O[],
    afterRow: number,
    limit: number,
  ): Promise<RowOutcome<O>[]> {
    const { rows } = await tx.query<StoredEntry<O>>(
      `SELECT first_row, last_row, outcome, record_id, errors FROM ${this.table}
       WHERE import_id = ? AND last_row > ? AND outcome IN (${marks(outcomes)}) ORDER BY first_row LIMIT ${limit}`,
      [importId, afterRow, ...outcomes],
    );
    return expand(rows, afterRow + 1, limit);
  }

  /** The rows of a range, both ends included, as a transaction sees them; those with one outcome only. */
  async rowsIn(tx: Tx, importId: number, firstRow: number, lastRow: number, outcome: O): Promise<RowOutcome<O>[]> {
    const { rows } = await tx.query<StoredEntry<O>>(
      `SELECT first_row, last_row, outcome, record_id, errors FROM ${this.table}
       WHERE import_id = ? AND outcome = ? AND first_row <= ? AND last_row >= ? ORDER BY first_row`,
      [importId, outcome, lastRow, firstRow],
    );
    return expand(rows, firstRow, lastRow - firstRow + 1).filter(({ row }) => row <= lastRow);
  }

  /** The first and the last row with an outcome; null when there is none. */
  async extent(tx: Tx, importId: number, outcome: O): Promise<RowRange | null> {
    const { rows } = await tx.query<{ first: number | null; last: number }>(
      `SELECT MIN(first_row) AS first, MAX(last_row) AS last FROM ${this.table} WHERE import_id = ? AND outcome = ?`,
      [importId, outcome],
    );
    const [{ first, last }] = rows;
    return first === null ? null : { first: Number(first), last: Number(last) };
  }
}

/** The ledger of imports. */
@Injectable()
export class ImportLedger extends RowLedger<Outcome> {
  constructor(database: Database) {
    super(database, 'import_ledger', OUTCOMES);
  }

  /** Gives every row of 1..total that has no entry one of `outcome`: what an import that ends early did not reach. */
  async fillGaps(tx: Tx, importId: number, total: number, outcome: Outcome, errors: FieldError[]): Promise<void> {
    const { rows } = await tx.query<{ first_row: number; last_row: number }>(
      'SELECT first_row, last_row FROM import_ledger WHERE import_id = ? ORDER BY first_row',
      [importId],
    );
    const gaps: LedgerEntry[] = [];
    let next = 1;
    for (const { first_row, last_row } of [...rows, { first_row: total + 1, last_row: total }]) {
      if (Number(first_row) > next) {
        gaps.push({ importId, firstRow: next, lastRow: Number(first_row) - 1, outcome, recordId: null, errors });
      }
      next = Number(last_row) + 1;
    }
    await this.add(tx, gaps);
  }

  /** The rows that have an outcome. */
  async rowsWith(importId: number, outcome: Outcome): Promise<RowRanges> {
    const rows = await this.database.query<{ first_row: number; last_row: number }>(
      'SELECT first_row, last_row FROM import_ledger WHERE import_id = ? AND outcome = ? ORDER BY first_row',
      [importId, outcome],
    );
    return RowRanges.of(rows.map(({ first_row, last_row }) => ({ first: Number(first_row), last: Number(last_row) })));
  }

  /** Which of these records of a target the condition holds for. */
  async recordsAmong(target: ImportTarget, ids: number[], { sql, params }: SqlCondition): Promise<Set<number>> {
    if (ids.length === 0) return new Set();
    const rows = await this.database.query<{ id: number | string }>(
      `SELECT id FROM ${target} WHERE id IN (${marks(ids)}) AND ${sql}`,
      [...ids, ...params],
    );
    return new Set(rows.map(({ id }) => Number(id)));
  }
}

function expand<O extends string>(stored: StoredEntry<O>[], fromRow: number, limit: number): RowOutcome<O>[] {
  const rows: RowOutcome<O>[] = [];
  for (const entry of stored) {
    const first = Number(entry.first_row);
    const errors = entry.errors === null ? null : (JSON.parse(entry.errors) as FieldError[]);
    for (let row = Math.max(first, fromRow); row <= Number(entry.last_row) && rows.length < limit; row++) {
      const recordId = entry.record_id === null ? null : Number(entry.record_id) + (row - first);
      rows.push({ row, outcome: entry.outcome, recordId, errors });
    }
  }
  return rows;
}
