import { parseBoolean } from './boolean';

describe('parseBoolean', () => {
  it.each(['yes', 'Y', 'TRUE', '1', 'x', 'on', 'ja', 'Oui', 'sí', 'Si', 'sim', '✓'])('reads %s as yes', (raw) => {
    expect(parseBoolean(raw)).toEqual({ value: true });
  });
  it.each(['no', 'N', 'false', '0', 'off', 'nein', 'non', 'não', '-'])('reads %s as no', (raw) => {
    expect(parseBoolean(raw)).toEqual({ value: false });
  });
  it.each(['', '2', 'maybe', '10', 'yesno', 'y'.repeat(1_000_000)])('refuses %.20s', (raw) => {
    expect(parseBoolean(raw)).toMatchObject({ code: 'boolean-invalid' });
  });
});
