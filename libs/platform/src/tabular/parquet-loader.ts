import { rm } from 'node:fs/promises';
import { connectDuckDb, sqlText } from './duckdb';
import { TabularError } from './tabular-error';

/** A file of canonical lines, as `CanonicalWriter` leaves it. */
export interface CanonicalFile {
  path: string;
  delimiter: string;
  columnCount: number;
  rows: number;
  issueRows: number;
  longestLine: number;
  bytesWritten: number;
  multiline: boolean;
}

const MIN_BUFFER = 4 << 20;
const GROUP_ROWS = 20_480;
const GROUP_BYTES = 16 << 20;
/** The size of a vector in DuckDB: row groups are made of whole ones. */
const VECTOR_ROWS = 2048;

/**
 * Loads canonical lines into a Parquet file with the columns `_row`, `_issue`, `_detail`, `c1`…`cn` (texts but for `_row`),
 * in the order of `_row`; blank cells are null. Counts what was loaded and throws when a row is missing.
 */
export async function loadParquet(source: CanonicalFile, parquetPath: string, signal?: AbortSignal): Promise<void> {
  const names = Array.from({ length: source.columnCount }, (_, index) => `c${index + 1}`);
  const columns = ["'_row':'BIGINT'", ...['_issue', '_detail', ...names].map((name) => `'${name}':'VARCHAR'`)];
  const lineBytes = Math.max(65_536, source.longestLine + 1);
  const groupRows =
    Math.floor(GROUP_BYTES / (source.bytesWritten / Math.max(1, source.rows) + 1) / VECTOR_ROWS) * VECTOR_ROWS;
  const csv = `read_csv(${sqlText(source.path)}, auto_detect=false, header=false, delim=${sqlText(source.delimiter)},
    quote='"', escape='"', comment='', new_line='\\n', nullstr='', allow_quoted_nulls=true, strict_mode=true,
    null_padding=false, ignore_errors=false, all_varchar=false, encoding='utf-8', compression='none',
    columns={${columns.join(',')}}, max_line_size=${lineBytes}, buffer_size=${Math.max(MIN_BUFFER, lineBytes * 2)},
    parallel=${!source.multiline})`;
  const connection = await connectDuckDb();
  const interrupt = () => connection.interrupt();
  signal?.addEventListener('abort', interrupt, { once: true });
  try {
    signal?.throwIfAborted();
    const file = sqlText(parquetPath);
    await connection.run(
      `COPY (SELECT * FROM ${csv}) TO ${file} (FORMAT parquet, COMPRESSION zstd,
        ROW_GROUP_SIZE ${Math.min(GROUP_ROWS, Math.max(VECTOR_ROWS, groupRows))})`,
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
    if (error instanceof Error && /out of memory/i.test(error.message)) {
      throw new TabularError('rows-too-large', 'The rows of the file are too large to be staged.');
    }
    throw error;
  } finally {
    signal?.removeEventListener('abort', interrupt);
    connection.closeSync();
  }
}
