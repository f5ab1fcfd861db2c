import { Body, Controller, Delete, Get, Headers, HttpCode, Param, Patch, Post, Put, Query, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { type Principal } from '@muster/core/principal';
import { Allow, Caller } from '@muster/platform/http/access';
import { etagOf } from '@muster/platform/http/etag';
import { RecordIdPipe } from '@muster/platform/http/record-id.pipe';
import { Team } from './auth.entity';
import { TeamsService } from './teams.service';
import { ListTeamsQuery, TeamBody, TeamPage, TeamView, teamView, UpdateTeamBody } from './users.dto';

@ApiTags('teams')
@ApiBearerAuth()
@Controller('teams')
export class TeamsController {
  constructor(private readonly teams: TeamsService) {}

  /** Teams, newest first; a manager sees their own. */
  @Get()
  @Allow('users:read')
  async list(@Caller() caller: Principal, @Query() query: ListTeamsQuery): Promise<TeamPage> {
    const { data, meta } = await this.teams.list(caller, query);
    return { data: data.map(teamView), meta };
  }

  @Post()
  @Allow('users:write')
  async create(
    @Caller() caller: Principal,
    @Body() body: TeamBody,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<TeamView> {
    return tagged(reply, await this.teams.create(caller, body.name));
  }

  @Get(':id')
  @Allow('users:read')
  async get(
    @Caller() caller: Principal,
    @Param('id', RecordIdPipe) id: number,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<TeamView> {
    return tagged(reply, await this.teams.get(caller, id));
  }

  @Put(':id')
  @Allow('users:write')
  async replace(
    @Caller() caller: Principal,
    @Param('id', RecordIdPipe) id: number,
    @Body() body: TeamBody,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Headers('if-match') ifMatch?: string,
  ): Promise<TeamView> {
    return tagged(reply, await this.teams.rename(caller, id, body.name, ifMatch));
  }

  @Patch(':id')
  @Allow('users:write')
  async update(
    @Caller() caller: Principal,
    @Param('id', RecordIdPipe) id: number,
    @Body() body: UpdateTeamBody,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Headers('if-match') ifMatch?: string,
  ): Promise<TeamView> {
    return tagged(reply, await this.teams.rename(caller, id, body.name, ifMatch));
  }

  /** Deletes an empty team. */
  @Delete(':id')
  @HttpCode(204)
  @Allow('users:write')
  remove(
    @Caller() caller: Principal,
    @Param('id', RecordIdPipe) id: number,
    @Headers('if-match') ifMatch?: string,
  ): Promise<void> {
    return this.teams.remove(caller, id, ifMatch);
  }
}

function tagged(reply: FastifyReply, team: Team): TeamView {
  reply.header('etag', etagOf(team.version));
  return teamView(team);
}
