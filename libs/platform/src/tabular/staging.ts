import { randomUUID } from 'node:crypto';
import { mkdir, open, rm, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { CanonicalWriter } from './canonical-writer';
import { CsvParser } from './csv-parser';
import type { FinishedRow } from './csv-row';
import { DIALECT_SAMPLE_BYTES, detectDialect, type Delimiter } from './dialect';
import { detectEncoding, type Encoding } from './encoding';
import { nameColumns, type TableWarning } from './header';
import { loadParquet } from './parquet-loader';
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
  /** Where intermediate files of about the source's size go; by default beside the Parquet file. */
  tempDir?: string;
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
  const { signal } = options;
  const detected = await detectEncoding(sourcePath, options.encoding);
  const directory = join(options.tempDir ?? dirname(parquetPath), `.staging-${randomUUID()}`);
  const source = await open(sourcePath, 'r');
  try {
    await mkdir(directory);
    const { writer, ...staged } = await writeCanonical(source, directory, detected, options);
    await loadParquet(writer, parquetPath, signal);
    return staged;
  } finally {
    await source.close();
    await rm(directory, { recursive: true, force: true });
  }
}

async function writeCanonical(
  source: FileHandle,
  directory: string,
  { encoding, bom, valid }: { encoding: Encoding; bom: number; valid: boolean },
  options: StageCsvOptions,
): Promise<StagedCsv & { writer: CanonicalWriter }> {
  const { size } = await source.stat();
  const transcoder = createTranscoder(encoding);
  const chunk = Buffer.allocUnsafe(options.chunkBytes ?? CHUNK_BYTES);

  const sampled = await source.read(Buffer.allocUnsafe(DIALECT_SAMPLE_BYTES), 0, DIALECT_SAMPLE_BYTES, bom);
  const raw = sampled.buffer.subarray(0, sampled.bytesRead);
  const sample = createTranscoder(encoding)?.push(raw) ?? raw;
  const { delimiter, hintLength } = detectDialect(sample, bom + sampled.bytesRead >= size, options.delimiter);

  let writer: CanonicalWriter | undefined;
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
      writer = new CanonicalWriter(directory, delimiter.charCodeAt(0), columns.length);
      return writer;
    },
  );

  // The hint line is ASCII: it has as many characters in the file as in the sample.
  const unit = encoding.startsWith('utf-16') ? 2 : 1;
  let position = bom + hintLength * unit;
  try {
    while (true) {
      const { bytesRead } = await source.read(chunk, 0, chunk.length, position);
      if (bytesRead === 0) break;
      options.signal?.throwIfAborted();
      position += bytesRead;
      const bytes = chunk.subarray(0, bytesRead);
      parser.push(transcoder?.push(bytes) ?? bytes);
      await writer?.flush();
      options.onProgress?.(position, size);
    }
    if (transcoder) parser.push(transcoder.finish());
    parser.finish();
    await writer?.finish();
  } finally {
    await writer?.close();
  }
  if (writer === undefined) throw new Error('The parser ended without a header.');
  const { rows, issueRows } = writer;
  return { encoding, delimiter, columns, warnings, totalRows: rows, issueRows, writer };
}
