import { Body, Controller, Delete, Get, Headers, HttpCode, Param, Patch, Post, Put, Query, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import type { Principal } from '@muster/core/principal';
import { Allow, Caller } from '@muster/platform/http/access';
import { ApiCustomFilters, CustomFilterQuery, type CustomFilters } from '@muster/platform/http/custom-filters';
import { ApiIfMatch, etagOf } from '@muster/platform/http/etag';
import { RecordIdPipe } from '@muster/platform/http/record-id.pipe';
import { API_PREFIX } from '@muster/platform/http/server';
import { BatchInput, BatchQuery, BatchView } from '../contacts/batch/contacts.batch.service';
import type { Grouped } from '../contacts/contacts.service';
import {
  LeadInput,
  LeadPage,
  LeadPatch,
  LeadStatistics,
  LeadStatisticsQuery,
  LeadView,
  ListLeadsQuery,
  toLeadView,
} from './leads.dto';
import { Lead } from './leads.entity';
import { LeadsService } from './leads.service';

@ApiTags('leads')
@ApiBearerAuth()
@Controller('leads')
export class LeadsController {
  constructor(private readonly leads: LeadsService) {}

  /** Makes a lead. A taken e-mail or phone is 409 `duplicate`. */
  @Post()
  @Allow('leads:write')
  async create(
    @Caller() caller: Principal,
    @Body() body: LeadInput,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<LeadView> {
    const lead = await this.leads.create(caller, body);
    reply.header('location', `/${API_PREFIX}/leads/${lead.id}`);
    return answer(reply, lead);
  }

  /** The leads that the caller may see, newest first. */
  @Get()
  @Allow('leads:read')
  @ApiCustomFilters()
  async list(
    @Caller() caller: Principal,
    @Query() query: ListLeadsQuery,
    @CustomFilterQuery() filters: CustomFilters,
  ): Promise<LeadPage> {
    const { data, meta } = await this.leads.list(caller, query, filters);
    return { data: data.map((each) => toLeadView(each)), meta };
  }

  /** Figures about the leads that a list with the same filters has; and, for each figure, the list of what it counts. */
  @Get('statistics')
  @Allow('leads:read')
  @ApiCustomFilters()
  statistics(
    @Caller() caller: Principal,
    @Query() query: LeadStatisticsQuery,
    @CustomFilterQuery() filters: CustomFilters,
  ): Promise<LeadStatistics> {
    return this.leads.statistics(caller, query, filters) as Promise<LeadStatistics>;
  }

  /**
   * Changes up to 500 leads, each as a PATCH of it does: the answer says of each what came of it. With `atomic=true` one change that
   * fails makes all of them fail (422 `batch-failed`, with the same `results` and `counts`), and none is made.
   */
  @Patch('batch')
  @Allow('leads:batch')
  batch(@Caller() caller: Principal, @Body() body: BatchInput, @Query() { atomic }: BatchQuery): Promise<BatchView> {
    return this.leads.batch(caller, body, atomic === 'true');
  }

  /** One lead; its `ETag` goes into the `If-Match` of a change. */
  @Get(':id')
  @Allow('leads:read')
  async get(
    @Caller() caller: Principal,
    @Param('id', RecordIdPipe) id: number,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<LeadView> {
    return answer(reply, await this.leads.get(caller, id));
  }

  /** Replaces a lead: what the body leaves out is cleared, but for `doNotContact`. */
  @Put(':id')
  @Allow('leads:write')
  @ApiIfMatch()
  async replace(
    @Caller() caller: Principal,
    @Param('id', RecordIdPipe) id: number,
    @Body() body: LeadInput,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Headers('if-match') ifMatch?: string,
  ): Promise<LeadView> {
    return answer(reply, await this.leads.replace(caller, id, body, ifMatch));
  }

  /** Changes the fields that the body names. */
  @Patch(':id')
  @Allow('leads:write')
  @ApiIfMatch()
  async patch(
    @Caller() caller: Principal,
    @Param('id', RecordIdPipe) id: number,
    @Body() body: LeadPatch,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Headers('if-match') ifMatch?: string,
  ): Promise<LeadView> {
    return answer(reply, await this.leads.patch(caller, id, body, ifMatch));
  }

  @Delete(':id')
  @HttpCode(204)
  @Allow('leads:delete')
  @ApiIfMatch()
  remove(
    @Caller() caller: Principal,
    @Param('id', RecordIdPipe) id: number,
    @Headers('if-match') ifMatch?: string,
  ): Promise<void> {
    return this.leads.remove(caller, id, ifMatch);
  }
}

function answer(reply: FastifyReply, lead: Grouped<Lead>): LeadView {
  reply.header('etag', etagOf(lead.version));
  return toLeadView(lead);
}
