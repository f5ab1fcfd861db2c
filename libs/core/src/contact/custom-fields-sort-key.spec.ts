import { indexEntries, MAX_SORT_KEY, sortKeyOf } from './custom-fields-sort-key';

describe('the sort key of a custom value', () => {
  it('has the order of numbers', () => {
    const numbers = [-1e308, -1000, -10.5, -10.25, -1, -1e-9, 0, 1e-300, 0.1, 0.25, 1, 2, 10, 9007199254740991, 1e308];
    const keys = numbers.map((number) => sortKeyOf('number', number)!);
    expect(keys.toSorted()).toEqual(keys);
    expect(new Set(keys).size).toBe(numbers.length);
    expect(keys.every((key) => /^[0-9a-f]{16}$/.test(key))).toBe(true);
    expect(sortKeyOf('number', -0)).toBe(sortKeyOf('number', 0));
  });

  it('compares texts whatever their case, form and spaces', () => {
    expect(sortKeyOf('text', 'Zoe\u0308  A\nb')).toBe('zoë a b');
    expect(sortKeyOf('list', 'LARGE')).toBe(sortKeyOf('list', 'large'));
  });

  it('is short, and tells long texts apart', () => {
    const long = 'İ🙂'.repeat(500);
    const [one, other] = [sortKeyOf('text', long), sortKeyOf('text', `${long}x`)];
    expect(Array.from(one!).length).toBeLessThanOrEqual(MAX_SORT_KEY);
    expect(one).not.toBe(other);
    expect(sortKeyOf('text', 'x'.repeat(MAX_SORT_KEY))).toBe('x'.repeat(MAX_SORT_KEY));
  });

  it('is one entry for each option, and one for no value', () => {
    const keys = (type: Parameters<typeof sortKeyOf>[0], value: unknown) =>
      indexEntries({ type }, value).map(({ sortKey }) => sortKey);
    expect(keys('multi-list', ['A', 'B'])).toEqual(['a', 'b']);
    expect(keys('multi-list', null)).toEqual(['']);
    expect(keys('boolean', false)).toEqual(['0']);
    expect(keys('number', 'of another type')).toEqual(['']);
    expect(indexEntries({ type: 'number' }, 1.5)[0].number).toBe(1.5);
  });
});
