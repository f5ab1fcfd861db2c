import { Database } from '@muster/platform/database/database';
import { Tx } from '@muster/platform/database/transactions';
import { isSame, Key, storedKeys } from './duplicates/contacts.duplicates.repository';
import type { ContactNoun } from './memberships/contacts.memberships.service';
import { SearchIndex } from './search/contacts.search.repository';

/** A record before and after a change, by the columns of its table; JSON as text. */
export interface ChangedRow {
  id: number;
  before: Readonly<Record<string, unknown>>;
  after: Readonly<Record<string, unknown>>;
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
  const terms = differences(
    changes,
    (row) => index.termsOf(row),
    (one, other) => one === other,
  );
  const keys = differences(changes, (row) => storedKeys(keyedRecord(noun, row)), isSame);
  const mark = noun[0];
  await remove(tx, database, 'search_terms', ['noun', 'term', 'record_id'], terms.gone, ([id, term]) => [
    mark,
    term,
    id,
  ]);
  await add(tx, database, 'search_terms', ['noun', 'term', 'record_id'], terms.come, ([id, term]) => [mark, term, id]);
  const columns = ['noun', 'kind', 'key_hash', 'record_id'];
  const entry = ([id, [kind, hash]]: [number, Key]) => [noun, kind, hash, id];
  await remove(tx, database, 'duplicate_keys', columns, keys.gone, entry);
  await add(tx, database, 'duplicate_keys', columns, keys.come, entry);
}

type Entry = (string | number)[];

/** What records lose and what they gain. */
function differences<T>(
  changes: readonly ChangedRow[],
  of: (row: Readonly<Record<string, unknown>>) => T[],
  same: (one: T, other: T) => boolean,
): { gone: [number, T][]; come: [number, T][] } {
  const gone: [number, T][] = [];
  const come: [number, T][] = [];
  for (const { id, before, after } of changes) {
    const [old, now] = [of(before), of(after)];
    for (const each of old) if (!now.some((other) => same(each, other))) gone.push([id, each]);
    for (const each of now) if (!old.some((other) => same(each, other))) come.push([id, each]);
  }
  return { gone, come };
}

function keyedRecord(noun: ContactNoun, row: Readonly<Record<string, unknown>>): object {
  const name = noun === 'leads' ? row.name : row.full_name;
  return { ...row, name, metadata: JSON.parse(row.metadata as string) as unknown };
}

async function remove<T>(
  tx: Tx,
  database: Database,
  table: string,
  columns: string[],
  items: readonly T[],
  entryOf: (item: T) => Entry,
): Promise<void> {
  await database.dialect.bulkDelete(tx.runner, table, columns, items.map(entryOf));
}

/** What is there already, from a worker that was faster, stays. */
async function add<T>(
  tx: Tx,
  database: Database,
  table: string,
  columns: string[],
  items: readonly T[],
  entryOf: (item: T) => Entry,
): Promise<void> {
  const buffer = database.dialect.bulkBuffer();
  for (const item of items) buffer.add(entryOf(item));
  await database.dialect.bulkInsert(tx.runner, table, columns, buffer);
}
