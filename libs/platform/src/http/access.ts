import { createParamDecorator, ExecutionContext, SetMetadata } from '@nestjs/common';
import { Permission } from '@muster/core/permissions';
import { Principal } from '@muster/core/principal';
import { type BudgetName } from './rate-limits';

export type AccessRule = { kind: 'public' } | { kind: 'permission'; permission: Permission };

/** Metadata key of a route's {@link AccessRule}. A route without one does not boot. */
export const ACCESS = 'muster:access';

/** Who may enter: everyone who holds the permission, in the scope that the service then applies. */
export const Allow = (permission: Permission) =>
  SetMetadata(ACCESS, { kind: 'permission', permission } satisfies AccessRule);

/** Who may enter: anyone, signed in or not. */
export const Public = () => SetMetadata(ACCESS, { kind: 'public' } satisfies AccessRule);

/** Metadata key of the budget that a route takes from, beside those of the whole API. */
export const LIMITED = 'muster:limited';

/** Holds callers to a budget of this route (and of all others that name the same). @throws 429 `too-many-requests` */
export const Limited = (budget: Exclude<BudgetName, 'api' | 'caller'>) => SetMetadata(LIMITED, budget);

/** A request after the access guard. */
export interface SignedInRequest {
  principal: Principal;
}

/** The signed-in caller, as a controller's parameter. */
export const Caller = createParamDecorator(
  (_: unknown, context: ExecutionContext): Principal => context.switchToHttp().getRequest<SignedInRequest>().principal,
);
