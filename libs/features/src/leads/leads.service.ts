import { Inject, Injectable } from '@nestjs/common';
import { checkLead, checkLeadPatch, LeadDraft } from '@muster/core/contact/lead-row';
import { FieldError } from '@muster/core/errors';
import { type Config } from '@muster/platform/config/config';
import { CONFIG } from '@muster/platform/config/config.module';
import { RecordIds } from '@muster/platform/database/record-ids';
import { Transactions } from '@muster/platform/database/transactions';
import { Outbox } from '@muster/platform/outbox/outbox';
import { AuthService } from '../auth/auth.service';
import { ContactKind, ContactsService } from '../contacts/contacts.service';
import { LeadInput, LeadPatch, ListLeadsQuery } from './leads.dto';
import { Lead } from './leads.entity';
import { leadAssigned, leadCreated, leadDeleted, leadUpdated } from './leads.events';
import { visibleLeads } from './leads.policy';
import { LeadsRepository } from './leads.repository';

export const leadKind: ContactKind<Lead, LeadInput | LeadPatch> = {
  noun: 'leads',
  assignee: 'assignedTo',
  events: { created: leadCreated, updated: leadUpdated, deleted: leadDeleted, assigned: leadAssigned },
  visible: visibleLeads,
  check: checkLead,
  checkPatch: checkLeadPatch,
  complete(current: Lead, changes: Partial<LeadDraft>, errors: FieldError[]) {
    const { email, phone } = { ...current, ...changes };
    if (email === null && phone === null) {
      errors.push({ field: 'email', code: 'required', message: 'an e-mail address or a phone number is required' });
    }
    return changes;
  },
};

/** The use cases of leads. */
@Injectable()
export class LeadsService extends ContactsService<Lead, LeadInput | LeadPatch, ListLeadsQuery> {
  constructor(
    repository: LeadsRepository,
    transactions: Transactions,
    recordIds: RecordIds,
    outbox: Outbox,
    auth: AuthService,
    @Inject(CONFIG) config: Config,
  ) {
    super(leadKind, repository, transactions, recordIds, outbox, auth, config);
  }
}
