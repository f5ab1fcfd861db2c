import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module';
import { CustomFieldDefinitionsService } from './custom-fields.definitions.service';
import { CustomFieldsHandlers } from './custom-fields.handlers';
import { CustomFieldIndex } from './custom-fields.index.repository';
import { CustomFieldsRepository } from './custom-fields.repository';
import { CustomFieldsService } from './custom-fields.service';
import { CustomFieldsWorkService } from './custom-fields.work.service';
import { CustomFieldsWorker } from './custom-fields.worker';
import { CustomerFieldsController } from './customer-fields.controller';
import { LeadFieldsController } from './lead-fields.controller';

@Module({
  imports: [AuditModule],
  providers: [
    CustomFieldDefinitionsService,
    CustomFieldIndex,
    CustomFieldsRepository,
    CustomFieldsService,
    CustomFieldsWorkService,
  ],
  exports: [CustomFieldDefinitionsService, CustomFieldsService, CustomFieldsWorkService],
})
export class CustomFieldsModule {}

@Module({ imports: [CustomFieldsModule], controllers: [LeadFieldsController, CustomerFieldsController] })
export class CustomFieldsHttpModule {}

@Module({ imports: [CustomFieldsModule], providers: [CustomFieldsHandlers, CustomFieldsWorker] })
export class CustomFieldsWorkerModule {}
