import { Comparable, duplicateKeys, DuplicateReason } from './duplicate-keys';

/** People and numbers are invented. */
const BLANK: Comparable = { name: null, company: null, email: null, phone: null, phoneExtension: null };
const keysOf = (reason: DuplicateReason, values: Partial<Comparable>) =>
  duplicateKeys({ ...BLANK, ...values }).flatMap((key) => (key.reason === reason ? [key.text] : []));
const share = (reason: DuplicateReason, one: Partial<Comparable>, other: Partial<Comparable>) =>
  keysOf(reason, one).some((text) => keysOf(reason, other).includes(text));

describe('keys of near duplicates', () => {
  it.each([
    ['under another country code', { phone: '+12015550100' }, { phone: '+442015550100' }, true],
    [
      'with its extension glued to it',
      { phone: '+4930123456', phoneExtension: '12' },
      { phone: '+493012345612' },
      true,
    ],
    ['of another area', { phone: '+12015550100' }, { phone: '+13015550100' }, false],
    ['of few digits', { phone: '+29012345' }, { phone: '+50012345' }, false],
  ] as [string, Partial<Comparable>, Partial<Comparable>, boolean][])('phone: a number %s', (_, one, other, same) => {
    expect(share('phone', one, other)).toBe(same);
  });

  it.each([
    ['case, accents, punctuation and order', 'Zoë  Müller', 'ACME, Inc.', 'muller, zoe', 'Acme Inc', true],
    ['another company', 'Zoë Müller', 'Acme', 'Zoë Müller', 'Globex', false],
    ['no company', 'Zoë Müller', '', 'Zoë Müller', '', false],
    ['no words', '☺', 'Acme', '☹', 'Acme', false],
    ['another script', '李 小龍', '公司', '小龍 李', '公司', true],
  ])('name and company: %s', (_, name, company, otherName, otherCompany, same) => {
    expect(share('name-company', { name, company }, { name: otherName, company: otherCompany })).toBe(same);
  });

  it('name and e-mail: the same begin of the address at different domains', () => {
    const ada = { name: 'Ada Example', email: 'ada+web@example.com' };
    expect(share('name-email', ada, { name: 'ADA EXAMPLE', email: 'ada@example.org' })).toBe(true);
    expect(share('name-email', ada, { name: 'Ada Example', email: 'adae@example.org' })).toBe(false);
    expect(share('name-email', ada, { name: 'Bea Example', email: 'ada@example.org' })).toBe(false);
  });

  it('are none of nothing', () => {
    expect(duplicateKeys(BLANK)).toEqual([]);
    expect(duplicateKeys({ ...BLANK, name: 'Ada Example' })).toEqual([]);
  });
});
