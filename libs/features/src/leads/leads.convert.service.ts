import { Injectable } from '@nestjs/common';
import { conflict, invalid, notFound } from '@muster/core/errors';
import { Principal, requireScope } from '@muster/core/principal';
import { Transactions, Tx } from '@muster/platform/database/transactions';
import { requireMatch } from '@muster/platform/http/etag';
import { Outbox } from '@muster/platform/outbox/outbox';
import { AuditService } from '../audit/audit.service';
import { Memberships } from '../contacts/memberships/contacts.memberships.service';
import {
  type Customer,
  CustomersConversionService,
  CustomerSeed,
  notCarried,
} from '../customers/customers.conversion.service';
import { ConvertInput } from './leads.convert.dto';
import { Lead } from './leads.entity';
import { leadConverted } from './leads.events';
import { visibleLeads } from './leads.policy';
import { LeadConversions } from './leads.conversions';
import { LeadsRepository } from './leads.repository';
import { leadKind } from './leads.service';

/** What a lead became. */
export interface Conversion {
  customer: Customer;
  /** Keys of the lead's custom fields whose values the customer does not have. */
  notCarried: string[];
  /** False when the lead was a customer already. */
  isNew: boolean;
}

/** A duplicate that is gone before it can be named makes the conversion run again, this many times. */
const ATTEMPTS = 3;

/** Makes customers of leads. The lead stays, with the status `converted`. */
@Injectable()
export class LeadsConvertService {
  constructor(
    private readonly repository: LeadsRepository,
    private readonly transactions: Transactions,
    private readonly customers: CustomersConversionService,
    private readonly memberships: Memberships,
    private readonly outbox: Outbox,
    private readonly audit: AuditService,
    private readonly conversions: LeadConversions,
  ) {}

  /** Which of these customers leads became. */
  madeOfLeads(tx: Tx, customerIds: readonly number[]): Promise<Set<number>> {
    return this.conversions.madeOfLeads(tx, customerIds);
  }

  /**
   * Makes a customer of a lead, once: after that it gives the same one, also to several who ask at the same time.
   * @param body `customerId` names a customer to link the lead to instead: it keeps what it has, and its blanks are filled
   * @param ifMatch the request's `If-Match`, for the lead
   * @throws 404 when the lead is absent or not the caller's; 409 `duplicate` when a customer has its e-mail or phone, or
   * `already-converted` to a customer that is another than the named one, or not the caller's; 412 `stale`; 422 `customer-unknown`, or
   * `validation-failed` naming custom fields
   */
  async convert(principal: Principal, id: number, body: ConvertInput, ifMatch?: string): Promise<Conversion> {
    requireScope(principal, 'customers:write');
    // Looked for beforehand, so that no id is spent on what is not there.
    if (!(await this.repository.records.find(id, visibleLeads(principal, 'leads:convert')))) throw notFound();
    const customerId = body.customerId ?? (await this.customers.nextId());
    const { dialect } = this.repository.records.database;
    for (let attempt = 1; ; attempt++) {
      let seed: CustomerSeed | undefined;
      try {
        return await this.transactions.run((tx) =>
          this.convertIn(tx, principal, id, { ...body, id: customerId }, ifMatch, (tried) => (seed = tried)),
        );
      } catch (error) {
        if (!dialect.isDuplicate(error) || !seed) throw error;
        const { email, phone } = seed;
        const errors = await this.customers.taken(principal, { id: customerId, email, phone });
        if (errors.length > 0) throw conflict('duplicate', 'A customer has the same value already.', errors);
        if (attempt === ATTEMPTS) throw error;
      }
    }
  }

  private async convertIn(
    tx: Tx,
    principal: Principal,
    id: number,
    wanted: ConvertInput & { id: number },
    ifMatch: string | undefined,
    tries: (seed: CustomerSeed) => void,
  ): Promise<Conversion> {
    const set = await this.customers.fields(tx);
    const lead = await this.repository.records.lock(tx, id, visibleLeads(principal, 'leads:convert'));
    if (!lead) throw notFound();
    const known = await this.knownCustomer(tx, principal, lead, wanted.customerId);
    if (known) return { customer: known, notCarried: notCarried(lead.customFields, known), isNew: false };
    requireMatch(ifMatch, lead.version);
    const seed = seedOf(lead);
    tries(seed);
    const customer =
      wanted.customerId === undefined
        ? await this.customers.make(tx, principal, wanted.id, seed, set, wanted.customFields ?? {})
        : await this.customers.link(tx, principal, await this.namedCustomer(tx, principal, wanted.id), seed, set);
    await this.memberships.copy(tx, { noun: 'leads', id }, { noun: 'customers', id: customer.id });
    const next: Lead = {
      ...{ ...lead, status: 'converted', convertedTo: customer.id },
      ...{ updatedAt: new Date(), version: lead.version + 1 },
    };
    const { status, convertedTo, updatedAt, version } = next;
    await this.repository.records.update(tx, id, { status, convertedTo, updatedAt, version });
    const states = { before: leadKind.view(lead), after: leadKind.view(next) };
    await this.audit.record(tx, principal, { action: 'lead.converted', subjectId: id, ...states });
    await this.outbox.add(tx, leadConverted, { id, customerId: customer.id, actorId: principal.userId });
    return { customer, notCarried: notCarried(lead.customFields, customer), isNew: true };
  }

  /** The customer that was made of the lead, if it is still there. */
  private async knownCustomer(
    tx: Tx,
    principal: Principal,
    { convertedTo }: Lead,
    wanted: number | undefined,
  ): Promise<Customer | null> {
    if (convertedTo === null || !(await this.customers.find(tx, convertedTo))) return null;
    const known = await this.customers.findVisible(tx, principal, convertedTo, 'customers:read');
    if (known && (wanted ?? convertedTo) === convertedTo) return known;
    throw conflict('already-converted', 'The lead was converted to another customer, or to one that is not yours.');
  }

  private async namedCustomer(tx: Tx, principal: Principal, id: number): Promise<Customer> {
    const customer = await this.customers.findVisible(tx, principal, id, 'customers:write');
    if (customer) return customer;
    const message = 'There is no such customer, or it is not yours.';
    throw invalid('customer-unknown', message, [{ field: 'customerId', code: 'customer-unknown', message }]);
  }
}

function seedOf(lead: Lead): CustomerSeed {
  const { id: leadId, name, email, phone, company, assignedTo: ownerId, tags, customFields, metadata } = lead;
  const { doNotContact, originImportId, originRow } = lead;
  return {
    ...{ leadId, name, email, phone, company, ownerId, tags, customFields, metadata },
    ...{ doNotContact, originImportId, originRow },
  };
}
