import { Injectable } from '@nestjs/common';
import { Tx } from '@muster/platform/database/transactions';
import { ContactDuplicates } from '../contacts/duplicates/contacts.duplicates.service';
import { ContactMergesService, MergeKind, MergesRepository } from '../contacts/merge/contacts.merge.service';
import { ContactTools } from '../contacts/contacts.tools.service';
import { CustomersConversionService } from '../customers/customers.conversion.service';
import { LeadInput, LeadPatch } from './leads.dto';
import { Lead } from './leads.entity';
import { leadMerged, leadMergeUndone } from './leads.events';
import { LeadsRepository } from './leads.repository';
import { leadKind } from './leads.service';

export const leadMerging: MergeKind<Lead> = {
  events: { merged: leadMerged, undone: leadMergeUndone },
  fields: ['name', 'email', 'phone', 'status', 'source', 'company', 'assignedTo', 'imageUrl'],
  filled: ['convertedTo'],
  settle(merged, target, choices) {
    const becameConverted = merged.convertedTo !== target.convertedTo && choices.status === undefined;
    return becameConverted ? { ...merged, status: 'converted' } : merged;
  },
};

/** Merges leads. */
@Injectable()
export class LeadMergesService extends ContactMergesService<Lead, LeadInput | LeadPatch> {
  constructor(
    repository: LeadsRepository,
    merges: MergesRepository,
    tools: ContactTools,
    duplicates: ContactDuplicates,
    private readonly customers: CustomersConversionService,
  ) {
    super(leadKind, leadMerging, repository.records, merges, tools, duplicates);
  }

  protected override async goneReferences(tx: Tx, { convertedTo }: Lead): Promise<Partial<Lead>> {
    return convertedTo === null || (await this.customers.find(tx, convertedTo)) ? {} : { convertedTo: null };
  }
}
