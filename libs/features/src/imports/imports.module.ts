import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module';
import { AuthModule } from '../auth/auth.module';
import { CustomFieldsModule } from '../custom-fields/custom-fields.module';
import { CsvController } from './csv.controller';
import { ImportsAnalyzeService } from './imports.analyze.service';
import { ImportsController } from './imports.controller';
import { ImportsFinishService } from './imports.finish.service';
import { ImportsHandlers } from './imports.handlers';
import { ImportLedger } from './imports.ledger';
import { ImportPlans } from './imports.plans';
import { ImportsRepository } from './imports.repository';
import { ImportsRowsService } from './imports.rows.service';
import { ImportsRunService } from './imports.run.service';
import { ImportsService } from './imports.service';
import { ImportsUpload } from './imports.upload';
import { ImportsWorker } from './imports.worker';

@Module({
  imports: [AuditModule, AuthModule],
  providers: [ImportsRepository, ImportLedger, ImportsFinishService, ImportsService, ImportsRowsService],
  exports: [ImportsRepository, ImportLedger, ImportsFinishService, ImportsService, ImportsRowsService],
})
export class ImportsModule {}

@Module({ imports: [ImportsModule], providers: [ImportsUpload], controllers: [ImportsController, CsvController] })
export class ImportsHttpModule {}

@Module({
  imports: [AuditModule, CustomFieldsModule, ImportsModule],
  providers: [ImportPlans, ImportsAnalyzeService, ImportsRunService, ImportsWorker, ImportsHandlers],
  exports: [ImportsWorker],
})
export class ImportsWorkerModule {}
