import { normalizeCountry } from './country';

describe('normalizeCountry', () => {
  it.each([
    ['US', 'US'],
    ['us', 'US'],
    ['USA', 'US'],
    ['U.S.A.', 'US'],
    ['United States', 'US'],
    ['united states of america', 'US'],
    ['UK', 'GB'],
    ['England', 'GB'],
    ['gbr', 'GB'],
    ['Deutschland', 'DE'],
    ['Côte d’Ivoire', 'CI'],
    ['Ivory Coast', 'CI'],
    ['Türkiye', 'TR'],
    ['Turkey', 'TR'],
    ['Trinidad and Tobago', 'TT'],
    ['Trinidad & Tobago', 'TT'],
    ['Saint Lucia', 'LC'],
    ['St. Lucia', 'LC'],
    ['South Korea', 'KR'],
    ['Hong Kong', 'HK'],
    ['Kosovo', 'XK'],
    ['The Netherlands', 'NL'],
    ['Congo', 'CG'],
    ['Guinea-Bissau', 'GW'],
    ['Niger', 'NE'],
    ['Curaçao', 'CW'],
  ])('reads %s', (raw, value) => {
    expect(normalizeCountry(raw)).toEqual({ value });
  });

  it.each(['', 'Atlantis', 'ZZ', 'EU', 'QQQ', '+1', '1', 'x'.repeat(1_000_000)])('refuses %.20s', (raw) => {
    expect(normalizeCountry(raw)).toMatchObject({ code: 'country-invalid' });
  });

  it('knows the English name of every country', () => {
    const names = new Intl.DisplayNames(['en'], { type: 'region' });
    for (const code of ['AF', 'BQ', 'CD', 'GG', 'HM', 'MK', 'PS', 'SZ', 'TL', 'UM', 'VA', 'ZW']) {
      expect(normalizeCountry(names.of(code) ?? '')).toEqual({ value: code });
      expect(normalizeCountry(code)).toEqual({ value: code });
    }
  });
});
