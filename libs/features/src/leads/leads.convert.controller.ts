import { Body, Controller, Headers, Param, Post, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiCreatedResponse, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import type { Principal } from '@muster/core/principal';
import { Allow, Caller } from '@muster/platform/http/access';
import { ApiIfMatch, etagOf } from '@muster/platform/http/etag';
import { RecordIdPipe } from '@muster/platform/http/record-id.pipe';
import { API_PREFIX } from '@muster/platform/http/server';
import { ConvertedCustomerView, toConvertedView } from '../customers/customers.conversion.service';
import { CustomersService } from '../customers/customers.service';
import { ConvertInput } from './leads.convert.dto';
import { LeadsConvertService } from './leads.convert.service';

@ApiTags('leads')
@ApiBearerAuth()
@Controller('leads')
export class LeadsConvertController {
  constructor(
    private readonly conversions: LeadsConvertService,
    private readonly customers: CustomersService,
  ) {}

  /**
   * Makes a customer of a lead: 201 the first time, 200 and the same customer after. The lead stays, as `converted`. When a customer has
   * its e-mail or phone already (409 `duplicate`), `customerId` links the lead to that one.
   */
  @Post(':id/convert')
  @Allow('leads:convert')
  @ApiIfMatch()
  @ApiCreatedResponse({ type: ConvertedCustomerView })
  @ApiOkResponse({ type: ConvertedCustomerView })
  async convert(
    @Caller() caller: Principal,
    @Param('id', RecordIdPipe) id: number,
    @Body() body: ConvertInput,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Headers('if-match') ifMatch?: string,
  ): Promise<ConvertedCustomerView> {
    const { customer, notCarried, isNew } = await this.conversions.convert(caller, id, body, ifMatch);
    reply.status(isNew ? 201 : 200);
    reply.header('location', `/${API_PREFIX}/customers/${customer.id}`);
    reply.header('etag', etagOf(customer.version));
    const [grouped] = await this.customers.grouped(caller, [customer]);
    return toConvertedView(grouped, notCarried);
  }
}
