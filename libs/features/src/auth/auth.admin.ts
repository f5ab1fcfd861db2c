import { randomInt } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { invalid, ProblemError } from '@muster/core/errors';
import { type Config } from '@muster/platform/config/config';
import { CONFIG } from '@muster/platform/config/config.module';
import { isPassword, PASSWORD_MAX, PASSWORD_MIN } from './auth.passwords';
import { User } from './auth.entity';
import { UsersRepository } from './users.repository';
import { UsersService } from './users.service';

const DEFAULT_EMAIL = 'admin@muster.local';
const GENERATED_LENGTH = 20;
/** Letters and digits that are not mistaken for one another. */
const ALPHABET = 'abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789';

/** Makes administrators from outside the API: the first one at boot, and others from the command line. */
@Injectable()
export class AdminBootstrap {
  constructor(
    private readonly users: UsersService,
    private readonly repository: UsersRepository,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /**
   * Makes the first admin when there is none; safe when several processes start at once.
   * @returns the new admin with the password, if it was generated (it is told this once only); null when there was one
   */
  async ensureAdmin(): Promise<{ email: string; password: string | null } | null> {
    if (await this.repository.findFirstAdmin()) return null;
    const { email, password } = this.config.admin;
    const generated = password === null ? generatePassword() : null;
    try {
      const admin = await this.createAdmin(email ?? DEFAULT_EMAIL, password ?? generated!);
      return { email: admin.email, password: generated };
    } catch (error) {
      const taken = error instanceof ProblemError && error.code === 'duplicate';
      if (taken && (await this.repository.findFirstAdmin())) return null; // Another process was first.
      throw error;
    }
  }

  /** Adds an admin. @throws 409 `duplicate`; 422 for an e-mail or a password that cannot be */
  async createAdmin(email: string, password: string, name = 'Administrator'): Promise<User> {
    if (!isPassword(password, PASSWORD_MIN)) {
      const message = `must have ${PASSWORD_MIN} to ${PASSWORD_MAX} characters, and no control characters`;
      throw invalid('validation-failed', `The password ${message}.`, [{ field: 'password', code: 'length', message }]);
    }
    return this.users.create({ name, email, password, role: 'admin' }, null, async (_, user) => user);
  }
}

const generatePassword = () =>
  Array.from({ length: GENERATED_LENGTH }, () => ALPHABET[randomInt(ALPHABET.length)]).join('');
