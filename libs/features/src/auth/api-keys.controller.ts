import { Body, Controller, Delete, Get, Headers, HttpCode, Param, Post, Query, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { type Principal } from '@muster/core/principal';
import { Allow, Caller } from '@muster/platform/http/access';
import { ApiIfMatch, etagOf } from '@muster/platform/http/etag';
import { RecordIdPipe } from '@muster/platform/http/record-id.pipe';
import { API_PREFIX } from '@muster/platform/http/server';
import { ApiKeyBody, ApiKeyCreated, ApiKeyPage, ApiKeyView, ListApiKeysQuery, toApiKeyView } from './api-keys.dto';
import { ApiKeysService } from './api-keys.service';

@ApiTags('api-keys')
@ApiBearerAuth()
@Controller('api-keys')
export class ApiKeysController {
  constructor(private readonly apiKeys: ApiKeysService) {}

  /** Makes a key, which is sent like an access token: `Authorization: Bearer muster_…`. The key is shown in this answer only. */
  @Post()
  @Allow('api-keys:write')
  async create(
    @Caller() caller: Principal,
    @Body() body: ApiKeyBody,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ApiKeyCreated> {
    const { apiKey, key } = await this.apiKeys.create(caller, body);
    reply.header('location', `/${API_PREFIX}/api-keys/${apiKey.id}`).header('etag', etagOf(apiKey.version));
    return { ...toApiKeyView(apiKey), key };
  }

  /** The caller's keys that are not revoked, newest first; an admin sees everyone's. */
  @Get()
  @Allow('api-keys:read')
  async list(@Caller() caller: Principal, @Query() query: ListApiKeysQuery): Promise<ApiKeyPage> {
    const { data, meta } = await this.apiKeys.list(caller, query);
    return { data: data.map(toApiKeyView), meta };
  }

  @Get(':id')
  @Allow('api-keys:read')
  async get(
    @Caller() caller: Principal,
    @Param('id', RecordIdPipe) id: number,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ApiKeyView> {
    const apiKey = await this.apiKeys.get(caller, id);
    reply.header('etag', etagOf(apiKey.version));
    return toApiKeyView(apiKey);
  }

  /** Revokes a key; effective with the next request that uses it. */
  @Delete(':id')
  @HttpCode(204)
  @Allow('api-keys:write')
  @ApiIfMatch()
  revoke(
    @Caller() caller: Principal,
    @Param('id', RecordIdPipe) id: number,
    @Headers('if-match') ifMatch?: string,
  ): Promise<void> {
    return this.apiKeys.revoke(caller, id, ifMatch);
  }
}
