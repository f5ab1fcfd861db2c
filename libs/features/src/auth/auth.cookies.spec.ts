import { FastifyRequest } from 'fastify';
import { ProblemError } from '@muster/core/errors';
import { readConfig } from '@muster/platform/config/config';
import { SessionCookies } from './auth.cookies';
import { Tokens } from './auth.tokens';

describe('sessions by cookie', () => {
  const tokens = new Tokens(['an invented secret for tests, 40 letters']);
  const env = { PUBLIC_URL: 'https://muster.example.com/app/', CORS_ORIGINS: 'https://console.example.com' };
  const cookies = new SessionCookies(tokens, readConfig(env));
  const codeOf = (headers: Record<string, string>, host = '10.0.0.7:3000') => {
    try {
      cookies.requireOwnOrigin({ headers, host } as unknown as FastifyRequest);
    } catch (error) {
      return (error as ProblemError).code;
    }
    return 'accepted';
  };

  it.each([
    ['https://muster.example.com', 'accepted'],
    ['https://console.example.com', 'accepted'],
    ['http://10.0.0.7:3000', 'accepted'],
    ['https://10.0.0.7:3000', 'accepted'],
    ['http://10.0.0.7', 'csrf-origin'],
    ['http://10.0.0.7:3001', 'csrf-origin'],
    ['http://10.0.0.7:30001', 'csrf-origin'],
    ['http://muster.example.com', 'csrf-origin'],
    ['https://muster.example.com:8443', 'csrf-origin'],
    ['https://muster.example.com.evil.example', 'csrf-origin'],
    ['https://evil.example/?https://muster.example.com', 'csrf-origin'],
    ['https://x.muster.example.com', 'csrf-origin'],
    ['null', 'csrf-origin'],
    ['', 'csrf-origin'],
  ])('come from %s: %s', (origin, code) => {
    expect(codeOf({ origin })).toBe(code);
  });

  it.each([
    ['cross-site', 'csrf-origin'],
    ['same-site', 'accepted'],
    ['same-origin', 'accepted'],
    ['none', 'accepted'],
  ])('come from a page that the browser calls %s: %s', (site, code) => {
    expect(codeOf({ 'sec-fetch-site': site })).toBe(code);
  });

  it('come from programs, which name no origin', () => {
    expect(codeOf({})).toBe('accepted');
  });

  it('know their CSRF token in one header, whole', () => {
    const fits = (given: unknown) =>
      cookies.csrfFits({ headers: { 'x-csrf-token': given } } as unknown as FastifyRequest, 3);
    expect([tokens.csrfOf(3), tokens.csrfOf(4), undefined, [tokens.csrfOf(3)], ''].map(fits)).toEqual([
      true,
      false,
      false,
      false,
      false,
    ]);
  });
});
