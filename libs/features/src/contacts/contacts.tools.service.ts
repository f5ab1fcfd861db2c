import { Inject, Injectable } from '@nestjs/common';
import { type Config } from '@muster/platform/config/config';
import { CONFIG } from '@muster/platform/config/config.module';
import { RecordIds } from '@muster/platform/database/record-ids';
import { Transactions } from '@muster/platform/database/transactions';
import { Outbox } from '@muster/platform/outbox/outbox';
import { AuditService } from '../audit/audit.service';
import { AuthService } from '../auth/auth.service';
import { CustomFieldsService } from '../custom-fields/custom-fields.service';
import { ContactFollowers } from './contacts.followers.service';
import { Memberships } from './memberships/contacts.memberships.service';

/** What the use cases of leads and customers are made with. */
@Injectable()
export class ContactTools {
  constructor(
    readonly transactions: Transactions,
    readonly recordIds: RecordIds,
    readonly outbox: Outbox,
    readonly audit: AuditService,
    readonly auth: AuthService,
    readonly customFields: CustomFieldsService,
    readonly memberships: Memberships,
    readonly followers: ContactFollowers,
    @Inject(CONFIG) readonly config: Config,
  ) {}
}
