import {
  createHash,
  createHmac,
  createSecretKey,
  hkdfSync,
  KeyObject,
  randomBytes,
  timingSafeEqual,
} from 'node:crypto';
import { JwtService } from '@nestjs/jwt';
import { unauthorized } from '@muster/core/errors';

/** How long an access token is good, in seconds. */
export const ACCESS_SECONDS = 15 * 60;
/** How long a refresh token is good, in seconds. */
export const REFRESH_SECONDS = 30 * 24 * 3600;

const ALGORITHM = 'HS256';
/** RFC 9068: tells an access token from every other JWT that might be signed with the same key. */
const TYPE = 'at+jwt';
const ISSUER = 'muster';
const AUDIENCE = 'muster-api';

/** Whom an access token names. What they may do is read from the store on each request. */
export interface AccessClaims {
  userId: number;
  sessionId: number;
}

/** The tokens that Muster gives out. The first secret signs, all verify, so that secrets can be exchanged without signing anyone out. */
export class Tokens {
  private readonly jwt = new JwtService();
  private readonly accessKeys: KeyObject[];
  private readonly refreshKeys: KeyObject[];
  private readonly csrfKeys: KeyObject[];

  constructor(secrets: string[]) {
    this.accessKeys = secrets.map((secret) => createSecretKey(Buffer.from(secret)));
    this.refreshKeys = secrets.map((secret) => derive(secret, 'muster refresh token'));
    this.csrfKeys = secrets.map((secret) => derive(secret, 'muster csrf token'));
  }

  signAccess({ userId, sessionId }: AccessClaims): string {
    return this.jwt.sign(
      { sid: sessionId },
      {
        privateKey: this.accessKeys[0],
        algorithm: ALGORITHM,
        header: { alg: ALGORITHM, typ: TYPE },
        issuer: ISSUER,
        audience: AUDIENCE,
        subject: String(userId),
        expiresIn: ACCESS_SECONDS,
      },
    );
  }

  /** @throws 401 `token-expired` or `token-invalid` */
  verifyAccess(token: string): AccessClaims {
    for (const key of this.accessKeys) {
      try {
        const { header, payload } = this.jwt.verify<VerifiedToken>(token, {
          // The service passes a KeyObject on as it is; its own type knows texts only.
          secret: key as unknown as Buffer,
          algorithms: [ALGORITHM],
          issuer: ISSUER,
          audience: AUDIENCE,
          maxAge: ACCESS_SECONDS,
          complete: true,
        });
        const userId = Number(payload.sub);
        const sessionId = payload.sid;
        if (header.typ !== TYPE || payload.exp === undefined || !isId(userId) || !isId(sessionId)) break;
        return { userId, sessionId };
      } catch (error) {
        const { name, message } = error as Error;
        if (name === 'TokenExpiredError') throw unauthorized('token-expired', 'The access token has expired.');
        if (message !== 'invalid signature') break;
      }
    }
    throw unauthorized('token-invalid', 'The access token is not valid.');
  }

  /** A new refresh token: 256 random bits. */
  newRefresh(): string {
    return randomBytes(32).toString('base64url');
  }

  /**
   * The tokens that may follow a refresh token, by each secret, the signing one first. They follow from the parent, so that a
   * lost answer can be given again although only hashes are stored.
   */
  childrenOf(parent: string): string[] {
    return this.refreshKeys.map((key) => createHmac('sha256', key).update(parent).digest('base64url'));
  }

  /** What proves that a request comes from a page which may read the session's answers. It lasts as long as the session. */
  csrfOf(sessionId: number): string {
    return macOf(this.csrfKeys[0], sessionId).toString('base64url');
  }

  /** Whether it is the session's CSRF token by any of the secrets; takes the same time for every wrong one. */
  csrfFits(sessionId: number, given: string): boolean {
    const mac = Buffer.from(given, 'base64url');
    return this.csrfKeys.map((key) => macOf(key, sessionId)).some((own) => isEqual(own, mac));
  }
}

const derive = (secret: string, purpose: string) =>
  createSecretKey(Buffer.from(hkdfSync('sha256', secret, '', purpose, 32)));

const macOf = (key: KeyObject, sessionId: number) => createHmac('sha256', key).update(`session ${sessionId}`).digest();

const isEqual = (own: Buffer, given: Buffer) => given.length === own.length && timingSafeEqual(own, given);

interface VerifiedToken {
  header: { typ?: string };
  payload: { sub?: string; sid?: unknown; exp?: number };
}

const isId = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) > 0;

/** What is stored of a refresh token, or of an e-mail address that someone tried: SHA-256, hex. */
export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
