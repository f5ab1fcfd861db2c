import { open, rm, type FileHandle } from 'node:fs/promises';
import { CsvParser } from './csv-parser';
import type { FinishedRow } from './csv-row';
import { DIALECT_SAMPLE_BYTES, detectDialect, type Delimiter } from './dialect';
import type { ColumnSharers } from './early-sharers';
import { detectEncoding, type Encoding } from './encoding';
import { nameColumns, type TableWarning } from './header';
import { ParquetWriter } from './parquet/parquet-writer';
import { checkStaged } from './staged-check';
import { createTranscoder } from './transcoder';

export interface StageCsvOptions {
  /** Wins over detection. */
  delimiter?: Delimiter;
  /** Wins over detection. */
  encoding?: Encoding;
  /** 5,000,000 by default. */
  maxRows?: number;
  /** 500 by default. */
  maxColumns?: number;
  /** 1 MiB by default. */
  maxCellBytes?: number;
  /** Bytes that are read at once. */
  chunkBytes?: number;
  signal?: AbortSignal;
  onProgress?(bytesRead: number, totalBytes: number): void;
}

/** What was staged. */
export interface StagedCsv {
  encoding: Encoding;
  delimiter: Delimiter;
  columns: string[];
  warnings: TableWarning[];
  totalRows: number;
  /** Rows that carry an issue. */
  issueRows: number;
  /** For each column what was found out meanwhile, for {@link StagedTable.open}. */
  sharers: (ColumnSharers | null)[];
}

const CHUNK_BYTES = 256 * 1024;

/**
 * Turns a text file into one Parquet file with the columns `_row` (from 1, without gaps), `_issue`, `_detail` and
 * `c1`…`cn`. Every row of the file is there; what is wrong with its form is its `_issue` (`column-count`, `too-long`,
 * `encoding-invalid`, `quote-malformed`) and `_detail`.
 *
 * Throws `TabularError` for a file that is no table, the signal's reason when aborted; then no Parquet file is left.
 */
export async function stageCsv(
  sourcePath: string,
  parquetPath: string,
  options: StageCsvOptions = {},
): Promise<StagedCsv> {
  const detected = await detectEncoding(sourcePath, options.encoding, options.signal);
  const source = await open(sourcePath, 'r');
  try {
    const staged = await writeRows(source, parquetPath, detected, options);
    await checkStaged(parquetPath, staged);
    return staged;
  } catch (error) {
    await rm(parquetPath, { force: true });
    throw error;
  } finally {
    await source.close();
  }
}

async function writeRows(
  source: FileHandle,
  parquetPath: string,
  { encoding, bom, valid }: { encoding: Encoding; bom: number; valid: boolean },
  options: StageCsvOptions,
): Promise<StagedCsv> {
  const { size } = await source.stat();
  const transcoder = createTranscoder(encoding);

  const sampled = await source.read(Buffer.allocUnsafe(DIALECT_SAMPLE_BYTES), 0, DIALECT_SAMPLE_BYTES, bom);
  const raw = sampled.buffer.subarray(0, sampled.bytesRead);
  const sample = createTranscoder(encoding)?.push(raw) ?? raw;
  const { delimiter, hintLength } = detectDialect(sample, bom + sampled.bytesRead >= size, options.delimiter);

  let writer: ParquetWriter | undefined;
  let columns: string[] = [];
  const warnings: TableWarning[] = [];
  const parser = new CsvParser(
    {
      delimiter: delimiter.charCodeAt(0),
      validUtf8: transcoder === null && valid,
      maxRows: options.maxRows ?? 5_000_000,
      maxColumns: options.maxColumns ?? 500,
      maxCellBytes: options.maxCellBytes ?? 1 << 20,
      firstLine: hintLength > 0 ? 2 : 1,
      windowBytes: options.chunkBytes === undefined ? undefined : Math.max(16, options.chunkBytes * 2),
    },
    (header: FinishedRow) => {
      if (header.issue !== '') warnings.push({ code: 'header-malformed', message: `In the header, ${header.detail}.` });
      const named = nameColumns(header.cells.map((cell) => Buffer.from(cell).toString('utf8')));
      columns = named.columns;
      warnings.push(...named.warnings);
      writer = new ParquetWriter(parquetPath, columns.length);
      return writer;
    },
  );

  // The hint line is ASCII: it has as many characters in the file as in the sample.
  const unit = encoding.startsWith('utf-16') ? 2 : 1;
  let position = bom + hintLength * unit;
  let [chunk, ahead] = [0, 1].map(() => Buffer.allocUnsafe(options.chunkBytes ?? CHUNK_BYTES));
  let reading = source.read(chunk, 0, chunk.length, position);
  try {
    while (true) {
      const { bytesRead } = await reading;
      if (bytesRead === 0) break;
      position += bytesRead;
      reading = source.read(ahead, 0, ahead.length, position);
      reading.catch(() => undefined); // it is waited for later
      options.signal?.throwIfAborted();
      const bytes = chunk.subarray(0, bytesRead);
      parser.push(transcoder?.push(bytes) ?? bytes);
      await writer?.flush();
      options.onProgress?.(position, size);
      [chunk, ahead] = [ahead, chunk];
    }
    if (transcoder) parser.push(transcoder.finish());
    parser.finish();
    await writer?.finish();
  } finally {
    await Promise.allSettled([reading, writer?.close()]);
  }
  if (writer === undefined) throw new Error('The parser ended without a header.');
  const { rows, issueRows } = writer;
  return { encoding, delimiter, columns, warnings, totalRows: rows, issueRows, sharers: writer.takeSharers() };
}
