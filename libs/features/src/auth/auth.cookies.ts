import '@fastify/cookie';
import { Inject, Injectable } from '@nestjs/common';
import { FastifyReply, FastifyRequest } from 'fastify';
import { ProblemError } from '@muster/core/errors';
import { type Config } from '@muster/platform/config/config';
import { CONFIG } from '@muster/platform/config/config.module';
import { SignIn } from './auth.service';
import { REFRESH_SECONDS, Tokens } from './auth.tokens';

/** `__Host-`: the browser takes them from this very host only, over TLS (or on localhost), so no neighbour can set them. */
const REFRESH_COOKIE = '__Host-muster-refresh';
const CSRF_COOKIE = '__Host-muster-csrf';
const CSRF_HEADER = 'x-csrf-token';

const ATTRIBUTES = { path: '/', secure: true, sameSite: 'strict' } as const;

/** Sessions of browsers: the refresh token in a cookie, and what keeps other sites from using it. */
@Injectable()
export class SessionCookies {
  private readonly origins: string[];

  constructor(
    private readonly tokens: Tokens,
    @Inject(CONFIG) { publicUrl, corsOrigins }: Config,
  ) {
    this.origins = [...(publicUrl ? [new URL(publicUrl).origin] : []), ...corsOrigins];
  }

  /** The refresh token that the browser sends; undefined when it sends none. */
  refreshToken(request: FastifyRequest): string | undefined {
    return request.cookies[REFRESH_COOKIE] || undefined;
  }

  /**
   * Puts the refresh token into its cookie, and the CSRF token into one that the console's scripts can read.
   * @returns the CSRF token
   */
  give(reply: FastifyReply, { refreshToken, sessionId }: SignIn): string {
    const csrfToken = this.tokens.csrfOf(sessionId);
    reply.setCookie(REFRESH_COOKIE, refreshToken, { ...ATTRIBUTES, httpOnly: true, maxAge: REFRESH_SECONDS });
    reply.setCookie(CSRF_COOKIE, csrfToken, { ...ATTRIBUTES, maxAge: REFRESH_SECONDS });
    return csrfToken;
  }

  clear(reply: FastifyReply): void {
    reply.clearCookie(REFRESH_COOKIE, { ...ATTRIBUTES, httpOnly: true });
    reply.clearCookie(CSRF_COOKIE, ATTRIBUTES);
  }

  /** Whether the request proves that a script of ours sent it: it names the session's CSRF token in a header. */
  csrfFits(request: FastifyRequest, sessionId: number): boolean {
    const given = request.headers[CSRF_HEADER];
    return typeof given === 'string' && this.tokens.csrfFits(sessionId, given);
  }

  /**
   * Refuses what a browser sends for a page of another site. The own host counts with any scheme: behind a proxy that ends
   * TLS the request arrives as plain HTTP.
   * @throws 403 `csrf-origin`
   */
  requireOwnOrigin({ headers, host }: FastifyRequest): void {
    const { origin } = headers;
    const own =
      origin === undefined
        ? headers['sec-fetch-site'] !== 'cross-site'
        : this.origins.includes(origin) || (URL.canParse(origin) && new URL(origin).host === host);
    if (!own) throw new ProblemError('user', 403, 'csrf-origin', 'Sessions by cookie are for pages of this site.');
  }
}
