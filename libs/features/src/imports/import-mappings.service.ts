import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { isRefused } from '@muster/core/contact/result';
import { cleanText, nameKeyOf } from '@muster/core/contact/text';
import { FieldSet } from '@muster/core/contact/custom-fields';
import { MappingSuggestion } from '@muster/core/contact/header-match';
import { conflict, notFound, validationFailed } from '@muster/core/errors';
import { Page } from '@muster/core/page';
import { holds, Principal } from '@muster/core/principal';
import { Database } from '@muster/platform/database/database';
import { Transactions, Tx } from '@muster/platform/database/transactions';
import { Outbox } from '@muster/platform/outbox/outbox';
import { AuditService } from '../audit/audit.service';
import { AuthService } from '../auth/auth.service';
import { CustomFieldsService } from '../custom-fields/custom-fields.service';
import { ListMappingsQuery, SavedMappingInput } from './import-mappings.dto';
import { ImportMappingsRepository } from './import-mappings.repository';
import { Import, ImportTarget, SavedMapping } from './imports.entity';
import { importMappingCreated, importMappingDeleted, importMappingUpdated } from './imports.events';
import { Mapping, mappingErrors, mappingInvalid, suggestionsOf } from './imports.mapping';
import { visibleImports } from './imports.policy';

const NAME_MAX = 100;
/** A saved mapping has at most so many columns, and its names so many characters together. */
const MAX_COLUMNS = 500;
const MAX_NAMES = 100_000;

/** Equal for files with the same columns, in whatever order. */
const headerHashOf = (columns: readonly string[]) =>
  createHash('sha256')
    .update(JSON.stringify([...columns].sort()))
    .digest('hex');

/** Mappings that were saved by name; a new file with exactly their columns is suggested them. */
@Injectable()
export class ImportMappingsService {
  constructor(
    private readonly database: Database,
    private readonly transactions: Transactions,
    private readonly repository: ImportMappingsRepository,
    private readonly customFields: CustomFieldsService,
    private readonly auth: AuthService,
    private readonly audit: AuditService,
    private readonly outbox: Outbox,
  ) {}

  list(principal: Principal, query: ListMappingsQuery): Promise<Page<SavedMapping>> {
    return this.repository.list(visibleImports(principal, 'imports:read'), query);
  }

  /** @throws 404 when it is absent or not the caller's */
  async get(principal: Principal, id: number): Promise<SavedMapping> {
    const saved = await this.repository.records.find(id, visibleImports(principal, 'imports:read'));
    if (!saved) throw notFound();
    return saved;
  }

  /** @throws 422 `validation-failed` or `mapping-invalid`; 409 `duplicate` when the caller has one of this name */
  async create(principal: Principal, { name, target, mapping }: SavedMappingInput): Promise<SavedMapping> {
    const values = this.valuesOf(principal, name, target, mapping);
    const errors = mappingErrors(target, null, mapping, await this.customFields.current(target));
    if (errors.length > 0) throw mappingInvalid(errors);
    try {
      return await this.transactions.run((tx) => this.insert(tx, principal, values));
    } catch (error) {
      if (!this.database.dialect.isDuplicate(error)) throw error;
      throw conflict('duplicate', 'You have a mapping of this name.', [
        { field: 'name', code: 'duplicate-existing', message: 'belongs to another mapping of yours' },
      ]);
    }
  }

  /** Checks the name under which a mapping is to be saved. @throws 422 `validation-failed` */
  checkName(name: string, field = 'name'): string {
    const checked = cleanText(name, NAME_MAX, 1);
    if (!isRefused(checked)) return checked.value;
    const { code, message } = checked;
    throw validationFailed([{ field, code, message }]);
  }

  /** Saves a mapping that was checked; the caller's own of the same name is replaced. */
  async save(tx: Tx, principal: Principal, name: string, target: ImportTarget, mapping: Mapping): Promise<void> {
    const values = this.valuesOf(principal, name, target, mapping);
    const before = await this.repository.findOwn(tx, principal.userId, values.nameKey);
    if (!before) {
      await this.insert(tx, principal, values);
      return;
    }
    await this.repository.update(tx, before.id, {
      ...{ name: values.name, target, mapping, headerHash: values.headerHash },
    });
    await this.audit.record(tx, principal, {
      action: 'import-mapping.updated',
      subjectId: before.id,
      before: said(before),
      after: said(values),
    });
    await this.outbox.add(tx, importMappingUpdated, { id: before.id, actorId: principal.userId });
  }

  /** @throws 404 when it is absent or not the caller's */
  async remove(principal: Principal, id: number): Promise<void> {
    const saved = await this.repository.records.find(id, visibleImports(principal, 'imports:write'));
    if (!saved) throw notFound();
    await this.transactions.run(async (tx) => {
      if (!(await this.repository.remove(tx, id))) throw notFound();
      await this.audit.record(tx, principal, { action: 'import-mapping.deleted', subjectId: id, before: said(saved) });
      await this.outbox.add(tx, importMappingDeleted, { id, actorId: principal.userId });
    });
  }

  /**
   * What a saved mapping says of a new file: one of the import's creator, else one that they may see, whose columns are exactly the
   * file's and whose targets are all there.
   */
  async suggest(
    { target, createdBy }: Import,
    columns: readonly string[],
    fields: FieldSet,
  ): Promise<MappingSuggestion[] | null> {
    const creator = await this.auth.principalOf(createdBy);
    if (!creator || !holds(creator, 'imports:read')) return null;
    const visible = visibleImports(creator, 'imports:read');
    const saved = await this.repository.forHeader(target, headerHashOf(columns), visible, createdBy);
    const fitting = saved.find(({ mapping }) => mappingErrors(target, columns, mapping, fields).length === 0);
    return fitting ? suggestionsOf(columns, fitting.mapping) : null;
  }

  private valuesOf(
    principal: Principal,
    name: string,
    target: ImportTarget,
    mapping: Mapping,
  ): Omit<SavedMapping, 'id'> {
    const clean = this.checkName(name);
    const columns = Object.keys(mapping);
    if (columns.length === 0 || columns.length > MAX_COLUMNS || columns.join('').length > MAX_NAMES) {
      const message = `has between 1 and ${MAX_COLUMNS} columns, whose names have at most ${MAX_NAMES} characters together`;
      throw mappingInvalid([{ field: 'mapping', code: 'column-count', message }]);
    }
    return {
      ...{ name: clean, nameKey: nameKeyOf(clean), target, mapping, headerHash: headerHashOf(columns) },
      ...{ createdBy: principal.userId, createdAt: new Date() },
    };
  }

  private async insert(tx: Tx, principal: Principal, values: Omit<SavedMapping, 'id'>): Promise<SavedMapping> {
    const saved = await this.repository.insert(tx, values);
    await this.audit.record(tx, principal, {
      action: 'import-mapping.created',
      subjectId: saved.id,
      after: said(saved),
    });
    await this.outbox.add(tx, importMappingCreated, { id: saved.id, actorId: principal.userId });
    return saved;
  }
}

/** What the audit log keeps of a saved mapping. */
const said = ({ name, target, mapping }: Omit<SavedMapping, 'id'>) => ({ name, target, mapping });
