import { Database } from './database';
import { marks } from './sql';

/** A condition for a WHERE clause, with its parameters. */
export interface SqlCondition {
  sql: string;
  params: unknown[];
}

/** How many look-ups go into one statement at most: with the same parameters of the condition, and each with its own. */
const SAME_AT_ONCE = 32;
const DIFFERENT_AT_ONCE = 16;

interface LookUp<Row> {
  id: number;
  where: SqlCondition;
  answer: Promise<Row[]>;
  resolve: (rows: Row[]) => void;
  reject: (error: unknown) => void;
}

/**
 * Look-ups by id, of which many run at the same time. Those that begin in one turn of the event loop go to the store together,
 * as far as their conditions have the same text. Nothing is kept from turn to turn: each reads what is committed after it began.
 */
export class Gathered<Row extends { id: unknown }> {
  /** What this turn has asked for: by the condition with its parameters, then by id. */
  private waiting = new Map<string, Map<number, LookUp<Row>>>();

  /**
   * @param select a SELECT without WHERE, in whose result `id` is the id that is looked up
   * @param column that id, as a condition names it
   */
  constructor(
    private readonly database: Database,
    private readonly select: string,
    private readonly column: string,
  ) {}

  /** The committed row of an id that is unique, as {@link all} gives it. */
  async find(id: number, where: SqlCondition): Promise<Row | null> {
    return (await this.all(id, where))[0] ?? null;
  }

  /**
   * The committed rows with this id for which the condition holds, in no order. Others may be given the same objects: do not change
   * them.
   * @param where its text must be one of few
   */
  all(id: number, where: SqlCondition): Promise<Row[]> {
    if (this.waiting.size === 0) setImmediate(() => this.ask());
    const key = `${where.sql} ${JSON.stringify(where.params)}`;
    let lookUps = this.waiting.get(key);
    if (!lookUps) this.waiting.set(key, (lookUps = new Map<number, LookUp<Row>>()));
    let lookUp = lookUps.get(id);
    if (!lookUp) {
      const { promise: answer, resolve, reject } = Promise.withResolvers<Row[]>();
      lookUps.set(id, (lookUp = { id, where, answer, resolve, reject }));
    }
    return lookUp.answer;
  }

  private ask(): void {
    const groups = [...this.waiting.values()].map((lookUps) => [...lookUps.values()]);
    this.waiting = new Map();
    for (const group of groups) {
      if (group.length > 1) for (const part of partsOf(group, SAME_AT_ONCE)) this.askSame(part);
    }
    const single = groups.filter(({ length }) => length === 1).flat();
    for (const lookUps of Map.groupBy(single, ({ where }) => where.sql).values()) {
      for (const distinct of withoutRepeatedIds(lookUps)) {
        for (const part of partsOf(distinct, DIFFERENT_AT_ONCE)) this.askDifferent(part);
      }
    }
  }

  private askSame(lookUps: LookUp<Row>[]): void {
    const asked = padded(lookUps);
    const { sql, params } = lookUps[0].where;
    this.answer(lookUps, `${this.column} IN (${marks(asked)}) AND ${sql}`, [...asked.map(({ id }) => id), ...params]);
  }

  private askDifferent(lookUps: LookUp<Row>[]): void {
    const asked = padded(lookUps);
    const each = `(${this.column} = ? AND ${lookUps[0].where.sql})`;
    const params = asked.flatMap(({ id, where }) => [id, ...where.params]);
    this.answer(lookUps, asked.map(() => each).join(' OR '), params);
  }

  private answer(lookUps: LookUp<Row>[], where: string, params: unknown[]): void {
    this.database.select<Row>(`${this.select} WHERE ${where}`, params).then(
      (rows) => {
        const found = Map.groupBy(rows, (row) => Number(row.id));
        for (const { id, resolve } of lookUps) resolve(found.get(id) ?? []);
      },
      (error: unknown) => lookUps.forEach(({ reject }) => reject(error)),
    );
  }
}

const partsOf = <T>(all: T[], size: number): T[][] =>
  Array.from({ length: Math.ceil(all.length / size) }, (_, part) => all.slice(part * size, (part + 1) * size));

/** The last one again, up to a power of two: each length makes a text of its own. */
export function padded<T>(all: readonly T[]): T[] {
  const result = [...all];
  while ((result.length & (result.length - 1)) !== 0) result.push(all[all.length - 1]);
  return result;
}

/** Lists in which no id is twice: of a row that comes back nobody could say for which of two conditions it does. */
function withoutRepeatedIds<Row>(all: LookUp<Row>[]): LookUp<Row>[][] {
  const lists: Map<number, LookUp<Row>>[] = [];
  for (const lookUp of all) {
    let list = lists.find((each) => !each.has(lookUp.id));
    if (!list) lists.push((list = new Map<number, LookUp<Row>>()));
    list.set(lookUp.id, lookUp);
  }
  return lists.map((list) => [...list.values()]);
}
