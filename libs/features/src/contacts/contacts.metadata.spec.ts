import { FieldError } from '@muster/core/errors';
import { checkMetadata, keepExtension, MAX_METADATA_BYTES } from './contacts.metadata';

const codesOf = (metadata: Record<string, unknown> | null | undefined) => {
  const errors: FieldError[] = [];
  checkMetadata(metadata, errors);
  return errors.map(({ field, code }) => `${field} ${code}`);
};

const nested = (levels: number): Record<string, unknown> => {
  let value: Record<string, unknown> = {};
  for (let level = 1; level < levels; level++) value = { inner: value };
  return value;
};

describe('checkMetadata', () => {
  it('takes what fits and nothing', () => {
    expect(codesOf({ a: [1, { b: null }] })).toEqual([]);
    expect(codesOf(null)).toEqual([]);
    expect(codesOf(undefined)).toEqual([]);
  });

  it('counts bytes, not characters', () => {
    const room = MAX_METADATA_BYTES - '{"a":""}'.length;
    expect(codesOf({ a: 'x'.repeat(room) })).toEqual([]);
    expect(codesOf({ a: 'x'.repeat(room + 1) })).toEqual(['metadata too-long']);
    expect(codesOf({ a: 'ü'.repeat(room / 2 + 1) })).toEqual(['metadata too-long']);
  });

  it('refuses nesting that nobody needs, however deep', () => {
    expect(codesOf(nested(10))).toEqual([]);
    expect(codesOf(nested(11))).toEqual(['metadata too-deep']);
    expect(codesOf(nested(200_000))).toEqual(['metadata too-deep']);
  });
});

describe('keepExtension', () => {
  const current = { phone: '+12015550123', metadata: { phoneExtension: '12', note: 'x' } };

  it.each([
    ['nothing about phone or metadata', {}, { phoneExtension: '12', note: 'x' }],
    ['the same phone', { phone: '+12015550123' }, { phoneExtension: '12', note: 'x' }],
    ['another phone', { phone: '+12015550199' }, { note: 'x' }],
    ['no phone', { phone: null }, { note: 'x' }],
    [
      'another phone with an extension',
      { phone: '+12015550199', phoneExtension: '7' },
      { phoneExtension: '7', note: 'x' },
    ],
    [
      'metadata as it was read',
      { phone: '+12015550123', metadata: { phoneExtension: '12' } },
      { phoneExtension: '12' },
    ],
    ['metadata without it', { metadata: { a: 1 } }, { a: 1 }],
    [
      'both',
      { phone: '+12015550199', phoneExtension: '7', metadata: { phoneExtension: '12' } },
      { phoneExtension: '7' },
    ],
  ])('after a change that names %s', (_, change, expected) => {
    expect(keepExtension(current, change)).toEqual(expected);
  });
});
