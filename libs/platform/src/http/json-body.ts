import { badRequest } from '@muster/core/errors';

/** Reads a request's JSON, as Fastify does it: refuses `__proto__` and `constructor.prototype`. */
export type JsonReader = (text: string) => unknown;

const utf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * Reads a JSON body strictly, so that no two readers could understand it differently: it must be UTF-8, and no object may
 * have two properties of one name. A byte order mark is passed over.
 * @throws 400 `malformed`
 */
export function readJson(bytes: Buffer, read: JsonReader): unknown {
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    throw badRequest('malformed', 'The body is not UTF-8.');
  }
  const value = read(text);
  const repeated = repeatedName(text);
  if (repeated !== null)
    throw badRequest('malformed', `The body has the property ${show(repeated)} twice in one object.`);
  return value;
}

const show = (name: string) => JSON.stringify(name.length > 50 ? `${name.slice(0, 50)}…` : name);

const [QUOTE, BACKSLASH, COLON, OPEN, CLOSE] = ['"', '\\', ':', '{', '}'].map((sign) => sign.charCodeAt(0));
/** Of the signs around a JSON text's parts, space is the highest that means nothing. */
const SPACE = 0x20;

/** The first property name that comes twice in one object of a valid JSON text, or null. */
export function repeatedName(text: string): string | null {
  const names: Set<string>[] = [];
  for (let at = 0; at < text.length; at++) {
    const sign = text.charCodeAt(at);
    if (sign === OPEN) names.push(new Set());
    else if (sign === CLOSE) names.pop();
    else if (sign === QUOTE) {
      const begin = at;
      let isEscaped = false;
      for (at++; text.charCodeAt(at) !== QUOTE; at++) {
        if (text.charCodeAt(at) !== BACKSLASH) continue;
        isEscaped = true;
        at++;
      }
      let next = at + 1;
      while (text.charCodeAt(next) <= SPACE) next++;
      if (text.charCodeAt(next) !== COLON) continue; // a value
      const name = isEscaped ? (JSON.parse(text.slice(begin, at + 1)) as string) : text.slice(begin + 1, at);
      const known = names[names.length - 1];
      if (known.has(name)) return name;
      known.add(name);
    }
  }
  return null;
}
