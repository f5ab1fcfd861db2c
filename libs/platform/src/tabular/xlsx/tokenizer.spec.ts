import { SaxesParser } from 'saxes';
import { Tokenizer } from './tokenizer';

type Token = [kind: string, ...rest: unknown[]];

/** The tokens of a document that comes in chunks of some sizes; neighbouring texts are one. */
function tokens(bytes: Uint8Array, sizeOf: () => number): Token[] {
  const found: Token[] = [];
  const reader = new Tokenizer(
    {
      open: (name, attributes) => found.push(['open', name, attributes]),
      close: (name) => found.push(['close', name]),
      text: (text) => addText(found, text),
    },
    (why) => {
      throw new Error(why);
    },
  );
  for (let at = 0; at < bytes.length;) {
    const end = at + sizeOf();
    reader.write(bytes.subarray(at, end));
    at = end;
  }
  reader.finish();
  return found;
}

function addText(found: Token[], text: string): void {
  const last = found.at(-1);
  if (last?.[0] === 'text') last[1] = `${String(last[1])}${text}`;
  else found.push(['text', text]);
}

/** What another parser makes of it. */
function otherTokens(text: string): Token[] {
  const found: Token[] = [];
  const parser = new SaxesParser();
  let depth = 0;
  parser.on('error', (error) => {
    throw error;
  });
  parser.on('opentag', ({ name, attributes }) => {
    depth++;
    found.push(['open', name, { ...(attributes as Record<string, string>) }]);
  });
  parser.on('closetag', ({ name }) => {
    depth--;
    found.push(['close', name]);
  });
  parser.on('text', (piece) => depth > 0 && addText(found, piece));
  parser.on('cdata', (piece) => piece !== '' && addText(found, piece));
  parser.write(text).close();
  return found;
}

function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

describe('Tokenizer', () => {
  it('agrees with another parser, wherever the chunks are cut', () => {
    const seed = 20_261_121;
    const random = generator(seed);
    const pick = <T>(from: readonly T[]): T => from[random(from.length)];
    const names = ['a', 'row', 'x:c', 'größe', '_b.1-2', 'xml:space'];
    const texts = [
      'text',
      ' ',
      '\n',
      '\r\n',
      '\r',
      '\t',
      'Zoë',
      '漢',
      '😀',
      '&lt;',
      '&amp;',
      '&#65;',
      '&#x1F600;',
      '&apos;',
      '&#13;',
      '>',
      '"',
      "'",
    ];
    const element = (depth: number): string => {
      const name = pick(names.slice(0, 5));
      const used = new Set(Array.from({ length: random(4) }, () => pick(names)));
      const attributes = [...used].map((attribute) => {
        const quote = pick(['"', "'"]);
        const value = Array.from({ length: random(4) }, () => pick(texts))
          .join('')
          .replaceAll(quote, '');
        return `${pick([' ', '\n  ', '\t'])}${attribute}${pick(['=', ' = '])}${quote}${value}${quote}`;
      });
      const inside = Array.from({ length: depth > 4 ? 0 : random(5) }, () => {
        const kind = random(8);
        if (kind < 3) return element(depth + 1);
        if (kind === 3) return `<!-- <b> & ${pick(texts)} - -->`;
        if (kind === 4) return `<![CDATA[<raw>&]] ${pick(texts)}]]>`;
        return kind === 5 ? '<?do <something>?>' : pick(texts);
      });
      const start = `<${name}${attributes.join('')}${pick(['', ' '])}`;
      return inside.length === 0 && random(2)
        ? `${start}/>`
        : `${start}>${inside.join('')}</${name}${pick(['', ' '])}>`;
    };
    for (let round = 0; round < 400; round++) {
      const declared = pick(['', '<?xml version="1.0" encoding="UTF-8"?>\r\n', '<?xml version="1.0"?><!-- a -->']);
      const text = `${declared}${element(0)}${pick(['', '\n', '<!--end-->\n'])}`;
      const wide = random(4) === 0;
      const bytes = wide
        ? Buffer.from(`\ufeff${text.replace('UTF-8', 'UTF-16')}`, 'utf16le')
        : Buffer.from(`${pick(['', '\ufeff'])}${text}`);
      // Of UTF-16 the first chunk must show which it is.
      const size = pick([() => 2, () => 3 + random(5), () => 2 + random(100), () => bytes.length]);
      expect({ seed, round, text, tokens: tokens(bytes, size) }).toEqual({
        seed,
        round,
        text,
        tokens: otherTokens(text),
      });
    }
  });

  it.each([
    ['nothing', ''],
    ['only a comment', '<!-- a -->'],
    ['a document type', '<!DOCTYPE a><a/>'],
    ['a document type in lower case', '<!doctype a><a/>'],
    ['an entity of its own', '<a>&b;</a>'],
    ['an entity in an attribute', '<a b="&c;"/>'],
    ['a lone ampersand', '<a>b & c</a>'],
    ['the character 0', '<a>&#0;</a>'],
    ['half a character', '<a>&#xD800;</a>'],
    ['a number that is too large', '<a>&#x110000;</a>'],
    ['a control character', '<a>\x01</a>'],
    ['a tag that is not closed', '<a><b></b>'],
    ['a tag that is closed twice', '<a></a></a>'],
    ['tags that overlap', '<a><b></a></b>'],
    ['two roots', '<a/><b/>'],
    ['text before the root', 'x<a/>'],
    ['text after the root', '<a/>x'],
    ['literal text after the root', '<a/><![CDATA[x]]>'],
    ['half a tag', '<a'],
    ['half a comment', '<a/><!-- x'],
    ['half of an attribute', '<a b="'],
    ['an attribute without a value', '<a b/>'],
    ['an attribute without quotes', '<a b=c/>'],
    ['attributes without a space', '<a b="1"c="2"/>'],
    ['an attribute twice', '<a b="1" b="2"/>'],
    ['a tag in an attribute', '<a b="<c>"/>'],
    ['a tag without a name', '<a>< b/></a>'],
    ['a name that is none', '<1/>'],
    ['a closing slash in the middle', '<a / b="1">'],
    ['too many attributes', `<a ${Array.from({ length: 257 }, (_, n) => `b${n}="" `).join('')}/>`],
    ['too many levels', '<a>'.repeat(65) + '</a>'.repeat(65)],
    ['a text that is too long', `<a>${'x'.repeat(3 << 20)}</a>`],
    ['a comment that is too long', `<a><!--${'x'.repeat(3 << 20)}--></a>`],
    ['another encoding', '<?xml version="1.0" encoding="EUC-JP"?><a/>'],
  ])('refuses %s', (_, text) => {
    for (const size of text.length < 1000 ? [7, 65_536] : [65_536]) {
      expect(() => tokens(Buffer.from(text), () => size)).toThrow();
    }
  });

  it('refuses bytes that are no characters, also at the end', () => {
    for (const bytes of ['3c613eff3c2f613e', '3c612f3ec3', 'fffe3c0061002f003e0041']) {
      expect(() => tokens(Buffer.from(bytes, 'hex'), () => 4)).toThrow(/character/);
    }
  });
});
