/** A list's answer: one page and what is needed to ask for the next. */
export interface Page<T> {
  data: T[];
  meta: { page: number; limit: number; total: number; nextCursor: string | null };
}

/** What a list was asked for: a page number, or a cursor (keyset: the same cost however far in). */
export interface PageRequest {
  /** From 1; ignored when a cursor is given. */
  page: number;
  /** 1 to 100. */
  limit: number;
  cursor?: string;
}
