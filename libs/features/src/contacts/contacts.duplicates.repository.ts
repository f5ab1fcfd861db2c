import { createHash } from 'node:crypto';
import { DUPLICATE_REASONS, duplicateKeys, DuplicateReason } from '@muster/core/contact/duplicate-keys';
import { Database } from '@muster/platform/database/database';
import { SqlCondition } from '@muster/platform/database/record-table';
import { Tx } from '@muster/platform/database/transactions';
import type { ContactNoun } from './contacts.memberships.service';

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

type Key = [kind: number, keyHash: number];
type Row = {
  id: number;
  name: string;
  company: string | null;
  email: string | null;
  phone: string | null;
  metadata: string;
};

const NAMES: Record<ContactNoun, string> = { leads: 'name', customers: 'full_name' };
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

  /** Brings a record's keys from what they were to what they are. */
  async change(tx: Tx, noun: ContactNoun, id: number, before: object | null, after: object | null): Promise<void> {
    const [old, now] = [before ? storedKeys(before) : [], after ? storedKeys(after) : []];
    const gone = old.filter((key) => !now.some((other) => isSame(key, other)));
    const come = now.filter((key) => !old.some((other) => isSame(key, other)));
    // What comes may be there already, from a change that went past us.
    const cleared = before ? [...gone, ...come] : gone;
    for (const [kind, keyHash] of cleared) {
      const sql = 'DELETE FROM duplicate_keys WHERE noun = ? AND kind = ? AND key_hash = ? AND record_id = ?';
      await tx.query(sql, [noun, kind, keyHash, id]);
    }
    if (come.length === 0) return;
    await tx.query(
      `INSERT INTO duplicate_keys (${COLUMNS.join(', ')}) VALUES ${come.map(() => '(?, ?, ?, ?)').join(', ')}`,
      come.flatMap(([kind, keyHash]) => [noun, kind, keyHash, id]),
    );
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

  /**
   * The next groups of a kind, by rising hash.
   * @param within counts only records of this condition, which is for a query on the noun's table; null counts all
   * @param after the hash that the page before ended with
   */
  async groups(
    noun: ContactNoun,
    kind: number,
    within: SqlCondition | null,
    after: number,
    limit: number,
  ): Promise<DuplicateGroup[]> {
    const scope = inScope(noun, within);
    const rows = await this.database.query<{ key_hash: number; n: number | string }>(
      `SELECT key_hash, COUNT(*) AS n FROM duplicate_keys WHERE noun = ? AND kind = ? AND key_hash > ?${scope.sql}
       GROUP BY key_hash HAVING COUNT(*) > 1 ORDER BY key_hash LIMIT ${limit}`,
      [noun, kind, after, ...scope.params],
    );
    return rows.map(({ key_hash, n }) => ({ kind, keyHash: Number(key_hash), count: Number(n) }));
  }

  /** The first records of a group, by rising id. */
  async members(
    noun: ContactNoun,
    { kind, keyHash }: DuplicateGroup,
    within: SqlCondition | null,
    limit: number,
  ): Promise<number[]> {
    const scope = inScope(noun, within);
    const rows = await this.database.query<{ record_id: number }>(
      `SELECT record_id FROM duplicate_keys WHERE noun = ? AND kind = ? AND key_hash = ?${scope.sql}
       ORDER BY record_id LIMIT ${limit}`,
      [noun, kind, keyHash, ...scope.params],
    );
    return rows.map(({ record_id }) => Number(record_id));
  }
}

function inScope(noun: ContactNoun, within: SqlCondition | null): SqlCondition {
  if (!within) return { sql: '', params: [] };
  return { sql: ` AND record_id IN (SELECT id FROM ${noun} WHERE ${within.sql})`, params: within.params };
}
