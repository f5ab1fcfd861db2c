import { Injectable } from '@nestjs/common';
import { invalid } from '@muster/core/errors';
import { Principal } from '@muster/core/principal';
import { AuthService } from '../auth/auth.service';
import { GroupsService } from '../groups/groups.service';
import { ImportOptions, ImportTarget } from './imports.entity';

/** Holds the options of an import to what its caller may do. */
@Injectable()
export class ImportsOptionsService {
  constructor(
    private readonly auth: AuthService,
    private readonly groups: GroupsService,
  ) {}

  /** @throws 403 `assign-forbidden`; 422 `user-unknown`, `group-unknown` */
  async check(principal: Principal, target: ImportTarget, options: Partial<ImportOptions>): Promise<void> {
    for (const userId of [options.assignTo ?? []].flat()) {
      await this.auth.assignableTo(principal, userId, `${target}:assign`);
    }
    const { groupId } = options;
    if (groupId === undefined || (await this.groups.isAddable(principal, groupId))) return;
    const message = 'There is no such group that you may put records into.';
    throw invalid('group-unknown', message, [{ field: 'groupId', code: 'group-unknown', message }]);
  }
}
