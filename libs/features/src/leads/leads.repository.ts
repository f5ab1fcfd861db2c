import { Injectable } from '@nestjs/common';
import { Page } from '@muster/core/page';
import { Database } from '@muster/platform/database/database';
import { SqlCondition } from '@muster/platform/database/record-table';
import { Conditions, readPage } from '@muster/platform/http/list-query';
import { isEverything, ScopeCondition, undivided } from '@muster/platform/http/list-scope';
import { SearchedTable } from '../contacts/search/contacts.search.service';
import { LEAD_SORT_FIELDS, ListLeadsQuery } from './leads.dto';
import { Lead, leadTable } from './leads.entity';

/** All SQL on leads. */
@Injectable()
export class LeadsRepository {
  readonly records: SearchedTable<Lead>;

  constructor(database: Database) {
    this.records = new SearchedTable<Lead>(database, leadTable, 'leads');
  }

  /** The conditions of a list. @param more beside those that the query names */
  async where(visible: SqlCondition, query: ListLeadsQuery, more: readonly SqlCondition[] = []): Promise<SqlCondition> {
    const search = await this.records.search(query.q);
    return this.filters(query, more).also(visible).also(search).all;
  }

  async list(visible: ScopeCondition, query: ListLeadsQuery, more: readonly SqlCondition[] = []): Promise<Page<Lead>> {
    const search = await this.records.search(query.q, visible);
    const filters = this.filters(query, more);
    const total = filters.isEmpty && isEverything(visible) ? (search?.total ?? null) : null;
    const where = filters.also(search).all;
    const scope = search ? undivided(visible) : visible;
    const sort = query.sort ?? '-createdAt';
    return readPage(this.records, LEAD_SORT_FIELDS, where, { ...query, sort }, scope, total);
  }

  private filters(query: ListLeadsQuery, more: readonly SqlCondition[]): Conditions {
    const filters = new Conditions()
      .equals('status', query.status)
      .equals('source', query.source)
      .equals('assigned_to', query.assignedTo)
      .record(query);
    for (const condition of more) filters.also(condition);
    return filters;
  }
}
