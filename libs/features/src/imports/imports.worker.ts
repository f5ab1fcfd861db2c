import { Inject, Injectable, OnApplicationBootstrap, OnModuleDestroy } from '@nestjs/common';
import { errorKind, messageOf } from '@muster/core/errors';
import { type Config } from '@muster/platform/config/config';
import { CONFIG } from '@muster/platform/config/config.module';
import { Database } from '@muster/platform/database/database';
import { Transactions, Tx } from '@muster/platform/database/transactions';
import { errorFields, logOf } from '@muster/platform/observability/logger';
import { Loop } from '@muster/platform/observability/loop';
import { withRequestId } from '@muster/platform/observability/request-context';
import { isStorageFull } from '@muster/platform/storage/storage-full';
import { ImportRefused, ImportsAnalyzeService } from './imports.analyze.service';
import { ImportFailure } from './imports.entity';
import { ImportsFinishService } from './imports.finish.service';
import { ImportPlans } from './imports.plans';
import { ClaimedChunk, ClaimedImport, ImportsRepository } from './imports.repository';
import { ImportWaits } from './imports.waits';
import { ChunkLost, ImportsRunService } from './imports.run.service';

/** How long a claim holds without renewal: work of a killed worker is taken up after this time, in milliseconds. */
const LEASE = 15_000;
const RENEWAL = 4_000;
/** How often a worker looks for work that nobody told it of, in milliseconds. */
const POLL = 1_000;
/** Attempts to analyze a file while something outside fails, and to import a chunk that fails for a reason of our own. */
const MAX_ANALYSES = 6;
const MAX_BUGS = 3;
/** How much longer than the pause an import is said to wait, in milliseconds. */
const SAID_LONGER = 30_000;

/** Finds work and does it: one lane analyzes and plans, the others import chunks. Any number of workers may run. */
@Injectable()
export class ImportsWorker implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly log = logOf('imports');
  private readonly lanes: Loop[];
  private readonly held = new Set<(tx: Tx) => Promise<void>>();
  private readonly bugs = new Map<string, number>();
  private readonly stopping = new AbortController();
  private renewal: NodeJS.Timeout | undefined;

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly database: Database,
    private readonly transactions: Transactions,
    private readonly repository: ImportsRepository,
    private readonly analysis: ImportsAnalyzeService,
    private readonly runner: ImportsRunService,
    private readonly finisher: ImportsFinishService,
    private readonly plans: ImportPlans,
    private readonly waits: ImportWaits,
  ) {
    // SQLite has one writer: a second lane would only wait for it, with its chunk in memory.
    const lanes = config.database.kind === 'sqlite' ? 1 : config.workerConcurrency;
    this.lanes = [
      new Loop('imports.analyze', POLL, () => this.prepareOne()),
      ...Array.from({ length: lanes }, (_, lane) => new Loop(`imports.run.${lane}`, POLL, () => this.runOne())),
    ];
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.takeOver();
    this.renewal = setInterval(() => void this.renew(), RENEWAL);
    this.lanes.forEach((lane) => lane.start());
  }

  /** Tells the lanes that there is something to do. */
  nudge(): void {
    this.lanes.forEach((lane) => lane.nudge());
  }

  /** Ends the current chunks, gives up an analysis, and takes nothing new. */
  async onModuleDestroy(): Promise<void> {
    this.stopping.abort();
    await Promise.all(this.lanes.map((lane) => lane.stop()));
    clearInterval(this.renewal);
  }

  private async renew(): Promise<void> {
    try {
      for (const renewal of this.held) await this.transactions.run(renewal);
    } catch (error) {
      this.log.warn(errorFields(error), 'A lease could not be renewed.');
    }
  }

  private async holding<T>(renewal: (tx: Tx) => Promise<void>, work: () => Promise<T>): Promise<T> {
    this.held.add(renewal);
    try {
      return await work();
    } finally {
      this.held.delete(renewal);
    }
  }

  private async prepareOne(): Promise<boolean> {
    const { skipLocked } = this.database.dialect;
    const claim = await this.transactions.run((tx) => this.repository.claimImport(tx, LEASE, skipLocked));
    if (!claim) return false;
    await withRequestId(claim.requestId, () =>
      this.holding(
        (tx) => this.repository.renewImport(tx, claim, LEASE),
        () => this.prepare(claim),
      ),
    );
    this.nudge();
    return true;
  }

  private async prepare(claim: ClaimedImport): Promise<void> {
    const work = (await this.repository.find(claim.id))!;
    try {
      if (claim.status === 'analyzing') {
        await this.analysis.analyze(claim, work, this.stopping.signal);
        this.log.info({ importId: work.id }, 'Analyzed.');
      } else {
        await this.analysis.plan(claim, work);
        this.log.info({ importId: work.id, rows: work.totalRows }, 'Planned.');
      }
      this.waits.over(work.id);
    } catch (error) {
      await this.prepareFailed(claim, error);
    }
  }

  private async prepareFailed(claim: ClaimedImport, error: unknown): Promise<void> {
    if (this.stopping.signal.aborted) {
      await this.transactions.run((tx) => this.repository.releaseImport(tx, claim, 0));
      return;
    }
    if (this.isFull(error)) return this.defer(claim, error);
    const failure = this.failureOf(error, claim.attempts >= MAX_ANALYSES);
    if (failure) {
      this.log[failure.code === 'internal' ? 'error' : 'info'](
        { importId: claim.id, code: failure.code, ...errorFields(error) },
        'The import failed.',
      );
      await this.finisher.end(claim.id, 'failed', failure);
    } else {
      this.log.warn(
        { importId: claim.id, attempts: claim.attempts, ...errorFields(error) },
        'The analysis failed and will be tried again.',
      );
      await this.transactions.run((tx) => this.repository.releaseImport(tx, claim, 1_000 * 2 ** claim.attempts));
    }
  }

  /** Without room nothing can be done, and it is no fault of the file: it waits, for as long as it takes. */
  private async defer(claim: ClaimedImport, error: unknown): Promise<void> {
    const pause = this.waits.pause(claim.id);
    this.log.warn({ importId: claim.id, pause, ...errorFields(error) }, 'There is no room left; the analysis waits.');
    await this.sayFull(claim.id, pause);
    await this.transactions.run((tx) => this.repository.deferImport(tx, claim, pause));
  }

  /** Whoever asks learns what the import waits for; where not even this can be written, the next answer of the store says so. */
  private async sayFull(importId: number, pause: number): Promise<void> {
    // The next attempt takes its time too, and says it again or is through.
    const time = pause + SAID_LONGER;
    this.waits.say(importId, 'storage-full', time);
    try {
      await this.transactions.run((tx) => this.repository.sayWaiting(tx, importId, 'storage-full', time));
    } catch (error) {
      this.log.warn({ importId, ...errorFields(error) }, 'That an import waits could not be stored.');
    }
  }

  private isFull(error: unknown): boolean {
    return isStorageFull(error) || this.database.dialect.isFull(error);
  }

  /** What the import's `error` says; null when it is worth another try. */
  private failureOf(error: unknown, lastAttempt: boolean): ImportFailure | null {
    if (error instanceof ImportRefused) {
      return { code: error.code, detail: error.message, ...(error.line === undefined ? {} : { line: error.line }) };
    }
    if (!lastAttempt) return null;
    if (errorKind(error) === 'operational')
      return { code: (error as { code?: string }).code ?? 'unavailable', detail: messageOf(error) };
    return { code: 'internal', detail: 'The import failed for a reason of our own; the log has the details.' };
  }

  private async runOne(): Promise<boolean> {
    for (const candidate of await this.repository.importsWithWork()) {
      if (candidate.pending === 0) {
        await this.finish(candidate.id, candidate.request_id);
        continue;
      }
      const chunk = await this.transactions.run((tx) =>
        this.repository.claimChunk(tx, candidate.id, LEASE, this.database.dialect.skipLocked),
      );
      if (!chunk) continue;
      await withRequestId(candidate.request_id, () => this.runChunk(chunk));
      if (candidate.pending === 1) await this.finish(candidate.id, candidate.request_id);
      return true;
    }
    return false;
  }

  private async runChunk(chunk: ClaimedChunk): Promise<void> {
    try {
      await this.holding(
        (tx) => this.repository.leaseChunk(tx, chunk, LEASE),
        async () => this.runner.run(chunk, await this.plans.get(chunk.importId)),
      );
      this.waits.over(chunk.importId);
      this.log.debug({ importId: chunk.importId, seq: chunk.seq }, 'A chunk is done.');
    } catch (error) {
      if (error instanceof ChunkLost) {
        this.log.warn(
          { importId: chunk.importId, seq: chunk.seq },
          'A chunk was lost to another worker; nothing of ours was written.',
        );
        return;
      }
      await this.chunkFailed(chunk, error);
    }
  }

  private async chunkFailed(chunk: ClaimedChunk, error: unknown): Promise<void> {
    const { importId, seq } = chunk;
    const full = this.isFull(error);
    const outside = full || errorKind(error) === 'operational' || this.database.dialect.isRetryable(error);
    const key = `${importId}/${seq}`;
    const bugs = outside ? 0 : (this.bugs.get(key) ?? 0) + 1;
    this.bugs.set(key, bugs);
    this.log.error({ importId, seq, bugs, ...errorFields(error) }, 'A chunk failed.');
    if (bugs >= MAX_BUGS) {
      await this.finisher.end(importId, 'failed', this.failureOf(error, true));
      await this.plans.forget(importId);
      return;
    }
    const pause = full ? this.waits.pause(importId) : 1_000;
    if (full) await this.sayFull(importId, pause);
    await this.transactions.run((tx) => this.repository.leaseChunk(tx, chunk, pause));
    throw error; // lets the lane pause before it goes on
  }

  private async finish(importId: number, requestId: string | null): Promise<void> {
    const done = await withRequestId(requestId, () => this.finisher.completeIfDone(importId));
    if (!done) return;
    await this.plans.forget(importId);
    for (const key of this.bugs.keys()) if (key.startsWith(`${importId}/`)) this.bugs.delete(key);
  }

  /**
   * In the embedded profile a starting server frees at once what its killed predecessor held. Should another process be alive
   * beside it (the command line), that one finds its claims gone and writes nothing: the tokens see to it.
   */
  private async takeOver(): Promise<void> {
    if (this.config.embedded) await this.transactions.run((tx) => this.repository.expireLeases(tx));
  }
}
