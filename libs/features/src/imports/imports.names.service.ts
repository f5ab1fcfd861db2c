import { Injectable } from '@nestjs/common';
import { parseGroupNames } from '@muster/core/contact/group-names';
import { readCell } from '@muster/core/contact/row';
import { AuthService } from '../auth/auth.service';
import { GroupsService } from '../groups/groups.service';
import { Import } from './imports.entity';
import { nameCells, Names, NO_NAMES } from './imports.names';

/** Looks up the users and groups that rows name. */
@Injectable()
export class ImportNames {
  constructor(
    private readonly auth: AuthService,
    private readonly groups: GroupsService,
  ) {}

  /**
   * What some rows name, under the scope of the importer as it is now: nothing when they are gone or suspended.
   * @param targets the mapping's targets, in the order of the rows' cells
   */
  async of(
    { target, createdBy }: Pick<Import, 'target' | 'createdBy'>,
    targets: readonly string[],
    rows: Iterable<{ cells: readonly (string | null)[] }>,
  ): Promise<Names> {
    const at = nameCells(targets);
    const read = (columns: number[]): string[] => {
      const found = new Set<string>();
      if (columns.length === 0) return [];
      for (const { cells } of rows) {
        const name = readCell(cells, columns);
        if (name !== null) found.add(name);
      }
      return [...found];
    };
    const [users, groups] = [read(at.users), read(at.groups)];
    if (users.length + groups.length === 0) return NO_NAMES;
    const importer = await this.auth.principalOf(createdBy);
    if (!importer) return NO_NAMES;
    const keys = groups.flatMap((cell) => {
      const parsed = parseGroupNames(cell);
      return 'value' in parsed ? parsed.value : [];
    });
    return {
      users: await this.auth.assignableByName(importer, `${target}:assign`, users),
      groups: await this.groups.addableByName(importer, [...new Set(keys)]),
    };
  }
}
