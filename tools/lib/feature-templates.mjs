// The files of the feature "call-notes": tools/new-feature.mjs replaces every spelling of that name.

export const TEMPLATES = {
  entity: String.raw`import { column, TableDefinition } from '@muster/platform/database/dialect/columns';

/** A call note as it is stored. */
export interface CallNote {
  id: number;
  name: string;
  notes: string | null;
  createdBy: number;
  createdAt: Date;
  updatedAt: Date;
  /** Counts the changes; the ETag. */
  version: number;
}

export const callNoteTable: TableDefinition = {
  name: 'call_notes',
  key: ['id'],
  columns: {
    id: column.serial(),
    name: column.text(100),
    notes: column.longText({ nullable: true }),
    createdBy: column.id(),
    createdAt: column.time(),
    updatedAt: column.time(),
    version: column.integer(),
  },
  indexes: [{ name: 'ix_call_notes_created', columns: ['createdAt', 'id'] }],
};
`,
  events: String.raw`import { defineEvent, integer, listOf, text } from '@muster/core/events';

const id = integer('The call note.');
const actorId = integer('The user who did it.');

export const callNoteCreated = defineEvent('call-note.created', 'A call note was made.', { id, actorId });

export const callNoteUpdated = defineEvent('call-note.updated', 'Fields of a call note changed.', {
  id,
  actorId,
  fields: listOf(text(), 'Names of the fields; never their values.'),
});

export const callNoteDeleted = defineEvent('call-note.deleted', 'A call note was deleted.', { id, actorId });
`,
  policy: String.raw`import { Permission } from '@muster/core/permissions';
import { Principal } from '@muster/core/principal';
import { SqlCondition } from '@muster/platform/database/record-table';
import { visibleWhere } from '../auth/auth.policy';

/** The call notes that a principal may reach with a permission; for a query on call_notes alone. */
export const visibleCallNotes = (principal: Principal, permission: Permission): SqlCondition =>
  visibleWhere({ assignee: null, creator: 'created_by' }, principal, permission);
`,
  dto: String.raw`import { PartialType } from '@nestjs/swagger';
import { IsOptional, IsString, Length, MaxLength } from 'class-validator';
import { PageMetaDto } from '@muster/platform/http/list-query.dto';
import { CallNote } from './call-notes.entity';

/** A whole call note, for POST. */
export class CallNoteInput {
  /** 2 to 100 characters. */
  @IsString()
  @Length(2, 100)
  name: string;

  /** At most 5,000 characters. */
  @IsOptional()
  @IsString()
  @MaxLength(5_000)
  notes?: string | null;
}

/** The fields of a call note to change, one or more; null clears. */
export class CallNotePatch extends PartialType(CallNoteInput, { skipNullProperties: false }) {}

export class CallNoteView {
  id: number;
  name: string;
  notes: string | null;
  createdBy: number;
  createdAt: Date;
  updatedAt: Date;
}

export class CallNotePage {
  data: CallNoteView[];
  meta: PageMetaDto;
}

/** A call note as clients see it. */
export const toCallNoteView = ({ version: _version, ...view }: CallNote): CallNoteView => view;
`,
  repository: String.raw`import { Injectable } from '@nestjs/common';
import { Page } from '@muster/core/page';
import { Database } from '@muster/platform/database/database';
import { RecordTable, SqlCondition } from '@muster/platform/database/record-table';
import { Tx } from '@muster/platform/database/transactions';
import { readPage } from '@muster/platform/http/list-query';
import { ListQueryDto } from '@muster/platform/http/list-query.dto';
import { CallNote, callNoteTable } from './call-notes.entity';

/** All SQL on call notes. */
@Injectable()
export class CallNotesRepository {
  readonly records: RecordTable<CallNote>;

  constructor(database: Database) {
    this.records = new RecordTable<CallNote>(database, callNoteTable);
  }

  /** One page, newest first. */
  list(visible: SqlCondition, query: ListQueryDto): Promise<Page<CallNote>> {
    return readPage(this.records, { createdAt: 'createdAt' }, visible, { ...query, sort: '-createdAt' });
  }

  /** @returns the record with the id that the store gave it */
  async insert(tx: Tx, values: Omit<CallNote, 'id'>): Promise<CallNote> {
    const { identifiers } = await tx.manager.getRepository<CallNote>('call_notes').insert(values);
    return { ...values, id: Number(identifiers[0].id) };
  }
}
`,
  service: String.raw`import { Injectable } from '@nestjs/common';
import { invalid, notFound } from '@muster/core/errors';
import { Page } from '@muster/core/page';
import { Principal } from '@muster/core/principal';
import { Transactions } from '@muster/platform/database/transactions';
import { requireMatch } from '@muster/platform/http/etag';
import { ListQueryDto } from '@muster/platform/http/list-query.dto';
import { Outbox } from '@muster/platform/outbox/outbox';
import { AuditService } from '../audit/audit.service';
import { CallNoteInput, CallNotePatch, toCallNoteView } from './call-notes.dto';
import { CallNote } from './call-notes.entity';
import { callNoteCreated, callNoteDeleted, callNoteUpdated } from './call-notes.events';
import { visibleCallNotes } from './call-notes.policy';
import { CallNotesRepository } from './call-notes.repository';

/** The use cases of call notes. */
@Injectable()
export class CallNotesService {
  constructor(
    private readonly transactions: Transactions,
    private readonly repository: CallNotesRepository,
    private readonly audit: AuditService,
    private readonly outbox: Outbox,
  ) {}

  list(principal: Principal, query: ListQueryDto): Promise<Page<CallNote>> {
    return this.repository.list(visibleCallNotes(principal, 'call-notes:read'), query);
  }

  /** @throws 404 when it is absent or not the caller's */
  async get(principal: Principal, id: number): Promise<CallNote> {
    const callNote = await this.repository.records.find(id, visibleCallNotes(principal, 'call-notes:read'));
    if (!callNote) throw notFound();
    return callNote;
  }

  async create(principal: Principal, { name, notes = null }: CallNoteInput): Promise<CallNote> {
    const { userId } = principal;
    const now = new Date();
    return this.transactions.run(async (tx) => {
      const values = { name, notes, createdBy: userId, createdAt: now, updatedAt: now, version: 1 };
      const callNote = await this.repository.insert(tx, values);
      const after = toCallNoteView(callNote);
      await this.audit.record(tx, principal, { action: 'call-note.created', subjectId: callNote.id, after });
      await this.outbox.add(tx, callNoteCreated, { id: callNote.id, actorId: userId });
      return callNote;
    });
  }

  /**
   * Changes the fields that the body names.
   * @param ifMatch the request's If-Match
   * @throws 404 when it is absent or not the caller's, 412 "stale", 422 "empty-patch"
   */
  async patch(principal: Principal, id: number, body: CallNotePatch, ifMatch?: string): Promise<CallNote> {
    if (Object.values(body).every((value) => value === undefined)) {
      throw invalid('empty-patch', 'The change names no field.');
    }
    const visible = visibleCallNotes(principal, 'call-notes:write');
    return this.transactions.run(async (tx) => {
      const current = await this.repository.records.lock(tx, id, visible);
      if (!current) throw notFound();
      requireMatch(ifMatch, current.version);
      const changed = changesOf(current, body);
      const fields = Object.keys(changed);
      if (fields.length === 0) return current;
      const stored = { ...changed, updatedAt: new Date(), version: current.version + 1 };
      await this.repository.records.update(tx, id, stored);
      const next = { ...current, ...stored };
      const [before, after] = [toCallNoteView(current), toCallNoteView(next)];
      await this.audit.record(tx, principal, { action: 'call-note.updated', subjectId: id, before, after });
      await this.outbox.add(tx, callNoteUpdated, { id, actorId: principal.userId, fields });
      return next;
    });
  }

  /** @throws 404 when it is absent or not the caller's, 412 "stale" */
  async remove(principal: Principal, id: number, ifMatch?: string): Promise<void> {
    const visible = visibleCallNotes(principal, 'call-notes:delete');
    await this.transactions.run(async (tx) => {
      const current = await this.repository.records.lock(tx, id, visible);
      if (!current) throw notFound();
      requireMatch(ifMatch, current.version);
      await this.repository.records.remove(tx, id);
      const before = toCallNoteView(current);
      await this.audit.record(tx, principal, { action: 'call-note.deleted', subjectId: id, before });
      await this.outbox.add(tx, callNoteDeleted, { id, actorId: principal.userId });
    });
  }
}

/** What a patch makes different. */
export function changesOf(current: CallNote, { name, notes }: CallNotePatch): Partial<CallNote> {
  return {
    ...(name !== undefined && name !== current.name ? { name } : {}),
    ...(notes !== undefined && notes !== current.notes ? { notes } : {}),
  };
}
`,
  controller: String.raw`import { Body, Controller, Delete, Get, Headers, HttpCode, Param, Patch, Post, Query, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import type { Principal } from '@muster/core/principal';
import { Allow, Caller } from '@muster/platform/http/access';
import { ApiIfMatch, etagOf } from '@muster/platform/http/etag';
import { ListQueryDto } from '@muster/platform/http/list-query.dto';
import { RecordIdPipe } from '@muster/platform/http/record-id.pipe';
import { CallNoteInput, CallNotePage, CallNotePatch, CallNoteView, toCallNoteView } from './call-notes.dto';
import { CallNote } from './call-notes.entity';
import { CallNotesService } from './call-notes.service';

@ApiTags('call-notes')
@ApiBearerAuth()
@Controller('call-notes')
export class CallNotesController {
  constructor(private readonly callNotes: CallNotesService) {}

  @Post()
  @Allow('call-notes:write')
  async create(
    @Caller() caller: Principal,
    @Body() body: CallNoteInput,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<CallNoteView> {
    return answer(reply, await this.callNotes.create(caller, body));
  }

  /** The call notes that the caller may see, newest first. */
  @Get()
  @Allow('call-notes:read')
  async list(@Caller() caller: Principal, @Query() query: ListQueryDto): Promise<CallNotePage> {
    const { data, meta } = await this.callNotes.list(caller, query);
    return { data: data.map(toCallNoteView), meta };
  }

  @Get(':id')
  @Allow('call-notes:read')
  async get(
    @Caller() caller: Principal,
    @Param('id', RecordIdPipe) id: number,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<CallNoteView> {
    return answer(reply, await this.callNotes.get(caller, id));
  }

  /** Changes the fields that the body names. */
  @Patch(':id')
  @Allow('call-notes:write')
  @ApiIfMatch()
  async patch(
    @Caller() caller: Principal,
    @Param('id', RecordIdPipe) id: number,
    @Body() body: CallNotePatch,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Headers('if-match') ifMatch?: string,
  ): Promise<CallNoteView> {
    return answer(reply, await this.callNotes.patch(caller, id, body, ifMatch));
  }

  @Delete(':id')
  @HttpCode(204)
  @Allow('call-notes:delete')
  @ApiIfMatch()
  remove(
    @Caller() caller: Principal,
    @Param('id', RecordIdPipe) id: number,
    @Headers('if-match') ifMatch?: string,
  ): Promise<void> {
    return this.callNotes.remove(caller, id, ifMatch);
  }
}

function answer(reply: FastifyReply, callNote: CallNote): CallNoteView {
  reply.header('etag', etagOf(callNote.version));
  return toCallNoteView(callNote);
}
`,
  module: String.raw`import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module';
import { CallNotesController } from './call-notes.controller';
import { CallNotesRepository } from './call-notes.repository';
import { CallNotesService } from './call-notes.service';

@Module({
  imports: [AuditModule],
  providers: [CallNotesRepository, CallNotesService],
  exports: [CallNotesService],
})
export class CallNotesModule {}

@Module({ imports: [CallNotesModule], controllers: [CallNotesController] })
export class CallNotesHttpModule {}
`,
  'service.spec': String.raw`import { CallNote } from './call-notes.entity';
import { changesOf } from './call-notes.service';

describe('a change of a call note', () => {
  const time = new Date(0);
  const stored: CallNote = {
    ...{ id: 1, name: 'First', notes: 'old', createdBy: 1 },
    ...{ createdAt: time, updatedAt: time, version: 1 },
  };

  it('is what differs from the stored values', () => {
    expect(changesOf(stored, { name: 'First', notes: 'new' })).toEqual({ notes: 'new' });
    expect(changesOf(stored, { name: 'Second' })).toEqual({ name: 'Second' });
    expect(changesOf(stored, { name: 'First', notes: 'old' })).toEqual({});
  });

  it('clears with null, and leaves alone what it does not name', () => {
    expect(changesOf(stored, { notes: null })).toEqual({ notes: null });
    expect(changesOf({ ...stored, notes: null }, {})).toEqual({});
  });
});
`,
  'repository.db-spec': String.raw`import { openTestDatabase, TestDatabase } from '@muster/testing/database';
import { CallNotesRepository } from './call-notes.repository';

const ALL = { sql: '1 = 1', params: [] };

describe('the call notes repository', () => {
  let store: TestDatabase;
  let repository: CallNotesRepository;

  const add = (name: string, createdBy = 1, createdAt = new Date(0)) =>
    store.transactions.run((tx) =>
      repository.insert(tx, { name, notes: null, createdBy, createdAt, updatedAt: createdAt, version: 1 }),
    );

  beforeAll(async () => {
    store = await openTestDatabase();
    repository = new CallNotesRepository(store.database);
  });
  afterAll(() => store.close());
  beforeEach(() => store.transactions.run((tx) => tx.query('DELETE FROM call_notes')));

  it('gives a record back as it was put in', async () => {
    const added = await add('Zoë 🙂');
    expect(await repository.records.find(added.id, ALL)).toEqual(added);
  });

  it('changes and removes one record and no other', async () => {
    const [first, second] = [await add('First'), await add('Second')];
    await store.transactions.run((tx) => repository.records.update(tx, first.id, { notes: 'new', version: 2 }));
    expect(await repository.records.find(first.id, ALL)).toEqual({ ...first, notes: 'new', version: 2 });
    await store.transactions.run((tx) => repository.records.remove(tx, first.id));
    expect(await repository.records.find(first.id, ALL)).toBeNull();
    expect(await repository.records.find(second.id, ALL)).toEqual(second);
  });

  it('lists what is visible, newest first', async () => {
    const [old, recent] = [await add('Old'), await add('Recent', 1, new Date(1_000))];
    await add('Not mine', 2);
    const { data, meta } = await repository.list({ sql: 'created_by = ?', params: [1] }, {});
    expect(data.map(({ id }) => id)).toEqual([recent.id, old.id]);
    expect(meta).toEqual({ page: 1, limit: 20, total: 2, nextCursor: null });
  });
});
`,
};

export const migrationOf = (number) => String.raw`import { MigrationInterface, QueryRunner } from 'typeorm';
import { column, createTable, TableDefinition } from '../dialect/columns';
import { flavorOf } from '../dialect/flavor';

/** The table as it was on its first day: a migration never follows the living definition. */
const TABLE: TableDefinition = {
  name: 'call_notes',
  key: ['id'],
  columns: {
    id: column.serial(),
    name: column.text(100),
    notes: column.longText({ nullable: true }),
    createdBy: column.id(),
    createdAt: column.time(),
    updatedAt: column.time(),
    version: column.integer(),
  },
  indexes: [{ name: 'ix_call_notes_created', columns: ['createdAt', 'id'] }],
};

export class CallNotes${number} implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await createTable(runner, TABLE, flavorOf(runner));
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.dropTable(TABLE.name, true);
  }
}
`;
