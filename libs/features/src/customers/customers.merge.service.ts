import { Injectable } from '@nestjs/common';
import { ContactDuplicates } from '../contacts/duplicates/contacts.duplicates.service';
import { ContactMergesService, MergeKind, MergesRepository } from '../contacts/merge/contacts.merge.service';
import { ContactTools } from '../contacts/contacts.tools.service';
import { CustomerInput, CustomerPatch } from './customers.dto';
import { Customer } from './customers.entity';
import { customerMerged, customerMergeUndone } from './customers.events';
import { CustomersRepository } from './customers.repository';
import { customerKind } from './customers.service';

export const customerMerging: MergeKind<Customer> = {
  events: { merged: customerMerged, undone: customerMergeUndone },
  fields: [
    ...['fullName', 'email', 'phone', 'countryCode', 'dateOfBirth', 'timezone', 'company', 'title'],
    ...['address', 'city', 'state', 'country', 'zipCode', 'notes', 'status', 'ownerId'],
  ],
  parts: { fullName: ['firstName', 'lastName'] },
};

/** Merges customers. */
@Injectable()
export class CustomerMergesService extends ContactMergesService<Customer, CustomerInput | CustomerPatch> {
  constructor(
    repository: CustomersRepository,
    merges: MergesRepository,
    tools: ContactTools,
    duplicates: ContactDuplicates,
  ) {
    super(customerKind, customerMerging, repository.records, merges, tools, duplicates);
  }
}
