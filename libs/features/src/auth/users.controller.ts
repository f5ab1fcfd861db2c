import { Body, Controller, Delete, Get, Headers, HttpCode, Param, Patch, Post, Query, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { type Principal } from '@muster/core/principal';
import { Allow, Caller } from '@muster/platform/http/access';
import { etagOf } from '@muster/platform/http/etag';
import { RecordIdPipe } from '@muster/platform/http/record-id.pipe';
import { UserView } from './auth.dto';
import { User } from './auth.entity';
import { AuthService } from './auth.service';
import { CreateUserBody, ListUsersQuery, UpdateUserBody, UserPage, userView } from './users.dto';
import { UsersService } from './users.service';

@ApiTags('users')
@ApiBearerAuth()
@Controller('users')
export class UsersController {
  constructor(
    private readonly users: UsersService,
    private readonly auth: AuthService,
  ) {}

  /** Users, newest first; a manager sees their team. */
  @Get()
  @Allow('users:read')
  async list(@Caller() caller: Principal, @Query() query: ListUsersQuery): Promise<UserPage> {
    const { data, meta } = await this.users.list(caller, query);
    return { data: data.map(userView), meta };
  }

  @Post()
  @Allow('users:write')
  async create(
    @Caller() caller: Principal,
    @Body() body: CreateUserBody,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<UserView> {
    return tagged(reply, await this.users.create(body, caller, async (_, user) => user));
  }

  /** The caller. */
  @Get('me')
  @Allow('account:read')
  async me(@Caller() caller: Principal, @Res({ passthrough: true }) reply: FastifyReply): Promise<UserView> {
    return tagged(reply, await this.users.self(caller));
  }

  @Get(':id')
  @Allow('users:read')
  async get(
    @Caller() caller: Principal,
    @Param('id', RecordIdPipe) id: number,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<UserView> {
    return tagged(reply, await this.users.get(caller, id));
  }

  /** Changes role, team, suspension and the like; effective with the user's next request. */
  @Patch(':id')
  @Allow('users:write')
  async update(
    @Caller() caller: Principal,
    @Param('id', RecordIdPipe) id: number,
    @Body() body: UpdateUserBody,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Headers('if-match') ifMatch?: string,
  ): Promise<UserView> {
    return tagged(reply, await this.users.update(caller, id, body, ifMatch));
  }

  /** Ends a user's lockout after wrong passwords. */
  @Post(':id/unlock')
  @HttpCode(204)
  @Allow('users:write')
  unlock(@Caller() caller: Principal, @Param('id', RecordIdPipe) id: number): Promise<void> {
    return this.auth.unlock(caller, id);
  }

  /** Deletes a user. Their records stay, and the e-mail may be used again. */
  @Delete(':id')
  @HttpCode(204)
  @Allow('users:write')
  remove(
    @Caller() caller: Principal,
    @Param('id', RecordIdPipe) id: number,
    @Headers('if-match') ifMatch?: string,
  ): Promise<void> {
    return this.users.remove(caller, id, ifMatch);
  }
}

function tagged(reply: FastifyReply, user: User): UserView {
  reply.header('etag', etagOf(user.version));
  return userView(user);
}
