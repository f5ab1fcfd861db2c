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
import { ContactStatistics } from '../contacts/statistics/contacts.statistics.service';
import {
  CustomerInput,
  CustomerPage,
  CustomerPatch,
  CustomerStatisticsQuery,
  CustomerView,
  ListCustomersQuery,
  toCustomerView,
} from './customers.dto';
import { Customer } from './customers.entity';
import { CustomersService } from './customers.service';

@ApiTags('customers')
@ApiBearerAuth()
@Controller('customers')
export class CustomersController {
  constructor(private readonly customers: CustomersService) {}

  /** Makes a customer. A taken e-mail or phone is 409 `duplicate`. */
  @Post()
  @Allow('customers:write')
  async create(
    @Caller() caller: Principal,
    @Body() body: CustomerInput,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<CustomerView> {
    const customer = await this.customers.create(caller, body);
    reply.header('location', `/${API_PREFIX}/customers/${customer.id}`);
    return answer(reply, customer);
  }

  /** The customers that the caller may see, newest first. */
  @Get()
  @Allow('customers:read')
  @ApiCustomFilters()
  async list(
    @Caller() caller: Principal,
    @Query() query: ListCustomersQuery,
    @CustomFilterQuery() filters: CustomFilters,
  ): Promise<CustomerPage> {
    const { data, meta } = await this.customers.list(caller, query, filters);
    return { data: data.map((each) => toCustomerView(each)), meta };
  }

  /** Figures about the customers that a list with the same filters has; and, for each figure, the list of what it counts. */
  @Get('statistics')
  @Allow('customers:read')
  @ApiCustomFilters()
  statistics(
    @Caller() caller: Principal,
    @Query() query: CustomerStatisticsQuery,
    @CustomFilterQuery() filters: CustomFilters,
  ): Promise<ContactStatistics> {
    return this.customers.statistics(caller, query, filters);
  }

  /**
   * Changes up to 500 customers, each as a PATCH of it does: the answer says of each what came of it. With `atomic=true` one change that
   * fails makes all of them fail (422 `batch-failed`, with the same `results` and `counts`), and none is made.
   */
  @Patch('batch')
  @Allow('customers:batch')
  batch(@Caller() caller: Principal, @Body() body: BatchInput, @Query() { atomic }: BatchQuery): Promise<BatchView> {
    return this.customers.batch(caller, body, atomic === 'true');
  }

  /** One customer; its `ETag` goes into the `If-Match` of a change. */
  @Get(':id')
  @Allow('customers:read')
  async get(
    @Caller() caller: Principal,
    @Param('id', RecordIdPipe) id: number,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<CustomerView> {
    return answer(reply, await this.customers.get(caller, id));
  }

  /** Replaces a customer: what the body leaves out is cleared, but for `doNotContact`. */
  @Put(':id')
  @Allow('customers:write')
  @ApiIfMatch()
  async replace(
    @Caller() caller: Principal,
    @Param('id', RecordIdPipe) id: number,
    @Body() body: CustomerInput,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Headers('if-match') ifMatch?: string,
  ): Promise<CustomerView> {
    return answer(reply, await this.customers.replace(caller, id, body, ifMatch));
  }

  /** Changes the fields that the body names. */
  @Patch(':id')
  @Allow('customers:write')
  @ApiIfMatch()
  async patch(
    @Caller() caller: Principal,
    @Param('id', RecordIdPipe) id: number,
    @Body() body: CustomerPatch,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Headers('if-match') ifMatch?: string,
  ): Promise<CustomerView> {
    return answer(reply, await this.customers.patch(caller, id, body, ifMatch));
  }

  @Delete(':id')
  @HttpCode(204)
  @Allow('customers:delete')
  @ApiIfMatch()
  remove(
    @Caller() caller: Principal,
    @Param('id', RecordIdPipe) id: number,
    @Headers('if-match') ifMatch?: string,
  ): Promise<void> {
    return this.customers.remove(caller, id, ifMatch);
  }
}

function answer(reply: FastifyReply, customer: Grouped<Customer>): CustomerView {
  reply.header('etag', etagOf(customer.version));
  return toCustomerView(customer);
}
