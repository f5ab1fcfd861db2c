import { RE2JS } from 're2js';
import { messageOf } from '../errors';

/** The longest pattern, in UTF-16 units. */
export const MAX_PATTERN = 500;
/** The largest compiled pattern, in instructions: the time of a match is at most its size times the length of the text. */
const MAX_PROGRAM = 500;

/** A compiled pattern, or why there is none. */
export type CompiledPattern = { matches: (text: string) => boolean } | { refusal: string };

/**
 * Compiles a pattern in the syntax of RE2, which knows no look-around and no back-references: the time of a match grows with the
 * length of the text and no faster, whatever the pattern. A text matches when the pattern describes the whole of it.
 */
export function compilePattern(pattern: string): CompiledPattern {
  if (pattern.length > MAX_PATTERN) return { refusal: `is longer than ${MAX_PATTERN} characters` };
  try {
    const compiled = RE2JS.compile(pattern);
    if (compiled.programSize() > MAX_PROGRAM) return { refusal: 'is too large: use smaller counts of repetition' };
    return { matches: (text) => compiled.matches(text) };
  } catch (error) {
    if (!(error instanceof Error) || !error.name.startsWith('RE2JS')) throw error;
    return { refusal: `is no pattern of RE2: ${messageOf(error)}`.slice(0, 300) };
  }
}
