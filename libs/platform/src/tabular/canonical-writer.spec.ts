import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CanonicalWriter } from './canonical-writer';

describe('CanonicalWriter', () => {
  let directory: string;
  let writer: CanonicalWriter;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'canonical-'));
    writer = new CanonicalWriter(directory, 0x2c, 2);
  });
  afterEach(async () => {
    await writer.close();
    await rm(directory, { recursive: true });
  });
  const cells = (...texts: string[]) => texts.map((text) => Buffer.from(text));
  const written = async () => (await Promise.all(writer.paths.map((path) => readFile(path, 'utf8')))).join('');

  it('quotes what needs it and counts what it wrote', async () => {
    writer.row(cells('a,b', 'say "hi"'));
    writer.row(cells('plain'));
    expect(writer.multiline).toBe(false);
    writer.row(cells('x\ny', ''), 'column-count', 'surplus: "z", ü');
    await writer.finish();
    expect(await written()).toBe('1,,,"a,b","say ""hi"""\n2,,,plain,\n3,column-count,"surplus: ""z"", ü","x\ny",\n');
    expect(writer).toMatchObject({ rows: 3, issueRows: 1, multiline: true, longestLine: 43, bytesWritten: 77 });
  });

  it('forgets a row that was begun and not ended', async () => {
    writer.begin(100);
    writer.row(cells('1', '2'));
    writer.begin(100);
    await writer.finish();
    expect(await written()).toBe('1,,,1,2\n');
  });

  it('leaves one file even without rows', async () => {
    await writer.finish();
    expect(writer.paths).toHaveLength(1);
    expect(await written()).toBe('');
  });

  it('keeps many short rows in one file, and begins the next after 8 MiB of long ones', async () => {
    for (let row = 0; row < 100_000; row++) writer.row(cells('x'.repeat(90), 'y'));
    await writer.finish();
    expect(writer.bytesWritten).toBeGreaterThan(9 << 20);
    expect(writer.paths).toHaveLength(1);

    const long = new CanonicalWriter(await mkdtemp(join(directory, 'long-')), 0x2c, 2);
    const cell = Buffer.alloc(1 << 20, 'z');
    for (let row = 0; row < 20; row++) {
      long.row([cell, Buffer.from('y')]);
      await long.flush();
    }
    await long.finish();
    const lines = (await Promise.all(long.paths.map((path) => readFile(path, 'latin1')))).map((text) =>
      text.split('\n'),
    );
    expect(lines.map((rows) => rows.length - 1)).toEqual([8, 8, 4]);
    expect(lines.flatMap((rows) => rows.slice(0, -1).map((row) => parseInt(row, 10)))).toEqual(
      Array.from({ length: 20 }, (_, index) => index + 1),
    );
  });
});
