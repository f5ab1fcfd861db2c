import { randomUUID } from 'node:crypto';
import { conflict } from '@muster/core/errors';
import { Database } from '../database/database';
import { formatTime, parseTime } from '../database/dialect/dialect';
import { Transactions, Tx } from '../database/transactions';
import { marks } from '../database/sql';

/** How long a key is kept after its first request, in milliseconds. */
const KEPT = 24 * 3_600_000;
/** How long a request is taken to be alive: longer than the server gives one. Should it live on, its claim no longer counts. */
const LEASE = 5 * 60_000;
/** How often a claim is tried while others take and release the same key. */
const TRIES = 5;
/** How many expired keys are removed in one transaction. */
const PRUNED_AT_ONCE = 500;

interface Row {
  fingerprint: string;
  /** running | committed (its effect is stored, its answer not) | answered */
  state: string;
  claim_id: string;
  locked_until: Date | string;
  status: number | string | null;
  answer: string | null;
  expires_at: Date | string;
}

/** A key that is held by one request. */
export interface Claim {
  keyHash: string;
  claimId: string;
}

/** What a key is found to be: the caller's now, or another request's, which runs, or was answered, or had an effect and no answer. */
export type Claiming =
  | { kind: 'claimed'; claim: Claim }
  | { kind: 'answered'; status: number; answer: string }
  | { kind: 'running' | 'reused' | 'lost' };

/** The table of keys. A write of a claim that is no longer held changes nothing. */
export class IdempotencyStore {
  constructor(
    private readonly database: Database,
    private readonly transactions: Transactions,
    private readonly now: () => number = Date.now,
  ) {}

  /** Takes a key that is free: new, expired, or held by a request that ended without an effect. */
  async claim(keyHash: string, fingerprint: string): Promise<Claiming> {
    const claimId = randomUUID();
    for (let attempt = 1; attempt <= TRIES; attempt++) {
      const row = await this.find(keyHash);
      const claimed = { kind: 'claimed', claim: { keyHash, claimId } } as const;
      // An insert whose commit was cut off, and which took place all the same.
      if (row?.claim_id === claimId) return claimed;
      const found = row && this.read(row, fingerprint);
      if (found) return found;
      if (
        await (row ? this.takeOver(row, keyHash, claimId, fingerprint) : this.insert(keyHash, claimId, fingerprint))
      ) {
        return claimed;
      }
    }
    return { kind: 'running' };
  }

  private async find(keyHash: string): Promise<Row | null> {
    const rows = await this.database.query<Row>(
      `SELECT fingerprint, state, claim_id, locked_until, status, answer, expires_at
       FROM idempotency_keys WHERE key_hash = ?`,
      [keyHash],
    );
    return rows[0] ?? null;
  }

  /** @returns null when the row is free to be taken over */
  private read(row: Row, fingerprint: string): Claiming | null {
    if (parseTime(row.expires_at).getTime() <= this.now()) return null;
    if (row.fingerprint !== fingerprint) return { kind: 'reused' };
    if (row.state === 'answered') return { kind: 'answered', status: Number(row.status), answer: row.answer! };
    if (parseTime(row.locked_until).getTime() > this.now()) return { kind: 'running' };
    return row.state === 'committed' ? { kind: 'lost' } : null;
  }

  private async insert(keyHash: string, claimId: string, fingerprint: string): Promise<boolean> {
    try {
      await this.transactions.bookkeep((tx) =>
        tx.query(
          `INSERT INTO idempotency_keys (key_hash, claim_id, fingerprint, state, locked_until, expires_at)
           VALUES (?, ?, ?, 'running', ?, ?)`,
          [keyHash, claimId, fingerprint, this.after(LEASE), this.after(KEPT)],
        ),
      );
      return true;
    } catch (error) {
      if (this.database.dialect.isDuplicate(error)) return false;
      throw error;
    }
  }

  private async takeOver(row: Row, keyHash: string, claimId: string, fingerprint: string): Promise<boolean> {
    const { affected } = await this.transactions.bookkeep((tx) =>
      tx.query(
        `UPDATE idempotency_keys
         SET claim_id = ?, fingerprint = ?, state = 'running', locked_until = ?, status = NULL, answer = NULL, expires_at = ?
         WHERE key_hash = ? AND claim_id = ? AND state = ?`,
        [claimId, fingerprint, this.after(LEASE), this.after(KEPT), keyHash, row.claim_id, row.state],
      ),
    );
    return affected === 1;
  }

  /**
   * Notes, in the transaction of the effect, that there is one.
   * @param again whether the transaction is run again after a failure: it may have committed then
   * @throws 409 `idempotency-answer-lost` when it has, `idempotency-in-progress` when another request has taken the key over
   */
  async markCommitted(tx: Pick<Tx, 'query'>, { keyHash, claimId }: Claim, again: boolean): Promise<void> {
    const { affected } = await tx.query(
      `UPDATE idempotency_keys SET state = 'committed' WHERE key_hash = ? AND claim_id = ? AND state = 'running'`,
      [keyHash, claimId],
    );
    if (affected === 1) return;
    const { rows } = await tx.query<Row>('SELECT claim_id FROM idempotency_keys WHERE key_hash = ?', [keyHash]);
    if (rows[0]?.claim_id !== claimId) throw inProgress();
    if (again) throw answerLost();
  }

  /** Keeps the answer for retries. */
  async keep({ keyHash, claimId }: Claim, status: number, answer: string): Promise<void> {
    await this.transactions.bookkeep((tx) =>
      tx.query(
        `UPDATE idempotency_keys SET state = 'answered', status = ?, answer = ? WHERE key_hash = ? AND claim_id = ?`,
        [status, answer, keyHash, claimId],
      ),
    );
  }

  /** Ends a claim without an answer: the retry runs, or hears that the effect of this request is stored and its answer is not. */
  async giveUp({ keyHash, claimId }: Claim): Promise<void> {
    await this.transactions.bookkeep(async (tx) => {
      await tx.query(`DELETE FROM idempotency_keys WHERE key_hash = ? AND claim_id = ? AND state = 'running'`, [
        keyHash,
        claimId,
      ]);
      await tx.query('UPDATE idempotency_keys SET locked_until = ? WHERE key_hash = ? AND claim_id = ?', [
        this.after(0),
        keyHash,
        claimId,
      ]);
    });
  }

  /** Ends a claim as if it had never been. */
  async forget({ keyHash, claimId }: Claim): Promise<void> {
    await this.transactions.bookkeep((tx) =>
      tx.query('DELETE FROM idempotency_keys WHERE key_hash = ? AND claim_id = ?', [keyHash, claimId]),
    );
  }

  /** Removes some of the keys that have expired. @returns whether there may be more */
  async prune(): Promise<boolean> {
    const now = this.after(0);
    const rows = await this.database.query<{ key_hash: string }>(
      `SELECT key_hash FROM idempotency_keys WHERE expires_at <= ? ORDER BY expires_at LIMIT ${PRUNED_AT_ONCE}`,
      [now],
    );
    if (rows.length === 0) return false;
    await this.transactions.bookkeep((tx) =>
      tx.query(`DELETE FROM idempotency_keys WHERE expires_at <= ? AND key_hash IN (${marks(rows)})`, [
        now,
        ...rows.map((row) => row.key_hash),
      ]),
    );
    return rows.length === PRUNED_AT_ONCE;
  }

  private after(milliseconds: number): string {
    return formatTime(new Date(this.now() + milliseconds));
  }
}

export const inProgress = () =>
  conflict('idempotency-in-progress', 'A request with this Idempotency-Key is being worked on. Ask again in a moment.');

export const answerLost = () =>
  conflict(
    'idempotency-answer-lost',
    'A request with this Idempotency-Key took effect, but its answer was not kept. Look at what it did before you send it with a new key.',
  );
