import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module';
import { AuthModule } from '../auth/auth.module';
import { ContactsModule } from '../contacts/contacts.module';
import { CustomFieldsModule } from '../custom-fields/custom-fields.module';
import { CustomersModule } from '../customers/customers.module';
import { GroupsModule } from '../groups/groups.module';
import { LeadsModule } from '../leads/leads.module';
import { CsvController } from './csv.controller';
import { ImportMappingsController } from './import-mappings.controller';
import { ImportMappingsRepository } from './import-mappings.repository';
import { ImportMappingsService } from './import-mappings.service';
import { ImportsApplyService } from './imports.apply.service';
import { ImportsAnalyzeService } from './imports.analyze.service';
import { ImportsController } from './imports.controller';
import { EmissionsRepository } from './imports.emissions.repository';
import { ImportsEmissionsService } from './imports.emissions.service';
import { ImportsEmitWorker } from './imports.emit.worker';
import { DryRunsRepository } from './imports.dry-run.repository';
import { ImportsDryRunService } from './imports.dry-run.service';
import { Forecasts } from './imports.forecast';
import { ImportsFinishService } from './imports.finish.service';
import { ImportsHandlers } from './imports.handlers';
import { ImportLedger } from './imports.ledger';
import { ImportsOptionsService } from './imports.options.service';
import { ImportsPlanningService } from './imports.planning.service';
import { ImportNames } from './imports.names.service';
import { ImportPlans } from './imports.plans';
import { ImportsPreviewScanService } from './imports.preview.scan.service';
import { ImportsPreviewService } from './imports.preview.service';
import { ImportsRepository } from './imports.repository';
import { ImportsRowsService } from './imports.rows.service';
import { ImportsRunService } from './imports.run.service';
import { ImportsService } from './imports.service';
import { ImportsStepsService } from './imports.steps.service';
import { ImportsStreamService } from './imports.stream.service';
import { ImportsUndoController } from './imports.undo.controller';
import { UndoLedger, UndoRepository } from './imports.undo.repository';
import { ImportsUndoRunService } from './imports.undo.run.service';
import { ImportsUndoService } from './imports.undo.service';
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
    DryRunsRepository,
    EmissionsRepository,
    Forecasts,
    ImportLedger,
    ImportMappingsRepository,
    ImportMappingsService,
    ImportNames,
    ImportPlans,
    ImportsEmissionsService,
    ImportsFinishService,
    ImportsOptionsService,
    ImportsPlanningService,
    ImportsRepository,
    ImportsRowsService,
    ImportsService,
    ImportUploadsRepository,
    ImportUploadsService,
    ImportWaits,
    ImportsStepsService,
    ImportsUndoService,
    UndoLedger,
    UndoRepository,
  ],
  exports: [
    DryRunsRepository,
    EmissionsRepository,
    Forecasts,
    ImportLedger,
    ImportMappingsService,
    ImportNames,
    ImportPlans,
    ImportsEmissionsService,
    ImportsFinishService,
    ImportsOptionsService,
    ImportsPlanningService,
    ImportsRepository,
    ImportsRowsService,
    ImportsService,
    ImportUploadsRepository,
    ImportUploadsService,
    ImportWaits,
    ImportsStepsService,
    ImportsUndoService,
    UndoLedger,
    UndoRepository,
  ],
})
export class ImportsModule {}

@Module({
  imports: [AuditModule, AuthModule, CustomFieldsModule, ImportsModule],
  providers: [ImportsPreviewScanService, ImportsPreviewService, ImportsStreamService, ImportsUpload],
  controllers: [
    ImportUploadsController,
    ImportsController,
    ImportsUndoController,
    CsvController,
    ImportMappingsController,
  ],
})
export class ImportsHttpModule {}

@Module({
  imports: [AuditModule, AuthModule, ContactsModule, CustomersModule, CustomFieldsModule, ImportsModule, LeadsModule],
  providers: [
    ImportsAnalyzeService,
    ImportsApplyService,
    ImportsDryRunService,
    ImportsEmitWorker,
    ImportsRunService,
    ImportsSweep,
    ImportsUndoRunService,
    ImportsWorker,
    ImportsHandlers,
  ],
  exports: [ImportsSweep, ImportsWorker],
})
export class ImportsWorkerModule {}
