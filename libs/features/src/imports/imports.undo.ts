import { ImportChange, ImportChunk } from './imports.entity';
import { RowRange } from './imports.ranges';

/** How many rows one chunk looks at. Deleting goes by sets, and so does restoring but for records whose e-mail or phone goes back. */
const DELETE_ROWS = 5_000;
const RESTORE_ROWS = 2_000;

type PlannedChunk = Pick<ImportChunk, 'importId' | 'seq' | 'kind' | 'firstRow' | 'lastRow'>;

/**
 * Cuts an undo into chunks: first what is deleted, then what is restored, from the end of the file.
 * @param after the number of the import's own last chunk
 */
export function planUndo(
  importId: number,
  after: number,
  created: RowRange | null,
  updated: RowRange | null,
): PlannedChunk[] {
  const chunks: PlannedChunk[] = [];
  const add = (kind: 'delete' | 'restore', firstRow: number, lastRow: number) =>
    chunks.push({ importId, seq: after + chunks.length + 1, kind, firstRow, lastRow });
  if (created) {
    for (let first = created.first; first <= created.last; first += DELETE_ROWS)
      add('delete', first, Math.min(first + DELETE_ROWS - 1, created.last));
  }
  if (updated) {
    for (let last = updated.last; last >= updated.first; last -= RESTORE_ROWS)
      add('restore', Math.max(last - RESTORE_ROWS + 1, updated.first), last);
  }
  return chunks;
}

/**
 * How far an import's changes of a record can be taken back: from the last one on, as long as nothing else came between.
 * @param changes in the order of the file
 * @param version the record's own
 * @param restores versions that are earlier ones again, because what came between was undone
 * @returns the place of the first change that goes back (their number, when none does), and the version that comes back with it
 */
export function walkBack(
  changes: readonly Pick<ImportChange, 'versionAfter'>[],
  version: number,
  restores: ReadonlyMap<number, number> = new Map(),
): { from: number; version: number } {
  const original = (of: number) => {
    while (restores.has(of)) of = restores.get(of)!;
    return of;
  };
  let from = changes.length;
  let reached = original(version);
  while (from > 0 && changes[from - 1].versionAfter === reached) {
    // Several rows may have come in one write.
    while (from > 0 && changes[from - 1].versionAfter === reached) from--;
    reached = original(reached - 1);
  }
  return { from, version: reached };
}
