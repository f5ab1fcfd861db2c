import { Body, Controller, Get, Headers, HttpCode, Param, Post, Query, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import type { Principal } from '@muster/core/principal';
import { Allow, Caller } from '@muster/platform/http/access';
import { ApiIfMatch, etagOf } from '@muster/platform/http/etag';
import { ListQueryDto } from '@muster/platform/http/list-query.dto';
import { RecordIdPipe } from '@muster/platform/http/record-id.pipe';
import { DuplicatesQuery } from '../contacts/duplicates/contacts.duplicates.service';
import { MergeInput } from '../contacts/merge/contacts.merge.service';
import { ContactTimelines, TimelinePage } from '../contacts/timeline/contacts.timeline.service';
import { toLeadView } from './leads.dto';
import { LeadDuplicatesPage, LeadMergedView, LeadUnmergedView } from './leads.merge.dto';
import { LeadMergesService } from './leads.merge.service';
import { LeadsService } from './leads.service';

@ApiTags('leads')
@ApiBearerAuth()
@Controller('leads')
export class LeadMergesController {
  constructor(
    private readonly leads: LeadsService,
    private readonly merges: LeadMergesService,
    private readonly timelines: ContactTimelines,
  ) {}

  /**
   * Makes another lead part of this one: its groups, and whatever belongs to it, are this one's; it is deleted. Can be undone by
   * `mergeId`.
   */
  @Post(':id/merge')
  @HttpCode(200)
  @Allow('leads:merge')
  @ApiIfMatch()
  async merge(
    @Caller() caller: Principal,
    @Param('id', RecordIdPipe) id: number,
    @Body() body: MergeInput,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Headers('if-match') ifMatch?: string,
  ): Promise<LeadMergedView> {
    const { mergeId, record } = await this.merges.merge(caller, id, body, ifMatch);
    reply.header('etag', etagOf(record.version));
    const [view] = await this.leads.grouped(caller, [record]);
    return { mergeId, record: toLeadView(view) };
  }

  /**
   * Takes a merge back. The lead that was deleted is there again as it was, and the other is as it was before, but for what was changed
   * since. Where someone else has an e-mail or phone by now that would have to come back, nothing happens: 409 `duplicate`.
   */
  @Post('merges/:mergeId/undo')
  @HttpCode(200)
  @Allow('leads:merge')
  async undo(@Caller() caller: Principal, @Param('mergeId', RecordIdPipe) mergeId: number): Promise<LeadUnmergedView> {
    const { source, target, kept, notRestored } = await this.merges.undo(caller, mergeId);
    const [again, changed] = await this.leads.grouped(caller, [source, target]);
    return { source: toLeadView(again), target: toLeadView(changed), kept, notRestored };
  }

  /** Groups of leads that may be the same person, among those that the caller may see. */
  @Get('duplicates')
  @Allow('leads:read')
  async duplicates(@Caller() caller: Principal, @Query() query: DuplicatesQuery): Promise<LeadDuplicatesPage> {
    const { data, meta } = await this.merges.duplicates(caller, query);
    const views = await Promise.all(data.map(({ records }) => this.leads.grouped(caller, records)));
    return {
      data: data.map((group, index) => ({ ...group, records: views[index].map((lead) => toLeadView(lead)) })),
      meta,
    };
  }

  /** What happened to a lead, newest first: how it was made, changes by field, assignments, merges, groups, its conversion. */
  @Get(':id/timeline')
  @Allow('leads:read')
  async timeline(
    @Caller() caller: Principal,
    @Param('id', RecordIdPipe) id: number,
    @Query() query: ListQueryDto,
  ): Promise<TimelinePage> {
    return this.timelines.of('lead', await this.leads.get(caller, id), 'assignedTo', query);
  }
}
