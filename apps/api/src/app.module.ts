import { DynamicModule, Module } from '@nestjs/common';
import { AuditHttpModule } from '@muster/features/audit/audit.module';
import { AuthHttpModule } from '@muster/features/auth/auth.module';
import { CustomFieldsHttpModule } from '@muster/features/custom-fields/custom-fields.module';
import { CustomersHttpModule } from '@muster/features/customers/customers.module';
import { GroupsHttpModule } from '@muster/features/groups/groups.module';
import { ImportsHttpModule } from '@muster/features/imports/imports.module';
import { LeadsHttpModule } from '@muster/features/leads/leads.module';
import { Config } from '@muster/platform/config/config';
import { HealthModule } from '@muster/platform/health/health.module';
import { UploadsHttpModule } from '@muster/platform/storage/storage.module';
import { PlatformModule } from '../../shared/platform.module';
import { WorkerModule } from '../../worker/src/worker.module';

/** The HTTP doors of every feature; with PROCESS=all the worker's beside them. */
@Module({})
export class AppModule {
  static with(config: Config): DynamicModule {
    return {
      module: AppModule,
      imports: [
        PlatformModule.with(config),
        HealthModule,
        UploadsHttpModule,
        AuditHttpModule,
        AuthHttpModule,
        CustomFieldsHttpModule,
        CustomersHttpModule,
        LeadsHttpModule,
        GroupsHttpModule,
        ImportsHttpModule,
        ...(config.process === 'all' ? [WorkerModule] : []),
      ],
    };
  }
}
