import { forbidden } from './errors';
import { Permission, Role, Scope, scopeOf } from './permissions';

/** Who acts. Made anew for each request from the stored user, so that a change of role works at once. */
export interface Principal {
  userId: number;
  role: Role;
  teamId: number | null;
  /** The session (device) of the access token; null for the CLI and for workers. */
  sessionId: number | null;
}

/** The scope in which the principal holds the permission. @throws 403 `forbidden` when it does not. */
export function requireScope(principal: Principal, permission: Permission): Scope {
  const scope = scopeOf(principal.role, permission);
  if (!scope) throw forbidden();
  return scope;
}
