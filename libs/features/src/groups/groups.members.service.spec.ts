import { wantedOf } from './groups.members.service';
import { nameKeyOf } from '@muster/core/contact/text';

const ids = (first: number, count: number) => Array.from({ length: count }, (_, index) => first + index);

describe('the records of a request', () => {
  it('count once, each under its noun', () => {
    expect(wantedOf({ leadIds: [3, 1, 3], customerIds: [3] })).toEqual([
      { noun: 'leads', ids: [3, 1] },
      { noun: 'customers', ids: [3] },
    ]);
    expect(wantedOf({ customerIds: [2] })).toEqual([{ noun: 'customers', ids: [2] }]);
  });

  it('are 1,000 at most, of both nouns together', () => {
    expect(wantedOf({ leadIds: ids(1, 500), customerIds: [...ids(1, 500), 1] })).toHaveLength(2);
    expect(() => wantedOf({ leadIds: ids(1, 500), customerIds: ids(1, 501) })).toThrow(
      expect.objectContaining({ status: 422, code: 'too-many-members' }),
    );
  });

  it('may not be missing', () => {
    expect(() => wantedOf({})).toThrow(expect.objectContaining({ status: 422, code: 'members-missing' }));
  });
});

describe('the key of a name', () => {
  it('is the same whatever the case, the spaces and the form of its letters', () => {
    const key = nameKeyOf('Zoë’s VIPs');
    expect(nameKeyOf('  zoë’s\u00a0 vips ')).toBe(key);
    expect(nameKeyOf('ZOE\u0308’S VIPS')).toBe(key);
    expect(nameKeyOf('Zoe’s VIPs')).not.toBe(key);
  });
});
