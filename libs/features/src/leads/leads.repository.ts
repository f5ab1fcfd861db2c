import { Injectable } from '@nestjs/common';
import { Page } from '@muster/core/page';
import { Database } from '@muster/platform/database/database';
import { SqlCondition } from '@muster/platform/database/record-table';
import { FilterCondition } from '@muster/platform/http/list-query';
import { ScopeCondition } from '@muster/platform/http/list-scope';
import { ContactListQuery, ListedTable } from '../contacts/lists/contacts.lists.service';
import { LEAD_SORT_FIELDS, ListLeadsQuery } from './leads.dto';
import { Lead, leadTable } from './leads.entity';

/** All SQL on leads. */
@Injectable()
export class LeadsRepository {
  readonly records: ListedTable<Lead>;

  constructor(database: Database) {
    this.records = new ListedTable<Lead>(database, leadTable, 'leads', LEAD_SORT_FIELDS);
  }

  /** The conditions of a list. @param more beside those that the query names */
  where(visible: SqlCondition, query: ListLeadsQuery, more?: readonly SqlCondition[]): Promise<SqlCondition> {
    return this.records.where(visible, named(query), more);
  }

  list(
    visible: ScopeCondition,
    query: ListLeadsQuery,
    more?: readonly FilterCondition[],
    beside?: (ids: readonly number[]) => void,
  ): Promise<Page<Lead>> {
    return this.records.list(visible, named(query), more, beside);
  }
}

const named = (query: ListLeadsQuery): ContactListQuery => ({ ...query, assignee: query.assignedTo });
