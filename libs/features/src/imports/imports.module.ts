import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module';
import { AuthModule } from '../auth/auth.module';
import { ContactsModule } from '../contacts/contacts.module';
import { CustomFieldsModule } from '../custom-fields/custom-fields.module';
import { GroupsModule } from '../groups/groups.module';
import { CsvController } from './csv.controller';
import { ImportMappingsController } from './import-mappings.controller';
import { ImportMappingsRepository } from './import-mappings.repository';
import { ImportMappingsService } from './import-mappings.service';
import { ImportsAnalyzeService } from './imports.analyze.service';
import { ImportsController } from './imports.controller';
import { ImportsFinishService } from './imports.finish.service';
import { ImportsHandlers } from './imports.handlers';
import { ImportLedger } from './imports.ledger';
import { ImportsOptionsService } from './imports.options.service';
import { ImportPlans } from './imports.plans';
import { ImportsPreviewScanService } from './imports.preview.scan.service';
import { ImportsPreviewService } from './imports.preview.service';
import { ImportsRepository } from './imports.repository';
import { ImportsRowsService } from './imports.rows.service';
import { ImportsRunService } from './imports.run.service';
import { ImportsService } from './imports.service';
import { ImportsStepsService } from './imports.steps.service';
import { ImportsStreamService } from './imports.stream.service';
import { ImportsSweep } from './imports.sweep';
import { ImportsUpload } from './imports.upload';
import { ImportUploadsController } from './imports.uploads.controller';
import { ImportUploadsRepository } from './imports.uploads.repository';
import { ImportUploadsService } from './imports.uploads.service';
import { ImportWaits } from './imports.waits';
import { ImportsWorker } from './imports.worker';

@Module({
  imports: [AuditModule, AuthModule, CustomFieldsModule, GroupsModule],
  providers: [
    ImportLedger,
    ImportMappingsRepository,
    ImportMappingsService,
    ImportPlans,
    ImportsFinishService,
    ImportsOptionsService,
    ImportsRepository,
    ImportsRowsService,
    ImportsService,
    ImportUploadsRepository,
    ImportUploadsService,
    ImportWaits,
  ],
  exports: [
    ImportLedger,
    ImportMappingsService,
    ImportPlans,
    ImportsFinishService,
    ImportsOptionsService,
    ImportsRepository,
    ImportsRowsService,
    ImportsService,
    ImportUploadsRepository,
    ImportUploadsService,
    ImportWaits,
  ],
})
export class ImportsModule {}

@Module({
  imports: [AuditModule, AuthModule, CustomFieldsModule, ImportsModule],
  providers: [
    ImportsPreviewScanService,
    ImportsPreviewService,
    ImportsStepsService,
    ImportsStreamService,
    ImportsUpload,
  ],
  controllers: [ImportUploadsController, ImportsController, CsvController, ImportMappingsController],
})
export class ImportsHttpModule {}

@Module({
  imports: [AuditModule, ContactsModule, CustomFieldsModule, ImportsModule],
  providers: [ImportsAnalyzeService, ImportsRunService, ImportsSweep, ImportsWorker, ImportsHandlers],
  exports: [ImportsSweep, ImportsWorker],
})
export class ImportsWorkerModule {}
