import { Readable } from 'node:stream';
import {
  Body,
  Controller,
  Get,
  Headers,
  HttpCode,
  Param,
  Post,
  Put,
  Query,
  Req,
  Res,
  StreamableFile,
} from '@nestjs/common';
import {
  ApiAcceptedResponse,
  ApiBearerAuth,
  ApiBody,
  ApiConsumes,
  ApiOkResponse,
  ApiProduces,
  ApiTags,
} from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Principal } from '@muster/core/principal';
import { Allow, Caller, Limited } from '@muster/platform/http/access';
import { AuthService } from '../auth/auth.service';
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
import { ImportsPlanningService } from './imports.planning.service';
import { ImportsPreviewService } from './imports.preview.service';
import { ImportsRowsService } from './imports.rows.service';
import { ImportsService } from './imports.service';
import {
  MappingInput,
  MappingView,
  PlanRequestInput,
  PlanView,
  PreviewPage,
  PreviewQuery,
  StartImportInput,
} from './imports.steps.dto';
import { ImportsStepsService } from './imports.steps.service';
import { ImportsStreamService } from './imports.stream.service';
import { ImportsUpload, uploadForm } from './imports.upload';

@ApiTags('imports')
@ApiBearerAuth()
@Controller('imports')
export class ImportsController {
  constructor(
    private readonly imports: ImportsService,
    private readonly rows: ImportsRowsService,
    private readonly upload: ImportsUpload,
    private readonly steps: ImportsStepsService,
    private readonly preview: ImportsPreviewService,
    private readonly planning: ImportsPlanningService,
    private readonly streams: ImportsStreamService,
    private readonly auth: AuthService,
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

  /** Replaces the mapping of an import that waits in `ready`. Columns that it does not name are left out. */
  @Put(':id/mapping')
  @Allow('imports:write')
  setMapping(
    @Caller() caller: Principal,
    @Param('id', RecordIdPipe) id: number,
    @Body() body: MappingInput,
  ): Promise<MappingView> {
    return this.steps.setMapping(caller, id, body);
  }

  /**
   * A page of the file as it would be imported under the current mapping, while the import waits in `ready`. What is a duplicate of a
   * stored record may be up to ten minutes old.
   */
  @Get(':id/preview')
  @Allow('imports:read')
  previewPage(
    @Caller() caller: Principal,
    @Param('id', RecordIdPipe) id: number,
    @Query() query: PreviewQuery,
  ): Promise<PreviewPage> {
    return this.preview.page(caller, id, query);
  }

  /**
   * A dry run of an import that waits in `ready`: what it would do to the store as it is, by the checks and the matching of the import
   * itself. Nothing but the plan is written. 202 when it takes longer than `waitSeconds`: `GET` tells when it is done.
   */
  @Post(':id/plan')
  @HttpCode(200)
  @Allow('imports:write')
  @ApiOkResponse({ type: PlanView })
  @ApiAcceptedResponse({ type: PlanView })
  async plan(
    @Caller() caller: Principal,
    @Param('id', RecordIdPipe) id: number,
    @Body() body: PlanRequestInput,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<PlanView> {
    return whenDone(reply, await this.planning.plan(caller, id, body));
  }

  /** The newest plan of the import; 202 while it is being made, 404 when none was asked for. */
  @Get(':id/plan')
  @Allow('imports:read')
  @ApiOkResponse({ type: PlanView })
  @ApiAcceptedResponse({ type: PlanView })
  async currentPlan(
    @Caller() caller: Principal,
    @Param('id', RecordIdPipe) id: number,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<PlanView> {
    return whenDone(reply, await this.planning.current(caller, id));
  }

  /** Starts an import that waits in `ready`. */
  @Post(':id/start')
  @HttpCode(202)
  @Allow('imports:write')
  start(
    @Caller() caller: Principal,
    @Param('id', RecordIdPipe) id: number,
    @Body() body: StartImportInput,
  ): Promise<ImportAccepted> {
    return this.steps.start(caller, id, body);
  }

  /**
   * Server-sent events until the import has ended: `progress` ({processed, total, rowsPerSecond, etaSeconds, counts}) and `status`
   * ({status, error}). With `Last-Event-ID` the newest state comes at once, if it is newer; 204 when the end was told already.
   */
  @Get(':id/events')
  @Allow('imports:read')
  @ApiProduces('text/event-stream')
  @ApiOkResponse({ schema: { type: 'string' } })
  async events(
    @Caller() caller: Principal,
    @Param('id', RecordIdPipe) id: number,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Headers('last-event-id') lastEventId?: string,
  ): Promise<StreamableFile | undefined> {
    const bearer = request.headers.authorization!.split(/ +/)[1];
    const gone = new AbortController();
    reply.raw.once('close', () => gone.abort());
    const again = () => this.auth.authenticate(bearer);
    const events = await this.streams.listen(caller, id, lastEventId, again, gone.signal);
    if (!events) {
      reply.status(204);
      return undefined;
    }
    // Proxies that collect answers would hold the events back.
    reply.header('x-accel-buffering', 'no');
    return new StreamableFile(events, { type: 'text/event-stream; charset=utf-8' });
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

function whenDone(reply: FastifyReply, view: PlanView): PlanView {
  if (view.status === 'running') reply.status(202);
  return view;
}
