import { hash, verify } from '@node-rs/argon2';
import { Injectable } from '@nestjs/common';
import { codePointLength } from '@muster/core/contact/text';
import { unavailable } from '@muster/core/errors';

/** Characters of a password: code points of the form that is hashed. */
export const PASSWORD_MIN = 10;
export const PASSWORD_MAX = 128;
/** UTF-16 units of a password as it is typed; longer ones are refused unread. Characters may be written in parts. */
const TYPED_MAX = 8 * PASSWORD_MAX;

/**
 * Whether the text can be a password of at least `min` characters. Control characters cannot be typed everywhere; halves of
 * characters would all be hashed alike.
 */
export function isPassword(text: unknown, min: number): text is string {
  if (typeof text !== 'string' || text.length > TYPED_MAX || /[\p{Cc}\p{Cs}]/u.test(text)) return false;
  const length = codePointLength(text.normalize('NFKC'));
  return length >= min && length <= PASSWORD_MAX;
}

/** Argon2id with 19 MiB, two passes, one lane. */
const OPTIONS = { algorithm: 2, memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;

/** Compared with when there is no user: takes as long, and no password fits. */
const NOBODY = '$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5IG5vYm9keSEhIQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA';

/** Hashes that run at once: each takes 19 MiB and one of the four threads that files need as well. */
const RUNNING = 2;
/** Hashes that wait for their turn, some seconds of work; one more is told to come back. */
const WAITING = 100;

/** Hashes and checks passwords, a few at a time, so that a flood of logins cannot take the machine. */
@Injectable()
export class Passwords {
  private running = 0;
  private readonly waiting: (() => void)[] = [];

  /** @throws 503 `busy` when too many wait */
  hash(password: string): Promise<string> {
    return this.inTurn(() => hash(password.normalize('NFKC'), OPTIONS));
  }

  /** Whether the password fits; `null` stands for an unknown user and takes as long. @throws 503 `busy` when too many wait */
  async fits(passwordHash: string | null, password: string): Promise<boolean> {
    const equal = await this.inTurn(() => verify(passwordHash ?? NOBODY, password.normalize('NFKC'), OPTIONS));
    return equal && passwordHash !== null;
  }

  private async inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.running >= RUNNING) {
      if (this.waiting.length >= WAITING) throw unavailable('busy', 'Too many people are signing in at once.', 3);
      // Who leaves hands its place on, so `running` stays as it is.
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    } else {
      this.running++;
    }
    try {
      return await work();
    } finally {
      const next = this.waiting.shift();
      if (next) next();
      else this.running--;
    }
  }
}
