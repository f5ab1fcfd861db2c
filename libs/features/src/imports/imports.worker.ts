import { Inject, Injectable, OnApplicationBootstrap, OnModuleDestroy } from '@nestjs/common';
import { errorKind, messageOf } from '@muster/core/errors';
import { type Config } from '@muster/platform/config/config';
import { CONFIG } from '@muster/platform/config/config.module';
import { Database } from '@muster/platform/database/database';
import { Transactions, Tx } from '@muster/platform/database/transactions';
import { failPoint } from '@muster/platform/observability/fail-points';
import { errorFields, logOf } from '@muster/platform/observability/logger';
import { Loop } from '@muster/platform/observability/loop';
import { withRequestId } from '@muster/platform/observability/request-context';
import { isStorageFull } from '@muster/platform/storage/storage-full';
import { ImportRefused, ImportsAnalyzeService } from './imports.analyze.service';
import { ImportFailure, UNDO_KINDS } from './imports.entity';
import { ClaimedDryRun, DryRunsRepository } from './imports.dry-run.repository';
import { ImportsDryRunService } from './imports.dry-run.service';
import { ImportsFinishService } from './imports.finish.service';
import { ImportPlans } from './imports.plans';
import { ClaimedChunk, ClaimedImport, ImportsRepository, ImportWithWork } from './imports.repository';
import { ImportWaits } from './imports.waits';
import { ChunkLost, ImportsRunService } from './imports.run.service';
import { ImportsUndoRunService } from './imports.undo.run.service';
import { ImportsUndoService } from './imports.undo.service';

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

/** How soon a worker notices that the import which it analyzes was cancelled, in milliseconds. */
const WATCH = 1_000;
/** Files of this size or less have a lane of their own, so that they do not wait for a larger one's analysis; in bytes. */
const SMALL_FILE = 16 * 1024 * 1024;

/**
 * Finds work and does it: two lanes analyze and plan, one of them small files only; one does dry runs; the others import chunks, and take
 * them back. Any number of workers may run.
 */
@Injectable()
export class ImportsWorker implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly log = logOf('imports');
  private readonly lanes: Loop[];
  private readonly held = new Set<(tx: Tx) => Promise<void>>();
  private readonly bugs = new Map<string, number>();
  /** The turn in which this worker last served an import. */
  private readonly served = new Map<number, number>();
  private turns = 0;
  private readonly stopping = new AbortController();
  private renewal: NodeJS.Timeout | undefined;
  private readonly renewing = new Set<(tx: Tx) => Promise<void>>();

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly database: Database,
    private readonly transactions: Transactions,
    private readonly repository: ImportsRepository,
    private readonly analysis: ImportsAnalyzeService,
    private readonly runner: ImportsRunService,
    private readonly finisher: ImportsFinishService,
    private readonly plans: ImportPlans,
    private readonly undoRunner: ImportsUndoRunService,
    private readonly undo: ImportsUndoService,
    private readonly dryRuns: DryRunsRepository,
    private readonly dryRunner: ImportsDryRunService,
    private readonly waits: ImportWaits,
  ) {
    // SQLite has one writer: a second lane would only wait for it, with its chunk in memory.
    const lanes = config.database.kind === 'sqlite' ? 1 : config.workerConcurrency;
    this.lanes = [
      new Loop('imports.analyze', POLL, () => this.prepareOne()),
      new Loop('imports.analyze-small', POLL, () => this.prepareOne(SMALL_FILE)),
      new Loop('imports.dry-run', POLL, () => this.dryRunOne()),
      ...Array.from({ length: lanes }, (_, lane) => new Loop(`imports.run.${lane}`, POLL, () => this.runOne())),
    ];
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.takeOver();
    this.renewal = setInterval(() => this.renew(), RENEWAL);
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

  /** Each by itself: a chunk that is being committed holds its row, and its renewal waits; more of them would queue up behind it. */
  private renew(): void {
    for (const renewal of this.held) if (!this.renewing.has(renewal)) void this.renewOne(renewal);
  }

  private async renewOne(renewal: (tx: Tx) => Promise<void>): Promise<void> {
    this.renewing.add(renewal);
    try {
      await this.transactions.run(renewal);
    } catch (error) {
      this.log.warn(errorFields(error), 'A lease could not be renewed.');
    } finally {
      this.renewing.delete(renewal);
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

  private async prepareOne(maxBytes?: number): Promise<boolean> {
    const { skipLocked } = this.database.dialect;
    const claim = await this.transactions.run((tx) => this.repository.claimImport(tx, LEASE, skipLocked, maxBytes));
    if (!claim) return false;
    failPoint('import.claimed');
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
    const lost = new AbortController();
    const watch = setInterval(() => void this.watch(claim, lost), WATCH);
    try {
      if (claim.status === 'analyzing') {
        await this.analysis.analyze(claim, work, AbortSignal.any([this.stopping.signal, lost.signal]));
        this.log.info({ importId: work.id }, 'Analyzed.');
      } else {
        await this.analysis.plan(claim, work);
        this.log.info({ importId: work.id, rows: work.totalRows }, 'Planned.');
      }
      this.waits.over(work.id);
    } catch (error) {
      if (lost.signal.aborted) this.log.info({ importId: claim.id }, 'The import was ended during its analysis.');
      else await this.prepareFailed(claim, error);
    } finally {
      clearInterval(watch);
    }
  }

  private async watch(claim: ClaimedImport, lost: AbortController): Promise<void> {
    try {
      if (!(await this.repository.isClaimed(claim))) lost.abort();
    } catch (error) {
      this.log.warn(errorFields(error), 'Whether an import still stands could not be read.');
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

  private async dryRunOne(): Promise<boolean> {
    const claim = await this.transactions.run((tx) => this.dryRuns.claim(tx, LEASE));
    if (!claim) return false;
    await withRequestId(claim.requestId, () =>
      this.holding(
        (tx) => this.dryRuns.lease(tx, claim, LEASE),
        () =>
          this.dryRunner.run(claim, this.stopping.signal).catch((error: unknown) => this.dryRunFailed(claim, error)),
      ),
    );
    return true;
  }

  private async dryRunFailed(claim: ClaimedDryRun, error: unknown): Promise<void> {
    const isStopping = this.stopping.signal.aborted;
    const failure = isStopping ? null : this.failureOf(error, claim.attempts >= MAX_BUGS);
    if (!isStopping) this.log.warn({ ...claim, ...errorFields(error) }, 'A dry run failed.');
    await this.transactions.run((tx) =>
      failure
        ? this.dryRuns.settle(tx, claim, { status: 'failed', error: failure })
        : this.dryRuns.lease(tx, claim, isStopping ? 0 : 1_000 * 2 ** claim.attempts),
    );
  }

  private async runOne(): Promise<boolean> {
    for (const candidate of this.inTurn(await this.repository.importsWithWork())) {
      if (candidate.pending === 0) {
        await this.finish(candidate);
        continue;
      }
      const chunk = await this.transactions.run((tx) =>
        this.repository.claimChunk(tx, candidate.id, LEASE, this.database.dialect.skipLocked),
      );
      if (!chunk) continue;
      this.served.set(candidate.id, ++this.turns);
      failPoint('chunk.claimed');
      await withRequestId(candidate.request_id, () => this.runChunk(chunk));
      if (candidate.pending === 1) await this.finish(candidate);
      return true;
    }
    return false;
  }

  /** Those with the fewest workers first; of these, the one that this worker has not served for longest: so a single lane is fair too. */
  private inTurn(imports: ImportWithWork[]): ImportWithWork[] {
    const present = new Set(imports.map(({ id }) => id));
    for (const id of this.served.keys()) if (!present.has(id)) this.served.delete(id);
    const turnOf = ({ id }: ImportWithWork) => this.served.get(id) ?? 0;
    return imports.toSorted((a, b) => a.active - b.active || turnOf(a) - turnOf(b) || a.id - b.id);
  }

  private async runChunk(chunk: ClaimedChunk): Promise<void> {
    try {
      await this.holding(
        (tx) => this.repository.leaseChunk(tx, chunk, LEASE),
        async () =>
          UNDO_KINDS.includes(chunk.kind)
            ? this.undoRunner.run(chunk)
            : this.runner.run(chunk, await this.plans.get(chunk.importId)),
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
    if (bugs >= MAX_BUGS && UNDO_KINDS.includes(chunk.kind)) {
      this.bugs.delete(key);
      await this.transactions.run((tx) => this.repository.leaseChunk(tx, chunk, 0));
      await this.undo.fail(importId);
      return;
    }
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

  private async finish({ id: importId, status, request_id: requestId }: ImportWithWork): Promise<void> {
    const done = await withRequestId(requestId, () =>
      status === 'undoing' ? this.undo.completeIfDone(importId) : this.finisher.completeIfDone(importId),
    );
    if (!done) return;
    await this.plans.forget(importId);
    for (const key of this.bugs.keys()) if (key.startsWith(`${importId}/`)) this.bugs.delete(key);
  }

  /**
   * In the embedded profile a starting server frees at once what its killed predecessor held. Should another process be alive
   * beside it (the command line), that one finds its claims gone and writes nothing: the tokens see to it.
   */
  private async takeOver(): Promise<void> {
    if (!this.config.embedded) return;
    await this.transactions.run(async (tx) => {
      await this.repository.expireLeases(tx);
      await this.dryRuns.expireLeases(tx);
    });
  }
}
