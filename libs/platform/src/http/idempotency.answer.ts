import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

/** What a client was answered. */
export interface Answer {
  status: number;
  headers: Record<string, string>;
  body: Buffer;
}

/** Thrown in place of running a request again; the problem filter sends what is in it. */
export class StoredAnswer extends Error {
  constructor(readonly answer: Answer) {
    super('This request was answered before.');
  }
}

/** What becomes of a key when its request has been answered. */
export type Fate = 'keep' | 'give-up' | 'forget';

/** Says who is calling, not what the call did; on sign-in a failure has been counted, and the next try must be judged anew. */
const OF_THE_CALLER = new Set([401, 423]);
/** May be answered otherwise when nothing but time, rights or `If-Match` has changed. */
const PASSING = new Set([403, 408, 412, 425, 429]);

/**
 * Which answers are kept for a retry:
 * - 2xx, and 4xx that are final (a duplicate stays one, an invalid body stays invalid): kept.
 * - 401 (wrong password), 423 (locked): forgotten, the retry runs. Whoever waits out a lock may repeat the same request.
 * - 403, 408, 412, 425, 429: the retry runs, unless the request had an effect before: that would come twice, so they are kept.
 * - 5xx: the retry runs, unless the request had an effect: then its outcome is unknown to the client and stays so
 *   (`idempotency-answer-lost`).
 * @param hadEffect whether a transaction of the request has committed
 */
export function fateOf(status: number, hadEffect: boolean): Fate {
  if (OF_THE_CALLER.has(status)) return 'forget';
  if (status >= 500 || (PASSING.has(status) && !hadEffect)) return 'give-up';
  return 'keep';
}

const CIPHER = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/**
 * Seals an answer with its `Idempotency-Key`, which is stored nowhere: answers hold tokens, and keys that are shown once. Who reads
 * the table reads nothing of them, and who changes it is noticed. This is as strong as the key is hard to guess: a random one (a UUID)
 * is; for `order-1` it is an obstacle only. The status, the times and the length stay readable.
 * @param row the row's own key, so that a sealed answer fits no other row
 */
export function seal({ status, headers, body }: Answer, key: string, row: string): string {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(CIPHER, derive(key, row), nonce).setAAD(Buffer.from(String(status)));
  const head = cipher.update(`${JSON.stringify(headers)}\n`);
  return Buffer.concat([nonce, head, cipher.update(body), cipher.final(), cipher.getAuthTag()]).toString('base64');
}

/** Opens what {@link seal} gave. @throws when it was sealed with another key, status or row, or was changed */
export function unseal(sealed: string, status: number, key: string, row: string): Answer {
  const bytes = Buffer.from(sealed, 'base64');
  const decipher = createDecipheriv(CIPHER, derive(key, row), bytes.subarray(0, NONCE_BYTES))
    .setAAD(Buffer.from(String(status)))
    .setAuthTag(bytes.subarray(-TAG_BYTES));
  const content = Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
  const end = content.indexOf('\n');
  const headers = JSON.parse(content.toString('utf8', 0, end)) as Record<string, string>;
  return { status, headers, body: content.subarray(end + 1) };
}

const derive = (key: string, row: string) => Buffer.from(hkdfSync('sha256', key, row, 'muster idempotency answer', 32));
