import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encode } from 'iconv-lite';
import { detectEncoding, ENCODINGS, type Encoding } from './encoding';
import { createTranscoder } from './transcoder';

const utf16 = (text: string) => Buffer.from(text, 'utf16le');
const NAMES = 'Name,Ort\nJosé García,Köln\nZoë Müller,Málaga\nFrançois,Århus\n';

describe('detectEncoding', () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'encoding-'));
  });
  afterAll(() => rm(directory, { recursive: true }));

  async function detect(content: Buffer, override?: Encoding) {
    const path = join(directory, 'file');
    await writeFile(path, content);
    return detectEncoding(path, override);
  }

  const broken = Buffer.concat([Buffer.from(NAMES), Buffer.from([0xe9, 0x0a])]);
  const late = Buffer.concat([Buffer.alloc((1 << 20) - 1, 'x'), Buffer.from('é\n')]);

  it.each<[string, Buffer, Encoding, number, boolean]>([
    ['nothing', Buffer.alloc(0), 'utf-8', 0, true],
    ['ASCII', Buffer.from('a,b\n'), 'utf-8', 0, true],
    ['UTF-8', Buffer.from(NAMES), 'utf-8', 0, true],
    ['UTF-8 with a mark', Buffer.from('\ufeff' + NAMES), 'utf-8', 3, true],
    ['UTF-8 with a mark and broken bytes', Buffer.from('\xef\xbb\xbfa\n\xe9\xe9\n', 'latin1'), 'utf-8', 3, false],
    ['UTF-8 with few broken bytes', broken, 'utf-8', 0, false],
    ['UTF-8 that ends within a character', Buffer.from(NAMES + 'é').subarray(0, -1), 'utf-8', 0, false],
    ['UTF-8 with a character across two chunks', late, 'utf-8', 0, true],
    ['UTF-16LE with a mark', utf16('\ufeff' + NAMES), 'utf-16le', 2, true],
    ['UTF-16BE with a mark', utf16('\ufeff' + NAMES).swap16(), 'utf-16be', 2, true],
    ['UTF-16LE', utf16(NAMES), 'utf-16le', 0, true],
    ['UTF-16BE', utf16(NAMES).swap16(), 'utf-16be', 0, true],
    ['Windows-1252', encode(NAMES, 'windows-1252'), 'windows-1252', 0, true],
    [
      'Windows-1252, late',
      Buffer.concat([Buffer.alloc(3 << 20, 'x,y\n'), Buffer.from([0x4a, 0xe9])]),
      'windows-1252',
      0,
      true,
    ],
    ['Windows-1252 with an apostrophe', encode('Name\nO’Neil\n“Bob” – €5\n', 'windows-1252'), 'windows-1252', 0, true],
    ['CP850', encode(NAMES, 'cp850'), 'cp850', 0, true],
    ['CP437 reads like CP850', encode('Berguvsvägen,Martín\n', 'cp437'), 'cp850', 0, true],
  ])('%s', async (_, content, encoding, bom, valid) => {
    expect(await detect(content)).toEqual({ encoding, bom, valid });
  });

  it('believes an override, and finds a mark that fits it', async () => {
    expect(await detect(encode(NAMES, 'cp437'), 'cp437')).toEqual({ encoding: 'cp437', bom: 0, valid: true });
    expect(await detect(encode(NAMES, 'cp850'), 'utf-8')).toEqual({ encoding: 'utf-8', bom: 0, valid: false });
    expect(await detect(Buffer.from('\ufeff' + NAMES), 'utf-8')).toEqual({ encoding: 'utf-8', bom: 3, valid: true });
    expect(await detect(Buffer.from('\ufeff' + NAMES), 'cp850')).toEqual({ encoding: 'cp850', bom: 0, valid: true });
  });
});

describe('createTranscoder', () => {
  function transcode(bytes: Buffer, encoding: Encoding, step: number): Buffer {
    const transcoder = createTranscoder(encoding)!;
    const parts: Buffer[] = [];
    for (let at = 0; at < bytes.length; at += step)
      parts.push(Buffer.from(transcoder.push(bytes.subarray(at, at + step))));
    return Buffer.concat([...parts, transcoder.finish()]);
  }

  it('leaves UTF-8 alone', () => expect(createTranscoder('utf-8')).toBeNull());

  it.each(ENCODINGS.filter((encoding) => encoding !== 'utf-8'))('reads %s however it is cut', (encoding) => {
    const text = encoding.startsWith('utf-16') ? NAMES + '€ 漢 😀' : encoding.startsWith('cp') ? 'é£½█ Ñ' : 'é½ Ñ ÿ';
    for (const step of [1, 2, 3, 5, 100]) {
      expect(transcode(encode(text, encoding), encoding, step).toString()).toBe(text);
    }
  });

  it('reads the bytes 0x80–0x9F of Windows-1252', () => {
    expect(transcode(Buffer.from([0x80, 0x92, 0x9c]), 'windows-1252', 9).toString()).toBe('€’œ');
  });

  it('marks what is no character by a byte that is not UTF-8', () => {
    expect(transcode(Buffer.from([0x41, 0x81]), 'windows-1252', 9)).toEqual(Buffer.from([0x41, 0xff]));
    expect(transcode(utf16('a\ud800b\udc00'), 'utf-16le', 1)).toEqual(Buffer.from([0x61, 0xff, 0x62, 0xff]));
    expect(transcode(Buffer.from([0x61, 0, 0x62]), 'utf-16le', 2)).toEqual(Buffer.from([0x61, 0xff]));
    expect(transcode(utf16('\ud83d'), 'utf-16le', 2)).toEqual(Buffer.from([0xff]));
  });
});
