import { Controller, Get, HttpCode, Post, Query, Req } from '@nestjs/common';
import { ApiBearerAuth, ApiBody, ApiConsumes, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import type { Principal } from '@muster/core/principal';
import { Allow, Caller, Limited } from '@muster/platform/http/access';
import { ImportAccepted, ImportPage, ImportsAccepted, ListImportsQuery } from './imports.dto';
import { ImportsUpload, uploadForm } from './imports.upload';
import { ImportsService } from './imports.service';

/** Older names of the imports resource, for clients that know them: a lead file in one call, and the list. */
@ApiTags('imports')
@ApiBearerAuth()
@Controller('csv')
export class CsvController {
  constructor(
    private readonly imports: ImportsService,
    private readonly upload: ImportsUpload,
  ) {}

  /** `POST /imports` with the target `leads`. */
  @Post('upload')
  @HttpCode(202)
  @Allow('imports:write')
  @Limited('uploads')
  @ApiConsumes('multipart/form-data')
  @ApiBody(uploadForm(false))
  create(@Caller() caller: Principal, @Req() request: FastifyRequest): Promise<ImportAccepted | ImportsAccepted> {
    return this.upload.receive(caller, request, 'leads');
  }

  /** `GET /imports`. */
  @Get('logs')
  @Allow('imports:read')
  list(@Caller() caller: Principal, @Query() query: ListImportsQuery): Promise<ImportPage> {
    return this.imports.list(caller, query);
  }
}
