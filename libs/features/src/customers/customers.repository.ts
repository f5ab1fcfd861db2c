import { Injectable } from '@nestjs/common';
import { Page } from '@muster/core/page';
import { Database } from '@muster/platform/database/database';
import { SqlCondition } from '@muster/platform/database/record-table';
import { Conditions, readPage } from '@muster/platform/http/list-query';
import { isEverything, ScopeCondition, undivided } from '@muster/platform/http/list-scope';
import { SearchedTable } from '../contacts/search/contacts.search.service';
import { CUSTOMER_SORT_FIELDS, ListCustomersQuery } from './customers.dto';
import { Customer, customerTable } from './customers.entity';

/** All SQL on customers. */
@Injectable()
export class CustomersRepository {
  readonly records: SearchedTable<Customer>;

  constructor(database: Database) {
    this.records = new SearchedTable<Customer>(database, customerTable, 'customers');
  }

  /** The conditions of a list. @param more beside those that the query names */
  async where(
    visible: SqlCondition,
    query: ListCustomersQuery,
    more: readonly SqlCondition[] = [],
  ): Promise<SqlCondition> {
    const search = await this.records.search(query.q);
    return this.filters(query, more).also(visible).also(search).all;
  }

  async list(
    visible: ScopeCondition,
    query: ListCustomersQuery,
    more: readonly SqlCondition[] = [],
  ): Promise<Page<Customer>> {
    const search = await this.records.search(query.q, visible);
    const filters = this.filters(query, more);
    const total = filters.isEmpty && isEverything(visible) ? (search?.total ?? null) : null;
    const where = filters.also(search).all;
    const scope = search ? undivided(visible) : visible;
    const sort = query.sort ?? '-createdAt';
    return readPage(this.records, CUSTOMER_SORT_FIELDS, where, { ...query, sort }, scope, total);
  }

  private filters(query: ListCustomersQuery, more: readonly SqlCondition[]): Conditions {
    const filters = new Conditions().equals('status', query.status).equals('owner_id', query.ownerId).record(query);
    for (const condition of more) filters.also(condition);
    return filters;
  }
}
