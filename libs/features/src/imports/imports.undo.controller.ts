import { Body, Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import type { Principal } from '@muster/core/principal';
import { Allow, Caller } from '@muster/platform/http/access';
import { RecordIdPipe } from '@muster/platform/http/record-id.pipe';
import { ImportAccepted } from './imports.dto';
import { ImportsEmissionsService } from './imports.emissions.service';
import { ListUndoRowsQuery, ReplayAccepted, ReplayInput, UndoRowPage, UndoView } from './imports.undo.dto';
import { ImportsUndoService } from './imports.undo.service';

@ApiTags('imports')
@ApiBearerAuth()
@Controller('imports/:id')
export class ImportsUndoController {
  constructor(
    private readonly undo: ImportsUndoService,
    private readonly emissions: ImportsEmissionsService,
  ) {}

  /**
   * Takes an ended import back: deletes the records that it made, and puts back the values that it changed, but for records that were
   * changed since. Asked for again while it is being undone, it answers the same.
   */
  @Post('undo')
  @HttpCode(202)
  @Allow('imports:write')
  start(@Caller() caller: Principal, @Param('id', RecordIdPipe) id: number): Promise<ImportAccepted> {
    return this.undo.start(caller, id);
  }

  /** How far the undo is, and what became of the rows that had done something. */
  @Get('undo')
  @Allow('imports:read')
  view(@Caller() caller: Principal, @Param('id', RecordIdPipe) id: number): Promise<UndoView> {
    return this.undo.view(caller, id);
  }

  /** What became of each row that had done something. */
  @Get('undo/rows')
  @Allow('imports:read')
  rows(
    @Caller() caller: Principal,
    @Param('id', RecordIdPipe) id: number,
    @Query() query: ListUndoRowsQuery,
  ): Promise<UndoRowPage> {
    return this.undo.rows(caller, id, query);
  }

  /**
   * Says the events of an ended import's records once more, whatever its `events` were: `lead.created`, `lead.updated` and the like, each
   * with an id of its own, and `replayOf`, the id of the event that it repeats.
   */
  @Post('replay')
  @HttpCode(202)
  @Allow('imports:write')
  replay(
    @Caller() caller: Principal,
    @Param('id', RecordIdPipe) id: number,
    @Body() body: ReplayInput,
  ): Promise<ReplayAccepted> {
    return this.emissions.replay(caller, id, body.outcomes);
  }
}
