import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Query, Req, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiHeader, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ProblemError, validationFailed } from '@muster/core/errors';
import { type Principal } from '@muster/core/principal';
import { Allow, Caller, Limited, Public } from '@muster/platform/http/access';
import { PageQuery } from '@muster/platform/http/list-query.dto';
import { RecordIdPipe } from '@muster/platform/http/record-id.pipe';
import { SessionCookies } from './auth.cookies';
import { LoginBody, LogoutBody, PasswordBody, RefreshBody, RegisterBody } from './auth.dto';
import { SessionPage, SignedIn, UserView } from './auth.dto';
import { AuthService, SignIn } from './auth.service';
import { userView } from './users.dto';
import { UsersService } from './users.service';

@ApiTags('auth')
@Controller('auth')
export class AuthController {
  constructor(
    private readonly auth: AuthService,
    private readonly users: UsersService,
    private readonly cookies: SessionCookies,
  ) {}

  /** Makes an account (always an agent) and signs in. */
  @Post('register')
  @Public()
  @Limited('register')
  async register(
    @Body() body: RegisterBody,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<SignedIn> {
    if (body.session !== 'cookie') return signedIn(await this.auth.register(body));
    this.cookies.requireOwnOrigin(request);
    return this.byCookie(reply, await this.auth.register(body));
  }

  /** Signs in on a new session. Five wrong passwords lock the account for 15 minutes. */
  @Post('login')
  @HttpCode(200)
  @Public()
  @Limited('login')
  async login(
    @Body() body: LoginBody,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<SignedIn> {
    if (body.session !== 'cookie') return signedIn(await this.auth.login(body));
    this.cookies.requireOwnOrigin(request);
    return this.byCookie(reply, await this.auth.login(body));
  }

  /**
   * Exchanges a refresh token for the next pair. Using one again later than 10 s after ends the session. Without a token in the body
   * the session's cookie is used, and the `X-CSRF-Token` header must hold the session's CSRF token.
   */
  @Post(['refresh', 'refresh-token'])
  @HttpCode(200)
  @Public()
  @Limited('refresh')
  @ApiHeader({ name: 'x-csrf-token', required: false, description: 'The CSRF token of a session by cookie.' })
  async refresh(
    @Body() body: RefreshBody,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<SignedIn> {
    if (body?.refreshToken) return signedIn(await this.auth.refresh(body.refreshToken));
    const refreshToken = this.cookies.refreshToken(request);
    if (!refreshToken) throw tokenMissing();
    this.cookies.requireOwnOrigin(request);
    try {
      const isGenuine = (sessionId: number) => this.cookies.csrfFits(request, sessionId);
      return this.byCookie(reply, await this.auth.refresh(refreshToken, isGenuine));
    } catch (error) {
      if (error instanceof ProblemError && error.status === 401) this.cookies.clear(reply);
      throw error;
    }
  }

  /** Signs out: this session, the one of the refresh token, or all. Removes the session's cookies. */
  @Post('logout')
  @HttpCode(204)
  @Allow('account:write')
  @ApiBearerAuth()
  async logout(
    @Caller() caller: Principal,
    @Body() body: LogoutBody,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<void> {
    const hasCookie = this.cookies.refreshToken(request) !== undefined;
    if (hasCookie) this.cookies.requireOwnOrigin(request);
    await this.auth.logout(caller, body ?? {});
    if (hasCookie) this.cookies.clear(reply);
  }

  /** The caller. */
  @Get('me')
  @Allow('account:read')
  @ApiBearerAuth()
  async me(@Caller() caller: Principal): Promise<UserView> {
    return userView(await this.users.self(caller));
  }

  /** Changes the caller's password; the other sessions end. */
  @Patch('password')
  @HttpCode(204)
  @Allow('account:write')
  @ApiBearerAuth()
  password(@Caller() caller: Principal, @Body() body: PasswordBody): Promise<void> {
    return this.auth.changePassword(caller, body);
  }

  /** The caller's sessions, the last used first. */
  @Get('sessions')
  @Allow('account:write')
  @ApiBearerAuth()
  async sessions(@Caller() caller: Principal, @Query() { page, limit }: PageQuery): Promise<SessionPage> {
    const { data, meta } = await this.auth.sessions(caller, page, limit);
    const view = ({ id, device, createdAt, lastUsedAt, expiresAt }: (typeof data)[number]) => ({
      ...{ id, device, createdAt, lastUsedAt, expiresAt },
      current: id === caller.sessionId,
    });
    return { data: data.map(view), meta };
  }

  /** Ends one of the caller's sessions. */
  @Delete('sessions/:id')
  @HttpCode(204)
  @Allow('account:write')
  @ApiBearerAuth()
  endSession(@Caller() caller: Principal, @Param('id', RecordIdPipe) id: number): Promise<void> {
    return this.auth.endSession(caller, id);
  }

  private byCookie(reply: FastifyReply, signIn: SignIn): SignedIn {
    const csrfToken = this.cookies.give(reply, signIn);
    const { accessToken, expiresIn, user } = signIn;
    return { accessToken, csrfToken, expiresIn, user: userView(user) };
  }
}

const signedIn = ({ accessToken, refreshToken, expiresIn, user }: SignIn): SignedIn => ({
  ...{ accessToken, refreshToken, expiresIn },
  user: userView(user),
});

const tokenMissing = () =>
  validationFailed([
    { field: 'refreshToken', code: 'required', message: 'must be in the body, or in the cookie of the session' },
  ]);
