import { Database } from '@muster/platform/database/database';
import { Tx } from '@muster/platform/database/transactions';
import { DuplicateKeys } from './duplicates/contacts.duplicates.repository';
import type { ContactNoun } from './memberships/contacts.memberships.service';
import { SearchIndex } from './search/contacts.search.repository';

type Row = Readonly<Record<string, unknown>>;

/** A record before and after a change, by the columns of its table; JSON as text. */
export interface ChangedRow {
  id: number;
  before: Row;
  after: Row;
}

/**
 * Brings what is kept about many records, their terms of searches and their keys of near duplicates, from what they were to what they
 * are. The records must be locked, and hold what `after` says when the transaction ends.
 */
export async function followChanges(
  tx: Tx,
  database: Database,
  noun: ContactNoun,
  changes: readonly ChangedRow[],
): Promise<void> {
  const index = new SearchIndex(database, noun);
  const termsOf = ({ id, before, after }: ChangedRow) => {
    return { id, before: index.termsOf(before), after: index.termsOf(after) };
  };
  await index.changeAll(tx, changes.map(termsOf));
  const recordsOf = ({ id, before, after }: ChangedRow) => {
    return { before: keyedRecord(noun, id, before), after: keyedRecord(noun, id, after) };
  };
  await new DuplicateKeys(database).change(tx, noun, changes.map(recordsOf));
}

function keyedRecord(noun: ContactNoun, id: number, row: Row): { id: number } & Row {
  const name = noun === 'leads' ? row.name : row.full_name;
  return { ...row, id, name, metadata: JSON.parse(row.metadata as string) as unknown };
}
