import { ProblemError } from '@muster/core/errors';

/** How the file system says that there is no room: the disk is full, or the owner's share of it. */
const FULL = new Set(['ENOSPC', 'EDQUOT']);
/** How S3 stores say it: in general, MinIO, Ceph. */
const FULL_STORE = new Set(['InsufficientStorage', 'XMinioStorageFull', 'QuotaExceeded']);
/** DuckDB knows errors by their text only. It takes a disk without room for a limit of its own on temporary files. */
const FULL_DUCKDB = /No space left on device|Disk quota exceeded|max_temp_directory_size/;

const RETRY_SECONDS = 60;

/** The answer when a write finds no room. It is operational: with room it succeeds. */
export const storageFull = (cause?: unknown): ProblemError =>
  Object.assign(
    new ProblemError(
      'operational',
      507,
      'storage-full',
      'There is no room left on the disk.',
      undefined,
      RETRY_SECONDS,
    ),
    cause === undefined ? {} : { cause },
  );

/** Whether an error says that a file could not be written for want of room. The database's own are known to its dialect. */
export function isStorageFull(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false;
  const { code, name, message, cause, $metadata } = error as {
    code?: unknown;
    name?: string;
    message?: unknown;
    cause?: unknown;
    $metadata?: { httpStatusCode?: number };
  };
  return (
    code === 'storage-full' ||
    FULL.has(String(code)) ||
    FULL_STORE.has(name ?? '') ||
    $metadata?.httpStatusCode === 507 ||
    FULL_DUCKDB.test(String(message)) ||
    isStorageFull(cause)
  );
}
