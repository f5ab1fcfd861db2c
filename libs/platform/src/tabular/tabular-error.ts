/** Why a file cannot be read as a table; the file's owner can act on each of them. */
export type TabularErrorCode =
  | 'import-empty'
  | 'unclosed-quote'
  | 'header-too-long'
  | 'too-many-columns'
  | 'too-many-rows'
  | 'file-encrypted'
  | 'file-macro'
  | 'file-malformed'
  | 'file-too-large'
  | 'file-type-unsupported'
  | 'sheet-unknown';

/** A file that cannot be staged. Single bad rows are no such error: they are staged with an issue. */
export class TabularError extends Error {
  /** @param line the physical line of the file, counted from 1, where the trouble begins */
  constructor(
    readonly code: TabularErrorCode,
    message: string,
    readonly line?: number,
  ) {
    super(message);
    this.name = 'TabularError';
  }
}
