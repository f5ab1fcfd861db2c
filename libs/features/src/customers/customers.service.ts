import { Injectable } from '@nestjs/common';
import { checkCustomer, checkCustomerPatch, CustomerDraft } from '@muster/core/contact/customer-row';
import { LIMITS } from '@muster/core/contact/fields';
import { joinName } from '@muster/core/contact/name';
import { codePointLength } from '@muster/core/contact/text';
import { CUSTOMER_STATUSES } from '@muster/core/contact/options';
import { FieldError } from '@muster/core/errors';
import { ContactKind, ContactsService } from '../contacts/contacts.service';
import { ContactTools } from '../contacts/contacts.tools.service';
import { CustomerInput, CustomerPatch, ListCustomersQuery, toCustomerView } from './customers.dto';
import { Customer } from './customers.entity';
import { customerAssigned, customerCreated, customerDeleted, customerUpdated } from './customers.events';
import { visibleCustomers } from './customers.policy';
import { CustomersRepository } from './customers.repository';

export const customerKind: ContactKind<Customer, CustomerInput | CustomerPatch> = {
  noun: 'customers',
  subject: 'customer',
  assignee: 'ownerId',
  events: {
    created: customerCreated,
    updated: customerUpdated,
    deleted: customerDeleted,
    assigned: customerAssigned,
  },
  visible: visibleCustomers,
  patch: CustomerPatch,
  statuses: CUSTOMER_STATUSES,
  hasSource: false,
  view: (record) => toCustomerView(record),
  check: checkCustomer,
  checkPatch: checkCustomerPatch,
  complete(current: Customer, changes: Partial<CustomerDraft>, errors: FieldError[]) {
    if (changes.fullName !== undefined || !('firstName' in changes || 'lastName' in changes)) return changes;
    const { firstName, lastName } = { ...current, ...changes };
    const fullName = joinName(firstName, lastName);
    if (fullName === '') errors.push({ field: 'fullName', code: 'required', message: 'a name is required' });
    if (codePointLength(fullName) > LIMITS.fullName) {
      errors.push({ field: 'fullName', code: 'too-long', message: `is longer than ${LIMITS.fullName} characters` });
    }
    return { ...changes, fullName };
  },
};

/** The use cases of customers. */
@Injectable()
export class CustomersService extends ContactsService<Customer, CustomerInput | CustomerPatch, ListCustomersQuery> {
  constructor(repository: CustomersRepository, tools: ContactTools) {
    super(customerKind, repository, tools);
  }
}
