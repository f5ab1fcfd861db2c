import { rmSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { DuckDBInstance } from '@duckdb/node-api';

/**
 * DuckDB alone: reads a CSV file as it thinks best and writes it as Parquet, with its own defaults.
 * @returns {Promise<{rows: number, seconds: number}>}
 */
async function convert(csv, parquet) {
  const text = (path) => `'${path.replaceAll("'", "''")}'`;
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  const began = performance.now();
  await connection.run(`COPY (SELECT * FROM read_csv(${text(csv)})) TO ${text(parquet)} (FORMAT parquet)`);
  const seconds = (performance.now() - began) / 1000;
  const counted = await connection.run(`SELECT count(*)::DOUBLE FROM read_parquet(${text(parquet)})`);
  const [[rows]] = await counted.getRows();
  connection.closeSync();
  instance.closeSync();
  rmSync(parquet);
  return { rows, seconds };
}

// A process of its own: what it takes of memory and threads is not the measuring process's.
if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  process.stdout.write(JSON.stringify(await convert(...process.argv.slice(2))));
}
