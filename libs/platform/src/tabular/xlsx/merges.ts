import { malformed, type Archive } from './archive';
import { MAX_COLUMN, parsePlace } from './cell-ref';

const MAX_MERGES = 200_000;
const MERGE = /<(?:[\w.-]+:)?mergeCell\s[^<>]*?\bref\s*=\s*["']([A-Z]{1,3}\d{1,10}):([A-Z]{1,3}\d{1,10})["']/g;
/** The longest tag that is found although it is cut between two pieces, in bytes. */
const TAG_BYTES = 512;

interface Area {
  top: number;
  bottom: number;
  left: number;
  right: number;
}

/**
 * The merged areas of a sheet. They stand behind its cells, and some programs leave values in the cells that Excel does not show:
 * so the sheet is looked through once before it is read.
 */
export class MergedAreas {
  private readonly byTop: readonly Area[];
  private readonly byBottom: readonly Area[];
  /** How many areas the rows so far have met, and how many of these they have left. */
  private begun = 0;
  private ended = 0;
  private row = 0;
  /** How many areas the row meets in each column. */
  private readonly depth: Int32Array;
  /** The first cell of each area, which is the one that is shown. */
  private readonly shown: ReadonlySet<number>;

  constructor(areas: readonly Area[]) {
    this.byTop = [...areas].sort((one, other) => one.top - other.top);
    this.byBottom = [...areas].sort((one, other) => one.bottom - other.bottom);
    this.depth = new Int32Array(areas.length === 0 ? 0 : MAX_COLUMN);
    this.shown = new Set(areas.map(({ top, left }) => top * MAX_COLUMN + left));
  }

  /** Whether a cell is hidden behind the first one of its area. Of rows that stand behind later ones nothing is known. */
  covers(row: number, column: number): boolean {
    if (this.byTop.length === 0 || row < this.row) return false;
    if (row > this.row) this.moveTo(row);
    return this.depth[column] > 0 && !this.shown.has(row * MAX_COLUMN + column);
  }

  private moveTo(row: number): void {
    this.row = row;
    for (; this.begun < this.byTop.length && this.byTop[this.begun].top <= row; this.begun++) {
      this.count(this.byTop[this.begun], 1);
    }
    for (; this.ended < this.byBottom.length && this.byBottom[this.ended].bottom < row; this.ended++) {
      this.count(this.byBottom[this.ended], -1);
    }
  }

  private count({ left, right }: Area, change: number): void {
    for (let column = left; column <= right; column++) this.depth[column] += change;
  }
}

/** Looks for the merged areas of a sheet. @throws {TabularError} `file-malformed` when there are more than 200,000 */
export async function findMergedAreas(archive: Archive, part: string, signal?: AbortSignal): Promise<MergedAreas> {
  const areas: Area[] = [];
  let rest = Buffer.alloc(0);
  for await (const chunk of archive.read(part)) {
    signal?.throwIfAborted();
    const bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    let end = 0;
    // Most pieces have no such tag: that is told without making a text of them.
    if (bytes.includes('mergeCell ')) {
      for (const { 0: tag, 1: first, 2: last, index } of bytes.toString('latin1').matchAll(MERGE)) {
        if (areas.length === MAX_MERGES) throw malformed(`The sheet has more than ${MAX_MERGES} merged areas.`);
        const from = parsePlace(first);
        const to = parsePlace(last);
        if (to.row < from.row || to.column < from.column) throw malformed(`"${first}:${last}" is no area of cells.`);
        areas.push({ top: from.row, bottom: to.row, left: from.column, right: to.column });
        end = index + tag.length;
      }
    }
    rest = Buffer.from(bytes.subarray(Math.max(end, bytes.length - TAG_BYTES)));
  }
  return new MergedAreas(areas);
}
