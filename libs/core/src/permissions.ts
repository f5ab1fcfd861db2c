export const ROLES = ['admin', 'manager', 'agent'] as const;
export type Role = (typeof ROLES)[number];

/**
 * Which records a permission reaches: `all`; `team` (assigned to someone of the caller's team; unassigned ones made by the
 * team, by an admin, or by an import of either); `own` (assigned to or created by the caller).
 */
export type Scope = 'all' | 'team' | 'own';

type Grants = Partial<Record<Role, Scope>>;

/** Who may do what. A permission that a role does not name is denied. */
export const PERMISSIONS = {
  'account:self': { admin: 'own', manager: 'own', agent: 'own' },
  'users:read': { admin: 'all', manager: 'team' },
  'users:write': { admin: 'all' },
  'leads:read': { admin: 'all', manager: 'team', agent: 'own' },
  'leads:write': { admin: 'all', manager: 'team', agent: 'own' },
  'leads:delete': { admin: 'all', manager: 'team' },
  'leads:assign': { admin: 'all', manager: 'team' },
  'customers:read': { admin: 'all', manager: 'team', agent: 'own' },
  'customers:write': { admin: 'all', manager: 'team', agent: 'own' },
  'customers:delete': { admin: 'all', manager: 'team' },
  'customers:assign': { admin: 'all', manager: 'team' },
  'imports:read': { admin: 'all', manager: 'team' },
  'imports:write': { admin: 'all', manager: 'team' },
  'dead-letters:read': { admin: 'all' },
  'dead-letters:replay': { admin: 'all' },
} as const satisfies Record<string, Grants>;

export type Permission = keyof typeof PERMISSIONS;

/** The scope in which a role holds a permission; `null` when it does not. */
export const scopeOf = (role: Role, permission: Permission): Scope | null =>
  (PERMISSIONS[permission] as Grants)[role] ?? null;
