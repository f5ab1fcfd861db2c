import { Injectable } from '@nestjs/common';
import { FieldError } from '@muster/core/errors';
import { Principal } from '@muster/core/principal';
import { Database } from '@muster/platform/database/database';
import { BulkValue, formatTime } from '@muster/platform/database/dialect/dialect';
import { Tx } from '@muster/platform/database/transactions';
import { marks } from '@muster/platform/database/sql';
import { StagedRows } from '@muster/platform/tabular/staged-rows';
import { AuthService } from '../auth/auth.service';
import { followChanges } from '../contacts/contacts.changes.service';
import { ListKeeper } from '../contacts/lists/contacts.lists.service';
import { CustomFieldsService, LoadedFields } from '../custom-fields/custom-fields.service';
import { changeableColumns, Columns, compileUpdater, propertyOf, valueOf } from './imports.changes';
import { ImportChange } from './imports.entity';
import { HolderReader, Lookup, Select } from './imports.holders';
import { RowOutcome } from './imports.ledger';
import { MatchRule, matchRule } from './imports.match';
import { Names } from './imports.names';
import { ImportPlan } from './imports.plans';
import { CheckedRow, Holder, madeHolder, Raced, Resolution, Resolver, rowReader } from './imports.resolver';
import { ASSIGNEE_COLUMNS } from './imports.targets';

/** The rows of a chunk, read under these custom fields. */
export interface ResolvableRows {
  fields: LoadedFields;
  rule: MatchRule;
  rows: CheckedRow[];
}

/** What a chunk writes. */
interface Writes {
  /** Records that the chunk makes, with what their rows hold. */
  made: Map<Holder, BulkValue[]>;
  /** Records that were stored before the chunk, with what they held then. */
  changed: Map<Holder, Columns>;
  log: ImportChange[];
}

const CHANGED: FieldError = {
  ...{ field: '', code: 'changed-since-plan' },
  message: 'what the plan found for this row is not so any more: somebody has changed it since',
};

/** The columns that lists are kept by and an import may change. */
const LISTED = ['status', 'source', 'tags', ...Object.values(ASSIGNEE_COLUMNS)];

/** Resolves the rows of a chunk in the order of the file, and writes what follows: all in sets. */
@Injectable()
export class ImportsApplyService {
  private readonly holders: HolderReader;

  constructor(
    private readonly database: Database,
    private readonly customFields: CustomFieldsService,
    private readonly auth: AuthService,
  ) {
    this.holders = new HolderReader(database);
  }

  read(plan: ImportPlan, staged: StagedRows, fields: LoadedFields, names: Names): ResolvableRows {
    const rule = matchRule(plan.work.options, fields);
    const read = rowReader(plan, rule, fields);
    return {
      fields,
      rule,
      rows: Array.from(staged).flatMap((row) => (plan.excluded.has(row.row) ? [] : read(row, names))),
    };
  }

  /** @throws {Raced} */
  async apply(tx: Tx, plan: ImportPlan, { fields, rule, rows }: ResolvableRows): Promise<RowOutcome[]> {
    const importer = await this.auth.principalOf(plan.work.createdBy);
    const lookup = { plan, rule, importer };
    const resolver = new Resolver(rule, compileUpdater(plan, fields));
    for (const holder of await this.stored(tx, lookup, plan, rows)) resolver.add(holder);
    const writes: Writes = { made: new Map(), changed: new Map(), log: [] };
    const outcomes = rows.map((row): RowOutcome => {
      const resolution = resolver.resolve(row);
      const { outcome, holder, errors } = resolution;
      if (plan.bound && !plan.bound.allows(resolution)) {
        return { row: row.row, outcome: 'skipped', recordId: holder?.id ?? null, errors: [CHANGED] };
      }
      const made = outcome === 'created' ? this.make(plan, rule, row, importer, writes) : null;
      if (outcome === 'updated') note(plan, resolution, writes);
      resolver.accept(resolution, made);
      const recordId = outcome === 'rejected' ? null : (made ?? holder)!.id;
      return { row: row.row, outcome, recordId, errors };
    });
    await this.write(tx, plan, fields, writes);
    return outcomes;
  }

  private async stored(tx: Tx, lookup: Lookup, plan: ImportPlan, rows: CheckedRow[]): Promise<Iterable<Holder>> {
    const select: Select = async <T>(sql: string, params: unknown[]) => (await tx.query<T>(sql, params)).rows;
    const found = await this.holders.find(select, lookup, rows);
    const holders = await this.holders.read(select, lookup, found, lookup.rule.policy === 'update');
    if (plan.bound && lookup.rule.policy === 'update') {
      const own = await this.holders.changesOf(select, plan.work.id, [...holders.keys()]);
      for (const [id, count] of own) holders.get(id)!.own = count;
    }
    return holders.values();
  }

  private make(
    { work, target }: ImportPlan,
    rule: MatchRule,
    row: CheckedRow,
    importer: Principal | null,
    { made }: Writes,
  ): Holder {
    const holder = madeHolder(work.recordBase! + row.row - 1, row, target, rule, importer !== null);
    made.set(holder, row.values);
    return holder;
  }

  private async write(tx: Tx, plan: ImportPlan, fields: LoadedFields, writes: Writes): Promise<void> {
    const { made, changed, log } = writes;
    const { table } = plan.target;
    const lists = new ListKeeper(this.database, table);
    const moved = [...changed].filter(([{ values }, before]) => LISTED.some((name) => values[name] !== before[name]));
    const listed = await lists.held(
      tx,
      moved.map(([{ id }]) => id),
    );
    try {
      await this.free(tx, plan, writes);
      await this.update(tx, plan, changed);
    } catch (error) {
      // Somebody else has taken a value meanwhile: the next look-up finds them.
      if (this.database.dialect.isDuplicate(error)) throw new Raced();
      throw error;
    }
    await this.insert(tx, plan, made);
    await lists.follow(tx, listed);
    const rewritten = [...changed].map(([{ id, values: after }, before]) => ({ id, before, after }));
    await followChanges(tx, this.database, table, rewritten);
    await this.mirror(tx, fields, writes);
    const buffer = this.database.dialect.bulkBuffer();
    for (const { importId, fileRow, recordId, before, versionAfter } of log) {
      buffer.add([importId, fileRow, recordId, JSON.stringify(before), versionAfter]);
    }
    // `before` is a word of SQL.
    const columns = ['import_id', 'file_row', 'record_id', '`before`', 'version_after'];
    const logged = await this.database.dialect.bulkInsert(tx.runner, 'import_changes', columns, buffer);
    if (logged !== log.length) throw new Error(`${log.length - logged} changes of the chunk were noted already.`);
  }

  /** A value that one record of the chunk gives up and another takes is given up first, whatever the order of the writes. */
  private async free(tx: Tx, { target }: ImportPlan, { made, changed }: Writes): Promise<void> {
    for (const field of ['email', 'phone'] as const) {
      const freed = new Map<unknown, Holder>();
      for (const [holder, before] of changed) {
        if (before[field] !== null && before[field] !== holder.values[field]) freed.set(before[field], holder);
      }
      if (freed.size === 0) continue;
      const takers = [...changed.keys(), ...made.keys()];
      const ids = takers.flatMap(({ values }) => freed.get(values[field])?.id ?? []);
      for (let start = 0; start < ids.length; start += 500) {
        const some = ids.slice(start, start + 500);
        await tx.query(`UPDATE ${target.table} SET ${field} = NULL WHERE id IN (${marks(some)})`, some);
      }
    }
  }

  private async update(tx: Tx, { target }: ImportPlan, changed: Map<Holder, Columns>): Promise<void> {
    const columns = changeableColumns(target).filter((column) =>
      [...changed].some(([{ values }, before]) => values[column] !== before[column]),
    );
    const now = formatTime(new Date());
    const rows = [...changed.keys()].map(({ id, version, values }) => [
      ...[id, version, now],
      ...columns.map((column) => values[column]),
    ]);
    const names = ['id', 'version', 'updated_at', ...columns];
    await this.database.dialect.bulkUpdate(tx.runner, target.table, names, rows);
  }

  private async insert(tx: Tx, { target }: ImportPlan, made: Writes['made']): Promise<void> {
    const buffer = this.database.dialect.bulkBuffer();
    const changeable = new Set([...changeableColumns(target), 'version']);
    for (const [holder, values] of made) {
      const isChanged = holder.own > 0;
      const held = { ...holder.values, version: holder.version };
      buffer.add(
        isChanged
          ? target.columns.map((name, at) => (changeable.has(name) ? (held as Columns)[name] : values[at]))
          : values,
      );
    }
    const inserted = await this.database.dialect.bulkInsert(tx.runner, target.table, target.columns, buffer);
    if (inserted < made.size) throw new Raced();
  }

  private async mirror(tx: Tx, fields: LoadedFields, { made, changed }: Writes): Promise<void> {
    if (!fields.fields.some(({ filterable }) => filterable)) return;
    const held = ({ id, values }: Holder) => ({
      ...{ recordId: id, values: JSON.parse(values.custom_fields as string) as Record<string, unknown> },
    });
    const moved = [...changed].filter(([{ values }, before]) => values.custom_fields !== before.custom_fields);
    const rewritten = moved.map(([holder]) => held(holder));
    await this.customFields.mirror(tx, fields, rewritten);
    await this.customFields.mirror(tx, fields, [...made.keys()].map(held), true);
  }
}

/** Notes what a row changes, before it does. */
function note({ work }: ImportPlan, { row, holder, changes }: Resolution, { made, changed, log }: Writes): void {
  const { id, version, values } = holder!;
  if (!made.has(holder!) && !changed.has(holder!)) changed.set(holder!, { ...values });
  const before = Object.fromEntries(
    Object.keys(changes!).map((column) => [propertyOf(column), valueOf(column, values[column])]),
  );
  log.push({ importId: work.id, fileRow: row, recordId: id, before, versionAfter: version + 1 });
}
