import { normalizeUrl } from './url';

describe('normalizeUrl', () => {
  it.each([
    ['https://Example.com/a.png', 'https://example.com/a.png'],
    [' http://example.com ', 'http://example.com/'],
  ])('reads %s', (raw, value) => {
    expect(normalizeUrl(raw)).toEqual({ value });
  });
  it.each([
    '',
    'example.com/a.png',
    'javascript:alert(1)',
    'ftp://example.com',
    'https://user:pw@example.com/',
    'data:,x',
  ])('refuses %s', (raw) => {
    expect(normalizeUrl(raw)).toMatchObject({ code: 'url-invalid' });
  });
  it('holds its limit', () => {
    expect(normalizeUrl(`https://example.com/${'a'.repeat(2048)}`)).toMatchObject({ code: 'too-long' });
    expect(normalizeUrl(`https://example.com/${'é'.repeat(1000)}`)).toMatchObject({ code: 'too-long' });
  });
});
