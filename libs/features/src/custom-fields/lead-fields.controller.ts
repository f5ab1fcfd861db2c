import { Body, Controller, Delete, Get, Headers, HttpCode, Param, Patch, Post, Put, Query, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import type { Principal } from '@muster/core/principal';
import { Allow, Caller } from '@muster/platform/http/access';
import { ApiIfMatch, etagOf } from '@muster/platform/http/etag';
import { RecordIdPipe } from '@muster/platform/http/record-id.pipe';
import { API_PREFIX } from '@muster/platform/http/server';
import { CustomFieldDefinitionsService } from './custom-fields.definitions.service';
import {
  FieldBody,
  FieldPage,
  FieldView,
  ForceQuery,
  ListFieldsQuery,
  PatchFieldBody,
  ReplaceFieldBody,
  toFieldView,
} from './custom-fields.dto';
import { CustomField } from './custom-fields.entity';

@ApiTags('custom fields')
@ApiBearerAuth()
@Controller('leads/fields')
export class LeadFieldsController {
  constructor(private readonly definitions: CustomFieldDefinitionsService) {}

  /** Makes a custom field of leads. A taken key is 409 `duplicate`. */
  @Post()
  @Allow('leads:define')
  async create(
    @Caller() caller: Principal,
    @Body() body: FieldBody,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<FieldView> {
    const field = await this.definitions.create(caller, 'leads', body);
    reply.header('location', `/${API_PREFIX}/leads/fields/${field.id}`);
    return answer(reply, field);
  }

  /** The custom fields of leads, newest first. */
  @Get()
  @Allow('leads:read')
  async list(@Query() query: ListFieldsQuery): Promise<FieldPage> {
    const { data, meta } = await this.definitions.list('leads', query);
    return { data: data.map(toFieldView), meta };
  }

  /** One custom field; its `ETag` goes into the `If-Match` of a change. */
  @Get(':id')
  @Allow('leads:read')
  async get(
    @Param('id', RecordIdPipe) id: number,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<FieldView> {
    return answer(reply, await this.definitions.get('leads', id));
  }

  /** Replaces a definition but for its key: what the body leaves out has its default again. */
  @Put(':id')
  @Allow('leads:define')
  @ApiIfMatch()
  async replace(
    @Caller() caller: Principal,
    @Param('id', RecordIdPipe) id: number,
    @Query() { force }: ForceQuery,
    @Body() body: ReplaceFieldBody,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Headers('if-match') ifMatch?: string,
  ): Promise<FieldView> {
    const options = { force: force === 'true', ifMatch };
    return answer(reply, await this.definitions.replace(caller, 'leads', id, body, options));
  }

  /** Changes what the body names. */
  @Patch(':id')
  @Allow('leads:define')
  @ApiIfMatch()
  async patch(
    @Caller() caller: Principal,
    @Param('id', RecordIdPipe) id: number,
    @Query() { force }: ForceQuery,
    @Body() body: PatchFieldBody,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Headers('if-match') ifMatch?: string,
  ): Promise<FieldView> {
    const options = { force: force === 'true', ifMatch };
    return answer(reply, await this.definitions.patch(caller, 'leads', id, body, options));
  }

  /** Deletes a field. While records have values of it: 409 `field-in-use`, unless `?force=true`. */
  @Delete(':id')
  @HttpCode(204)
  @Allow('leads:define')
  @ApiIfMatch()
  remove(
    @Caller() caller: Principal,
    @Param('id', RecordIdPipe) id: number,
    @Query() { force }: ForceQuery,
    @Headers('if-match') ifMatch?: string,
  ): Promise<void> {
    return this.definitions.remove(caller, 'leads', id, { force: force === 'true', ifMatch });
  }
}

function answer(reply: FastifyReply, field: CustomField): FieldView {
  reply.header('etag', etagOf(field.version));
  return toFieldView(field);
}
