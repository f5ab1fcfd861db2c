import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { DynamicModule, Module } from '@nestjs/common';
import { auditTable } from '@muster/features/audit/audit.entity';
import { authTables } from '@muster/features/auth/auth.entity';
import { duplicateKeyTable } from '@muster/features/contacts/duplicates/contacts.duplicates.entity';
import { groupMemberTable } from '@muster/features/contacts/memberships/contacts.memberships.entity';
import { contactListTables } from '@muster/features/contacts/lists/contacts.lists.entity';
import { searchTables } from '@muster/features/contacts/search/contacts.search.entity';
import { contactMergeTable } from '@muster/features/contacts/merge/contacts.merge.entity';
import { customFieldTables } from '@muster/features/custom-fields/custom-fields.entity';
import { customerTable } from '@muster/features/customers/customers.entity';
import { groupTable } from '@muster/features/groups/groups.entity';
import { importEmissionTable } from '@muster/features/imports/imports.emissions.entity';
import { importTables } from '@muster/features/imports/imports.entity';
import { undoTables } from '@muster/features/imports/imports.undo.entity';
import { leadTable } from '@muster/features/leads/leads.entity';
import { MessagingModule } from '@muster/platform/broker/messaging.module';
import { Config } from '@muster/platform/config/config';
import { ConfigModule } from '@muster/platform/config/config.module';
import { DatabaseModule } from '@muster/platform/database/database.module';
import { migrations } from '@muster/platform/database/migrations/list';
import { platformTables } from '@muster/platform/database/platform.tables';
import { StorageModule } from '@muster/platform/storage/storage.module';
import { configureDuckDb } from '@muster/platform/tabular/duckdb';

/** Every table of the store; the features' own, by name. */
export const tables = [
  ...platformTables,
  auditTable,
  ...authTables,
  ...customFieldTables,
  leadTable,
  customerTable,
  groupTable,
  groupMemberTable,
  ...searchTables,
  ...contactListTables,
  contactMergeTable,
  duplicateKeyTable,
  ...importTables,
  ...undoTables,
  importEmissionTable,
];

/** What every process stands on: configuration, store, broker, files. */
@Module({})
export class PlatformModule {
  static with(config: Config): DynamicModule {
    // Among the temporary files, where what a killed process leaves is cleared away.
    configureDuckDb({ tempDirectory: join(config.dataDir, 'tmp', `spill-${randomUUID()}`) });
    return {
      module: PlatformModule,
      imports: [ConfigModule.with(config), DatabaseModule.with(tables, migrations), StorageModule, MessagingModule],
    };
  }
}
