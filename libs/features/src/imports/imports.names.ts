import { parseGroupNames } from '@muster/core/contact/group-names';
import { readCell } from '@muster/core/contact/row';
import { FieldError } from '@muster/core/errors';

/** The users and groups that some cells name, as far as who imports may use them. What is not here is unknown. */
export interface Names {
  /** By the text of the cell. */
  readonly users: ReadonlyMap<string, number>;
  /** By the name as names are compared. */
  readonly groups: ReadonlyMap<string, number>;
}

export const NO_NAMES: Names = { users: new Map(), groups: new Map() };

type Cells = readonly (string | null)[];

/** What a row says of whose its record is to be, and of its groups. */
export interface Belonging {
  /** Null where the cell is blank or refused. */
  assignee: number | null;
  groups: number[];
}

/** Positions of the cells that name users, and of those that name groups. */
export function nameCells(targets: readonly string[]): { users: number[]; groups: number[] } {
  const at = (name: string) => targets.flatMap((target, cell) => (target === name ? [cell] : []));
  return { users: at('assignee'), groups: at('group') };
}

/**
 * Makes what reads a row's assignee and groups. It says the same of a user who does not exist, is suspended, or is not one to whom the
 * importer may assign, and likewise of groups.
 * @param targets the mapping's targets, in the order of the cells
 */
export function namesReader(
  targets: readonly string[],
): (cells: Cells, names: Names, errors: FieldError[]) => Belonging {
  const at = nameCells(targets);
  const none: Belonging = { assignee: null, groups: [] };
  if (at.users.length + at.groups.length === 0) return () => none;
  return (cells, names, errors) => {
    const user = readCell(cells, at.users);
    const assignee = user === null ? null : (names.users.get(user) ?? null);
    if (user !== null && assignee === null) {
      const message = 'names no user to whom records may be assigned, or more than one';
      errors.push({ field: 'assignee', code: 'assignee-unknown', message });
    }
    return { assignee, groups: groupsOf(readCell(cells, at.groups), names, errors) };
  };
}

function groupsOf(cell: string | null, names: Names, errors: FieldError[]): number[] {
  if (cell === null) return [];
  const parsed = parseGroupNames(cell);
  if ('code' in parsed) {
    errors.push({ field: 'group', code: parsed.code, message: parsed.message });
    return [];
  }
  const ids = parsed.value.flatMap((name) => names.groups.get(name) ?? []);
  if (ids.length < parsed.value.length) {
    const message = 'names a group that does not exist, or into which records may not be put';
    errors.push({ field: 'group', code: 'group-unknown', message });
  }
  return ids;
}
