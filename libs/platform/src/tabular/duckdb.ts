import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DuckDBInstance, type DuckDBConnection } from '@duckdb/node-api';

/** How much of the machine the process's one DuckDB may take. */
export interface DuckDbOptions {
  /** For example `60MB`; what does not fit is spilled to the temporary directory. */
  memoryLimit: string;
  threads: number;
  /** Where to spill, made when that is needed; by default a new directory among the system's temporary files, removed at the end. */
  tempDirectory?: string;
}

let options: DuckDbOptions = { memoryLimit: '60MB', threads: 2 };
let instance: Promise<DuckDBInstance> | null = null;

/** Takes effect when the first connection is opened, and again after `closeDuckDb`. */
export function configureDuckDb(changed: Partial<DuckDbOptions>): void {
  options = { ...options, ...changed };
}

async function start(): Promise<DuckDBInstance> {
  let spill = options.tempDirectory;
  if (spill === undefined) {
    const created = mkdtempSync(join(tmpdir(), 'muster-duckdb-'));
    process.once('exit', () => rmSync(created, { recursive: true, force: true }));
    spill = created;
  } else {
    mkdirSync(dirname(spill), { recursive: true, mode: 0o700 }); // the rest DuckDB makes itself, when it spills
  }
  return DuckDBInstance.create(':memory:', {
    memory_limit: options.memoryLimit,
    threads: String(options.threads),
    temp_directory: spill,
    // Its allocator would keep what a query freed, on top of the limit.
    allocator_flush_threshold: '1MB',
    allocator_bulk_deallocation_flush_threshold: '1MB',
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
    lock_configuration: 'true',
  });
}

/** A new connection to the process's one in-memory DuckDB; the caller closes it. */
export async function connectDuckDb(): Promise<DuckDBConnection> {
  instance ??= start().catch((error: unknown) => {
    instance = null;
    throw error;
  });
  return (await instance).connect();
}

/** Ends the shared instance; connections that are open keep working until they are closed. */
export async function closeDuckDb(): Promise<void> {
  const ending = instance;
  instance = null;
  (await ending)?.closeSync();
}

/** A text as an SQL literal. */
export function sqlText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** Whether a query failed because its data did not fit the memory limit and could not be spilled. */
export function isOutOfMemory(error: unknown): boolean {
  // Not by class: the driver makes its errors outside the realm that a test runs in.
  return /^Out of Memory Error/.test(String((error as { message?: unknown } | null)?.message));
}
