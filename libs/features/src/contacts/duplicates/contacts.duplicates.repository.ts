import { createHash } from 'node:crypto';
import { DUPLICATE_REASONS, duplicateKeys, DuplicateReason } from '@muster/core/contact/duplicate-keys';
import { Database } from '@muster/platform/database/database';
import { SqlCondition } from '@muster/platform/database/record-table';
import { marks } from '@muster/platform/database/sql';
import { partsOf, ScopeCondition } from '@muster/platform/http/list-scope';
import { Tx } from '@muster/platform/database/transactions';
import type { ContactNoun } from '../memberships/contacts.memberships.service';

/** Records of one noun that share a key. */
export interface DuplicateGroup {
  kind: number;
  keyHash: number;
  count: number;
}

/** What of a record its keys are made of, as records have it. */
interface KeyedRecord {
  name?: string;
  fullName?: string;
  company?: string | null;
  email?: string | null;
  phone?: string | null;
  metadata?: Record<string, unknown>;
}

/** A record before and after a change; null where it is made or deleted. */
interface ChangedRecord {
  before: { id: number } | null;
  after: { id: number } | null;
}

export type Key = [kind: number, keyHash: number];
type Row = {
  id: number;
  name: string;
  company: string | null;
  email: string | null;
  phone: string | null;
  metadata: string;
};

const NAMES: Record<ContactNoun, string> = { leads: 'name', customers: 'full_name' };
const IDS_AT_ONCE = 1_000;
const COLUMNS = ['noun', 'kind', 'key_hash', 'record_id'];

/** The reason that a stored kind stands for. */
export const reasonOf = (kind: number): DuplicateReason => DUPLICATE_REASONS[kind];

/** The keys of a record as the store has them: each once. */
export function storedKeys(record: object): Key[] {
  const { name, fullName, company, email, phone, metadata } = record as KeyedRecord;
  const extension = metadata?.phoneExtension;
  const keys = duplicateKeys({
    ...{ name: name ?? fullName ?? null, company: company ?? null, email: email ?? null, phone: phone ?? null },
    phoneExtension: typeof extension === 'string' ? extension : null,
  }).map(({ reason, text }): Key => [DUPLICATE_REASONS.indexOf(reason), hashOf(text)]);
  return keys.filter((key, index) => keys.findIndex((other) => isSame(key, other)) === index);
}

export const isSame = ([kind, hash]: Key, [otherKind, otherHash]: Key): boolean =>
  kind === otherKind && hash === otherHash;

/** 52 bits of SHA-1: what a number holds exactly. */
function hashOf(text: string): number {
  const digest = createHash('sha1').update(text).digest();
  return digest.readUIntBE(0, 6) * 16 + (digest[6] >> 4);
}

/** All SQL on the keys of near duplicates. */
export class DuplicateKeys {
  constructor(private readonly database: Database) {}

  /** Brings the keys of records from what they were to what they are. What comes may be there already, from a worker that was faster. */
  async change(tx: Tx, noun: ContactNoun, changes: readonly ChangedRecord[]): Promise<void> {
    const { dialect } = this.database;
    const gone: (string | number)[][] = [];
    const come = dialect.bulkBuffer();
    for (const { before, after } of changes) {
      const { id } = (after ?? before)!;
      const [old, now] = [before ? storedKeys(before) : [], after ? storedKeys(after) : []];
      for (const key of old) if (!now.some((other) => isSame(key, other))) gone.push([noun, ...key, id]);
      for (const key of now) if (!old.some((other) => isSame(key, other))) come.add([noun, ...key, id]);
    }
    await dialect.bulkDelete(tx.runner, 'duplicate_keys', COLUMNS, gone);
    await dialect.bulkInsert(tx.runner, 'duplicate_keys', COLUMNS, come);
  }

  /** Writes the keys of a range of records, which must be held until the transaction ends; those that are there stay. */
  async fill(tx: Tx, noun: ContactNoun, firstId: number, lastId: number): Promise<void> {
    const { rows } = await tx.query<Row>(
      `SELECT id, ${NAMES[noun]} AS name, company, email, phone, metadata FROM ${noun} WHERE id BETWEEN ? AND ?`,
      [firstId, lastId],
    );
    const entries = rows.flatMap((row) => {
      const record = { ...row, metadata: JSON.parse(row.metadata) as Record<string, unknown> };
      return storedKeys(record).map(([kind, hash]) => [kind, hash, Number(row.id)] as const);
    });
    // In the order of the table, which the store fills fastest so.
    entries.sort(
      ([kind, hash, id], [otherKind, otherHash, otherId]) => kind - otherKind || hash - otherHash || id - otherId,
    );
    const buffer = this.database.dialect.bulkBuffer();
    for (const [kind, hash, id] of entries) buffer.add([noun, kind, hash, id]);
    await this.database.dialect.bulkInsert(tx.runner, 'duplicate_keys', COLUMNS, buffer);
  }

  /** The next groups of a kind, by rising hash; of all records. @param after the hash to go on behind */
  async groups(noun: ContactNoun, kind: number, after: number, limit: number): Promise<DuplicateGroup[]> {
    const rows = await this.database.query<CountRow>(
      `SELECT key_hash, COUNT(*) AS n FROM duplicate_keys WHERE noun = ? AND kind = ? AND key_hash > ?
       GROUP BY key_hash HAVING COUNT(*) > 1 ORDER BY key_hash LIMIT ${limit}`,
      [noun, kind, after],
    );
    return rows.map((row) => toGroup(kind, row));
  }

  /** Those of some groups of a kind that are groups also within a condition, with what they count there; by rising hash. */
  async groupsWithin(
    noun: ContactNoun,
    kind: number,
    groups: readonly DuplicateGroup[],
    within: SqlCondition,
  ): Promise<DuplicateGroup[]> {
    if (groups.length === 0) return [];
    const hashes = groups.map(({ keyHash }) => keyHash);
    const rows = await this.database.query<CountRow>(
      `SELECT key_hash, COUNT(*) AS n FROM duplicate_keys JOIN ${noun} ON ${noun}.id = duplicate_keys.record_id
       WHERE noun = ? AND kind = ? AND key_hash IN (${marks(hashes)}) AND ${within.sql}
       GROUP BY key_hash HAVING COUNT(*) > 1 ORDER BY key_hash`,
      [noun, kind, ...hashes, ...within.params],
    );
    return rows.map((row) => toGroup(kind, row));
  }

  /** The first records of a group within a condition, by rising id. */
  async members(
    noun: ContactNoun,
    { kind, keyHash }: DuplicateGroup,
    within: SqlCondition,
    limit: number,
  ): Promise<number[]> {
    const rows = await this.database.query<{ record_id: number }>(
      `SELECT record_id FROM duplicate_keys JOIN ${noun} ON ${noun}.id = duplicate_keys.record_id
       WHERE noun = ? AND kind = ? AND key_hash = ? AND ${within.sql} ORDER BY record_id LIMIT ${limit}`,
      [noun, kind, keyHash, ...within.params],
    );
    return rows.map(({ record_id }) => Number(record_id));
  }

  /** The ids of records within a condition, at most so many, in no order. Where it is in parts, each is a range of an index. */
  async idsWithin(noun: ContactNoun, within: ScopeCondition, limit: number): Promise<number[]> {
    const parts = (await partsOf(this.database, within)) ?? [within];
    const each = parts.map(
      ({ sql }, index) => `SELECT id FROM (SELECT id FROM ${noun} WHERE ${sql} LIMIT ${limit}) part${index}`,
    );
    const rows = await this.database.query<{ id: number }>(
      `${each.join(' UNION ALL ')} LIMIT ${limit}`,
      parts.flatMap(({ params }) => params),
    );
    return rows.map(({ id }) => Number(id));
  }

  /** The keys of records as they are now, from the records themselves. */
  async *keysOf(noun: ContactNoun, ids: readonly number[]): AsyncGenerator<[id: number, keys: Key[]]> {
    for (let start = 0; start < ids.length; start += IDS_AT_ONCE) {
      const some = ids.slice(start, start + IDS_AT_ONCE);
      const rows = await this.database.query<Row & { extension: string | null }>(
        `SELECT id, ${NAMES[noun]} AS name, company, email, phone, JSON_EXTRACT(metadata, '$.phoneExtension') AS extension
         FROM ${noun} WHERE id IN (${marks(some)})`,
        some,
      );
      for (const { extension, ...row } of rows) {
        // Some stores give the value as JSON, in quotes; only its digits count.
        yield [Number(row.id), storedKeys({ ...row, metadata: { phoneExtension: extension ?? '' } })];
      }
    }
  }
}

type CountRow = { key_hash: number; n: number | string };

const toGroup = (kind: number, { key_hash, n }: CountRow): DuplicateGroup => ({
  ...{ kind, keyHash: Number(key_hash), count: Number(n) },
});
