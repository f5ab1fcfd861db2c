import { DynamicModule, Global, Inject, Module, OnApplicationShutdown } from '@nestjs/common';
import { CONFIG } from '../config/config.module';
import { Config } from '../config/config';
import { untilReached } from '../health/until-reached';
import { Database } from './database';
import { RecordIds } from './record-ids';
import { MigrationClass } from './dialect/dialect';
import { TableDefinition } from './dialect/columns';
import { Transactions } from './transactions';

/** Opens the store at boot and migrates it; closes it last. */
@Global()
@Module({})
export class DatabaseModule implements OnApplicationShutdown {
  constructor(@Inject(Database) private readonly database: Database) {}

  static with(tables: TableDefinition[], migrations: MigrationClass[]): DynamicModule {
    return {
      module: DatabaseModule,
      providers: [
        {
          provide: Database,
          inject: [CONFIG],
          useFactory: async (config: Config) => {
            const database = await untilReached('store', () => Database.open(config, tables, migrations));
            await database.migrate();
            return database;
          },
        },
        { provide: Transactions, inject: [Database], useFactory: (database: Database) => new Transactions(database) },
        {
          provide: RecordIds,
          inject: [Transactions],
          useFactory: (transactions: Transactions) => new RecordIds(transactions),
        },
      ],
      exports: [Database, Transactions, RecordIds],
    };
  }

  async onApplicationShutdown(): Promise<void> {
    await this.database.close();
  }
}
