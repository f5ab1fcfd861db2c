import { createHash } from 'node:crypto';
import { badRequest } from '@muster/core/errors';
import { isDeeper } from '@muster/core/json';

/** Deeper values are refused: reading them recurses. No body that a route takes comes near. */
const MAX_DEPTH = 1_000;

/**
 * SHA-256 (hex) of a JSON value, whatever the order of its properties. What was absent differs from null.
 * @throws 400 `malformed` when it is nested too deep
 */
export function fingerprintOf(value: unknown): string {
  if (isDeeper(value, MAX_DEPTH)) throw badRequest('malformed', `A body may be nested ${MAX_DEPTH} levels deep.`);
  return createHash('sha256').update(canonical(value)).digest('hex');
}

function canonical(value: unknown): string {
  if (value === undefined) return '';
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const properties = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${properties.map(([name, inner]) => `${JSON.stringify(name)}:${canonical(inner)}`).join(',')}}`;
}
