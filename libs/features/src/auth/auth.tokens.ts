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
/** The only header of an access token, as it is written. */
const HEADER = Buffer.from(JSON.stringify({ alg: ALGORITHM, typ: TYPE })).toString('base64url');

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

  /**
   * Checks a token that {@link signAccess} made. Every request does: a general library takes twice the time, and would have to be
   * told not to accept what it knows beside the one header that is good here.
   * @throws 401 `token-expired` or `token-invalid`
   */
  verifyAccess(token: string): AccessClaims {
    const [header, body, signature, ...more] = token.split('.');
    if (header !== HEADER || !signature || more.length > 0 || !this.isSigned(`${header}.${body}`, signature)) {
      throw invalidToken();
    }
    // Signed, so it is JSON that was written here.
    const claims = JSON.parse(Buffer.from(body, 'base64url').toString()) as SignedClaims;
    const { iss, aud, sid, iat, exp, nbf } = claims;
    const userId = Number(claims.sub);
    const now = Math.floor(Date.now() / 1000);
    const isOurs = iss === ISSUER && aud === AUDIENCE && isId(userId) && isId(sid) && isTime(iat) && isTime(exp);
    if (!isOurs || (nbf !== undefined && !(isTime(nbf) && nbf <= now))) throw invalidToken();
    if (now >= exp || now >= iat + ACCESS_SECONDS) {
      throw unauthorized('token-expired', 'The access token has expired.');
    }
    return { userId, sessionId: sid };
  }

  private isSigned(text: string, signature: string): boolean {
    const given = Buffer.from(signature);
    return this.accessKeys.some((key) => {
      const own = createHmac('sha256', key).update(text).digest('base64url');
      return isEqual(Buffer.from(own), given);
    });
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

/** What a token may say that is signed with one of the secrets. */
interface SignedClaims {
  iss?: unknown;
  aud?: unknown;
  sub?: unknown;
  sid?: unknown;
  iat?: unknown;
  exp?: unknown;
  nbf?: unknown;
}

const invalidToken = () => unauthorized('token-invalid', 'The access token is not valid.');

const isTime = (value: unknown): value is number => typeof value === 'number';

const isId = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) > 0;

/** What is stored of a refresh token, or of an e-mail address that someone tried: SHA-256, hex. */
export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
