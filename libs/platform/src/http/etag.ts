import { ApiHeader } from '@nestjs/swagger';
import { ProblemError } from '@muster/core/errors';

/** The entity tag of a record's version: it changes with each change of the record. */
export const etagOf = (version: number) => `"v${version}"`;

/**
 * Holds a write to its `If-Match`: the record must still have one of the tags that the header names; `*` stands for any.
 * A tag that a proxy has weakened (`W/"v3"`) counts: a version names the record's whole state.
 * @param ifMatch the header; undefined when the client set no condition
 * @throws 412 `stale`
 */
export function requireMatch(ifMatch: string | undefined, version: number): void {
  if (ifMatch === undefined) return;
  const tags = ifMatch.split(',').map((tag) => tag.trim().replace(/^W\//, ''));
  if (tags.includes('*') || tags.includes(etagOf(version))) return;
  throw new ProblemError('user', 412, 'stale', 'It was changed since you read it. Read it again, then change it.');
}

/** Documents a route's `If-Match`, which it reads by `@Headers('if-match')`. */
export const ApiIfMatch = () =>
  ApiHeader({
    name: 'if-match',
    required: false,
    description: 'The `ETag` that was read: the change is made only if it is still the current one (else 412).',
  });
