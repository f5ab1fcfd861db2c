import { Injectable } from '@nestjs/common';
import { checkLead, checkLeadPatch, LeadDraft } from '@muster/core/contact/lead-row';
import { LEAD_STATUSES } from '@muster/core/contact/options';
import { FieldError } from '@muster/core/errors';
import { ContactKind, ContactsService } from '../contacts/contacts.service';
import { ContactTools } from '../contacts/contacts.tools.service';
import { LeadInput, LeadPatch, ListLeadsQuery, toLeadView } from './leads.dto';
import { Lead } from './leads.entity';
import { leadAssigned, leadCreated, leadDeleted, leadUpdated } from './leads.events';
import { visibleLeads } from './leads.policy';
import { LeadsRepository } from './leads.repository';

export const leadKind: ContactKind<Lead, LeadInput | LeadPatch> = {
  noun: 'leads',
  subject: 'lead',
  assignee: 'assignedTo',
  events: { created: leadCreated, updated: leadUpdated, deleted: leadDeleted, assigned: leadAssigned },
  initial: { convertedTo: null },
  visible: visibleLeads,
  patch: LeadPatch,
  statuses: LEAD_STATUSES,
  hasSource: true,
  view: (record) => toLeadView(record),
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
  constructor(repository: LeadsRepository, tools: ContactTools) {
    super(leadKind, repository, tools);
  }
}
