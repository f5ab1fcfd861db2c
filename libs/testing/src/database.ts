import { join } from 'node:path';
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
import { readConfig } from '@muster/platform/config/config';
import { Database } from '@muster/platform/database/database';
import { migrations } from '@muster/platform/database/migrations/list';
import { platformTables } from '@muster/platform/database/platform.tables';
import { RecordIds } from '@muster/platform/database/record-ids';
import { Transactions } from '@muster/platform/database/transactions';
import { lendDirectory, lendServerDatabase, testProfile } from './profile';

export const allTables = [
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

export interface TestDatabase {
  database: Database;
  transactions: Transactions;
  recordIds: RecordIds;
  close(): Promise<void>;
}

/** A migrated, empty store of the tested profile. */
export async function openTestDatabase(): Promise<TestDatabase> {
  const onServer = testProfile() === 'services';
  const lent = onServer ? await lendServerDatabase() : lendDirectory();
  const config = readConfig(
    onServer
      ? { DATABASE_URL: lent.value, JWT_SECRETS: 'Zm9yLXRlc3RzLW9ubHktMDEyMzQ1Njc4OWFiY2RlZg' }
      : { DATABASE_URL: `sqlite:${join(lent.value, 'test.sqlite')}` },
  );
  const database = await Database.open(config, allTables, migrations);
  await database.migrate();
  const transactions = new Transactions(database);
  return {
    database,
    transactions,
    recordIds: new RecordIds(transactions),
    close: async () => {
      await database.close();
      await lent.remove();
    },
  };
}
