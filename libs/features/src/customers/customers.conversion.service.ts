import { isDeepStrictEqual } from 'node:util';
import { Injectable } from '@nestjs/common';
import { checkCustomFields } from '@muster/core/contact/custom-fields';
import { LIMITS } from '@muster/core/contact/fields';
import { splitName } from '@muster/core/contact/name';
import { codePointLength } from '@muster/core/contact/text';
import { FieldError, invalid } from '@muster/core/errors';
import { Principal } from '@muster/core/principal';
import { RecordIds } from '@muster/platform/database/record-ids';
import { Tx } from '@muster/platform/database/transactions';
import { Outbox } from '@muster/platform/outbox/outbox';
import { AuditService } from '../audit/audit.service';
import { changedFields, changesOf } from '../contacts/contacts.changed';
import { ContactFollowers } from '../contacts/contacts.followers.service';
import { mergeRecords, takenValues, WantedValues } from '../contacts/merge/contacts.merge.service';
import { CustomFieldsService, LoadedFields } from '../custom-fields/custom-fields.service';
import { toCustomerView } from './customers.dto';
import { Customer } from './customers.entity';
import { customerAssigned, customerCreated, customerUpdated } from './customers.events';
import { customerMerging } from './customers.merge.service';
import { visibleCustomers } from './customers.policy';
import { CustomersRepository } from './customers.repository';

export { ConvertedCustomerView, toConvertedView } from './customers.conversion.dto';
export { type Customer } from './customers.entity';

type Values = Record<string, unknown>;

/** What another kind of record has for a customer. */
export interface CustomerSeed {
  /** The lead. */
  leadId: number;
  name: string;
  email: string | null;
  phone: string | null;
  company: string | null;
  ownerId: number | null;
  tags: string[];
  customFields: Values;
  metadata: Values;
  doNotContact: boolean;
  originImportId: number | null;
  originRow: number | null;
}

/** Under this name a customer's metadata keep what a lead had and the customer has no field for. */
const LEAD_FIELDS = 'leadFields';

/** Makes customers of leads, inside the transaction that converts the lead. */
@Injectable()
export class CustomersConversionService {
  constructor(
    private readonly repository: CustomersRepository,
    private readonly recordIds: RecordIds,
    private readonly customFields: CustomFieldsService,
    private readonly followers: ContactFollowers,
    private readonly outbox: Outbox,
    private readonly audit: AuditService,
  ) {}

  /** The id for a new customer; to be taken before the transaction. */
  nextId(): Promise<number> {
    return this.recordIds.next('customers');
  }

  /** The fields that {@link make} and {@link link} need; to be loaded before records are locked. */
  fields(tx: Tx): Promise<LoadedFields> {
    return this.customFields.load(tx, 'customers');
  }

  /** The customer, held until the transaction ends, whoever may see it. */
  find(tx: Tx, id: number): Promise<Customer | null> {
    return this.repository.records.lock(tx, id, { sql: '1 = 1', params: [] });
  }

  /** The customer, held until the transaction ends, when the principal may do with it what the permission says. */
  findVisible(
    tx: Tx,
    principal: Principal,
    id: number,
    permission: 'customers:read' | 'customers:write',
  ): Promise<Customer | null> {
    return this.repository.records.lock(tx, id, visibleCustomers(principal, permission));
  }

  /** Which of the values other customers hold, as errors. */
  taken(principal: Principal, wanted: WantedValues): Promise<FieldError[]> {
    const { database } = this.repository.records;
    return takenValues(database, 'customers', visibleCustomers(principal, 'customers:read'), wanted);
  }

  /**
   * Makes a customer.
   * @param given custom fields that the request names; they win over the seed's
   * @throws 422 `validation-failed`, naming custom fields that are not valid, or required and missing
   */
  async make(
    tx: Tx,
    principal: Principal,
    id: number,
    seed: CustomerSeed,
    set: LoadedFields,
    given: Values,
  ): Promise<Customer> {
    const { values, errors } = checkCustomFields(set, { ...fitting(set, seed.customFields), ...given }, 'create');
    if (errors.length > 0) throw invalid('validation-failed', 'The customer would not be valid.', errors);
    const customer: Customer = {
      ...blank(id, seed, principal),
      customFields: values,
      metadata: withLeftFields(seed.metadata, seed.customFields, values),
    };
    await this.repository.records.insert(tx, customer);
    await this.customFields.mirror(tx, set, [{ recordId: id, values }], true);
    await this.followers.changed(tx, principal, 'customers', [{ before: null, after: customer }]);
    await this.audit.record(tx, principal, {
      action: 'customer.created',
      subjectId: id,
      after: { ...toCustomerView(customer), convertedFrom: seed.leadId },
    });
    await this.outbox.add(tx, customerCreated, { id, actorId: principal.userId });
    await this.sayAssigned(tx, principal, id, null, customer.ownerId);
    return customer;
  }

  /** Gives a customer what it lacks and the seed has; what it has stays. */
  async link(
    tx: Tx,
    principal: Principal,
    current: Customer,
    seed: CustomerSeed,
    set: LoadedFields,
  ): Promise<Customer> {
    const source = { ...blank(current.id, seed, principal), customFields: fitting(set, seed.customFields) };
    const { merged } = mergeRecords(current, source, {}, customerMerging, set);
    merged.metadata = withLeftFields(merged.metadata, seed.customFields, merged.customFields);
    const changed = changedFields(current, merged);
    if (changed.length === 0) return current;
    const next = { ...merged, updatedAt: new Date(), version: current.version + 1 };
    const { id } = current;
    await this.repository.records.update(tx, id, changesOf(current, next));
    await this.customFields.mirror(tx, set, [{ recordId: id, values: next.customFields }]);
    await this.followers.changed(tx, principal, 'customers', [{ before: current, after: next }]);
    await this.audit.record(tx, principal, {
      action: 'customer.updated',
      subjectId: id,
      before: toCustomerView(current),
      after: { ...toCustomerView(next), convertedFrom: seed.leadId },
    });
    await this.outbox.add(tx, customerUpdated, { id, actorId: principal.userId, fields: changed });
    await this.sayAssigned(tx, principal, id, current.ownerId, next.ownerId);
    return next;
  }

  private async sayAssigned(
    tx: Tx,
    principal: Principal,
    id: number,
    from: number | null,
    to: number | null,
  ): Promise<void> {
    if (from !== to) await this.outbox.add(tx, customerAssigned, { id, actorId: principal.userId, from, to });
  }
}

/** Keys of a lead's custom fields whose values a customer does not have. */
export const notCarried = (leadFields: Values, customer: Pick<Customer, 'customFields'>): string[] =>
  Object.keys(leadFields).filter((key) => !isDeepStrictEqual(leadFields[key], customer.customFields[key]));

/** The values that fields of customers take, by the same keys. */
function fitting({ byKey }: LoadedFields, values: Values): Values {
  const checked = Object.entries(values).map(([key, value]) => [key, byKey.get(key)?.check(value)] as const);
  return Object.fromEntries(
    checked.flatMap(([key, result]) => (result && !('code' in result) ? [[key, result.value] as const] : [])),
  );
}

/** The metadata with what the lead's fields have beyond the customer's, as far as it fits: the lead keeps it too. */
function withLeftFields(metadata: Values, leadFields: Values, carried: Values): Values {
  const kept = metadata[LEAD_FIELDS] ?? {};
  if (typeof kept !== 'object' || Array.isArray(kept)) return metadata;
  let result = metadata;
  for (const key of notCarried(leadFields, { customFields: carried })) {
    const known = (result[LEAD_FIELDS] ?? {}) as Values;
    if (Object.hasOwn(known, key)) continue;
    const next = { ...result, [LEAD_FIELDS]: { ...known, [key]: leadFields[key] } };
    if (Buffer.byteLength(JSON.stringify(next)) <= LIMITS.metadataBytes) result = next;
  }
  return result;
}

function blank(id: number, seed: CustomerSeed, principal: Principal): Customer {
  const { firstName, lastName } = splitName(seed.name);
  const fits = (part: string | null) => (part !== null && codePointLength(part) <= LIMITS.namePart ? part : null);
  const now = new Date();
  const { email, phone, company, ownerId, tags, doNotContact, originImportId, originRow } = seed;
  return {
    ...{ id, fullName: seed.name, firstName: fits(firstName), lastName: fits(lastName), email, phone },
    ...{ countryCode: null, dateOfBirth: null, timezone: null, company, title: null, address: null, city: null },
    ...{ state: null, country: null, zipCode: null, notes: null, status: 'active', ownerId, tags, customFields: {} },
    ...{ metadata: seed.metadata, doNotContact, originImportId, originRow, createdBy: principal.userId },
    ...{ createdAt: now, updatedAt: now, version: 1 },
  };
}
