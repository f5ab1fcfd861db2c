import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module';
import { AuthModule } from '../auth/auth.module';
import { ContactsModule } from '../contacts/contacts.module';
import { CustomFieldsModule } from '../custom-fields/custom-fields.module';
import { CustomersController } from './customers.controller';
import { CustomersConversionService } from './customers.conversion.service';
import { CustomerMergesController } from './customers.merge.controller';
import { CustomerMergesService } from './customers.merge.service';
import { CustomersRepository } from './customers.repository';
import { CustomersService } from './customers.service';

@Module({
  imports: [AuditModule, AuthModule, ContactsModule, CustomFieldsModule],
  providers: [CustomersRepository, CustomersService, CustomerMergesService, CustomersConversionService],
  exports: [CustomersService, CustomerMergesService, CustomersConversionService],
})
export class CustomersModule {}

@Module({
  imports: [ContactsModule, CustomersModule],
  controllers: [CustomersController, CustomerMergesController],
})
export class CustomersHttpModule {}
