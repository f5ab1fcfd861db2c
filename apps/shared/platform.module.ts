import { DynamicModule, Module } from '@nestjs/common';
import { authTables } from '@muster/features/auth/auth.entity';
import { customerTable } from '@muster/features/customers/customers.entity';
import { importTables } from '@muster/features/imports/imports.entity';
import { leadTable } from '@muster/features/leads/leads.entity';
import { MessagingModule } from '@muster/platform/broker/messaging.module';
import { Config } from '@muster/platform/config/config';
import { ConfigModule } from '@muster/platform/config/config.module';
import { DatabaseModule } from '@muster/platform/database/database.module';
import { migrations } from '@muster/platform/database/migrations/list';
import { platformTables } from '@muster/platform/database/platform.tables';
import { StorageModule } from '@muster/platform/storage/storage.module';

/** Every table of the store; the features' own, by name. */
export const tables = [...platformTables, ...authTables, leadTable, customerTable, ...importTables];

/** What every process stands on: configuration, store, broker, files. */
@Module({})
export class PlatformModule {
  static with(config: Config): DynamicModule {
    return {
      module: PlatformModule,
      imports: [ConfigModule.with(config), DatabaseModule.with(tables, migrations), StorageModule, MessagingModule],
    };
  }
}
