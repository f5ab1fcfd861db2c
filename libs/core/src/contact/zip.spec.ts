import { restoreZip } from './zip';

describe('restoreZip', () => {
  it.each<[string, string | null, string | null, string, string]>([
    ['8014', 'NJ', null, 'US', '08014'],
    ['2128', 'ma', 'USA', 'DE', '02128'],
    ['8014-1234', 'New Jersey', 'United States', 'US', '08014-1234'],
    ['802', 'VI', null, 'US', '00802'],
    ['8014', 'NJ', null, 'DE', '8014'],
    ['8014', 'NJ', 'Switzerland', 'US', '8014'],
    ['8014', null, null, 'US', '8014'],
    ['7011', 'LA', null, 'US', '7011'],
    ['801', 'NJ', null, 'US', '801'],
    ['08014', 'NJ', null, 'US', '08014'],
    ['70116', 'LA', null, 'US', '70116'],
    ['AB1', 'NJ', null, 'US', 'AB1'],
    ['', 'NJ', null, 'US', ''],
  ])('%s of %s, %s (%s) is %s', (zip, state, country, region, expected) => {
    expect(restoreZip(zip, state, country, region)).toBe(expected);
  });
});
