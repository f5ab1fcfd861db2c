import { ProblemError } from '@muster/core/errors';
import { etagOf, requireMatch } from './etag';

describe('requireMatch', () => {
  it.each([undefined, '"v3"', '*', '"v1", "v3"', 'W/"v3"', ' "v3" '])('lets %p pass for version 3', (header) => {
    expect(etagOf(3)).toBe('"v3"');
    expect(() => requireMatch(header, 3)).not.toThrow();
  });

  it.each(['', '"v2"', 'v3', '"v33"', '"v4","v2"', 'W/"v4"'])('is stale for %p', (header) => {
    let refusal: unknown;
    try {
      requireMatch(header, 3);
    } catch (error) {
      refusal = error;
    }
    expect(refusal).toBeInstanceOf(ProblemError);
    expect(refusal).toMatchObject({ status: 412, code: 'stale' });
  });
});
