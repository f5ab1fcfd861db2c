import { createHash, createHmac, createSecretKey, hkdfSync, KeyObject, randomBytes } from 'node:crypto';
import { JwtService } from '@nestjs/jwt';
import { unauthorized } from '@muster/core/errors';

/** How long an access token is good, in seconds. */
export const ACCESS_SECONDS = 15 * 60;

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

  constructor(secrets: string[]) {
    this.accessKeys = secrets.map((secret) => createSecretKey(Buffer.from(secret)));
    this.refreshKeys = secrets.map((secret) =>
      createSecretKey(Buffer.from(hkdfSync('sha256', secret, '', 'muster refresh token', 32))),
    );
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
        if (header.typ !== TYPE || !isId(userId) || !isId(sessionId)) break;
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
}

interface VerifiedToken {
  header: { typ?: string };
  payload: { sub?: string; sid?: unknown };
}

const isId = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) > 0;

/** What is stored of a refresh token, or of an e-mail address that someone tried: SHA-256, hex. */
export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
