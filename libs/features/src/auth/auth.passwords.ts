import { hash, verify } from '@node-rs/argon2';
import { Injectable } from '@nestjs/common';
import { unavailable } from '@muster/core/errors';

export const PASSWORD_MIN = 10;
export const PASSWORD_MAX = 128;

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
