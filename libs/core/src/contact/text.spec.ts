import {
  cleanText,
  codePointLength,
  escapeFormula,
  foldFullWidth,
  foldWords,
  normalizeText,
  trimText,
  unescapeFormula,
} from './text';

describe('trimText', () => {
  it.each([
    ['  a b  ', 'a b'],
    ['\u200B\uFEFFa\u00A0\u200B ', 'a'],
    ['\u3000あ\u3000', 'あ'],
    ['\u200B \u200B', ''],
    ['', ''],
    ['é', 'é'],
  ])('trims %j', (raw, text) => {
    expect(trimText(raw)).toBe(text);
  });
});

describe('normalizeText', () => {
  it('strips control characters and lone surrogates, and composes', () => {
    expect(normalizeText(' a\u0000b\u0007c\u009F\uD800 e\u0301 ')).toBe('abc \u00E9');
  });
  it('makes one line of several', () => {
    expect(normalizeText('1 Main St\r\nApt 4\tRear')).toBe('1 Main St Apt 4 Rear');
  });
  it('keeps tabs and line breaks of a multi-line field', () => {
    expect(normalizeText('a\r\nb\rc\n\td\u0001', true)).toBe('a\nb\nc\n\td');
  });
  it('keeps characters outside the basic plane', () => {
    expect(normalizeText('a😀b')).toBe('a😀b');
  });
});

describe('cleanText', () => {
  it('counts code points', () => {
    expect(cleanText('😀'.repeat(10), 10)).toEqual({ value: '😀'.repeat(10) });
    expect(cleanText('😀'.repeat(11), 10)).toEqual({ code: 'too-long', message: 'is longer than 10 characters (11)' });
    expect(cleanText('😀', 10, 2)).toMatchObject({ code: 'too-short' });
    expect(cleanText('e\u0301'.repeat(10), 10)).toEqual({ value: 'é'.repeat(10) });
    expect(codePointLength('a😀\uD83D')).toBe(3);
  });
  it('says what is missing', () => {
    expect(cleanText('  ', 10, 2)).toMatchObject({ code: 'required' });
    expect(cleanText('a', 10, 2)).toMatchObject({ code: 'too-short' });
    expect(cleanText('ab', 10, 2)).toEqual({ value: 'ab' });
    expect(cleanText(' ', 10)).toEqual({ value: '' });
  });
});

describe('formula escape', () => {
  it.each([
    ['=1+1', "'=1+1"],
    ['+15046218927', "'+15046218927"],
    ['-5', "'-5"],
    ['@joe', "'@joe"],
    ['\tx', "'\tx"],
    ["'=x", "''=x"],
    ["O'Hara", "O'Hara"],
    ["'tis", "'tis"],
    ['', ''],
  ])('escapes %j as %j and takes it back', (raw, escaped) => {
    expect(escapeFormula(raw)).toBe(escaped);
    expect(unescapeFormula(escaped)).toBe(raw);
  });

  it('leaves a quote that protects nothing', () => {
    expect(unescapeFormula("'tis")).toBe("'tis");
    expect(unescapeFormula("'")).toBe("'");
  });

  it('comes back from every short text of the characters that matter', () => {
    const alphabet = ["'", '=', '+', '-', '@', '\t', '\r', 'a', ' '];
    let texts = [''];
    for (let length = 0; length < 5; length++) {
      texts = texts.flatMap((text) => alphabet.map((character) => text + character));
      for (const text of texts) {
        if (unescapeFormula(escapeFormula(text)) !== text) throw new Error(JSON.stringify(text));
        if (/^[=+\-@\t\r]/.test(escapeFormula(text))) throw new Error(`unprotected ${JSON.stringify(text)}`);
      }
    }
    expect(texts).toHaveLength(9 ** 5);
  });
});

describe('folds', () => {
  it('folds full-width ASCII only', () => {
    expect(foldFullWidth('ＡＢ＋１２　～。｡ｱﬁ')).toBe('AB+12 ~..ｱﬁ');
  });
  it('folds words', () => {
    expect(foldWords('  Prénom / Straße--№1 ')).toBe('prenom strasse no1');
  });
});
