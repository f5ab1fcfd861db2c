import { Database } from '@muster/platform/database/database';
import { Tx } from '@muster/platform/database/transactions';
import type { ContactNoun } from '../memberships/contacts.memberships.service';
import { ContactCounts, ListedRow } from './contacts.counts.repository';
import { TagIndex } from './contacts.tags.repository';

/** What records were listed by before a write, by id; null where there was none. */
export type Held = ReadonlyMap<number, ListedRow | null>;

/**
 * Keeps tags and counts with the writes of records, any number at once, in their transaction:
 *
 *     const before = await keeper.held(tx, ids);
 *     …write the records…
 *     await keeper.follow(tx, before);
 */
export class ListKeeper {
  private readonly counts: ContactCounts;
  private readonly tags: TagIndex;

  constructor(database: Database, noun: ContactNoun) {
    this.counts = new ContactCounts(database, noun);
    this.tags = new TagIndex(database, noun);
  }

  held(tx: Tx, ids: readonly number[]): Promise<Held> {
    return this.counts.held(tx, ids);
  }

  async follow(tx: Tx, before: Held): Promise<void> {
    const after = await this.counts.held(tx, [...before.keys()]);
    const changes = [...before].map(([id, row]) => ({ before: row, after: after.get(id) ?? null }));
    await this.counts.change(tx, changes);
    await this.tags.change(tx, changes);
  }
}
