import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compoundFile, sheetOf, workbook, workbookParts, zip, type ZipEntry } from '@muster/testing/xlsx';
import { closeDuckDb } from '../duckdb';
import { ARCHIVE_LIMITS } from './archive';
import { inspectWorkbook, refuseCompoundFile } from './inspect';
import { stageWorkbook } from './stage-workbook';

let directory: string;
let path: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'hostile-'));
  path = join(directory, 'file');
});
afterAll(async () => {
  await closeDuckDb();
  await rm(directory, { recursive: true });
});

const ROWS = [['a'], ['1']];
const SHEET = 'xl/worksheets/sheet1.xml';
const good = sheetOf(ROWS);
/** A workbook with one part changed. */
const changed = (name: string, change: Partial<ZipEntry>) =>
  sheetOf(ROWS, { change: (part) => (part.name === name ? { ...part, ...change } : part) });
const markup = (inside: string) => changed(SHEET, { content: inside });
const cells = (inside: string) => markup(`<worksheet><sheetData><row>${inside}</row></sheetData></worksheet>`);
const cut = (bytes: Buffer, from: number, to = bytes.length) => Buffer.from(bytes.subarray(from, to));
const poke = (bytes: Buffer, at: number, value: string) => {
  const copy = Buffer.from(bytes);
  copy.write(value, at < 0 ? bytes.length + at : at, 'hex');
  return copy;
};

/** A table of contents of the 64-bit form that points far away. */
function pointingFar(): Buffer {
  const locator = Buffer.alloc(20);
  locator.writeUInt32LE(0x07064b50, 0);
  locator.fill(0xff, 8, 16);
  return Buffer.concat([cut(good, 0, good.length - 22), locator, cut(good, good.length - 22)]);
}

describe('at once', () => {
  it.each<[string, string, () => Buffer]>([
    ['nothing but a signature', 'file-malformed', () => Buffer.from('PK\x03\x04')],
    ['cut', 'file-malformed', () => cut(good, 0, good.length - 30)],
    ['cut in front', 'file-malformed', () => Buffer.concat([Buffer.from('PK\x03\x04'), cut(good, 300)])],
    ['a table of contents that points elsewhere', 'file-malformed', () => poke(good, -6, 'ffffff7f')],
    ['a table of contents beyond all numbers', 'file-malformed', pointingFar],
    [
      'more entries than there are',
      'file-malformed',
      () => zip(workbookParts({ sheets: [{ name: 'S', rows: ROWS }] }), 500),
    ],
    ['too many entries', 'file-too-large', () => zip(workbookParts({ sheets: [{ name: 'S', rows: ROWS }] }), 60_000)],
    ['an entry twice', 'file-malformed', () => sheetOf(ROWS, { extra: [{ name: 'XL/workbook.xml', content: '' }] })],
    ['an unknown way of packing', 'file-malformed', () => changed(SHEET, { method: 14 })],
    ['entries larger than the file', 'file-malformed', () => changed(SHEET, { claimedPackedSize: 10_000_000 })],
    ['an entry that begins elsewhere', 'file-malformed', () => changed(SHEET, { claimedOffset: 3 })],
    ['an entry that begins nowhere', 'file-malformed', () => changed(SHEET, { claimedOffset: 4_000_000_000 })],
    ['a stored entry with two sizes', 'file-malformed', () => changed(SHEET, { stored: true, claimedSize: 5 })],
    ['encrypted entries', 'file-encrypted', () => changed(SHEET, { flags: 1 })],
    ['strongly encrypted entries', 'file-encrypted', () => changed(SHEET, { flags: 0x41 })],
    ['an entry said to be huge', 'file-too-large', () => changed(SHEET, { claimedSize: 0xfffffff0 })],
    ['an entry of 100 MB of the same', 'file-too-large', () => markup(' '.repeat(100_000_000))],
    ['macros', 'file-macro', () => sheetOf(ROWS, { extra: [{ name: 'xl/vbaProject.bin', content: 'x' }] })],
    ['old macros', 'file-macro', () => sheetOf(ROWS, { extra: [{ name: 'xl/macrosheets/sheet1.xml', content: 'x' }] })],
    ['a Word document', 'file-type-unsupported', () => zip([{ name: 'word/document.xml', content: 'x' }])],
    ['photos', 'file-type-unsupported', () => zip([{ name: 'photo.raw', content: 'x' }])],
    ['an archive of nothing', 'file-type-unsupported', () => zip([])],
    [
      'a binary workbook',
      'file-type-unsupported',
      () => sheetOf(ROWS, { extra: [{ name: 'xl/workbook.bin', content: '' }] }),
    ],
    ['no workbook in the package', 'file-malformed', () => changed('_rels/.rels', { content: '<Relationships/>' })],
    ['no sheets', 'import-empty', () => workbook({ sheets: [] })],
    ['an empty sheet', 'import-empty', () => sheetOf([])],
    [
      'a document type',
      'file-malformed',
      () => changed('xl/workbook.xml', { content: '<!DOCTYPE workbook><workbook/>' }),
    ],
    [
      'entities that grow',
      'file-malformed',
      () => markup('<!DOCTYPE w [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><worksheet>&b;</worksheet>'),
    ],
    ['an unknown entity', 'file-malformed', () => cells('<c><v>&b;</v></c>')],
    ['another part in place of the sheet', 'file-malformed', () => markup('<chartsheet/>')],
    ['tags that do not match', 'file-malformed', () => cells('<c></d>')],
    [
      'characters that are none',
      'file-malformed',
      () => changed(SHEET, { content: Buffer.from('<worksheet>\xff', 'latin1') }),
    ],
    [
      'an encoding that is not read',
      'file-malformed',
      () => markup('<?xml version="1.0" encoding="ebcdic"?><worksheet/>'),
    ],
    ['a cell nowhere', 'file-malformed', () => cells('<c r="XFE1"><v>1</v></c>')],
    ['a cell at no place', 'file-malformed', () => cells('<c r="7"><v>1</v></c>')],
    ['tags in tags', 'file-malformed', () => markup('<worksheet>' + '<a>'.repeat(100))],
    [
      'a tag of attributes',
      'file-malformed',
      () => markup(`<worksheet ${Array.from({ length: 300 }, (_, n) => `a${n}=""`).join(' ')}/>`),
    ],
    ['a longer entry than it says', 'file-malformed', () => changed(SHEET, { claimedSize: 20 })],
    ['bytes that do not unpack', 'file-malformed', () => changed(SHEET, { content: 'abc', stored: true, method: 8 })],
  ])('%s: %s', async (_, code, make) => {
    await writeFile(path, make());
    await expect(inspectWorkbook(path)).rejects.toMatchObject({ code, message: expect.stringMatching(/^[A-Z].*\.$/s) });
    await expect(stageWorkbook(path, `${path}.parquet`)).rejects.toMatchObject({ code });
  });

  it.each([
    ['file-encrypted', ['DataSpaces', 'EncryptionInfo', 'x', 'y', 'z', 'EncryptedPackage'], /password/],
    ['file-type-unsupported', ['Workbook'], /\.xls\b/],
    ['file-type-unsupported', ['WordDocument'], /CSV/],
  ])('a compound file: %s', async (code, names, message) => {
    await writeFile(path, compoundFile(names));
    expect(await refuseCompoundFile(path)).toMatchObject({ code, message: expect.stringMatching(message) });
  });

  it('a damaged compound file', async () => {
    await writeFile(path, cut(compoundFile(['Workbook']), 0, 600));
    expect(await refuseCompoundFile(path)).toMatchObject({ code: 'file-type-unsupported' });
  });
});

describe('on the way', () => {
  it.each<[string, () => Buffer]>([
    ['a shorter entry than it says', () => changed(SHEET, { claimedSize: 5_000 })],
    ['a text that is too long', () => cells(`<c><v>${Array.from({ length: 1_500_000 }, (_, n) => n).join()}</v></c>`)],
    ['a wrong checksum', () => changed(SHEET, { claimedCrc: 1 })],
    ['a shared text that is not there', () => sheetOf([['a'], [{ shared: 3 }]], { shared: ['<si><t>x</t></si>'] })],
    ['a shared text without a number', () => cells('<c t="inlineStr"><is><t>a</t></is></c><c t="s"><v>-1</v></c>')],
    ['damage in the shared texts', () => sheetOf([['a'], [{ shared: 0 }]], { shared: ['<si><t>x'] })],
    ['an area of cells that is none', () => workbook({ sheets: [{ name: 'S', rows: ROWS, merged: ['B9:A1'] }] })],
  ])('%s', async (_, make) => {
    await writeFile(path, make());
    await expect(stageWorkbook(path, `${path}.parquet`)).rejects.toMatchObject({ code: 'file-malformed' });
  });

  it('texts that are used so often that they outgrow the file', async () => {
    const shared = [`<si><t>${'x'.repeat(1 << 20)}</t></si>`];
    await writeFile(path, sheetOf([['a'], ...Array.from({ length: 200 }, () => [{ shared: 0 }])], { shared }));
    const limits = { ...ARCHIVE_LIMITS, freeBytes: 16 << 20 };
    await expect(stageWorkbook(path, `${path}.parquet`, { limits })).rejects.toMatchObject({ code: 'file-too-large' });
  });
});

it('does not take a good workbook for a bad one', async () => {
  await writeFile(path, good);
  await expect(inspectWorkbook(path)).resolves.toBeUndefined();
  await writeFile(path, sheetOf(ROWS, { change: (part) => ({ ...part, stored: true }) }));
  expect(await stageWorkbook(path, `${path}.parquet`)).toMatchObject({ columns: ['a'], totalRows: 1 });
});
