import { normalizeEmail } from './email';

describe('normalizeEmail', () => {
  it.each([
    ['joe@example.com', 'joe@example.com'],
    ['  Joe.Smith@Example.COM ', 'joe.smith@example.com'],
    ['joe+tag@example.co.uk', 'joe+tag@example.co.uk'],
    ["o'hara_1-x@sub.example.org", "o'hara_1-x@sub.example.org"],
    ['ｊｏｅ＠example．com', 'joe@example.com'],
    ['joe@example。com', 'joe@example.com'],
    ['\u200Bjoe@example.com\u200B', 'joe@example.com'],
    ['\u00A0joe@example.com\uFEFF', 'joe@example.com'],
    ['mailto:Joe@example.com', 'joe@example.com'],
    ['MAILTO:joe%2Btag@example.com?subject=Hello', 'joe+tag@example.com'],
    ['Joe Smith <joe@example.com>', 'joe@example.com'],
    ['"Smith, Joe" <Joe@Example.com>', 'joe@example.com'],
    ['joe@example.com <joe@example.com>', 'joe@example.com'],
    ['<joe@example.com>', 'joe@example.com'],
    ['jose\u0301@example.com', 'jos\u00E9@example.com'],
    ['JOSÉ@EXAMPLE.COM', 'josé@example.com'],
    ['ВАСЯ@пример.рф', 'вася@пример.рф'],
    ['info@Bücher.de', 'info@bücher.de'],
    ['joe@xn--bcher-kva.xn--p1ai', 'joe@xn--bcher-kva.xn--p1ai'],
    ['1@2.co', '1@2.co'],
    ['joe@3com.com', 'joe@3com.com'],
    ['𝒿@example.com', '𝒿@example.com'],
    [`${'a'.repeat(64)}@example.com`, `${'a'.repeat(64)}@example.com`],
  ])('normalises %s', (raw, value) => {
    expect(normalizeEmail(raw)).toEqual({ value });
    expect(normalizeEmail(value)).toEqual({ value });
  });

  it.each([
    '',
    '@',
    'joe',
    'joe@',
    '@example.com',
    'joe@example',
    'joe@@example.com',
    'joe@ex@ample.com',
    '.joe@example.com',
    'joe.@example.com',
    'jo..e@example.com',
    'joe@.example.com',
    'joe@example..com',
    'joe@example.com.',
    'joe@-example.com',
    'joe@example-.com',
    'joe@example.c',
    'joe@192.168.1.1',
    'joe@exam_ple.com',
    'jo e@example.com',
    'joe@exam ple.com',
    'joe\n@example.com',
    'joe@example.com\u0000',
    '"joe smith"@example.com',
    'joe(home)@example.com',
    'a@example.com, b@example.com',
    'a@example.com;b@example.com',
    'A <a@example.com>, B <b@example.com>',
    'b@example.com <a@example.com>',
    'A <x>, B <b@example.com>',
    'joe@example.com>',
    'mailto:%E0%A4%A@example.com',
    'j\u200Boe@example.com',
    'joe@exa\uD800mple.com',
    'j😀@example.com',
    `${'a'.repeat(65)}@example.com`,
    `joe@${'a'.repeat(64)}.com`,
    `joe@${'abcdefghi.'.repeat(26)}com`,
  ])('refuses %j', (raw) => {
    expect(normalizeEmail(raw)).toMatchObject({ code: 'email-invalid' });
  });

  it('shows at most 40 characters of the value', () => {
    const refused = normalizeEmail('x'.repeat(500)) as { message: string };
    expect(refused.message).toBe(`"${'x'.repeat(39)}…" is not an e-mail address`);
  });

  it.each(['a', '@', '.', 'a.', ' ', '<', 'a@', '"', '\u200B', 'é', 'a@b.c '])(
    'judges a megabyte of %j at once',
    (piece) => {
      const started = performance.now();
      normalizeEmail(piece.repeat(1_000_000 / piece.length));
      expect(performance.now() - started).toBeLessThan(2000);
    },
  );
});
