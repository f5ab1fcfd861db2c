import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sniffFile } from './sniff';

const bytes = (text: string) => Buffer.from(text, 'latin1');

/** Bytes without a pattern, always the same. */
function junk(length: number): Buffer {
  let state = 7;
  return Buffer.from(Array.from({ length }, () => (state = (state * 1103515245 + 12345) & 0x7fffffff) >> 16));
}

describe('sniffFile', () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sniff-'));
  });
  afterAll(() => rm(directory, { recursive: true }));

  it.each<[string, Buffer, string, string?]>([
    ['plain text', bytes('a,b\n1,2\n'), 'text'],
    ['UTF-8', Buffer.from('é,ü\n'), 'text'],
    ['Windows-1252', bytes('Name\nJos\xe9\n'), 'text'],
    ['one NUL in a cell', bytes('a,b\n1,\0\n'), 'text'],
    ['UTF-16LE with a mark', Buffer.from('\ufeffa,b\n1,2\n', 'utf16le'), 'text'],
    ['UTF-16LE without', Buffer.from('a,b\n1,2\n', 'utf16le'), 'text'],
    ['UTF-16BE without', Buffer.from('a,b\n1,2\n', 'utf16le').swap16(), 'text'],
    ['a header that begins like a magic number', bytes('GIF,BZ,MZ\n1,2,3\n'), 'text'],
    ['a character cut by the sample', Buffer.from('x' + 'é'.repeat(40_000)), 'text'],
    ['nothing', bytes(''), 'empty'],
    ['a mark', bytes('\xef\xbb\xbf'), 'empty'],
    ['white space', bytes('\xef\xbb\xbf \r\n\t\n'), 'empty'],
    ['white space in UTF-16', Buffer.from('\ufeff \r\n', 'utf16le'), 'empty'],
    ['png', bytes('\x89PNG\r\n\x1a\n...'), 'binary', 'png'],
    ['jpeg', bytes('\xff\xd8\xff\xe0'), 'binary', 'jpeg'],
    ['gif', bytes('GIF89a...'), 'binary', 'gif'],
    ['pdf', bytes('%PDF-1.7\n'), 'binary', 'pdf'],
    ['gzip', bytes('\x1f\x8b\x08'), 'binary', 'gzip'],
    ['xls', bytes('\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1'), 'compound'],
    ['sqlite', bytes('SQLite format 3\0'), 'binary', 'sqlite'],
    ['parquet', bytes('PAR1\x15\x04'), 'binary', 'parquet'],
    ['exe', bytes('MZ\x90\0\x03\0\0\0\x04\0\0\0'), 'binary', 'exe'],
    ['zip', bytes('PK\x03\x04\x14\0\0\0\0\0photo.raw'), 'zip'],
    ['an empty zip', bytes('PK\x05\x06\0\0\0\0'), 'zip'],
    ['junk', junk(4000), 'binary'],
    ['NULs', Buffer.alloc(100), 'binary'],
  ])('%s', async (...[, content, kind, detail]) => {
    const path = join(directory, 'file');
    await writeFile(path, content);
    expect(await sniffFile(path)).toEqual(detail === undefined ? { kind } : { kind, detail });
  });
});
