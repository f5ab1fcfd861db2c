import type { FastifyRequest } from 'fastify';
import { readIdempotencyKey } from './idempotency.attempt';

describe('the Idempotency-Key of a request', () => {
  const request = (...keys: string[]) => {
    const rawHeaders = keys.flatMap((key) => ['Idempotency-Key', key]);
    const headers = keys.length > 0 ? { 'idempotency-key': keys.join(', ') } : {};
    return { headers, raw: { rawHeaders } } as unknown as FastifyRequest;
  };

  it('may be absent', () => {
    expect(readIdempotencyKey(request())).toBeNull();
  });

  it.each(['1', 'k'.repeat(255), 'with, comma "and" quotes', '\u00e2\u0082\u00ac'])('may be %j', (key) => {
    expect(readIdempotencyKey(request(key))).toBe(key);
  });

  it.each([[['']], [['k'.repeat(256)]], [['a\tb']], [['a\u007f']], [['a\u0100']], [['a', 'a']], [['a', 'b']]])(
    'may not be %j',
    (keys) => {
      const refusal = { status: 400, code: 'idempotency-key-invalid' };
      expect(() => readIdempotencyKey(request(...keys))).toThrow(expect.objectContaining(refusal) as Error);
    },
  );
});
