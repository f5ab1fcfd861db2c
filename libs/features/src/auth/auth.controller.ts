import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Query } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import { type Principal } from '@muster/core/principal';
import { Allow, Caller, Public } from '@muster/platform/http/access';
import { RecordIdPipe } from '@muster/platform/http/record-id.pipe';
import { LoginBody, LogoutBody, PasswordBody, RefreshBody, RegisterBody } from './auth.dto';
import { SessionPage, SignedIn, UserView } from './auth.dto';
import { User } from './auth.entity';
import { AuthService, SignIn } from './auth.service';
import { PageQuery } from './users.dto';
import { UsersService } from './users.service';

@ApiTags('auth')
@Controller('auth')
export class AuthController {
  constructor(
    private readonly auth: AuthService,
    private readonly users: UsersService,
  ) {}

  /** Makes an account (always an agent) and signs in. */
  @Post('register')
  @Public()
  async register(@Body() body: RegisterBody): Promise<SignedIn> {
    return signedIn(await this.auth.register(body));
  }

  /** Signs in on a new session. Five wrong passwords lock the account for 15 minutes. */
  @Post('login')
  @HttpCode(200)
  @Public()
  async login(@Body() body: LoginBody): Promise<SignedIn> {
    return signedIn(await this.auth.login(body));
  }

  /** Exchanges a refresh token for the next pair. Using one again later than 10 s after ends the session. */
  @Post(['refresh', 'refresh-token'])
  @HttpCode(200)
  @Public()
  async refresh(@Body() body: RefreshBody): Promise<SignedIn> {
    return signedIn(await this.auth.refresh(body.refreshToken));
  }

  /** Signs out: this session, the one of the refresh token, or all. */
  @Post('logout')
  @HttpCode(204)
  @Allow('account:self')
  @ApiBearerAuth()
  logout(@Caller() caller: Principal, @Body() body: LogoutBody): Promise<void> {
    return this.auth.logout(caller, body ?? {});
  }

  /** The caller. */
  @Get('me')
  @Allow('account:self')
  @ApiBearerAuth()
  async me(@Caller() caller: Principal): Promise<UserView> {
    return userView(await this.users.self(caller));
  }

  /** Changes the caller's password; the other sessions end. */
  @Patch('password')
  @HttpCode(204)
  @Allow('account:self')
  @ApiBearerAuth()
  password(@Caller() caller: Principal, @Body() body: PasswordBody): Promise<void> {
    return this.auth.changePassword(caller, body);
  }

  /** The caller's sessions, the last used first. */
  @Get('sessions')
  @Allow('account:self')
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
  @Allow('account:self')
  @ApiBearerAuth()
  endSession(@Caller() caller: Principal, @Param('id', RecordIdPipe) id: number): Promise<void> {
    return this.auth.endSession(caller, id);
  }
}

const signedIn = ({ user, ...tokens }: SignIn): SignedIn => ({ ...tokens, user: userView(user) });

/** A user as clients see it. */
export const userView = (user: User): UserView => {
  const { id, name, email, role, teamId, phone, active, createdAt, updatedAt } = user;
  return { id, name, email, role, teamId, phone, active, createdAt, updatedAt };
};
