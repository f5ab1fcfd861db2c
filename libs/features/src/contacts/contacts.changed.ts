import { isDeepStrictEqual } from 'node:util';

/** What every write of a record changes. */
const BOOKKEEPING = ['updatedAt', 'version'];

/** The fields in which two states of a record differ, without the time and the number of the change. */
export function changedFields<R extends object>(before: R, after: R): (keyof R & string)[] {
  return (Object.keys(after) as (keyof R & string)[]).filter(
    (field) => !BOOKKEEPING.includes(field) && !isDeepStrictEqual(before[field], after[field]),
  );
}

/** The same with their values and those of the bookkeeping: what is to be written. */
export const changesOf = <R extends object>(before: R, after: R): Partial<R> =>
  Object.fromEntries(
    [...changedFields(before, after), ...BOOKKEEPING].map((field) => [field, after[field as keyof R]]),
  ) as Partial<R>;
