import { ContactCounts, FACETS } from '@muster/features/contacts/lists/contacts.counts.repository';
import type { ContactNoun } from '@muster/features/contacts/memberships/contacts.memberships.service';
import { Database } from '@muster/platform/database/database';

/** What of the counts of lists, and of the index of tags, is not as the records are; records that wait for the index may lack tags. */
export async function listFaults(database: Database, noun: ContactNoun): Promise<unknown[]> {
  const counts = new ContactCounts(database, noun);
  const faults: unknown[] = [];
  for (const facet of FACETS) faults.push(...(await counts.drift(facet)));
  const mark = noun[0];
  const waiting = await database.query<{ first_id: number; last_id: number }>(
    'SELECT first_id, last_id FROM search_backlog WHERE noun = ?',
    [mark],
  );
  const waits = (id: number) =>
    waiting.some(({ first_id, last_id }) => Number(first_id) <= id && id <= Number(last_id));
  const indexed = new Map<number, string[]>();
  for (const { record_id, tag } of await database.query<{ record_id: number; tag: string }>(
    'SELECT record_id, tag FROM contact_tags WHERE noun = ?',
    [mark],
  )) {
    const id = Number(record_id);
    indexed.set(id, [...(indexed.get(id) ?? []), JSON.parse(tag) as string]);
  }
  for (const { id, tags } of await database.query<{ id: number; tags: string }>(`SELECT id, tags FROM ${noun}`)) {
    const [held, found] = [new Set(JSON.parse(tags) as string[]), new Set(indexed.get(Number(id)))];
    indexed.delete(Number(id));
    const fits = [...found].every((tag) => held.has(tag)) && (found.size === held.size || waits(Number(id)));
    if (!fits) faults.push({ id: Number(id), held: [...held], found: [...found] });
  }
  for (const [id, found] of indexed) faults.push({ id, gone: true, found });
  return faults;
}
