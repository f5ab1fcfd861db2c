import { Injectable } from '@nestjs/common';
import { Page } from '@muster/core/page';
import { Database } from '@muster/platform/database/database';
import { RecordTable, SqlCondition } from '@muster/platform/database/record-table';
import { Conditions, readPage } from '@muster/platform/http/list-query';
import { LEAD_SORT_FIELDS, ListLeadsQuery } from './leads.dto';
import { Lead, leadTable } from './leads.entity';

/** All SQL on leads. */
@Injectable()
export class LeadsRepository {
  readonly records: RecordTable<Lead>;

  constructor(database: Database) {
    this.records = new RecordTable<Lead>(database, leadTable);
  }

  list(visible: SqlCondition, query: ListLeadsQuery): Promise<Page<Lead>> {
    const where = new Conditions()
      .add(visible.sql, ...visible.params)
      .equals('status', query.status)
      .equals('source', query.source)
      .equals('assigned_to', query.assignedTo)
      .record(query, ['name', 'email', 'company']);
    return readPage(this.records, LEAD_SORT_FIELDS, where.all, { ...query, sort: query.sort ?? '-createdAt' });
  }
}
