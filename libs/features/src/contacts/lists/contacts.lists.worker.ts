import { Injectable, OnApplicationBootstrap, OnModuleDestroy } from '@nestjs/common';
import { Database } from '@muster/platform/database/database';
import { parseTime } from '@muster/platform/database/dialect/dialect';
import { Transactions } from '@muster/platform/database/transactions';
import { logOf } from '@muster/platform/observability/logger';
import { Loop } from '@muster/platform/observability/loop';
import { CONTACT_NOUNS } from '../memberships/contacts.memberships.service';
import { compactCounts, markOf } from './contacts.counts.repository';
import { checkCounts } from './contacts.lists.service';

/** How often a worker looks for counts that were never checked, and for rows to put together, in milliseconds. */
const POLL = 2_000;
const COMPACT_EVERY = 10_000;
/** How long counts are trusted, in milliseconds. A check reads all records. */
const CHECK_EVERY = 24 * 60 * 60_000;
const CELLS_AT_ONCE = 200;

/** Keeps the counts of lists small and right. Any number of workers may run. */
@Injectable()
export class ListCountsWorker implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly log = logOf('contacts.counts');
  private readonly lane = new Loop('contacts.counts', POLL, () => this.work());
  /** The last row when rows were put together, and when that was. */
  private compacted = { lastId: 0, at: 0 };

  constructor(
    private readonly database: Database,
    private readonly transactions: Transactions,
  ) {}

  onApplicationBootstrap(): void {
    this.lane.start();
  }

  async onModuleDestroy(): Promise<void> {
    await this.lane.stop();
  }

  private async work(): Promise<boolean> {
    const rows = await this.database.query<{ noun: string; checked_at: Date | string | null }>(
      'SELECT noun, checked_at FROM contact_count_checks',
    );
    for (const { noun: mark, checked_at: checkedAt } of rows) {
      const isFirst = checkedAt === null;
      if (!isFirst && Date.now() - parseTime(checkedAt).getTime() < CHECK_EVERY) continue;
      const noun = CONTACT_NOUNS.find((each) => markOf(each) === mark)!;
      const wrong = await checkCounts(this.database, this.transactions, noun);
      if (wrong && !isFirst) this.log.warn({ noun, cells: wrong }, 'Counts of lists were wrong, and are put right.');
    }
    return this.compact();
  }

  private async compact(): Promise<boolean> {
    if (Date.now() - this.compacted.at < COMPACT_EVERY) return false;
    const [{ last }] = await this.database.query<{ last: number | null }>('SELECT MAX(id) AS last FROM contact_counts');
    const lastId = Number(last ?? 0);
    if (lastId !== this.compacted.lastId) {
      const cells = await this.transactions.bookkeep((tx) => compactCounts(tx, this.database, CELLS_AT_ONCE));
      if (cells === CELLS_AT_ONCE) return true;
    }
    this.compacted = { lastId, at: Date.now() };
    return false;
  }
}
