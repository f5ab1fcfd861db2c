import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { readConfig } from '@muster/platform/config/config';
import { Outbox } from '@muster/platform/outbox/outbox';
import { DirectoryStorage } from '@muster/platform/storage/directory.storage';
import { LocalFiles } from '@muster/platform/storage/local-files';
import { buildAudit } from '@muster/testing/audit';
import { openTestDatabase, TestDatabase } from '@muster/testing/database';
import { lendDirectory, Lent } from '@muster/testing/profile';
import { Import, ImportUpload } from './imports.entity';
import { EmissionsRepository } from './imports.emissions.repository';
import { ImportsEmissionsService } from './imports.emissions.service';
import { DryRunsRepository } from './imports.dry-run.repository';
import { forecastKey } from './imports.forecast';
import { ImportsFinishService } from './imports.finish.service';
import { ImportLedger } from './imports.ledger';
import { ImportsRepository } from './imports.repository';
import { ImportsSweep } from './imports.sweep';
import { ImportUploadsRepository } from './imports.uploads.repository';

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
const SECRET = 'Zm9yLXRlc3RzLW9ubHktMDEyMzQ1Njc4OWFiY2RlZg';

/** A directory whose deletions can be made to fail. */
class FailingStorage extends DirectoryStorage {
  failures = 0;

  override async delete(key: string): Promise<void> {
    if (this.failures-- > 0) throw new Error('the store is away');
    return super.delete(key);
  }
}

describe('the sweep of files', () => {
  let store: TestDatabase;
  let directory: Lent<string>;
  let storage: FailingStorage;
  let repository: ImportsRepository;
  let uploads: ImportUploadsRepository;
  let dryRuns: DryRunsRepository;
  beforeAll(async () => {
    store = await openTestDatabase();
    directory = lendDirectory();
    storage = new FailingStorage(join(directory.value, 'files'), [SECRET]);
    repository = new ImportsRepository(store.database);
    uploads = new ImportUploadsRepository(store.database);
    dryRuns = new DryRunsRepository(store.database);
  });
  afterAll(async () => {
    await store.close();
    await directory.remove();
  });

  const sweeper = (retentionDays: number) => {
    const { database, transactions } = store;
    const [outbox, audit] = [new Outbox(), buildAudit(store)];
    const ledger = new ImportLedger(database);
    const emissionRows = new EmissionsRepository(database);
    const emissions = new ImportsEmissionsService(transactions, repository, emissionRows, ledger, outbox, audit);
    const finisher = new ImportsFinishService(transactions, repository, ledger, outbox, audit, emissions);
    const config = readConfig({ IMPORT_FILES_RETENTION_DAYS: String(retentionDays) });
    const files = new LocalFiles(directory.value, storage);
    return new ImportsSweep(
      config,
      storage,
      files,
      transactions,
      repository,
      uploads,
      dryRuns,
      finisher,
      audit,
      outbox,
    );
  };
  const sweep = async (now = Date.now(), retentionDays = 90) => {
    const it = sweeper(retentionDays);
    while (await it.sweep(new Date(now)));
  };

  let count = 0;
  async function newImport(values: Partial<Import>): Promise<Import> {
    const none = { mapping: null, analysis: null, totalRows: null, recordBase: null, error: null, requestId: null };
    const work: Omit<Import, 'id'> = {
      ...{ target: 'leads', status: 'completed', fileName: 'f.csv', fileSize: 10, fileHash: 'x' },
      ...{ fileKey: `uploads/f${++count}`, stagedKey: null, autoStart: true, ...none, attempts: 0, token: 0 },
      options: { duplicates: 'reject', defaultRegion: 'US', tags: [], keepUnmapped: false },
      ...{ leasedUntil: null, waitingCode: null, waitingUntil: null, filesExpiredAt: null },
      ...{ createdBy: 1, createdAt: new Date(), startedAt: null, finishedAt: null },
      ...values,
    };
    const id = await store.transactions.run((tx) => repository.insert(tx, work));
    return { ...work, id };
  }
  async function put(key: string): Promise<void> {
    const path = join(directory.value, 'source');
    writeFileSync(path, '0123456789');
    await storage.moveIn(key, path);
  }
  /** An import that waits for its file, of which a part has come. */
  async function newUpload(values: Partial<Import>, upload: Partial<ImportUpload>): Promise<Import> {
    const work = await newImport({ status: 'awaiting_upload', fileHash: null, ...values });
    const row = { id: work.id, key: work.fileKey, uploadId: null, opened: true, partSize: 5, sha256: null };
    const expiresAt = new Date(Date.now() + DAY);
    await store.transactions.run((tx) => uploads.insert(tx, { ...row, expiresAt, completedAt: null, ...upload }));
    await storage.openUpload({ key: work.fileKey, size: 10, partSize: 5 });
    await storage.uploads.receive({ name: nameOf(work), number: 1, size: 5 }, Readable.from(['01234']));
    return work;
  }
  const nameOf = ({ fileKey }: Import) => fileKey.replace('/', '_');
  const parts = (work: Import) => {
    const path = join(directory.value, 'files/incoming', nameOf(work));
    return existsSync(path) ? readdirSync(path) : null;
  };
  const now = async ({ id }: Import) => (await repository.find(id))!;
  const auditOf = async ({ id }: Import) =>
    (
      await store.database.query<{ action: string }>(
        `SELECT action FROM audit_log WHERE subject_id = ${id} ORDER BY id`,
      )
    ).map(({ action }) => action);

  it('ends an upload that did not arrive in time, and removes its parts once no address is good', async () => {
    const work = await newUpload({}, {});
    const later = Date.now() + DAY + MINUTE;
    await sweep();
    expect((await now(work)).status).toBe('awaiting_upload');
    await sweep(later);
    expect(await now(work)).toMatchObject({ status: 'failed', error: { code: 'upload-expired' } });
    expect(await auditOf(work)).toEqual(['import.failed']);
    expect(parts(work)).toEqual(['1']);
    await sweep(later + 20 * MINUTE);
    expect(parts(work)).toBeNull();
    expect(await uploads.find(work.id)).toBeNull();
  });

  it('removes what a finished upload left, and not the file that is imported', async () => {
    const work = await newUpload({ status: 'importing' }, { completedAt: new Date() });
    await put(work.fileKey);
    await sweep(Date.now() + DAY + 20 * MINUTE);
    expect(parts(work)).toBeNull();
    expect(await storage.exists(work.fileKey)).toBe(true);
  });

  it('removes a whole file whose import was cancelled before it was asked for', async () => {
    const work = await newUpload({ status: 'cancelled', finishedAt: new Date() }, {});
    await put(work.fileKey);
    await sweep(Date.now() + DAY + 20 * MINUTE);
    expect(await storage.exists(work.fileKey)).toBe(false);
  });

  const newPlan = (importId: number) =>
    store.transactions.run((tx) =>
      dryRuns.insert(tx, {
        ...{ importId, status: 'ready', excluded: [], mappingHash: 'm', optionsHash: 'o', result: null, error: null },
        options: { duplicates: 'reject', defaultRegion: 'US', tags: [], keepUnmapped: false },
        ...{ attempts: 0, token: 0, leasedUntil: null, requestId: null, createdBy: 1 },
        ...{ createdAt: new Date(), finishedAt: new Date() },
      }),
    );

  it('deletes the files of imports that ended long ago, and of no others', async () => {
    const ago = (days: number) => new Date(Date.now() - days * DAY);
    const withFiles = async (values: Partial<Import>) => {
      const work = await newImport({ stagedKey: `staged/s${++count}`, createdAt: ago(200), ...values });
      const forecast = forecastKey(work.stagedKey!, await newPlan(work.id));
      const keys = [work.fileKey, work.stagedKey!, `${work.stagedKey!}.flags`, forecast];
      for (const key of keys) await put(key);
      return { ...work, keys };
    };
    const there = async ({ keys }: { keys: string[] }) => Promise.all(keys.map((key) => storage.exists(key)));
    const old = await withFiles({ finishedAt: ago(91) });
    const failed = await withFiles({ status: 'failed', finishedAt: ago(91) });
    const undone = await withFiles({ status: 'undone', finishedAt: ago(91) });
    const living = [
      await withFiles({ finishedAt: ago(89) }),
      await withFiles({ status: 'importing' }),
      await withFiles({ status: 'undoing', finishedAt: ago(91) }),
      await withFiles({ status: 'ready' }),
    ];
    await sweep(Date.now(), 0);
    expect(await there(old)).toEqual([true, true, true, true]);
    await sweep();
    for (const work of [old, failed, undone]) {
      expect(await there(work)).toEqual([false, false, false, false]);
      expect(await now(work)).toMatchObject({ filesExpiredAt: expect.any(Date), fileKey: '', stagedKey: null });
      expect(await auditOf(work)).toEqual(['import.files-expired']);
    }
    for (const work of living) {
      expect(await there(work)).toEqual([true, true, true, true]);
      expect((await now(work)).filesExpiredAt).toBeNull();
    }
  });

  it('goes on with what failed half way', async () => {
    const work = await newImport({ finishedAt: new Date(Date.now() - 100 * DAY), stagedKey: `staged/s${++count}` });
    for (const key of [work.fileKey, work.stagedKey!]) await put(key);
    storage.failures = 1;
    await sweeper(90).sweep();
    expect(await now(work)).toMatchObject({ filesExpiredAt: expect.any(Date), fileKey: work.fileKey });
    expect(await storage.exists(work.stagedKey!)).toBe(true);
    storage.failures = 0;
    await sweep();
    expect(await storage.exists(work.fileKey)).toBe(false);
    expect(await storage.exists(work.stagedKey!)).toBe(false);
    expect((await now(work)).fileKey).toBe('');
    expect(await auditOf(work)).toEqual(['import.files-expired']);
  });
});
