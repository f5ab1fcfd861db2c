import { Module } from '@nestjs/common';
import { ContactsWorkerModule } from '@muster/features/contacts/contacts.module';
import { CustomFieldsWorkerModule } from '@muster/features/custom-fields/custom-fields.module';
import { GroupsWorkerModule } from '@muster/features/groups/groups.module';
import { ImportsWorkerModule } from '@muster/features/imports/imports.module';
import { MessagingWorkerModule } from '@muster/platform/broker/messaging.module';

/** The worker doors of every feature. */
@Module({
  imports: [
    MessagingWorkerModule,
    ContactsWorkerModule,
    CustomFieldsWorkerModule,
    GroupsWorkerModule,
    ImportsWorkerModule,
  ],
})
export class WorkerModule {}
