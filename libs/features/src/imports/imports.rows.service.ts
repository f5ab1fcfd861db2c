import { Injectable } from '@nestjs/common';
import { escapeFormula } from '@muster/core/contact/text';
import { conflict, FieldError, invalid, gone } from '@muster/core/errors';
import { Page } from '@muster/core/page';
import { Principal } from '@muster/core/principal';
import { LocalFiles } from '@muster/platform/storage/local-files';
import { StagedTable } from '@muster/platform/tabular/staged-table';
import { LedgerRowView, ListRowsQuery } from './imports.dto';
import { Import, Outcome } from './imports.entity';
import { ImportLedger, RowOutcome } from './imports.ledger';
import { readableRecords } from './imports.policy';
import { ImportsService } from './imports.service';

/** How many rejected rows are read and written at a time. */
const ROWS_AT_ONCE = 200;

/** Reads the ledger together with the rows that it speaks of. */
@Injectable()
export class ImportsRowsService {
  constructor(
    private readonly imports: ImportsService,
    private readonly ledger: ImportLedger,
    private readonly files: LocalFiles,
  ) {}

  async list(principal: Principal, id: number, query: ListRowsQuery): Promise<Page<LedgerRowView>> {
    const work = await this.imports.get(principal, id);
    const { outcome, page, limit, cursor } = query;
    const after = cursor === undefined ? null : readCursor(cursor);
    // One more than the page tells whether there is another.
    const rows =
      after === null
        ? await this.ledger.rowsAt(id, outcome, (page - 1) * limit, limit + 1)
        : await this.ledger.rowsAfter(id, outcome, after, limit + 1);
    const shown = await this.withoutForeignIds(principal, work, rows.slice(0, limit));
    const counts = (await this.ledger.counts([id])).get(id)!;
    const total = outcome ? counts[outcome] : Object.values(counts).reduce((sum, count) => sum + count, 0);
    return {
      data: await this.withValues(work, shown),
      meta: { page, limit, total, nextCursor: rows.length > limit ? String(shown.at(-1)!.row) : null },
    };
  }

  /** A row that made no record of its own names the one in its way only to those who may read it. */
  private async withoutForeignIds(principal: Principal, work: Import, rows: RowOutcome[]): Promise<RowOutcome[]> {
    const met = rows.flatMap(({ outcome, recordId, errors }) => [
      ...(outcome === 'created' || recordId === null ? [] : [recordId]),
      ...(errors ?? []).flatMap(({ existingId }) => existingId ?? []),
    ]);
    const told = await this.ledger.recordsAmong(work.target, met, readableRecords(principal, work.target));
    return rows.map((row) => ({
      ...row,
      recordId: row.outcome === 'created' || row.recordId === null || told.has(row.recordId) ? row.recordId : null,
      errors: row.errors && row.errors.map((error) => (told.has(error.existingId!) ? error : withoutId(error))),
    }));
  }

  private async withValues(work: Import, rows: RowOutcome[]): Promise<LedgerRowView[]> {
    if (rows.length === 0) return [];
    if (work.filesExpiredAt) return rows.map((row) => toRowView(row));
    const names = work.analysis!.columns.map(({ name }) => name);
    const staged = await this.open(work);
    try {
      const cells = await this.cellsOf(staged, rows, names.length);
      return rows.map((entry) => ({
        ...toRowView(entry),
        values: Object.fromEntries(names.map((name, index) => [name, cells.get(entry.row)?.[index] ?? null])),
      }));
    } finally {
      await staged.close();
    }
  }

  private open({ stagedKey, analysis }: Import): Promise<StagedTable> {
    return this.files.copyOf(stagedKey!).then((path) => StagedTable.open(path, analysis!.columns.length));
  }

  private async cellsOf(
    staged: StagedTable,
    rows: RowOutcome[],
    columns: number,
  ): Promise<Map<number, (string | null)[]>> {
    const read = await staged.readRowSet(
      rows.map(({ row }) => row),
      Array.from({ length: columns }, (_, index) => index),
    );
    return new Map(read.map(({ row, cells }) => [row, cells]));
  }

  /**
   * The rejected rows as CSV: the file's own columns, then `_row` and `_errors`. Fixed and uploaded again it imports the rest.
   * Cells that a spreadsheet would take for a formula are escaped, and the import unescapes them.
   * @throws 409 `import-not-analyzed` while there are no columns to show; 410 `import-files-expired` when the file is not kept any more
   */
  async rejectedCsv(principal: Principal, id: number): Promise<AsyncGenerator<string>> {
    const work = await this.imports.get(principal, id);
    if (!work.analysis) throw conflict('import-not-analyzed', 'The file has not been analyzed, so it has no rows yet.');
    if (work.filesExpiredAt) throw gone('import-files-expired', 'The files of this import are not kept any more.');
    return this.csvOf(work, 'rejected');
  }

  /** @internal the lines of the file, in chunks */
  async *csvOf(work: Import, outcome: Outcome): AsyncGenerator<string> {
    const names = work.analysis!.columns.map(({ name }) => name);
    yield toLine([...names, '_row', '_errors']);
    if (!work.stagedKey) return;
    const staged = await this.open(work);
    try {
      let after = 0;
      for (;;) {
        const rows = await this.ledger.rowsAfter(work.id, outcome, after, ROWS_AT_ONCE);
        if (rows.length === 0) return;
        const cells = await this.cellsOf(staged, rows, names.length);
        yield rows
          .map(({ row, errors }) => {
            const reasons = (errors ?? []).map(
              ({ field, code, message }) => `${field ? `${field}: ` : ''}${message} (${code})`,
            );
            return toLine([...(cells.get(row) ?? []), String(row), reasons.join('; ')]);
          })
          .join('');
        after = rows.at(-1)!.row;
      }
    } finally {
      await staged.close();
    }
  }
}

const withoutId = ({ existingId: _, ...error }: FieldError): FieldError => error;
const toRowView = ({ row, outcome, recordId, errors }: RowOutcome): LedgerRowView => ({
  row,
  outcome,
  ...(recordId === null ? {} : { recordId }),
  errors: errors ?? [],
});

const QUOTED = /[",;\t\r\n]|^\s|\s$/;

function toLine(cells: (string | null)[]): string {
  const line = cells.map((cell) => {
    const safe = escapeFormula(cell ?? '');
    return QUOTED.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  });
  return `${line.join(',')}\r\n`;
}

/** The row that a cursor names. @throws 422 `cursor-invalid` */
export function readCursor(cursor: string): number {
  if (!/^\d{1,15}$/.test(cursor))
    throw invalid('cursor-invalid', 'The cursor is not one of ours.', [
      { field: 'cursor', code: 'cursor-invalid', message: 'is not one of ours' },
    ]);
  return Number(cursor);
}
