import { Injectable } from '@nestjs/common';
import { TableDefinition } from '@muster/platform/database/dialect/columns';
import { formatTime } from '@muster/platform/database/dialect/dialect';
import { Database } from '@muster/platform/database/database';
import { ReadTable } from '@muster/platform/database/record-table';
import { Tx } from '@muster/platform/database/transactions';
import { marks } from '@muster/platform/database/sql';
import { ContactMerge, contactMergeTable, StoredRecord } from './contacts.merge.entity';
import { ContactNoun } from '../memberships/contacts.memberships.service';

const IDS_AT_ONCE = 500;

/** All SQL on merges. */
@Injectable()
export class MergesRepository {
  private readonly merges: ReadTable<ContactMerge>;

  constructor(private readonly database: Database) {
    this.merges = new ReadTable<ContactMerge>(database, contactMergeTable);
  }

  /** @returns the id of the merge */
  async insert(tx: Tx, merge: Omit<ContactMerge, 'id' | 'undoneBy' | 'undoneAt'>): Promise<number> {
    const { identifiers } = await tx.manager.getRepository<ContactMerge>('contact_merges').insert(merge as object);
    return Number(identifiers[0].id);
  }

  /** Reads a merge of a noun in order to undo it: until the transaction ends, nobody else does. */
  async lock(tx: Tx, noun: ContactNoun, id: number): Promise<ContactMerge | null> {
    const { rows } = await tx.query(
      `SELECT * FROM contact_merges WHERE id = ? AND noun = ?${this.database.dialect.forUpdate}`,
      [id, noun],
    );
    return rows[0] ? this.merges.fromRow(rows[0]) : null;
  }

  /** Which of these records took part, on this side, in a merge that stands. */
  async among(
    tx: Tx,
    noun: ContactNoun,
    side: 'source_id' | 'target_id',
    ids: readonly number[],
  ): Promise<Set<number>> {
    const found = new Set<number>();
    for (let start = 0; start < ids.length; start += IDS_AT_ONCE) {
      const some = ids.slice(start, start + IDS_AT_ONCE);
      const { rows } = await tx.query<{ id: number }>(
        `SELECT ${side} AS id FROM contact_merges WHERE noun = ? AND ${side} IN (${marks(some)}) AND undone_at IS NULL`,
        [noun, ...some],
      );
      for (const { id } of rows) found.add(Number(id));
    }
    return found;
  }

  async setUndone(tx: Tx, id: number, by: number, at: Date): Promise<void> {
    await tx.query('UPDATE contact_merges SET undone_by = ?, undone_at = ? WHERE id = ?', [by, formatTime(at), id]);
  }
}

/** A record that {@link StoredRecord} keeps, as it was. Columns that have been added since are empty. */
export function fromStored<R>({ columns }: TableDefinition, stored: StoredRecord): R {
  const value = (property: string) => {
    const kept = stored[property] ?? null;
    return columns[property].kind === 'time' && kept !== null ? new Date(kept as string) : kept;
  };
  return Object.fromEntries(Object.keys(columns).map((property) => [property, value(property)])) as R;
}
