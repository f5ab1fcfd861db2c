import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { Inject, Injectable } from '@nestjs/common';
import { conflict, notFound } from '@muster/core/errors';
import { Page } from '@muster/core/page';
import { Principal } from '@muster/core/principal';
import { Transactions } from '@muster/platform/database/transactions';
import { errorFields, logOf } from '@muster/platform/observability/logger';
import { currentRequestId } from '@muster/platform/observability/request-context';
import { Outbox } from '@muster/platform/outbox/outbox';
import { type Storage, STORAGE } from '@muster/platform/storage/storage';
import { AuditService } from '../audit/audit.service';
import { checkContent } from './imports.content';
import { AnalysisView, ImportView, ImportWaiting, ListImportsQuery } from './imports.dto';
import { Import, ImportStatus } from './imports.entity';
import { importCreated } from './imports.events';
import { ImportsEmissionsService } from './imports.emissions.service';
import { ImportsFinishService } from './imports.finish.service';
import { ImportLedger, noCounts, OutcomeCounts, sumOf } from './imports.ledger';
import { ImportRequest } from './imports.options';
import { ImportsOptionsService } from './imports.options.service';
import { visibleImports } from './imports.policy';
import { ImportsRepository } from './imports.repository';
import { EmissionView } from './imports.undo.dto';
import { ImportWaits } from './imports.waits';

/** A file that was received in full, in a temporary place. */
export interface ReceivedFile {
  fileName: string;
  path: string;
  /** Bytes. */
  size: number;
  /** Of the bytes, hex. */
  sha256: string;
}

/** Taking files in, and telling what became of them. */
@Injectable()
export class ImportsService {
  private readonly log = logOf('imports');

  constructor(
    @Inject(STORAGE) private readonly storage: Storage,
    private readonly transactions: Transactions,
    private readonly repository: ImportsRepository,
    private readonly ledger: ImportLedger,
    private readonly outbox: Outbox,
    private readonly audit: AuditService,
    private readonly options: ImportsOptionsService,
    private readonly finisher: ImportsFinishService,
    private readonly emissions: ImportsEmissionsService,
    private readonly waits: ImportWaits,
  ) {}

  /**
   * Keeps a received file and lets the worker analyze it. The temporary file is used up.
   * @throws 415 `file-type-unsupported`, `file-encrypted`, `file-macro`; 413 `file-too-large`; 422 `import-empty`, `file-malformed`,
   *   `sheet-unknown`
   */
  async create(principal: Principal, file: ReceivedFile, request: ImportRequest): Promise<Import> {
    let fileKey: string;
    try {
      await this.options.check(principal, request.target, request.options);
      const kind = await checkContent(file.path, request.options.sheet);
      fileKey = `uploads/${randomUUID()}.${kind}`;
      await this.storage.moveIn(fileKey, file.path);
    } finally {
      await rm(file.path, { force: true });
    }
    const values: Omit<Import, 'id'> = {
      target: request.target,
      status: 'analyzing',
      fileName: cleanFileName(file.fileName),
      fileSize: file.size,
      fileHash: file.sha256,
      fileKey,
      stagedKey: null,
      options: request.options,
      autoStart: request.autoStart,
      mapping: request.mapping,
      analysis: null,
      totalRows: null,
      recordBase: null,
      error: null,
      attempts: 0,
      token: 0,
      leasedUntil: null,
      waitingCode: null,
      waitingUntil: null,
      filesExpiredAt: null,
      requestId: currentRequestId(),
      createdBy: principal.userId,
      createdAt: new Date(),
      startedAt: null,
      finishedAt: null,
    };
    try {
      const id = await this.transactions.run(async (tx) => {
        const importId = await this.repository.insert(tx, values);
        const { target, fileName, fileSize, fileHash, options, autoStart } = values;
        const after = { status: values.status, target, fileName, fileSize, fileHash, options, autoStart };
        await this.audit.record(tx, principal, { action: 'import.created', subjectId: importId, after });
        await this.outbox.add(tx, importCreated, { importId, target: request.target });
        return importId;
      });
      return { ...values, id };
    } catch (error) {
      await this.dropUnused(fileKey);
      throw error;
    }
  }

  /** Removes a file whose import was not stored. A commit whose answer was lost may have stored it: then the file stays. */
  private async dropUnused(fileKey: string): Promise<void> {
    try {
      if (!(await this.repository.ownsFile(fileKey))) await this.storage.delete(fileKey);
    } catch (error) {
      this.log.warn({ fileKey, ...errorFields(error) }, 'A file of no import may be left.');
    }
  }

  /** @throws 404 */
  async get(principal: Principal, id: number): Promise<Import> {
    const work = await this.repository.findVisible(id, visibleImports(principal, 'imports:read'));
    if (!work) throw notFound();
    return work;
  }

  async view(principal: Principal, id: number): Promise<ImportView> {
    return this.viewOf(await this.get(principal, id));
  }

  private async viewOf(work: Import): Promise<ImportView> {
    const [counts, emissions] = [await this.ledger.counts([work.id]), await this.emissions.views([work.id])];
    return toView(work, counts.get(work.id), emissions.get(work.id), this.waits.codeOf(work.id));
  }

  /** An import as whoever may see it sees it; null when there is none. */
  async current(id: number): Promise<ImportView | null> {
    const work = await this.repository.find(id);
    return work && this.viewOf(work);
  }

  async list(principal: Principal, query: ListImportsQuery): Promise<Page<ImportView>> {
    const { data, meta } = await this.repository.list(visibleImports(principal, 'imports:read'), query);
    const ids = data.map(({ id }) => id);
    const [counts, emissions] = [await this.ledger.counts(ids), await this.emissions.views(ids)];
    const views = data.map((work) =>
      toView(work, counts.get(work.id), emissions.get(work.id), this.waits.codeOf(work.id)),
    );
    return { data: views, meta };
  }

  async analysis(principal: Principal, id: number): Promise<AnalysisView> {
    const { status, totalRows, analysis } = await this.get(principal, id);
    return { status, totalRows, ...analysis };
  }

  /** @throws 404; 409 `import-ended` when there is nothing left to cancel */
  async cancel(principal: Principal, id: number): Promise<{ id: number; status: 'cancelled' }> {
    const work = await this.repository.findVisible(id, visibleImports(principal, 'imports:write'));
    if (!work) throw notFound();
    if (!(await this.finisher.end(id, 'cancelled', null, principal)))
      throw conflict('import-ended', 'The import has already ended.');
    return { id, status: 'cancelled' };
  }
}

export const cleanFileName = (name: string) =>
  (name.replaceAll('\\', '/').split('/').pop() ?? '').replace(/[\p{Cc}\p{Cf}]/gu, '').slice(0, 255) || 'upload.csv';

const WORKED_ON: readonly ImportStatus[] = ['analyzing', 'importing'];

function waitingOf({ status, waitingCode, waitingUntil }: Import, known: string | null): ImportWaiting | null {
  if (!WORKED_ON.includes(status)) return null;
  const code = known ?? (waitingUntil && waitingUntil.getTime() > Date.now() ? waitingCode : null);
  return code === null ? null : { code };
}

/** @param waiting what this process knows of it: see {@link ImportWaits} */
export function toView(
  work: Import,
  outcomes: OutcomeCounts = noCounts(),
  emission: EmissionView | null = null,
  waiting: string | null = null,
): ImportView {
  const processed = sumOf(outcomes);
  const seconds = work.startedAt ? ((work.finishedAt ?? new Date()).getTime() - work.startedAt.getTime()) / 1000 : 0;
  const rowsPerSecond = seconds > 0 ? Math.round(processed / seconds) : 0;
  const left = (work.totalRows ?? 0) - processed;
  const running = work.status === 'importing';
  return {
    id: work.id,
    target: work.target,
    status: work.status,
    fileName: work.fileName,
    fileSize: work.fileSize,
    fileHash: work.fileHash,
    mapping: work.mapping,
    missing: work.analysis?.missing ?? [],
    options: { ...work.options },
    counts: { total: work.totalRows, ...outcomes },
    progress: {
      processed,
      total: work.totalRows,
      rowsPerSecond,
      etaSeconds: running && rowsPerSecond > 0 ? Math.ceil(left / rowsPerSecond) : running ? null : 0,
    },
    error: work.error,
    emission,
    waiting: waitingOf(work, waiting),
    createdBy: work.createdBy,
    createdAt: work.createdAt,
    startedAt: work.startedAt,
    finishedAt: work.finishedAt,
  };
}
