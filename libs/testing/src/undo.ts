import { AuditService } from '@muster/features/audit/audit.service';
import { ContactFollowers } from '@muster/features/contacts/contacts.followers.service';
import { CustomFieldsService } from '@muster/features/custom-fields/custom-fields.service';
import { CustomersService } from '@muster/features/customers/customers.service';
import { ImportsEmitWorker } from '@muster/features/imports/imports.emit.worker';
import { EmissionsRepository } from '@muster/features/imports/imports.emissions.repository';
import { ImportsEmissionsService } from '@muster/features/imports/imports.emissions.service';
import { Import, ImportChange } from '@muster/features/imports/imports.entity';
import { ImportLedger } from '@muster/features/imports/imports.ledger';
import { ClaimedChunk, ImportsRepository } from '@muster/features/imports/imports.repository';
import { ImportsUndoRunService } from '@muster/features/imports/imports.undo.run.service';
import { ImportsUndoService } from '@muster/features/imports/imports.undo.service';
import { UndoLedger, UndoRepository } from '@muster/features/imports/imports.undo.repository';
import { LeadsConvertService } from '@muster/features/leads/leads.convert.service';
import { Lead } from '@muster/features/leads/leads.entity';
import { LeadsModule } from '@muster/features/leads/leads.module';
import { LeadsRepository } from '@muster/features/leads/leads.repository';
import { LeadsService } from '@muster/features/leads/leads.service';
import { CONFIG } from '@muster/platform/config/config.module';
import { Outbox } from '@muster/platform/outbox/outbox';
import { listFaults } from './lists';
import { openTestServices } from './services';

/** A row of an import: it makes a lead, changes one, or does nothing. */
export type TestRow = { creates: Partial<Lead> } | { updates: number; with: Partial<Lead> } | { rejected: true };

/** Imports that have ended, written as the workers leave them, and everything that takes them back. */
export async function openUndo() {
  const services = await openTestServices(LeadsModule);
  const { database, transactions } = services;
  const [outbox, audit] = [services.get(Outbox), services.get(AuditService)];
  const leads = services.get(LeadsService);
  const { records } = services.get(LeadsRepository);
  const repository = new ImportsRepository(database);
  const ledger = new ImportLedger(database);
  const undoLedger = new UndoLedger(database);
  const undos = new UndoRepository(database);
  const emissionRows = new EmissionsRepository(database);
  const emissions = new ImportsEmissionsService(transactions, repository, emissionRows, ledger, outbox, audit);
  const undo = new ImportsUndoService(
    ...([transactions, repository, ledger, undos, undoLedger, emissions, outbox, audit] as const),
  );
  const runner = new ImportsUndoRunService(
    ...([transactions, repository, ledger, undos, undoLedger, services.get(CustomFieldsService), leads] as const),
    ...([services.get(CustomersService), services.get(LeadsConvertService), outbox] as const),
  );
  const emitter = new ImportsEmitWorker(
    services.get(CONFIG as never),
    ...([transactions, repository, emissionRows, ledger, undoLedger, undos, outbox] as const),
  );

  /** Writes an import that did these rows, in this order. */
  async function imported(rows: TestRow[], values: Partial<Import> & { createdBy: number }): Promise<Import> {
    return transactions.run(async (tx) => {
      const recordBase = await services.recordIds.reserve(tx, 'leads', Math.max(rows.length, 1));
      const importId = await repository.insert(tx, { ...IMPORT, totalRows: rows.length, recordBase, ...values });
      const work = (await repository.hold(tx, importId))!;
      for (const [index, entry] of rows.entries()) {
        const row = index + 1;
        const base = { importId, firstRow: row, lastRow: row, errors: null };
        if ('creates' in entry) {
          await create(work, row, entry.creates);
          await ledger.add(tx, [{ ...base, outcome: 'created', recordId: recordBase + index }]);
        } else if ('updates' in entry) {
          const id = entry.updates < 0 ? recordBase - entry.updates - 1 : entry.updates;
          await update(id, row, entry.with);
          await ledger.add(tx, [{ ...base, outcome: 'updated', recordId: id }]);
        } else await ledger.add(tx, [{ ...base, outcome: 'rejected', recordId: null }]);
      }
      return work;

      async function create({ id, createdBy }: Import, row: number, given: Partial<Lead>): Promise<void> {
        const lead: Lead = {
          ...{ ...LEAD, id: recordBase + row - 1, originImportId: id, originRow: row, createdBy },
          ...{ name: `Row ${row}`, ...given },
        };
        await records.insert(tx, lead);
        await services.get(ContactFollowers).changed(tx, null, 'leads', [{ before: null, after: lead }]);
      }

      async function update(id: number, fileRow: number, given: Partial<Lead>): Promise<void> {
        const before = (await records.lock(tx, id, { sql: '1 = 1', params: [] }))!;
        const after = { ...before, ...given, updatedAt: new Date(), version: before.version + 1 };
        await records.update(tx, id, { ...given, updatedAt: after.updatedAt, version: after.version });
        const fields = services.get(CustomFieldsService);
        await fields.mirror(tx, await fields.load(tx, 'leads'), [{ recordId: id, values: after.customFields }]);
        await services.get(ContactFollowers).changed(tx, null, 'leads', [{ before, after }]);
        const held = Object.fromEntries(Object.keys(given).map((field) => [field, before[field as keyof Lead]]));
        const change: ImportChange = { importId, fileRow, recordId: id, before: held, versionAfter: after.version };
        await tx.manager.getRepository<ImportChange>('import_changes').insert(change as object);
      }
    });
  }

  const claim = (importId: number, lease = 60_000): Promise<ClaimedChunk | null> =>
    transactions.run((tx) => repository.claimChunk(tx, importId, lease, database.dialect.skipLocked));

  /** Does all chunks that are left, and ends the undo. */
  async function runUndo(importId: number): Promise<void> {
    for (let chunk = await claim(importId); chunk; chunk = await claim(importId)) await runner.run(chunk);
    await undo.completeIfDone(importId);
    const faults = await listFaults(database, 'leads');
    if (faults.length > 0) throw new Error(`The lists do not follow the records: ${JSON.stringify(faults)}`);
  }

  return {
    services,
    leads,
    records,
    repository,
    ledger,
    undoLedger,
    undo,
    runner,
    emissions,
    emitter,
    imported,
    claim,
    runUndo,
  };
}

const IMPORT: Omit<Import, 'id' | 'createdBy'> = {
  ...{ target: 'leads', status: 'completed', fileName: 'f.csv', fileSize: 1, fileHash: 'x', fileKey: 'k' },
  ...{ stagedKey: null, options: { duplicates: 'reject', defaultRegion: 'US', tags: [], keepUnmapped: false } },
  ...{ autoStart: true, mapping: null, analysis: null, totalRows: 0, recordBase: null, error: null, attempts: 0 },
  ...{
    token: 0,
    leasedUntil: null,
    waitingCode: null,
    waitingUntil: null,
    filesExpiredAt: null,
    requestId: null,
    createdAt: new Date(),
    startedAt: new Date(),
  },
  finishedAt: new Date(),
};

const LEAD: Omit<Lead, 'id'> = {
  ...{ name: 'Row', email: null, phone: null, status: 'new', source: 'import', company: null, assignedTo: null },
  ...{ tags: [], customFields: {}, metadata: {}, imageUrl: null, doNotContact: false, convertedTo: null },
  ...{ originImportId: null, originRow: null, createdBy: null, version: 1 },
  ...{ createdAt: new Date('2026-01-01T00:00:00Z'), updatedAt: new Date('2026-01-01T00:00:00Z') },
};
