import { Injectable, OnApplicationBootstrap, OnModuleDestroy } from '@nestjs/common';
import { Database } from '@muster/platform/database/database';
import { Transactions } from '@muster/platform/database/transactions';
import { Loop } from '@muster/platform/observability/loop';
import { SearchBacklog } from './contacts.search.repository';

/** How often a worker looks for records whose terms are to be written, in milliseconds. */
const POLL = 1_000;
/** Work begins when no import has added any for so long, or some has waited so long, in milliseconds: imports go first. */
const QUIET = 1_000;
const PATIENCE = 15_000;
/** Records of one transaction. While it lasts nobody changes them. */
const RECORDS_AT_ONCE = 10_000;

/** Writes the terms that imports leave. Any number of workers may run; each range is one's at a time. */
@Injectable()
export class SearchWorker implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly backlog: SearchBacklog;
  private readonly lane = new Loop('contacts.search', POLL, () => this.work());

  constructor(
    database: Database,
    private readonly transactions: Transactions,
  ) {
    this.backlog = new SearchBacklog(database);
  }

  onApplicationBootstrap(): void {
    this.lane.start();
  }

  async onModuleDestroy(): Promise<void> {
    await this.lane.stop();
  }

  private async work(): Promise<boolean> {
    const age = await this.backlog.age();
    const now = Date.now();
    if (!age || (now - age.newest.getTime() < QUIET && now - age.oldest.getTime() < PATIENCE)) return false;
    return this.transactions.bookkeep((tx) => this.backlog.advance(tx, RECORDS_AT_ONCE));
  }
}
