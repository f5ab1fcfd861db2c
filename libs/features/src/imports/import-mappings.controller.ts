import { Body, Controller, Delete, Get, HttpCode, Param, Post, Query, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import type { Principal } from '@muster/core/principal';
import { Allow, Caller } from '@muster/platform/http/access';
import { RecordIdPipe } from '@muster/platform/http/record-id.pipe';
import { API_PREFIX } from '@muster/platform/http/server';
import {
  ListMappingsQuery,
  SavedMappingInput,
  SavedMappingPage,
  SavedMappingView,
  toMappingView,
} from './import-mappings.dto';
import { ImportMappingsService } from './import-mappings.service';

@ApiTags('imports')
@ApiBearerAuth()
@Controller('import-mappings')
export class ImportMappingsController {
  constructor(private readonly mappings: ImportMappingsService) {}

  /** Saves a mapping by name. A new file with exactly its columns is suggested it. A taken name is 409 `duplicate`. */
  @Post()
  @Allow('imports:write')
  async create(
    @Caller() caller: Principal,
    @Body() body: SavedMappingInput,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<SavedMappingView> {
    const saved = await this.mappings.create(caller, body);
    reply.header('location', `/${API_PREFIX}/import-mappings/${saved.id}`);
    return toMappingView(saved);
  }

  /** The saved mappings that the caller may see, newest first. */
  @Get()
  @Allow('imports:read')
  async list(@Caller() caller: Principal, @Query() query: ListMappingsQuery): Promise<SavedMappingPage> {
    const { data, meta } = await this.mappings.list(caller, query);
    return { data: data.map(toMappingView), meta };
  }

  @Get(':id')
  @Allow('imports:read')
  async get(@Caller() caller: Principal, @Param('id', RecordIdPipe) id: number): Promise<SavedMappingView> {
    return toMappingView(await this.mappings.get(caller, id));
  }

  /** Deletes a saved mapping. Imports that have it stay as they are. */
  @Delete(':id')
  @HttpCode(204)
  @Allow('imports:write')
  remove(@Caller() caller: Principal, @Param('id', RecordIdPipe) id: number): Promise<void> {
    return this.mappings.remove(caller, id);
  }
}
