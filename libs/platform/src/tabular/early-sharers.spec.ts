import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { closeDuckDb } from './duckdb';
import { EarlySharers, SharersMemory } from './early-sharers';
import { StagedTable } from './staged-table';
import { stageCsv } from './staging';

afterAll(() => closeDuckDb());

function sharersOf(values: readonly (string | null)[], memory = new SharersMemory()) {
  const sharers = new EarlySharers(memory);
  values.forEach((value, index) => {
    const bytes = Buffer.from(`<${value ?? ''}>`);
    sharers.add(index + 1, bytes, 1, bytes.length - 1);
  });
  const found = sharers.take();
  return found && { ...found, rows: [...found.rows] };
}

describe('EarlySharers', () => {
  it.each([
    ['text', ['a@x.com', 'b@x.com', null, 'A@X.com', 'ab@x.co', 'a@x.com'], [4, 6], 5],
    ['digits', ['+1 (212) 555-0100', '2125550101', '0012125550100', null, '212/555.0101'], [3, 5], 4],
    ['digits', ['0000020 7946 0018', '79460018', '0079460019', '1234567890123456789'], [2], 4],
    ['digits', ['1000000000000', '2000000000000', '30000000'], [2], 3],
    ['digits', ['2125550100', ' 2125550101'], [], 2, true],
    ['digits', ['2125550100 ', '2125550101'], [], 2, true],
  ])('%s: of %j shares %j', (fold, values, rows, filled, edges = false) => {
    expect(sharersOf(values)).toEqual({ fold, rows, filled, edges });
  });

  it.each([
    ['a name', ['Ada Abbott']],
    ['an address that is not plain', ['a@x.com', 'b@x.com', ' c@x.com']],
    ['an address outside ASCII', ['a@x.com', 'josé@x.com']],
    ['a number with letters', ['2125550100', '2125550101 x7']],
    ['a number of seven digits', ['2125550100', '0005550100']],
    ['a number of twenty digits', ['12345678901234567890']],
    ['another digit', ['2125550100', '２125550100']],
    ['an address after numbers', ['2125550100', 'a@x.com']],
    ['nothing', [null, null]],
  ])('knows nothing after %s', (_, values) => {
    expect(sharersOf(values)).toBeNull();
  });

  it('stays within its memory, and gives back what a column does not need', () => {
    const memory = new SharersMemory();
    const values = (count: number) => Array.from({ length: count }, (_, i) => `u${i}@x.com`);
    memory.values = 20_000;
    expect(sharersOf([...values(9000), 'oops!'], memory)).toBeNull();
    expect(sharersOf(values(20_000), memory)).toBeNull();
    expect(memory.values).toBe(20_000);
    expect(sharersOf([...values(9000), 'u7@x.com'], memory)).toMatchObject({ filled: 9001, rows: [9001] });
  });

  it('finds in random files what a search of the table finds, and the profile is the same', async () => {
    const seed = 20_261_121;
    let state = seed;
    const random = (below: number) => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
      return (state >>> 8) % below;
    };
    const directory = await mkdtemp(join(tmpdir(), 'early-sharers-'));
    const source = join(directory, 'source.csv');
    const parquet = join(directory, 'staged.parquet');
    const spelt = [
      (n: number) => `+1 212 ${String(n).padStart(8, '0')}`,
      (n: number) => `(212)${String(n).padStart(8, '0')} `,
      (n: number) => `00212-${String(n).padStart(8, '0')}`,
    ];
    try {
      for (let round = 0; round < 8; round++) {
        // From files in which most values come again to files in which none does.
        const range = 2000 * 8 ** (round % 4);
        const rows = Array.from({ length: 1 + random(6000) }, () => {
          const mail = `${random(2) ? 'User' : 'user'}.${random(range)}@x.com`;
          return `${random(10) ? mail : ''},${random(10) ? spelt[random(3)](random(range)) : ''}\n`;
        });
        await writeFile(source, `Mail,Phone\n${rows.join('')}x${range}@x.com,${10 ** 9}\n`);
        const { sharers } = await stageCsv(source, parquet);
        const keys = [
          { columns: [0], fold: 'text' as const },
          { columns: [1], fold: 'digits' as const },
        ];
        const [early, late] = await Promise.all(
          [sharers, []].map(async (known) => {
            const table = await StagedTable.open(parquet, 2, { sharers: known });
            try {
              const apart = await Promise.all(keys.map(async (key) => [...(await table.laterSharers([key]))]));
              return { apart, all: [...(await table.laterSharers(keys))], profile: await table.profile() };
            } finally {
              await table.close();
            }
          }),
        );
        expect({ seed, round, known: sharers.map((each) => each?.fold) }).toEqual({
          seed,
          round,
          known: ['text', 'digits'],
        });
        expect({ seed, round, ...early }).toEqual({ seed, round, ...late });
      }
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});
