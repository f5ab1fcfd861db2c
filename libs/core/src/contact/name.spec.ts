import { joinName, splitName } from './name';

describe('joinName', () => {
  it.each([
    ['Ada', 'Lovelace', 'Ada Lovelace'],
    [' Ada ', null, 'Ada'],
    [undefined, ' Lovelace', 'Lovelace'],
    ['', '  ', ''],
  ])('joins %j and %j', (first, last, full) => {
    expect(joinName(first, last)).toBe(full);
  });
});

describe('splitName', () => {
  it.each([
    ['Ada Lovelace', 'Ada', 'Lovelace'],
    ['Augusta Ada King', 'Augusta Ada', 'King'],
    ['Lovelace, Ada', 'Ada', 'Lovelace'],
    ['van der Berg, Jan Piet', 'Jan Piet', 'van der Berg'],
    ['Cher', 'Cher', null],
    ['Martin King Jr.', 'Martin', 'King Jr.'],
    ['Martin King, Jr.', 'Martin', 'King, Jr.'],
    ['  Ada   Lovelace ', 'Ada', 'Lovelace'],
    [', Ada', 'Ada', null],
    ['Lovelace,', 'Lovelace', null],
    ['', null, null],
    [',', null, null],
  ])('splits %j', (full, firstName, lastName) => {
    expect(splitName(full)).toEqual({ firstName, lastName });
  });
});
