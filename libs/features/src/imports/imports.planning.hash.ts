import { createHash } from 'node:crypto';
import { ImportOptions } from './imports.entity';
import { RowRanges } from './imports.ranges';

/** The same for equal values, whatever the order of their properties. */
export const hashOf = (value: unknown): string => createHash('sha256').update(canonical(value)).digest('hex');

function canonical(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) =>
    typeof each === 'object' && each !== null && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).sort(([one], [other]) => (one < other ? -1 : 1)))
      : each,
  );
}

/** Of everything that a plan and a start must have in common, but for the mapping. */
export function hashOfOptions(options: ImportOptions, excluded: RowRanges): string {
  const { blankClears = false } = options;
  return hashOf({
    ...options,
    ifPlan: undefined,
    events: undefined,
    blankClears,
    excluded: excluded.ranges.map(({ first, last }) => [first, last]),
  });
}
