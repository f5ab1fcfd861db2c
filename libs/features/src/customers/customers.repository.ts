import { Injectable } from '@nestjs/common';
import { Page } from '@muster/core/page';
import { Database } from '@muster/platform/database/database';
import { RecordTable, SqlCondition } from '@muster/platform/database/record-table';
import { Conditions, readPage } from '@muster/platform/http/list-query';
import { CUSTOMER_SORT_FIELDS, ListCustomersQuery } from './customers.dto';
import { Customer, customerTable } from './customers.entity';

/** All SQL on customers. */
@Injectable()
export class CustomersRepository {
  readonly records: RecordTable<Customer>;

  constructor(database: Database) {
    this.records = new RecordTable<Customer>(database, customerTable);
  }

  list(visible: SqlCondition, query: ListCustomersQuery): Promise<Page<Customer>> {
    const where = new Conditions()
      .add(visible.sql, ...visible.params)
      .equals('status', query.status)
      .equals('owner_id', query.ownerId)
      .record(query, ['full_name', 'email', 'company']);
    return readPage(this.records, CUSTOMER_SORT_FIELDS, where.all, { ...query, sort: query.sort ?? '-createdAt' });
  }
}
