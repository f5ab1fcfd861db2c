import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module';
import { ContactsModule } from '../contacts/contacts.module';
import { GroupsController } from './groups.controller';
import { GroupsHandlers } from './groups.handlers';
import { GroupMembersService } from './groups.members.service';
import { GroupsRepository } from './groups.repository';
import { GroupsService } from './groups.service';

@Module({
  imports: [AuditModule, ContactsModule],
  providers: [GroupsRepository, GroupsService, GroupMembersService],
  exports: [GroupsService, GroupMembersService],
})
export class GroupsModule {}

@Module({ imports: [GroupsModule], controllers: [GroupsController] })
export class GroupsHttpModule {}

@Module({ imports: [GroupsModule], providers: [GroupsHandlers] })
export class GroupsWorkerModule {}
