import { connectDuckDb, sqlText } from './duckdb';

/** Reads back how many rows there are, up to which number and with how many issues. @throws when that is not what was written */
export async function checkStaged(
  parquetPath: string,
  written: { totalRows: number; issueRows: number },
): Promise<void> {
  const connection = await connectDuckDb();
  try {
    const result = await connection.run(
      `SELECT count(*)::DOUBLE, coalesce(max(_row), 0)::DOUBLE, count(_issue)::DOUBLE FROM read_parquet(${sqlText(parquetPath)})`,
    );
    const [rows, last, issues] = (await result.getRows())[0];
    const { totalRows, issueRows } = written;
    if (rows !== totalRows || last !== totalRows || issues !== issueRows) {
      throw new Error(`Staged ${String(rows)} rows up to ${String(last)} of ${totalRows}; the file is not used.`);
    }
  } finally {
    connection.closeSync();
  }
}
