import { AsyncLocalStorage } from 'node:async_hooks';
import { EntityManager, QueryRunner } from 'typeorm';
import { currentEffects, EffectMark } from '../observability/request-context';
import { Database } from './database';

/** What a statement did: its rows (SELECT), and how many rows it changed or matched. */
export interface QueryResult<T> {
  rows: T[];
  affected: number;
}

/** An open transaction. Every repository method that writes takes one as its first argument. */
export class Tx {
  private readonly callbacks: (() => void)[] = [];

  constructor(readonly runner: QueryRunner) {}

  /** TypeORM's repositories inside this transaction. Use `insert`, `update`, `delete`, `find…`; never `save`. */
  get manager(): EntityManager {
    return this.runner.manager;
  }

  async query<T = Record<string, unknown>>(sql: string, params: unknown[] = []): Promise<QueryResult<T>> {
    const result = (await this.runner.query(sql, params, true)) as { records?: T[]; affected?: number };
    return { rows: result.records ?? [], affected: result.affected ?? 0 };
  }

  /** Runs when the transaction has committed, and not when it is rolled back. For nudges, never for effects. */
  afterCommit(callback: () => void): void {
    this.callbacks.push(callback);
  }

  /** @internal */
  committed(): void {
    for (const callback of this.callbacks) callback();
  }
}

const ATTEMPTS = 6;

/** The only way to write. */
export class Transactions {
  private readonly open = new AsyncLocalStorage<true>();

  constructor(private readonly database: Database) {}

  /**
   * Runs `work` in one transaction and commits it. A deadlock or a lost lock runs the whole of it again, so it must have
   * no effect outside the transaction. @throws when called inside another transaction
   */
  run<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.repeat(work, currentEffects());
  }

  /** Like {@link run}, for what is no effect of the current request: nobody minds whether it took place. */
  bookkeep<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.repeat(work, null);
  }

  private async repeat<T>(work: (tx: Tx) => Promise<T>, effects: EffectMark | null): Promise<T> {
    if (this.open.getStore()) throw new Error('A transaction inside a transaction: pass tx on instead.');
    for (let attempt = 1; ; attempt++) {
      let tx: Tx | undefined;
      let worked = false;
      try {
        const result = await this.database.dialect.transaction(this.database.writer, (runner) => {
          tx = new Tx(runner);
          return this.open.run(true, async () => {
            await effects?.mark(tx!, attempt);
            const done = await work(tx!);
            worked = true;
            return done;
          });
        });
        effects?.committed();
        tx?.committed();
        return result;
      } catch (error) {
        if (attempt === ATTEMPTS || !this.database.dialect.isRetryable(error)) throw error;
        if (worked) effects?.uncertain();
        await new Promise((resolve) => setTimeout(resolve, 2 ** attempt * 5 * (0.5 + Math.random())));
      }
    }
  }
}
