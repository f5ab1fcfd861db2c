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
import { toCustomerView } from './customers.dto';
import { CustomerDuplicatesPage, CustomerMergedView, CustomerUnmergedView } from './customers.merge.dto';
import { CustomerMergesService } from './customers.merge.service';
import { CustomersService } from './customers.service';

@ApiTags('customers')
@ApiBearerAuth()
@Controller('customers')
export class CustomerMergesController {
  constructor(
    private readonly customers: CustomersService,
    private readonly merges: CustomerMergesService,
    private readonly timelines: ContactTimelines,
  ) {}

  /**
   * Makes another customer part of this one: its groups, and whatever belongs to it, are this one's; it is deleted. Can be undone by
   * `mergeId`.
   */
  @Post(':id/merge')
  @HttpCode(200)
  @Allow('customers:merge')
  @ApiIfMatch()
  async merge(
    @Caller() caller: Principal,
    @Param('id', RecordIdPipe) id: number,
    @Body() body: MergeInput,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Headers('if-match') ifMatch?: string,
  ): Promise<CustomerMergedView> {
    const { mergeId, record } = await this.merges.merge(caller, id, body, ifMatch);
    reply.header('etag', etagOf(record.version));
    const [view] = await this.customers.grouped(caller, [record]);
    return { mergeId, record: toCustomerView(view) };
  }

  /**
   * Takes a merge back. The customer that was deleted is there again as it was, and the other is as it was before, but for what was changed
   * since. Where someone else has an e-mail or phone by now that would have to come back, nothing happens: 409 `duplicate`.
   */
  @Post('merges/:mergeId/undo')
  @HttpCode(200)
  @Allow('customers:merge')
  async undo(
    @Caller() caller: Principal,
    @Param('mergeId', RecordIdPipe) mergeId: number,
  ): Promise<CustomerUnmergedView> {
    const { source, target, kept, notRestored } = await this.merges.undo(caller, mergeId);
    const [again, changed] = await this.customers.grouped(caller, [source, target]);
    return { source: toCustomerView(again), target: toCustomerView(changed), kept, notRestored };
  }

  /** Groups of customers that may be the same person, among those that the caller may see. */
  @Get('duplicates')
  @Allow('customers:read')
  async duplicates(@Caller() caller: Principal, @Query() query: DuplicatesQuery): Promise<CustomerDuplicatesPage> {
    const { data, meta } = await this.merges.duplicates(caller, query);
    const views = await Promise.all(data.map(({ records }) => this.customers.grouped(caller, records)));
    return {
      data: data.map((group, index) => ({
        ...group,
        records: views[index].map((customer) => toCustomerView(customer)),
      })),
      meta,
    };
  }

  /** What happened to a customer, newest first: how it was made, changes by field, assignments, merges, groups. */
  @Get(':id/timeline')
  @Allow('customers:read')
  async timeline(
    @Caller() caller: Principal,
    @Param('id', RecordIdPipe) id: number,
    @Query() query: ListQueryDto,
  ): Promise<TimelinePage> {
    return this.timelines.of('customer', await this.customers.get(caller, id), 'ownerId', query);
  }
}
