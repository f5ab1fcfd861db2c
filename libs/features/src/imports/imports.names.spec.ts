import { FieldError } from '@muster/core/errors';
import { Names, namesReader, NO_NAMES } from './imports.names';

const names: Names = {
  users: new Map([
    ['ann@example.com', 1],
    ['Bob Ray', 2],
  ]),
  groups: new Map([
    ['fair', 11],
    ['spring', 12],
  ]),
};

function read(targets: string[], cells: (string | null)[], known = names) {
  const errors: FieldError[] = [];
  const { assignee, groups } = namesReader(targets)(cells, known, errors);
  return [assignee, groups, errors.map(({ field, code }) => `${field} ${code}`)];
}

describe('reading whose a record is, and its groups', () => {
  const both = ['name', 'assignee', 'group'];

  it.each([
    [['x', ' ann@example.com ', 'Fair; SPRING;fair'], 1, [11, 12], []],
    [['x', 'Bob Ray', ''], 2, [], []],
    [['x', '', null], null, [], []],
    [['x', 'Eve', 'Fair'], null, [11], ['assignee assignee-unknown']],
    [['x', 'Bob Ray', 'Fair; Lost'], 2, [11], ['group group-unknown']],
    [['x', '', Array.from({ length: 21 }, (_, n) => `g${n}`).join(';')], null, [], ['group too-long']],
  ])('reads %j', (cells, assignee, groups, errors) => {
    expect(read(both, cells)).toEqual([assignee, groups, errors]);
  });

  it('asks for nothing where no column is mapped to it', () => {
    expect(read(['name', 'company'], ['x', 'Eve'], NO_NAMES)).toEqual([null, [], []]);
  });
});
