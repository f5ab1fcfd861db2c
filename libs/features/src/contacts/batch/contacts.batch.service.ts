import { invalid, ProblemError } from '@muster/core/errors';
import { Principal } from '@muster/core/principal';
import { RecordTable, SqlCondition } from '@muster/platform/database/record-table';
import { Tx } from '@muster/platform/database/transactions';
import { checkObject } from '@muster/platform/http/validation';
import { errorFields, logOf } from '@muster/platform/observability/logger';
import { BatchInput, BatchProblem, BatchResult, BatchUpdate, BatchView } from './contacts.batch.dto';
import { ContactBody, ContactKind, ContactRecord, permissionsOf } from '../contacts.kind';
import { ContactTools } from '../contacts.tools.service';
import { CheckedBody, ContactWrites } from '../contacts.writes';

export { BatchInput, BatchQuery, BatchView } from './contacts.batch.dto';

/** How many changes one transaction makes when the batch is not atomic. */
const AT_ONCE = 50;

/** One change, checked as far as it can be without its record; or why it cannot be made. */
interface Item<R> {
  id: number;
  ifMatch?: string;
  change: CheckedBody<R> | ProblemError;
}

/** Changes many records of a noun by the rules of single changes. */
export class ContactBatches<R extends ContactRecord, B extends ContactBody> {
  private readonly log = logOf('contacts');

  constructor(
    private readonly kind: ContactKind<R, B>,
    private readonly records: RecordTable<R>,
    private readonly tools: ContactTools,
    private readonly writes: ContactWrites<R, B>,
  ) {}

  /**
   * @throws 422 `validation-failed` for updates of a wrong form and for an id that is named twice; `batch-failed` with all results when
   * it is atomic and a change fails
   */
  async run(principal: Principal, input: BatchInput, atomic: boolean): Promise<BatchView> {
    const visible = this.kind.visible(principal, permissionsOf(this.kind.noun).write);
    const items = await this.check(principal, readUpdates(input));
    const apply = (some: Item<R>[]) => (tx: Tx) => this.apply(tx, principal, some, visible);
    if (atomic) {
      return this.tools.transactions.run(async (tx) => {
        const results = await apply(items)(tx);
        if (results.some(({ status }) => status === 'failed')) throw batchFailed(results);
        return viewOf(results);
      });
    }
    const results: BatchResult[] = [];
    for (let start = 0; start < items.length; start += AT_ONCE) {
      try {
        results.push(...(await this.tools.transactions.run(apply(items.slice(start, start + AT_ONCE)))));
      } catch (error) {
        if (start === 0) throw error;
        this.log.error({ noun: this.kind.noun, written: start, ...errorFields(error) }, 'A batch ended early.');
        results.push(...items.slice(start).map(({ id }) => failed(id, NOT_WRITTEN)));
        break;
      }
    }
    return viewOf(results);
  }

  /** Checks what can be checked before a transaction: in it nothing else is read. */
  private async check(principal: Principal, updates: BatchUpdate[]): Promise<Item<R>[]> {
    const refusals = new Map<number, Promise<Error | null>>();
    const refusalOf = (assignee: number) => {
      let refusal = refusals.get(assignee);
      if (!refusal) refusals.set(assignee, (refusal = this.writes.refusalToAssign(principal, assignee)));
      return refusal;
    };
    const items: Item<R>[] = [];
    for (const { id, data, ifMatch } of updates) {
      const change = await orProblem(async () => {
        const body = checkObject(this.kind.patch, data);
        return this.writes.check(principal, body, 'patch', refusalOf);
      });
      items.push({ id, ifMatch, change });
    }
    return items;
  }

  private async apply(tx: Tx, principal: Principal, items: Item<R>[], visible: SqlCondition): Promise<BatchResult[]> {
    const set = await this.writes.fieldsFor(
      tx,
      items.flatMap(({ change }) => (change instanceof ProblemError ? [] : change)),
    );
    // All are locked first, by rising id: two batches that name the same records never wait for each other.
    const locked = new Map<number, R | null>();
    for (const { id } of items.toSorted((one, other) => one.id - other.id)) {
      locked.set(id, await this.records.lock(tx, id, visible));
    }
    const results: BatchResult[] = [];
    for (const { id, ifMatch, change } of items) {
      const current = locked.get(id) ?? null;
      const result =
        change instanceof ProblemError
          ? change
          : await orProblem(() => this.writes.change(tx, principal, current, change, set, ifMatch));
      if (result instanceof ProblemError) results.push(failed(id, problemOf(result)));
      else results.push({ id, status: result === current ? 'unchanged' : 'updated', version: result.version });
    }
    return results;
  }
}

/** @throws 422 `validation-failed` */
function readUpdates({ updates }: BatchInput): BatchUpdate[] {
  const seen = new Set<number>();
  return updates.map((given, index) => {
    const update = checkObject(BatchUpdate, given, `updates.${index}`);
    if (seen.has(update.id)) {
      const message = `record ${update.id} is named twice`;
      throw invalid('validation-failed', 'A batch changes each record once.', [
        { field: `updates.${index}.id`, code: 'duplicate-in-batch', message },
      ]);
    }
    seen.add(update.id);
    return update;
  });
}

/** What the work gives, or the problem for which its client is to blame. */
async function orProblem<T>(work: () => Promise<T>): Promise<T | ProblemError> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ProblemError && error.kind === 'user') return error;
    throw error;
  }
}

const problemOf = ({ status, code, message, errors }: ProblemError): BatchProblem => ({
  ...{ status, code, detail: message },
  ...(errors ? { errors } : {}),
});

const NOT_WRITTEN: BatchProblem = {
  status: 503,
  code: 'not-written',
  detail: 'The store failed before this change: send it again.',
};
const NOT_APPLIED: BatchProblem = {
  status: 424,
  code: 'not-applied',
  detail: 'Another change of the batch failed.',
};

const failed = (id: number, problem: BatchProblem): BatchResult => ({ id, status: 'failed', problem });

function viewOf(results: BatchResult[]): BatchView {
  const counts = { updated: 0, unchanged: 0, failed: 0 };
  for (const { status } of results) counts[status]++;
  return { results, counts };
}

/** What a client is told of a batch of which nothing was written. */
function batchFailed(results: BatchResult[]): ProblemError {
  const told = viewOf(results.map((result) => (result.problem ? result : failed(result.id, NOT_APPLIED))));
  return new ProblemError('user', 422, 'batch-failed', 'A change failed, so none was made.', undefined, undefined, {
    ...told,
  });
}
