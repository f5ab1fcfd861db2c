import { Body, Controller, HttpCode, Inject, Param, Post, Req } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import type { Principal } from '@muster/core/principal';
import { type Config } from '@muster/platform/config/config';
import { CONFIG } from '@muster/platform/config/config.module';
import { Allow, Caller, Limited } from '@muster/platform/http/access';
import { RecordIdPipe } from '@muster/platform/http/record-id.pipe';
import { ImportAccepted } from './imports.dto';
import { AnalyzeInput, BeginUploadInput, UploadPartsInput, UploadView } from './imports.uploads.dto';
import { ImportUploadsService } from './imports.uploads.service';

/** Imports of files that are sent in steps: straight to the file store, in parts where they are large. */
@ApiTags('imports')
@ApiBearerAuth()
@Controller('imports')
export class ImportUploadsController {
  constructor(
    private readonly uploads: ImportUploadsService,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** Makes an import that waits for its file, for 24 hours, and says where to send it. Next: `POST /imports/{id}/analyze`. */
  @Post('uploads')
  @Allow('imports:write')
  @Limited('uploads')
  async begin(
    @Caller() caller: Principal,
    @Body() body: BeginUploadInput,
    @Req() request: FastifyRequest,
  ): Promise<UploadView> {
    return this.absolute(await this.uploads.begin(caller, body), request);
  }

  /** New addresses, of some parts or of those that are still missing: to go on with a large file, or where an upload broke off. */
  @Post(':id/parts')
  @HttpCode(200)
  @Allow('imports:write')
  async parts(
    @Caller() caller: Principal,
    @Param('id', RecordIdPipe) id: number,
    @Body() { numbers }: UploadPartsInput,
    @Req() request: FastifyRequest,
  ): Promise<UploadView> {
    return this.absolute(await this.uploads.parts(caller, id, numbers), request);
  }

  /** Says that the file is there. Its parts are joined and it is analyzed; no address can change it any more. */
  @Post(':id/analyze')
  @HttpCode(202)
  @Allow('imports:write')
  analyze(
    @Caller() caller: Principal,
    @Param('id', RecordIdPipe) id: number,
    @Body() { parts }: AnalyzeInput,
  ): Promise<ImportAccepted> {
    return this.uploads.complete(caller, id, parts);
  }

  /** Addresses of the API itself are under the one that the client came by, if no other is configured. */
  private absolute(view: UploadView, { protocol, host }: FastifyRequest): UploadView {
    const base = this.config.publicUrl ?? `${protocol}://${host}`;
    const under = (url: string) => (url.startsWith('/') ? base + url : url);
    return {
      ...view,
      parts: view.parts.map((part) => ({ ...part, uploadUrl: under(part.uploadUrl) })),
      ...(view.uploadUrl === undefined ? {} : { uploadUrl: under(view.uploadUrl) }),
    };
  }
}
