import { Readable } from 'node:stream';
import { Controller, Get, HttpCode, Param, Post, Query, Req, StreamableFile } from '@nestjs/common';
import { ApiBearerAuth, ApiBody, ApiConsumes, ApiOkResponse, ApiProduces, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import type { Principal } from '@muster/core/principal';
import { Allow, Caller, Limited } from '@muster/platform/http/access';
import { RecordIdPipe } from '@muster/platform/http/record-id.pipe';
import {
  AnalysisView,
  ImportAccepted,
  ImportsAccepted,
  ImportPage,
  ImportView,
  LedgerPage,
  ListImportsQuery,
  ListRowsQuery,
} from './imports.dto';
import { ImportsRowsService } from './imports.rows.service';
import { ImportsService } from './imports.service';
import { ImportsUpload, uploadForm } from './imports.upload';

@ApiTags('imports')
@ApiBearerAuth()
@Controller('imports')
export class ImportsController {
  constructor(
    private readonly imports: ImportsService,
    private readonly rows: ImportsRowsService,
    private readonly upload: ImportsUpload,
  ) {}

  /** Uploads a file; it is analyzed, mapped and, when the mapping is complete, imported. Several files make several imports. */
  @Post()
  @HttpCode(202)
  @Allow('imports:write')
  @Limited('uploads')
  @ApiConsumes('multipart/form-data')
  @ApiBody(uploadForm(true))
  create(@Caller() caller: Principal, @Req() request: FastifyRequest): Promise<ImportAccepted | ImportsAccepted> {
    return this.upload.receive(caller, request);
  }

  /** The imports that the caller may see, newest first. */
  @Get()
  @Allow('imports:read')
  list(@Caller() caller: Principal, @Query() query: ListImportsQuery): Promise<ImportPage> {
    return this.imports.list(caller, query);
  }

  /** One import, with its counts (computed from the ledger) and its progress. */
  @Get(':id')
  @Allow('imports:read')
  get(@Caller() caller: Principal, @Param('id', RecordIdPipe) id: number): Promise<ImportView> {
    return this.imports.view(caller, id);
  }

  /** What the analysis found: columns, encoding, delimiter, suggested targets. */
  @Get(':id/analysis')
  @Allow('imports:read')
  analysis(@Caller() caller: Principal, @Param('id', RecordIdPipe) id: number): Promise<AnalysisView> {
    return this.imports.analysis(caller, id);
  }

  /** The ledger: what became of each row, with its cells. */
  @Get(':id/rows')
  @Allow('imports:read')
  ledger(
    @Caller() caller: Principal,
    @Param('id', RecordIdPipe) id: number,
    @Query() query: ListRowsQuery,
  ): Promise<LedgerPage> {
    return this.rows.list(caller, id, query);
  }

  /** The rejected rows as CSV: the original columns, `_row` and `_errors`. Fix it and upload it again. */
  @Get(':id/rejected.csv')
  @Allow('imports:read')
  @ApiProduces('text/csv')
  @ApiOkResponse({ schema: { type: 'string', format: 'binary' } })
  async rejected(@Caller() caller: Principal, @Param('id', RecordIdPipe) id: number): Promise<StreamableFile> {
    const lines = await this.rows.rejectedCsv(caller, id);
    return new StreamableFile(Readable.from(lines, { objectMode: false }), {
      type: 'text/csv; charset=utf-8',
      disposition: `attachment; filename="import-${id}-rejected.csv"`,
    });
  }

  /** Ends the import. Rows not reached are `skipped` with the code `cancelled`; what was done stays. */
  @Post(':id/cancel')
  @HttpCode(202)
  @Allow('imports:write')
  async cancel(@Caller() caller: Principal, @Param('id', RecordIdPipe) id: number): Promise<ImportAccepted> {
    return this.imports.cancel(caller, id);
  }
}
