import { forbidden } from './errors';
import { Permission, Role, Scope, scopeOf } from './permissions';

/** Who acts. Made anew for each request from the stored user, so that a change of role works at once. */
export interface Principal {
  userId: number;
  role: Role;
  teamId: number | null;
  /** The session (device) of the access token; null for API keys, the command line and workers. */
  sessionId: number | null;
  /** The API key that acts for the user. */
  apiKeyId?: number | null;
  /** What an API key is held to, within what its user may do; without it, all of that. */
  permissions?: ReadonlySet<Permission>;
}

/** The scope in which the principal holds the permission; null when it does not. */
export function scopeFor({ role, permissions }: Principal, permission: Permission): Scope | null {
  return permissions && !permissions.has(permission) ? null : scopeOf(role, permission);
}

export const holds = (principal: Principal, permission: Permission): boolean =>
  scopeFor(principal, permission) !== null;

/** The scope in which the principal holds the permission. @throws 403 `forbidden` when it does not. */
export function requireScope(principal: Principal, permission: Permission): Scope {
  const scope = scopeFor(principal, permission);
  if (!scope) throw forbidden(principal.permissions ? 'This API key does not allow this.' : undefined);
  return scope;
}
