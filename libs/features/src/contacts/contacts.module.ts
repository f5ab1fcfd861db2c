import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module';
import { AuthModule } from '../auth/auth.module';
import { CustomFieldsModule } from '../custom-fields/custom-fields.module';
import { ContactDuplicates } from './duplicates/contacts.duplicates.service';
import { ContactFollowers } from './contacts.followers.service';
import { ListCountsWorker } from './lists/contacts.lists.worker';
import { Memberships } from './memberships/contacts.memberships.service';
import { MergesRepository } from './merge/contacts.merge.repository';
import { SearchWorker } from './search/contacts.search.worker';
import { ContactTimelines } from './timeline/contacts.timeline.service';
import { ContactTools } from './contacts.tools.service';

@Module({
  imports: [AuditModule, AuthModule, CustomFieldsModule],
  providers: [ContactDuplicates, ContactFollowers, ContactTimelines, ContactTools, Memberships, MergesRepository],
  exports: [ContactDuplicates, ContactFollowers, ContactTimelines, ContactTools, Memberships, MergesRepository],
})
export class ContactsModule {}

@Module({ providers: [ListCountsWorker, SearchWorker] })
export class ContactsWorkerModule {}
