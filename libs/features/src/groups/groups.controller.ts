import { Body, Controller, Delete, Get, Headers, HttpCode, Param, Post, Put, Query, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import type { Principal } from '@muster/core/principal';
import { Allow, Caller } from '@muster/platform/http/access';
import { ApiIfMatch, etagOf } from '@muster/platform/http/etag';
import { RecordIdPipe } from '@muster/platform/http/record-id.pipe';
import { API_PREFIX } from '@muster/platform/http/server';
import {
  CountedGroup,
  GroupInput,
  GroupMembersAddedView,
  GroupMembersInput,
  GroupMembersRemovedView,
  GroupPage,
  GroupView,
  ListGroupsQuery,
  toGroupView,
} from './groups.dto';
import { GroupMembersService } from './groups.members.service';
import { GroupsService } from './groups.service';

@ApiTags('groups')
@ApiBearerAuth()
@Controller('groups')
export class GroupsController {
  constructor(
    private readonly groups: GroupsService,
    private readonly members: GroupMembersService,
  ) {}

  /** Makes a group: of the caller's team; an admin says whose. A taken name is 409 `duplicate`. */
  @Post()
  @Allow('groups:write')
  async create(
    @Caller() caller: Principal,
    @Body() body: GroupInput,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<GroupView> {
    const group = await this.groups.create(caller, body);
    reply.header('location', `/${API_PREFIX}/groups/${group.id}`);
    return answer(reply, group);
  }

  /** The groups that the caller may see, newest first. Agents see those that hold a record of theirs. */
  @Get()
  @Allow('groups:read')
  async list(@Caller() caller: Principal, @Query() query: ListGroupsQuery): Promise<GroupPage> {
    const { data, meta } = await this.groups.list(caller, query);
    return { data: data.map(toGroupView), meta };
  }

  /** One group; its members are `GET /leads?groupId=` and `GET /customers?groupId=`. */
  @Get(':id')
  @Allow('groups:read')
  async get(
    @Caller() caller: Principal,
    @Param('id', RecordIdPipe) id: number,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<GroupView> {
    return answer(reply, await this.groups.get(caller, id));
  }

  /** Replaces name, description and, for admins, the team. The members stay. */
  @Put(':id')
  @Allow('groups:write')
  @ApiIfMatch()
  async replace(
    @Caller() caller: Principal,
    @Param('id', RecordIdPipe) id: number,
    @Body() body: GroupInput,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Headers('if-match') ifMatch?: string,
  ): Promise<GroupView> {
    return answer(reply, await this.groups.replace(caller, id, body, ifMatch));
  }

  /** Deletes a group. The records in it stay. */
  @Delete(':id')
  @HttpCode(204)
  @Allow('groups:write')
  @ApiIfMatch()
  remove(
    @Caller() caller: Principal,
    @Param('id', RecordIdPipe) id: number,
    @Headers('if-match') ifMatch?: string,
  ): Promise<void> {
    return this.groups.remove(caller, id, ifMatch);
  }

  /** Puts records into a group. Those that are absent, or not the caller's to change, are named in the answer. */
  @Post(':id/members')
  @HttpCode(200)
  @Allow('groups:write')
  addMembers(
    @Caller() caller: Principal,
    @Param('id', RecordIdPipe) id: number,
    @Body() body: GroupMembersInput,
  ): Promise<GroupMembersAddedView> {
    return this.members.add(caller, id, body);
  }

  /** Takes records out of a group; the records stay. */
  @Delete(':id/members')
  @Allow('groups:write')
  removeMembers(
    @Caller() caller: Principal,
    @Param('id', RecordIdPipe) id: number,
    @Body() body: GroupMembersInput,
  ): Promise<GroupMembersRemovedView> {
    return this.members.remove(caller, id, body);
  }
}

function answer(reply: FastifyReply, group: CountedGroup): GroupView {
  reply.header('etag', etagOf(group.version));
  return toGroupView(group);
}
