import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { Inject, Injectable } from '@nestjs/common';
import { FieldSet } from '@muster/core/contact/custom-fields';
import { MappingSuggestion, suggestMapping } from '@muster/core/contact/header-match';
import { FieldError, ProblemError } from '@muster/core/errors';
import { type Config } from '@muster/platform/config/config';
import { CONFIG } from '@muster/platform/config/config.module';
import { RecordIds } from '@muster/platform/database/record-ids';
import { Transactions, Tx } from '@muster/platform/database/transactions';
import { failPoint } from '@muster/platform/observability/fail-points';
import { Outbox } from '@muster/platform/outbox/outbox';
import { LocalFiles } from '@muster/platform/storage/local-files';
import { type Storage, STORAGE } from '@muster/platform/storage/storage';
import { sniffFile } from '@muster/platform/tabular/sniff';
import { StagedTable } from '@muster/platform/tabular/staged-table';
import { stageCsv, type StagedCsv } from '@muster/platform/tabular/staging';
import { TabularError } from '@muster/platform/tabular/tabular-error';
import { stageWorkbook, type StagedWorkbook } from '@muster/platform/tabular/xlsx/stage-workbook';
import { AuditService } from '../audit/audit.service';
import { CustomFieldsService } from '../custom-fields/custom-fields.service';
import { suggestCustomFields } from './imports.custom-fields';
import { ImportMappingsService } from './import-mappings.service';
import { checkContent } from './imports.content';
import { Analysis, Import, ImportTarget } from './imports.entity';
import { importStarted } from './imports.events';
import { ImportsFinishService } from './imports.finish.service';
import { noCounts } from './imports.ledger';
import { Mapping, mappingErrors, missingTargets, wholeMapping } from './imports.mapping';
import { resolvesRows } from './imports.match';
import { namesReader } from './imports.names';
import { ImportNames } from './imports.names.service';
import { identityKeys, ImportPlans, mappedColumns, planChunks } from './imports.plans';
import { ClaimedImport, ImportsRepository } from './imports.repository';
import { ImportUploadsRepository } from './imports.uploads.repository';

/** How much of the file one chunk may hold on average, in bytes: a worker has a few chunks in memory. */
const CHUNK_BYTES = 16 * 1024 * 1024;
/**
 * How many rows one chunk holds at most where rows change records: those are locked until it ends, for others who would change them, too.
 * More at a time is no faster (docs/benchmarks.md).
 */
const ORDERED_ROWS = 5_000;
const READ_AT_ONCE = 1024 * 1024;

type Staged = StagedCsv | StagedWorkbook;

/** The file cannot be imported as it is; the import fails with this code. */
export class ImportRefused extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly line?: number,
  ) {
    super(message);
  }
}

/** Turns an uploaded file into a staged table with a profile and a mapping, and a started import into chunks. */
@Injectable()
export class ImportsAnalyzeService {
  constructor(
    @Inject(CONFIG) private readonly config: Config,
    @Inject(STORAGE) private readonly storage: Storage,
    private readonly files: LocalFiles,
    private readonly transactions: Transactions,
    private readonly recordIds: RecordIds,
    private readonly repository: ImportsRepository,
    private readonly outbox: Outbox,
    private readonly plans: ImportPlans,
    private readonly audit: AuditService,
    private readonly finisher: ImportsFinishService,
    private readonly customFields: CustomFieldsService,
    private readonly mappings: ImportMappingsService,
    private readonly uploads: ImportUploadsRepository,
    private readonly names: ImportNames,
  ) {}

  /** Stages and profiles the file; starts the import when it may and the mapping is complete. @throws {ImportRefused} */
  async analyze(claim: ClaimedImport, work: Import, signal: AbortSignal): Promise<void> {
    const source = await this.files.copyOf(work.fileKey);
    if (work.fileHash === null) await this.checkUpload(claim, work, source, signal);
    const parquet = await this.files.temporaryPath('.parquet');
    try {
      const staged = await this.stage(source, parquet, work, signal);
      const { analysis, mapping } = await this.profile(parquet, staged, work, signal);
      const stagedKey = `staged/${randomUUID()}.parquet`;
      await this.storage.moveIn(stagedKey, parquet);
      failPoint('import.staged');
      const start = work.autoStart && analysis.missing.length === 0;
      const settled = await this.transactions.run(async (tx) => {
        const settled = await this.repository.settleImport(tx, claim, {
          status: start ? 'importing' : 'ready',
          startedAt: start ? new Date() : null,
          stagedKey,
          analysis,
          mapping,
          totalRows: staged.totalRows,
        });
        if (settled && start) await this.sayStarted(tx, { ...work, mapping, totalRows: staged.totalRows });
        return settled;
      });
      if (!settled) await this.storage.delete(stagedKey);
      // From here on only the staged table is read.
      await this.files.forget(work.fileKey);
    } finally {
      await rm(parquet, { force: true });
    }
  }

  /** What could not be told before the file was here: its hash, and whether a workbook is one. @throws {ImportRefused} */
  private async checkUpload(claim: ClaimedImport, work: Import, source: string, signal: AbortSignal): Promise<void> {
    const hash = createHash('sha256');
    await pipeline(createReadStream(source, { highWaterMark: READ_AT_ONCE }), hash, { signal });
    const fileHash = hash.digest('hex');
    await this.transactions.run((tx) => this.repository.keepHash(tx, claim, fileHash));
    const announced = (await this.uploads.find(work.id))?.sha256;
    if (announced && announced !== fileHash) {
      throw new ImportRefused('upload-checksum-mismatch', `The file has the SHA-256 ${fileHash}, not ${announced}.`);
    }
    await checkContent(source, work.options.sheet).catch((error: unknown) => {
      throw error instanceof ProblemError && error.kind === 'user'
        ? new ImportRefused(error.code, error.message)
        : error;
    });
  }

  private async stage(source: string, parquet: string, work: Import, signal: AbortSignal): Promise<Staged> {
    const { options } = work;
    const { maxRows } = this.config.imports;
    try {
      if ((await sniffFile(source)).kind === 'zip') {
        return await stageWorkbook(source, parquet, { sheet: options.sheet, maxRows, signal });
      }
      return await stageCsv(source, parquet, {
        delimiter: options.delimiter,
        encoding: options.encoding as never,
        maxRows,
        signal,
      });
    } catch (error) {
      if (error instanceof TabularError) throw new ImportRefused(error.code, error.message, error.line);
      throw error;
    }
  }

  private async profile(parquet: string, staged: Staged, work: Import, signal: AbortSignal) {
    const table = await StagedTable.open(parquet, staged.columns.length, { sharers: staged.sharers, signal });
    try {
      const profiles = await table.profile();
      const columns = staged.columns.map((name, index) => ({ name, ...profiles[index] }));
      const fields = await this.customFields.current(work.target);
      const suggestions =
        (await this.mappings.suggest(work, staged.columns, fields)) ??
        suggestCustomFields(fields, await this.known(work, columns, suggestMapping(work.target, columns)));
      const mapping = work.mapping
        ? checkMapping(work.target, staged.columns, work.mapping, fields)
        : Object.fromEntries(suggestions.map(({ column, target }) => [column, target]));
      const analysis: Analysis = {
        columns: columns.map(({ name, type, filled, empty, distinct, samples }, index) => ({
          ...{ name, type, filled, empty, distinct, samples },
          suggestedTarget: suggestions[index].target,
          confidence: suggestions[index].confidence,
        })),
        ...('sheet' in staged
          ? { sheet: staged.sheet, sheets: staged.sheets }
          : { encoding: staged.encoding, delimiter: staged.delimiter }),
        warnings: staged.warnings,
        duplicateRows: 0,
        missing: missingTargets(work.target, mapping, fields, work.options),
      };
      const keys = identityKeys(mappedColumns(analysis, mapping));
      const sharing = await table.laterSharers(keys);
      this.plans.remember(work.id, keys, sharing);
      analysis.duplicateRows = sharing.length;
      return { analysis, mapping };
    } finally {
      await table.close();
    }
  }

  /**
   * The suggestions without columns of users and groups of another system: one is suggested only where all its samples name somebody or
   * something that the importer may use.
   */
  private async known(
    work: Import,
    columns: readonly { samples: readonly string[] }[],
    suggestions: MappingSuggestion[],
  ): Promise<MappingSuggestion[]> {
    const kept: MappingSuggestion[] = [];
    for (const [at, suggestion] of suggestions.entries()) {
      const { column, target } = suggestion;
      const isName = target === 'assignee' || target === 'group';
      const rows = isName ? columns[at].samples.map((sample) => ({ cells: [sample] })) : [];
      const errors: FieldError[] = [];
      if (rows.length > 0) {
        const names = await this.names.of(work, [target!], rows);
        const read = namesReader([target!]);
        for (const { cells } of rows) read(cells, names, errors);
      }
      kept.push(errors.length === 0 ? suggestion : { column, target: null, confidence: 0 });
    }
    return kept;
  }

  /** Reserves the records' ids and cuts the file into chunks: from here on workers can share it. */
  async plan(claim: ClaimedImport, work: Import): Promise<void> {
    const total = work.totalRows!;
    const fitting = Math.floor((CHUNK_BYTES * total) / Math.max(work.fileSize, 1));
    const most = resolvesRows(work.options) ? ORDERED_ROWS : Infinity;
    const batchRows = Math.max(1, Math.min(this.config.imports.batchRows, fitting, most));
    const sharing = await this.sharingOf(work, batchRows);
    const chunks = planChunks(work.id, total, batchRows, sharing);
    await this.transactions.run(async (tx) => {
      const recordBase = await this.recordIds.reserve(tx, work.target, Math.max(total, 1));
      const settled = await this.repository.settleImport(tx, claim, {
        recordBase,
        ...(total === 0 ? emptyResult() : {}),
      });
      if (!settled) return;
      await this.repository.insertChunks(tx, chunks);
      if (total === 0) await this.finisher.sayCompleted(tx, work, noCounts());
    });
    failPoint('import.planned');
  }

  private async sharingOf(work: Import, batchRows: number): Promise<Uint32Array | null> {
    if (resolvesRows(work.options)) return null;
    return work.totalRows! > batchRows ? this.plans.sharingOf(work) : new Uint32Array();
  }

  /** To the audit log and to who listens. */
  private async sayStarted(tx: Tx, { id, status, target, fileName, mapping, totalRows }: Import): Promise<void> {
    await this.audit.record(tx, null, {
      action: 'import.started',
      subjectId: id,
      before: { status },
      after: { status: 'importing', target, fileName, mapping, totalRows },
    });
    await this.outbox.add(tx, importStarted, { importId: id, target });
  }
}

const emptyResult = () => ({ status: 'completed' as const, finishedAt: new Date() });

/** Makes a client's mapping whole: every column of the file, each target that the noun has at most once. @throws {ImportRefused} */
function checkMapping(target: ImportTarget, columns: string[], given: Mapping, fields: FieldSet): Mapping {
  const [error] = mappingErrors(target, columns, given, fields);
  if (error) throw new ImportRefused('mapping-invalid', `${error.field}: ${error.message}.`);
  return wholeMapping(columns, given);
}
