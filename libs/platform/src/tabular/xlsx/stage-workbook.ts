import { randomUUID } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ColumnSharers } from '../early-sharers';
import type { TableWarning } from '../header';
import { checkStaged } from '../staged-check';
import { TabularError } from '../tabular-error';
import type { ArchiveLimits } from './archive';
import { columnLetters } from './cell-ref';
import { MarkupReader } from './markup';
import { findMergedAreas } from './merges';
import { RowWriter } from './row-writer';
import { SharedStrings } from './shared-strings';
import { SheetReader, type ErrorCells } from './sheet-reader';
import { Workbook, type Sheet } from './workbook';

export interface StageWorkbookOptions {
  /** Name, or place from 1; the first visible sheet by default. */
  sheet?: string | number;
  /** 5,000,000 by default. */
  maxRows?: number;
  /** 500 by default. */
  maxColumns?: number;
  /** 1 MiB by default. */
  maxCellBytes?: number;
  /** How much of the texts that cells share stays in memory, in bytes; 64 MiB by default. */
  sharedMemoryBytes?: number;
  /** Where intermediate files go; by default beside the Parquet file. */
  tempDir?: string;
  limits?: ArchiveLimits;
  signal?: AbortSignal;
}

/** What was staged. */
export interface StagedWorkbook {
  /** The sheet that was read, and the names of all. */
  sheet: string;
  sheets: string[];
  columns: string[];
  warnings: TableWarning[];
  totalRows: number;
  /** Rows that carry an issue. */
  issueRows: number;
  /** For each column what was found out meanwhile, for {@link StagedTable.open}. */
  sharers: (ColumnSharers | null)[];
}

/**
 * Turns one sheet of a workbook into a Parquet file of the same form as `stageCsv` does, in bounded memory.
 *
 * Throws `TabularError` for what is no workbook or no table, the signal's reason when aborted; then no Parquet file is left.
 */
export async function stageWorkbook(
  sourcePath: string,
  parquetPath: string,
  options: StageWorkbookOptions = {},
): Promise<StagedWorkbook> {
  const workbook = await Workbook.open(sourcePath, options.limits);
  const directory = join(options.tempDir ?? dirname(parquetPath), `.staging-${randomUUID()}`);
  const strings = new SharedStrings(join(directory, 'shared'), options.sharedMemoryBytes);
  try {
    const sheet = workbook.pick(options.sheet);
    await mkdir(directory);
    if (workbook.sharedStringsPart !== null) await strings.fill(workbook.archive, workbook.sharedStringsPart);
    const { writer, columns, warnings } = await writeRows(workbook, sheet, strings, parquetPath, options);
    if (writer === null)
      throw new TabularError('import-empty', `The sheet "${sheet.name}" holds no header and no rows.`);
    const { rows: totalRows, issueRows } = writer;
    await checkStaged(parquetPath, { totalRows, issueRows });
    const sheets = workbook.sheets.map(({ name }) => name);
    const sharers = writer.takeSharers();
    return { sheet: sheet.name, sheets, columns, warnings, totalRows, issueRows, sharers };
  } catch (error) {
    await rm(parquetPath, { force: true });
    throw error;
  } finally {
    await strings.close();
    await workbook.close();
    await rm(directory, { recursive: true, force: true });
  }
}

async function writeRows(
  workbook: Workbook,
  sheet: Sheet,
  strings: SharedStrings,
  parquetPath: string,
  options: StageWorkbookOptions,
): Promise<RowWriter> {
  const { archive } = workbook;
  const { maxUnpackedBytes, maxRatio, freeBytes } = archive.limits;
  const merged = await findMergedAreas(archive, sheet.part, options.signal);
  const reader = new SheetReader(await workbook.formats(), workbook.date1904, merged);
  const rows = new RowWriter(parquetPath, strings, {
    maxRows: options.maxRows ?? 5_000_000,
    maxColumns: options.maxColumns ?? 500,
    maxCellBytes: options.maxCellBytes ?? 1 << 20,
    maxTextBytes: Math.min(maxUnpackedBytes, Math.max(freeBytes * 4, archive.size * maxRatio)),
  });
  const markup = new MarkupReader(sheet.part, 'worksheet', reader);
  const drain = async () => {
    const complete = reader.rows;
    reader.rows = [];
    for (const row of complete) await rows.write(row);
    await rows.writer?.flush();
  };
  try {
    for await (const chunk of archive.read(sheet.part)) {
      options.signal?.throwIfAborted();
      markup.write(chunk);
      await drain();
    }
    markup.finish();
    await drain();
    await rows.writer?.finish();
  } finally {
    await rows.writer?.close();
  }
  for (const [column, cells] of [...reader.errorCells].sort(([one], [other]) => one - other)) {
    rows.warnings.push(errorWarning(column, cells, rows.columns));
  }
  return rows;
}

function errorWarning(index: number, { count, first }: ErrorCells, columns: readonly string[]): TableWarning {
  const column = columns[index];
  const where = column === undefined ? `Column ${columnLetters(index)}` : `The column "${column}"`;
  const cells = count === 1 ? 'a cell with an error, which is' : `${count} cells with an error, which are`;
  const message = `${where} has ${cells} read as blank: ${count === 1 ? '' : 'first '}${first}.`;
  return { code: 'cell-error', message, ...(column === undefined ? {} : { column }) };
}
