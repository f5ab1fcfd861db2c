import { randomUUID } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { conflict, invalid, notFound, ProblemError, tooLarge } from '@muster/core/errors';
import { Principal } from '@muster/core/principal';
import { type Config } from '@muster/platform/config/config';
import { CONFIG } from '@muster/platform/config/config.module';
import { Transactions } from '@muster/platform/database/transactions';
import { errorFields, logOf } from '@muster/platform/observability/logger';
import { currentRequestId } from '@muster/platform/observability/request-context';
import { Outbox } from '@muster/platform/outbox/outbox';
import {
  partCountOf,
  partSizeOf,
  ReceivedPart,
  type Storage,
  STORAGE,
  Upload,
  UploadChanged,
} from '@muster/platform/storage/storage';
import { SAMPLE_BYTES, sniff } from '@muster/platform/tabular/sniff';
import { AuditService } from '../audit/audit.service';
import { checkBeginning } from './imports.content';
import { ImportAccepted } from './imports.dto';
import { Import, ImportUpload } from './imports.entity';
import { importCreated, importUploadBegun } from './imports.events';
import { ImportsFinishService } from './imports.finish.service';
import { toRequest } from './imports.options';
import { ImportsOptionsService } from './imports.options.service';
import { visibleImports } from './imports.policy';
import { ImportsRepository } from './imports.repository';
import { cleanFileName } from './imports.service';
import { BeginUploadInput, PARTS_AT_ONCE, SentPart, UploadView } from './imports.uploads.dto';
import { ImportUploadsRepository } from './imports.uploads.repository';

/** How long an import waits for its file, in milliseconds. */
const PATIENCE = 24 * 3_600_000;
/** How long an address is good, in seconds; never longer than the import waits. */
const ADDRESS_SECONDS = 3_600;
/** More parts S3 stores do not take. */
const MAX_PARTS = 10_000;
/** How many missing parts a refusal names. */
const NAMED_PARTS = 100;

/** Imports whose file the client sends straight to the file store. */
@Injectable()
export class ImportUploadsService {
  private readonly log = logOf('imports');

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    @Inject(STORAGE) private readonly storage: Storage,
    private readonly transactions: Transactions,
    private readonly repository: ImportsRepository,
    private readonly uploads: ImportUploadsRepository,
    private readonly options: ImportsOptionsService,
    private readonly outbox: Outbox,
    private readonly audit: AuditService,
    private readonly finisher: ImportsFinishService,
  ) {}

  /**
   * Makes an import that waits for its file.
   * @throws 413 `file-too-large`; 422 `import-empty` and what the options are refused with
   */
  async begin(principal: Principal, input: BeginUploadInput): Promise<UploadView> {
    const { size } = input;
    const { maxBytes } = this.config.imports;
    if (size > maxBytes) throw tooLarge('file-too-large', `A file may have at most ${maxBytes} bytes.`);
    if (size === 0) throw invalid('import-empty', 'The file is empty.');
    const request = toRequest(input, this.config.defaultRegion);
    await this.options.check(principal, request.target, request.options);
    const key = `uploads/${randomUUID()}`;
    const values = importValues(input, request, key, principal.userId);
    const upload: Omit<ImportUpload, 'id'> = {
      ...{ key, uploadId: null, opened: false, completedAt: null },
      partSize: this.partSizeFor(size),
      sha256: input.sha256?.toLowerCase() ?? null,
      expiresAt: new Date(Date.now() + PATIENCE),
    };
    const id = await this.transactions.run(async (tx) => {
      const importId = await this.repository.insert(tx, values);
      await this.uploads.insert(tx, { ...upload, id: importId });
      const { status, target, fileName, fileSize, options, autoStart } = values;
      const after = { status, target, fileName, fileSize, options, autoStart };
      await this.audit.record(tx, principal, { action: 'import.upload-begun', subjectId: importId, after });
      await this.outbox.add(tx, importUploadBegun, { importId, target });
      return importId;
    });
    return this.view({ ...values, id }, await this.opened(id));
  }

  /**
   * New addresses.
   * @param numbers of these parts; by default of those that are missing, the first hundred of them
   * @throws 404; 409 `upload-ended`; 422 `part-unknown`
   */
  async parts(principal: Principal, id: number, numbers?: number[]): Promise<UploadView> {
    const work = await this.waiting(principal, id);
    const upload = await this.opened(id);
    const count = partCountOf(uploadOf(work, upload));
    if (numbers?.some((number) => number > count)) {
      const error = { field: 'numbers', code: 'part-unknown', message: `must be from 1 to ${count}` };
      throw invalid('part-unknown', `The file has ${count} parts.`, [error]);
    }
    return this.view(work, upload, numbers);
  }

  /**
   * Looks whether the file is there, fixes it, and lets the worker analyze it. A file that is none of ours ends the import.
   * @param sent what the client believes it has sent; not needed
   * @throws 404; 409 `upload-ended`, `upload-incomplete`; 415 `file-type-unsupported`; 422 `upload-size-mismatch`,
   *   `upload-checksum-mismatch`, `import-empty`
   */
  async complete(principal: Principal, id: number, sent?: SentPart[]): Promise<ImportAccepted> {
    const work = await this.waiting(principal, id);
    const upload = uploadOf(work, await this.opened(id));
    const fileKey = await this.fix(upload, sent);
    if ((await this.storage.sizeOf(fileKey)) !== work.fileSize) throw wrongSize(work.fileSize);
    await this.checkBytes(principal, work, fileKey);
    const done = await this.transactions.run(async (tx) => {
      if (!(await this.repository.moveStatus(tx, id, ['awaiting_upload'], 'analyzing', { fileKey }))) return false;
      await this.uploads.markCompleted(tx, id);
      await this.audit.record(tx, principal, {
        action: 'import.uploaded',
        subjectId: id,
        before: { status: 'awaiting_upload' },
        after: { status: 'analyzing' },
      });
      await this.outbox.add(tx, importCreated, { importId: id, target: work.target });
      return true;
    });
    const kept = done ? fileKey : ((await this.repository.find(id))?.fileKey ?? fileKey);
    await this.storage.discardUpload(upload, kept).catch((error: unknown) => {
      this.log.warn({ importId: id, ...errorFields(error) }, 'What an upload left is removed later.');
    });
    if (!done) throw ended();
    return { id, status: 'analyzing' };
  }

  /** Makes one object of the parts. @returns its key */
  private async fix(upload: Upload, sent?: SentPart[]): Promise<string> {
    // A former attempt may have got this far.
    if ((await this.storage.sizeOf(upload.key)) !== null) return upload.key;
    const parts = await this.storage.receivedParts(upload, sent !== undefined);
    checkParts(upload, parts, sent);
    try {
      return await this.storage.completeUpload(upload, parts);
    } catch (error) {
      throw error instanceof UploadChanged
        ? conflict('upload-incomplete', 'The upload changed while it was completed. Try again.')
        : error;
    }
  }

  private async checkBytes(principal: Principal, work: Import, fileKey: string): Promise<void> {
    const bytes = await this.beginning(fileKey);
    try {
      checkBeginning(sniff(bytes, bytes.length === work.fileSize));
    } catch (error) {
      const { code, message } = error as ProblemError;
      await this.finisher.end(work.id, 'failed', { code, detail: message }, principal);
      throw error;
    }
  }

  private async beginning(key: string): Promise<Buffer> {
    const stream = await this.storage.stream(key);
    const chunks: Buffer[] = [];
    let length = 0;
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      length += chunk.length;
      if (length >= SAMPLE_BYTES) break;
    }
    return Buffer.concat(chunks).subarray(0, SAMPLE_BYTES);
  }

  private async waiting(principal: Principal, id: number): Promise<Import> {
    const work = await this.repository.findVisible(id, visibleImports(principal, 'imports:write'));
    if (!work) throw notFound();
    if (work.status !== 'awaiting_upload') throw ended();
    return work;
  }

  /** The upload, known to the file store: told now, if whoever began it came to an end before that. */
  private async opened(id: number): Promise<ImportUpload> {
    const upload = await this.uploads.find(id);
    if (!upload || upload.expiresAt.getTime() <= Date.now()) throw ended();
    if (upload.opened) return upload;
    const { fileSize: size } = (await this.repository.find(id))!;
    const uploadId = await this.storage.openUpload({ key: upload.key, size, partSize: upload.partSize });
    await this.transactions.run((tx) => this.uploads.markOpened(tx, id, uploadId));
    return (await this.uploads.find(id))!;
  }

  private async view(work: Import, row: ImportUpload, wanted?: number[]): Promise<UploadView> {
    const upload = uploadOf(work, row);
    const missing = missingParts(upload, await this.storage.receivedParts(upload, false));
    const numbers = wanted ?? missing.slice(0, PARTS_AT_ONCE);
    const expiresIn = Math.min(ADDRESS_SECONDS, Math.floor((row.expiresAt.getTime() - Date.now()) / 1000));
    const parts = await Promise.all(
      numbers.map(async (number) => {
        const { url, headers } = await this.storage.partAddress(upload, number, expiresIn);
        return { number, size: partSizeOf(upload, number), uploadUrl: url, method: 'PUT' as const, headers };
      }),
    );
    const partCount = partCountOf(upload);
    const { id, status } = work;
    const view = { id, status, partSize: row.partSize, partCount, missingParts: missing.length, parts, expiresIn };
    if (partCount > 1 || parts.length === 0) return view;
    const [{ uploadUrl, method, headers }] = parts;
    return { ...view, uploadUrl, method, headers };
  }

  private partSizeFor(size: number): number {
    const { multipartBytes, partBytes } = this.config.imports;
    return size <= multipartBytes ? size : Math.max(partBytes, Math.ceil(size / MAX_PARTS));
  }
}

const uploadOf = ({ fileSize }: Pick<Import, 'fileSize'>, { key, uploadId, partSize }: ImportUpload): Upload => ({
  key,
  id: uploadId,
  size: fileSize,
  partSize,
});

/** The numbers of the parts that are not there, or not whole. */
function missingParts(upload: Upload, parts: ReceivedPart[]): number[] {
  const there = new Set(
    parts.filter(({ number, size }) => size === partSizeOf(upload, number)).map(({ number }) => number),
  );
  const numbers = Array.from({ length: partCountOf(upload) }, (_, index) => index + 1);
  return numbers.filter((number) => !there.has(number));
}

function checkParts(upload: Upload, parts: ReceivedPart[], sent: SentPart[] = []): void {
  const byNumber = new Map(parts.map((part) => [part.number, part]));
  const missing = missingParts(upload, parts);
  if (parts.some(({ number, size }) => missing.includes(number) && size > 0)) throw wrongSize(upload.size);
  if (missing.length > 0) {
    const members = { missingParts: missing.slice(0, NAMED_PARTS), missingCount: missing.length };
    const detail = `${missing.length} of ${partCountOf(upload)} parts have not arrived.`;
    throw new ProblemError('user', 409, 'upload-incomplete', detail, undefined, undefined, members);
  }
  for (const { number, etag } of sent) {
    if (byNumber.get(number)?.etag === etag.replaceAll('"', '')) continue;
    throw invalid('upload-checksum-mismatch', `Part ${number} is not the one that was sent. Send it again.`);
  }
}

const importValues = (
  { fileName, size }: BeginUploadInput,
  { target, options, mapping, autoStart }: ReturnType<typeof toRequest>,
  fileKey: string,
  createdBy: number,
): Omit<Import, 'id'> => ({
  ...{ target, options, mapping, autoStart, fileKey, createdBy },
  status: 'awaiting_upload',
  fileName: cleanFileName(fileName),
  fileSize: size,
  ...{ fileHash: null, stagedKey: null, analysis: null, totalRows: null, recordBase: null, error: null },
  ...{ attempts: 0, token: 0, leasedUntil: null, waitingCode: null, waitingUntil: null, filesExpiredAt: null },
  requestId: currentRequestId(),
  createdAt: new Date(),
  ...{ startedAt: null, finishedAt: null },
});

const ended = () => conflict('upload-ended', 'This import does not wait for its file (any more).');
const wrongSize = (size: number) => invalid('upload-size-mismatch', `The file was announced with ${size} bytes.`);
