import { isDeepStrictEqual } from 'node:util';

type Values = Record<string, unknown>;

/** What every change brings with it: the entry's own time says it. */
const BOOKKEEPING = new Set(['updatedAt', 'version']);

/**
 * Names of properties that hold what lets someone in. A hash is secret only as one of these (`passwordHash`, not `fileHash`); an id
 * of one is none (`apiKeyId`); `secretary` is a person.
 */
const SECRET =
  /passwor[dt]|passwd|pwd|passphrase|passcode|secret(?!ar)|token|credential|cookie|authorization|((api|access|private|signing|encryption)[\s._-]?key|bearer)(?!s?[\s._-]?id)|key[\s._-]?hash/i;
const REDACTED = '[redacted]';

/** The properties in which two states of a subject differ, as they were and as they are; what a state does not have is left out. */
export function differences(before: object, after: object): { before: Values; after: Values } {
  const [old, now] = [before, after] as Values[];
  const changed = [...new Set([...Object.keys(old), ...Object.keys(now)])].filter(
    (property) => !BOOKKEEPING.has(property) && !isDeepStrictEqual(old[property], now[property]),
  );
  const pick = (from: Values) =>
    Object.fromEntries(changed.filter((property) => property in from).map((property) => [property, from[property]]));
  return { before: pick(old), after: pick(now) };
}

/**
 * The values without secrets: at any depth, a property whose name says that it holds one keeps its name only. Truth values and null
 * tell none and stay (`passwordChanged: true`).
 */
export function withoutSecrets(values: object): Values {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]: [string, unknown]) => [
      name,
      SECRET.test(name) && typeof value !== 'boolean' && value !== null && value !== undefined
        ? REDACTED
        : cleaned(value),
    ]),
  );
}

function cleaned(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(cleaned);
  if (typeof value !== 'object' || value === null || value instanceof Date) return value;
  return withoutSecrets(value);
}
