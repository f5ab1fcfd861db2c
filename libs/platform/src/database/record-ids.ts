import { Transactions, Tx } from './transactions';

/** How many ids a process reserves at a time for single records; what it does not use stays unused. */
const BLOCK = 50;

/**
 * Ids of records that an import can create by the million. The application gives them, so that an import reserves one
 * range for a whole file and the row's number alone says the record's id: a row that were loaded twice would collide.
 * Ids are unique, and rise within a process; between processes they do not tell the order of creation.
 */
export class RecordIds {
  private readonly blocks = new Map<string, { next: number; end: number }>();
  private readonly refills = new Map<string, Promise<void>>();

  constructor(private readonly transactions: Transactions) {}

  /** The next free id for one record. Call it before the transaction that uses it. */
  async next(sequence: string): Promise<number> {
    for (;;) {
      const block = this.blocks.get(sequence);
      if (block && block.next < block.end) return block.next++;
      let refill = this.refills.get(sequence);
      if (!refill) {
        refill = this.refill(sequence).finally(() => this.refills.delete(sequence));
        this.refills.set(sequence, refill);
      }
      await refill;
    }
  }

  private async refill(sequence: string): Promise<void> {
    const next = await this.transactions.bookkeep((tx) => this.reserve(tx, sequence, BLOCK));
    this.blocks.set(sequence, { next, end: next + BLOCK });
  }

  /** Reserves `count` ids in a row. @returns the first */
  async reserve(tx: Tx, sequence: string, count: number): Promise<number> {
    const update = await tx.query('UPDATE record_ids SET next_id = next_id + ? WHERE sequence = ?', [count, sequence]);
    if (update.affected === 0) throw new Error(`There is no sequence "${sequence}".`);
    const { rows } = await tx.query<{ next_id: number | string }>('SELECT next_id FROM record_ids WHERE sequence = ?', [
      sequence,
    ]);
    return Number(rows[0].next_id) - count;
  }
}
