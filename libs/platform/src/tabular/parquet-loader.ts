import { rm } from 'node:fs/promises';
import { connectDuckDb, isOutOfMemory, sqlText } from './duckdb';
import { isStorageFull } from '../storage/storage-full';
import type { CanonicalWriter } from './canonical-writer';
import { TabularError } from './tabular-error';

const MIN_BUFFER = 4 << 20;
/** Longer lines are read by one thread: the parallel reader cannot do with lines near the size of its buffer. */
const LONG_LINE = 64 << 10;
const GROUP_ROWS = 20_480;
const GROUP_BYTES = 16 << 20;

/**
 * Loads the lines that a finished `CanonicalWriter` left into a Parquet file with the columns `_row`, `_issue`, `_detail`,
 * `c1`…`cn` (texts but for `_row`), in the order of `_row`; blank cells are null. Counts what was loaded and throws when a
 * row is missing.
 */
export async function loadParquet(source: CanonicalWriter, parquetPath: string, signal?: AbortSignal): Promise<void> {
  const names = Array.from({ length: source.columnCount }, (_, index) => `c${index + 1}`);
  const columns = ["'_row':'BIGINT'", ...['_issue', '_detail', ...names].map((name) => `'${name}':'VARCHAR'`)];
  const lineBytes = Math.max(65_536, source.longestLine + 1);
  const rowBytes = source.bytesWritten / Math.max(1, source.rows);
  const groupRows = Math.max(1, Math.min(GROUP_ROWS, Math.floor(GROUP_BYTES / (rowBytes + 1))));
  const csv = `read_csv([${source.paths.map(sqlText).join()}], auto_detect=false, header=false,
    delim=${sqlText(String.fromCharCode(source.delimiter))}, quote='"', escape='"', comment='', new_line='\\n', nullstr='', allow_quoted_nulls=true, strict_mode=true,
    null_padding=false, ignore_errors=false, all_varchar=false, encoding='utf-8', compression='none',
    columns={${columns.join(',')}}, max_line_size=${lineBytes}, buffer_size=${Math.max(MIN_BUFFER, lineBytes * 2)},
    parallel=${!source.multiline && source.longestLine <= LONG_LINE})`;
  const connection = await connectDuckDb();
  const interrupt = () => connection.interrupt();
  signal?.addEventListener('abort', interrupt, { once: true });
  try {
    signal?.throwIfAborted();
    const file = sqlText(parquetPath);
    await connection.run(
      `COPY (SELECT * FROM ${csv}) TO ${file} (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, ROW_GROUP_SIZE ${groupRows})`,
    );
    const loaded = await connection.run(
      `SELECT count(*)::DOUBLE, coalesce(max(_row), 0)::DOUBLE, count(_issue)::DOUBLE FROM read_parquet(${file})`,
    );
    const [rows, last, issues] = (await loaded.getRows())[0];
    if (rows !== source.rows || last !== source.rows || issues !== source.issueRows) {
      throw new Error(`Staged ${String(rows)} rows up to ${String(last)} of ${source.rows}; the file is not used.`);
    }
  } catch (error) {
    await rm(parquetPath, { force: true });
    signal?.throwIfAborted();
    if (isOutOfMemory(error) && !isStorageFull(error)) {
      throw new TabularError('rows-too-large', 'The rows of the file are too large to be staged.');
    }
    throw error;
  } finally {
    signal?.removeEventListener('abort', interrupt);
    connection.closeSync();
  }
}
