import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zip } from '@muster/testing/xlsx';
import { Archive } from './archive';
import { SharedStrings } from './shared-strings';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'shared-'));
});
afterEach(() => rm(directory, { recursive: true }));

async function filled(texts: readonly string[], memoryBytes: number) {
  const items = texts.map((text) => `<si><t xml:space="preserve">${text}</t></si>`).join('');
  await writeFile(join(directory, 'a.zip'), zip([{ name: 'sst', content: `<sst xmlns="x">${items}</sst>` }]));
  const archive = await Archive.open(join(directory, 'a.zip'));
  const strings = new SharedStrings(join(directory, 'spill'), memoryBytes);
  await strings.fill(archive, 'sst');
  await archive.close();
  return strings;
}

it('keeps in memory only what it may, and reads the others back in any order', async () => {
  const texts = Array.from({ length: 60_000 }, (_, n) => (n % 9999 === 0 ? 'long'.repeat(20_000) : `text ${n} ü`));
  const strings = await filled(texts, 200_000);
  expect(strings.count).toBe(60_000);
  expect(strings.resident).toBeLessThanOrEqual(200_000);
  const { size } = await stat(join(directory, 'spill'));
  expect(size).toBeGreaterThan(1_000_000);
  expect(strings.get(0)).not.toBeNull();
  expect(strings.get(59_999)).toBeNull();
  for (let i = 0; i < texts.length; i++) {
    const index = (i * 7919) % texts.length;
    const bytes = strings.get(index) ?? (await strings.load(index));
    if (Buffer.from(bytes).toString() !== texts[index]) throw new Error(`string ${index}`);
  }
  expect(() => strings.get(60_000)).toThrow(RangeError);
  await strings.close();
});

it('needs no file for what fits', async () => {
  const strings = await filled(['', 'a', '', 'b'], 1 << 20);
  expect([0, 1, 2, 3].map((index) => Buffer.from(strings.get(index)!).toString())).toEqual(['', 'a', '', 'b']);
  await expect(stat(join(directory, 'spill'))).rejects.toMatchObject({ code: 'ENOENT' });
});
