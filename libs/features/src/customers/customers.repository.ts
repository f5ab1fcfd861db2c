import { Injectable } from '@nestjs/common';
import { Page } from '@muster/core/page';
import { Database } from '@muster/platform/database/database';
import { SqlCondition } from '@muster/platform/database/record-table';
import { FilterCondition } from '@muster/platform/http/list-query';
import { ScopeCondition } from '@muster/platform/http/list-scope';
import { ContactListQuery, ListedTable } from '../contacts/lists/contacts.lists.service';
import { CUSTOMER_SORT_FIELDS, ListCustomersQuery } from './customers.dto';
import { Customer, customerTable } from './customers.entity';

/** All SQL on customers. */
@Injectable()
export class CustomersRepository {
  readonly records: ListedTable<Customer>;

  constructor(database: Database) {
    this.records = new ListedTable<Customer>(database, customerTable, 'customers', CUSTOMER_SORT_FIELDS);
  }

  /** The conditions of a list. @param more beside those that the query names */
  where(visible: SqlCondition, query: ListCustomersQuery, more?: readonly SqlCondition[]): Promise<SqlCondition> {
    return this.records.where(visible, named(query), more);
  }

  list(
    visible: ScopeCondition,
    query: ListCustomersQuery,
    more?: readonly FilterCondition[],
    beside?: (ids: readonly number[]) => void,
  ): Promise<Page<Customer>> {
    return this.records.list(visible, named(query), more, beside);
  }
}

const named = (query: ListCustomersQuery): ContactListQuery => ({ ...query, assignee: query.ownerId });
