import parsePhoneNumber, { getCountries, getCountryCallingCode, type CountryCode } from 'libphonenumber-js/core';
import { normalizePhone } from './phone';
import { PHONE_METADATA, parsePlainPhone } from './phone-plan';

/** A small generator of pseudo-random numbers with a fixed seed. */
function randomizer(seed: number) {
  let state = seed;
  return (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

function byLibrary(text: string, region: string): string | null {
  const options = { defaultCountry: region as CountryCode, extract: false };
  const number = parsePhoneNumber(text, options, PHONE_METADATA);
  return number?.isPossible() ? (number.ext ? null : number.number) : null;
}

describe('normalizePhone', () => {
  it.each([
    ['504-621-8927', 'US', '+15046218927'],
    ['(504) 621-8927', 'US', '+15046218927'],
    ['504.621.8927', 'US', '+15046218927'],
    ['1 504 621 8927', 'US', '+15046218927'],
    ['+1 (504) 621-8927', 'DE', '+15046218927'],
    ['5046218927', 'CA', '+15046218927'],
    ['００１５０４６２１８９２７', 'DE', '+15046218927'],
    ['５０４－６２１－８９２７', 'US', '+15046218927'],
    ['٥٠٤٦٢١٨٩٢٧', 'US', '+15046218927'],
    ['tel:+1-504-621-8927', 'US', '+15046218927'],
    ['Cell: 504-621-8927', 'US', '+15046218927'],
    ['504-621-8927 (home)', 'US', '+15046218927'],
    ['\u200B504-621-8927\u00A0', 'US', '+15046218927'],
    ['011 44 20 7946 0958', 'US', '+442079460958'],
    ['0044 20 7946 0958', 'US', '+442079460958'],
    ['0044 20 7946 0958', 'JP', '+442079460958'],
    ['0011 44 20 7946 0958', 'AU', '+442079460958'],
    ['+44 (0)20 7946 0958', 'US', '+442079460958'],
    ['(+44) 20 7946 0958', 'US', '+442079460958'],
    ['+351 (0)21 123 4567', 'US', '+351211234567'],
    ['+39 (0)6 12345678', 'US', '+390612345678'],
    ['030 123456', 'DE', '+4930123456'],
    ['06 12345678', 'IT', '+390612345678'],
    ['1-800-FLOWERS', 'US', '+18003569377'],
    ['1-888-GO-FEDEX', 'US', '+18884633339'],
    ['111-111-1111', 'US', '+11111111111'],
    ['8 800 555-35-35', 'RU', '+78005553535'],
    ['081 19721574', 'BY', '+375119721574'],
    ['+15046218927', 'ZZ', '+15046218927'],
  ])('reads %s in %s', (raw, region, e164) => {
    expect(normalizePhone(raw, region)).toEqual({ value: { e164 } });
  });

  it.each([
    ['504-621-8927 x12', '12'],
    ['504-621-8927 ext. 1234', '1234'],
    ['(504) 621-8927 #12', '12'],
    ['504-621-8927 extension 5', '5'],
    ['tel:+1-504-621-8927;ext=33', '33'],
  ])('keeps the extension of %s', (raw, extension) => {
    expect(normalizePhone(raw, 'US')).toEqual({ value: { e164: '+15046218927', extension } });
  });

  it('keeps the extension after vanity letters', () => {
    expect(normalizePhone('1-800-FLOWERS x12', 'US')).toEqual({ value: { e164: '+18003569377', extension: '12' } });
  });

  it.each([
    ['', 'US'],
    ['+', 'US'],
    ['621-8927', 'US'],
    ['911', 'US'],
    ['+1 504 621 892', 'US'],
    ['+1 504 621 89271', 'US'],
    ['020 7946 0958', 'US'],
    ['504-621-8927', 'ZZ'],
    ['+999 1234567', 'US'],
    ['call me', 'US'],
    ['SmithJones', 'US'],
    ['2 DIJKL MNOP', 'US'],
    ['111-JOHNDOE', 'US'],
    ['504-621-8927 / 504-845-1427', 'US'],
    ['504-621-8927 or 504-845-1427', 'US'],
    ['joe@example.com', 'US'],
    ['5'.repeat(65), 'US'],
  ])('refuses %s in %s', (raw, region) => {
    expect(normalizePhone(raw, region)).toMatchObject({ code: 'phone-invalid' });
  });

  it('refuses a megabyte at once', () => {
    const started = performance.now();
    expect(normalizePhone('5'.repeat(1_000_000), 'US')).toMatchObject({ code: 'phone-invalid' });
    expect(performance.now() - started).toBeLessThan(2000);
  });

  it('is its own normal form', () => {
    for (const e164 of ['+15046218927', '+442079460958', '+390612345678', '+4930123456']) {
      expect(normalizePhone(e164, 'JP')).toEqual({ value: { e164 } });
    }
  });
});

describe('parsePlainPhone', () => {
  const regions = getCountries(PHONE_METADATA);
  const marks = ['', '', '', '', ' ', '-', '.', '(', ')', '/', ') ', ' - ', '--'];
  const nasty = ['x', '#', '~', ',', ';', '+', 'ext', '\u00A0', '５', '\u2013', '[', '*', '\t'];

  function invent(random: (below: number) => number, region: CountryCode): string {
    const code = getCountryCallingCode(region, PHONE_METADATA);
    const other = getCountryCallingCode(regions[random(regions.length)], PHONE_METADATA);
    const starts = [
      '',
      '',
      '',
      '0',
      '1',
      '8',
      '+' + code,
      '+' + code + '0',
      '+' + other,
      '+1',
      '+',
      '+0',
      code,
      '00',
      '011',
    ];
    const digits = starts[random(starts.length)] + Array.from({ length: 3 + random(12) }, () => random(10)).join('');
    let text = '';
    for (const [index, digit] of [...digits].entries()) {
      text += index === 0 && digit === '+' ? digit : digit + (random(4) === 0 ? marks[random(marks.length)] : '');
    }
    if (random(12) === 0) {
      const at = random(text.length + 1);
      text = text.slice(0, at) + nasty[random(nasty.length)] + text.slice(at);
    }
    return text;
  }

  it('gives the answer of the library wherever it answers, in every region', () => {
    const random = randomizer(20240229);
    const wrong: unknown[] = [];
    let answered = 0;
    for (let i = 0; i < 60_000; i++) {
      const region = i % 3 === 0 ? 'US' : regions[random(regions.length)];
      const text = invent(random, region);
      const plain = parsePlainPhone(text, region);
      if (plain === null) continue;
      answered++;
      const expected = byLibrary(text, region);
      if (plain !== expected) wrong.push({ text, region, plain, expected });
      if (parsePlainPhone(plain, 'JP') !== plain && byLibrary(plain, 'JP') !== plain) wrong.push({ text, plain });
    }
    expect(wrong.slice(0, 10)).toEqual([]);
    expect(answered).toBeGreaterThan(5_000);
  });

  it('gives the answer of the library for every calling code and length', () => {
    const random = randomizer(11);
    const codes = new Set(regions.map((region) => getCountryCallingCode(region, PHONE_METADATA)));
    const wrong: unknown[] = [];
    for (const code of codes) {
      for (let length = 3; length <= 15; length++) {
        for (let i = 0; i < 10; i++) {
          const text = `+${code}${Array.from({ length }, () => random(10)).join('')}`;
          const plain = parsePlainPhone(text, 'US');
          if (plain !== null && plain !== byLibrary(text, 'US')) wrong.push({ text, plain });
        }
      }
    }
    expect(wrong).toEqual([]);
  });

  it('answers for every usual North American shape as the library does', () => {
    const random = randomizer(7);
    const digits = (length: number) => Array.from({ length }, () => random(10)).join('');
    for (let i = 0; i < 5_000; i++) {
      const [area, exchange, line] = [String(2 + random(8)) + digits(2), digits(3), digits(4)];
      const text = [
        `${area}-${exchange}-${line}`,
        `(${area}) ${exchange}-${line}`,
        `${area}.${exchange}.${line}`,
        `1-${area}-${exchange}-${line}`,
        `+1${area}${exchange}${line}`,
      ][i % 5];
      const region = ['US', 'CA', 'PR', 'AG', 'DO'][random(5)];
      const plain = parsePlainPhone(text, region);
      expect(plain).toBe(`+1${area}${exchange}${line}`);
      expect(byLibrary(text, region)).toBe(plain);
    }
  });

  it.each(['', ' ', '+', '()', '504-621-8927 x1', '504-621-8927#', '00442079460958', '621-8927', '504+6218927'])(
    'leaves %j to the library',
    (text) => {
      expect(parsePlainPhone(text, 'US')).toBeNull();
    },
  );
});
