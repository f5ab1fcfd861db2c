import { Inject, Injectable, OnApplicationBootstrap, OnModuleDestroy } from '@nestjs/common';
import { type Config } from '@muster/platform/config/config';
import { CONFIG } from '@muster/platform/config/config.module';
import { Transactions } from '@muster/platform/database/transactions';
import { errorFields, logOf } from '@muster/platform/observability/logger';
import { Loop } from '@muster/platform/observability/loop';
import { Outbox } from '@muster/platform/outbox/outbox';
import { LocalFiles } from '@muster/platform/storage/local-files';
import { type Storage, STORAGE } from '@muster/platform/storage/storage';
import { AuditService } from '../audit/audit.service';
import { DryRunsRepository } from './imports.dry-run.repository';
import { Import, ImportUpload } from './imports.entity';
import { importFilesExpired } from './imports.events';
import { forecastKey } from './imports.forecast';
import { ImportsFinishService } from './imports.finish.service';
import { ImportsRepository } from './imports.repository';
import { ImportUploadsRepository } from './imports.uploads.repository';

const INTERVAL = 60_000;
const AT_ONCE = 50;
/** How long after its addresses an upload is cleared away: a part that began to arrive in time may still do so, in milliseconds. */
const MARGIN = 15 * 60_000;
const DAY = 24 * 3_600_000;

/**
 * Ends imports whose file never came, and deletes files that nobody can ask for any more. Each step is said in the store before it is
 * done in the file store and taken down after, so that whoever comes next finishes what was interrupted.
 */
@Injectable()
export class ImportsSweep implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly log = logOf('imports');
  private readonly loop = new Loop('imports.sweep', INTERVAL, () => this.sweep());

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    @Inject(STORAGE) private readonly storage: Storage,
    private readonly files: LocalFiles,
    private readonly transactions: Transactions,
    private readonly repository: ImportsRepository,
    private readonly uploads: ImportUploadsRepository,
    private readonly dryRuns: DryRunsRepository,
    private readonly finisher: ImportsFinishService,
    private readonly audit: AuditService,
    private readonly outbox: Outbox,
  ) {}

  onApplicationBootstrap(): void {
    this.loop.start();
  }

  async onModuleDestroy(): Promise<void> {
    await this.loop.stop();
  }

  /** @returns whether there may be more to do */
  async sweep(now = new Date()): Promise<boolean> {
    const ended = await this.each(await this.uploads.expired(now, AT_ONCE), (each) => this.clearUpload(each, now));
    const { filesRetentionDays: days } = this.config.imports;
    const old = days === 0 ? [] : await this.uploads.withOldFiles(new Date(now.getTime() - days * DAY), AT_ONCE);
    const expired = await this.each(old, (id) => this.expireFiles(id));
    const deleted = await this.each(await this.uploads.withDeadFiles(AT_ONCE), (work) => this.deleteFiles(work));
    return ended + expired + deleted > 0;
  }

  /** One that fails does not keep the others. @returns how many were done */
  private async each<T>(found: T[], clear: (each: T) => Promise<boolean>): Promise<number> {
    let done = 0;
    for (const each of found) {
      try {
        if (await clear(each)) done++;
      } catch (error) {
        this.log.warn(errorFields(error), 'Files of an import could not be cleared away; it will be tried again.');
      }
    }
    return done;
  }

  private async clearUpload({ upload, work }: { upload: ImportUpload; work: Import }, now: Date): Promise<boolean> {
    const { id, key, uploadId, partSize } = upload;
    if (work.status === 'awaiting_upload') {
      const error = { code: 'upload-expired', detail: 'The file did not arrive in time.' };
      if (await this.finisher.end(id, 'failed', error)) this.log.info({ importId: id }, 'An upload expired.');
      return true;
    }
    if (upload.expiresAt.getTime() + MARGIN > now.getTime()) return false;
    const kept = upload.completedAt ? work.fileKey || null : null;
    await this.storage.discardUpload({ key, id: uploadId, size: work.fileSize, partSize }, kept);
    await this.transactions.run((tx) => this.uploads.remove(tx, id));
    return true;
  }

  private async expireFiles(id: number): Promise<boolean> {
    return this.transactions.run(async (tx) => {
      if (!(await this.uploads.expireFiles(tx, id))) return false;
      const { target, fileName } = (await this.repository.hold(tx, id))!;
      await this.audit.record(tx, null, { action: 'import.files-expired', subjectId: id, after: { target, fileName } });
      await this.outbox.add(tx, importFilesExpired, { importId: id, target });
      return true;
    });
  }

  private async deleteFiles({
    id,
    fileKey,
    stagedKey,
  }: Pick<Import, 'id' | 'fileKey' | 'stagedKey'>): Promise<boolean> {
    const staged = (key: string, plans: number[]) => [
      key,
      `${key}.flags`,
      ...plans.map((plan) => forecastKey(key, plan)),
    ];
    const keys = [fileKey, ...(stagedKey ? staged(stagedKey, await this.dryRuns.idsOf(id)) : [])];
    for (const key of keys) {
      await this.storage.delete(key);
      await this.files.forget(key);
    }
    await this.transactions.run((tx) => this.uploads.forgetFiles(tx, id));
    this.log.info({ importId: id }, 'Its files are not kept any more.');
    return true;
  }
}
