import { normalizeTimezone } from './timezone';

describe('normalizeTimezone', () => {
  it.each([
    ['Europe/Berlin', 'Europe/Berlin'],
    [' america/new_york ', 'America/New_York'],
    ['AMERICA/NEW YORK', 'America/New_York'],
    ['US/Eastern', 'America/New_York'],
    ['Asia/Calcutta', 'Asia/Kolkata'],
    ['asia/kolkata', 'Asia/Kolkata'],
    ['Europe/Kiev', 'Europe/Kyiv'],
    ['America/Fort_Wayne', 'America/Indiana/Indianapolis'],
    ['America/Port-au-Prince', 'America/Port-au-Prince'],
    ['utc', 'UTC'],
    ['Etc/GMT+5', 'Etc/GMT+5'],
  ])('reads %s', (raw, value) => {
    expect(normalizeTimezone(raw)).toEqual({ value });
    expect(normalizeTimezone(value)).toEqual({ value });
  });

  it.each(['', 'Mars/Olympus', '+01:00', 'UTC+1', 'GMT+25', 'Europe', 'x'.repeat(1_000_000)])(
    'refuses %.20s',
    (raw) => {
      expect(normalizeTimezone(raw)).toMatchObject({ code: 'timezone-invalid' });
      expect(normalizeTimezone(raw)).toMatchObject({ code: 'timezone-invalid' });
    },
  );

  it('knows every zone of the runtime', () => {
    for (const zone of Intl.supportedValuesOf('timeZone')) {
      expect(normalizeTimezone(zone.toUpperCase())).toHaveProperty('value');
    }
  });
});
