import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module';
import { AuthModule } from '../auth/auth.module';
import { CustomFieldsModule } from '../custom-fields/custom-fields.module';
import { ContactDuplicates } from './contacts.duplicates.service';
import { ContactFollowers } from './contacts.followers.service';
import { Memberships } from './contacts.memberships.service';
import { MergesRepository } from './contacts.merge.repository';
import { SearchWorker } from './contacts.search.worker';
import { ContactTimelines } from './contacts.timeline.service';
import { ContactTools } from './contacts.tools.service';

@Module({
  imports: [AuditModule, AuthModule, CustomFieldsModule],
  providers: [ContactDuplicates, ContactFollowers, ContactTimelines, ContactTools, Memberships, MergesRepository],
  exports: [ContactDuplicates, ContactFollowers, ContactTimelines, ContactTools, Memberships, MergesRepository],
})
export class ContactsModule {}

@Module({ providers: [SearchWorker] })
export class ContactsWorkerModule {}
