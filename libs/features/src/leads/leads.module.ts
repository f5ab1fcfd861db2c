import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module';
import { AuthModule } from '../auth/auth.module';
import { ContactsModule } from '../contacts/contacts.module';
import { CustomFieldsModule } from '../custom-fields/custom-fields.module';
import { CustomersModule } from '../customers/customers.module';
import { LeadsController } from './leads.controller';
import { LeadConversions } from './leads.conversions';
import { LeadsConvertController } from './leads.convert.controller';
import { LeadsConvertService } from './leads.convert.service';
import { LeadMergesController } from './leads.merge.controller';
import { LeadMergesService } from './leads.merge.service';
import { LeadsRepository } from './leads.repository';
import { LeadsService } from './leads.service';

@Module({
  imports: [AuditModule, AuthModule, ContactsModule, CustomFieldsModule, CustomersModule],
  providers: [LeadsRepository, LeadsService, LeadMergesService, LeadConversions, LeadsConvertService],
  exports: [LeadsService, LeadMergesService, LeadsConvertService],
})
export class LeadsModule {}

@Module({
  imports: [ContactsModule, CustomersModule, LeadsModule],
  controllers: [LeadsController, LeadMergesController, LeadsConvertController],
})
export class LeadsHttpModule {}
