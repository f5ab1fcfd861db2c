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
  /** Who am I. */
  'account:read': { admin: 'own', manager: 'own', agent: 'own' },
  /** Password, sessions, signing out. */
  'account:write': { admin: 'own', manager: 'own', agent: 'own' },
  'api-keys:read': { admin: 'all', manager: 'own', agent: 'own' },
  'api-keys:write': { admin: 'all', manager: 'own', agent: 'own' },
  'users:read': { admin: 'all', manager: 'team' },
  'users:write': { admin: 'all' },
  'leads:read': { admin: 'all', manager: 'team', agent: 'own' },
  'leads:write': { admin: 'all', manager: 'team', agent: 'own' },
  'leads:delete': { admin: 'all', manager: 'team' },
  'leads:assign': { admin: 'all', manager: 'team' },
  /** Changing many at once; also needs `leads:write`. */
  'leads:batch': { admin: 'all', manager: 'team' },
  /** Merging two leads into one, and undoing it. */
  'leads:merge': { admin: 'all', manager: 'team' },
  /** Making a customer of a lead; also needs `customers:write`. */
  'leads:convert': { admin: 'all', manager: 'team', agent: 'own' },
  /** Custom-field definitions, like `customers:define`. */
  'leads:define': { admin: 'all', manager: 'all' },
  'customers:read': { admin: 'all', manager: 'team', agent: 'own' },
  'customers:write': { admin: 'all', manager: 'team', agent: 'own' },
  'customers:delete': { admin: 'all', manager: 'team' },
  'customers:assign': { admin: 'all', manager: 'team' },
  'customers:batch': { admin: 'all', manager: 'team' },
  'customers:merge': { admin: 'all', manager: 'team' },
  'customers:define': { admin: 'all', manager: 'all' },
  /** Retyping or deleting a custom field that records have values of. */
  'custom-fields:force': { admin: 'all' },
  /** Agents see the groups that hold a record of theirs. */
  'groups:read': { admin: 'all', manager: 'team', agent: 'own' },
  'groups:write': { admin: 'all', manager: 'team' },
  'imports:read': { admin: 'all', manager: 'team' },
  'imports:write': { admin: 'all', manager: 'team' },
  'audit:read': { admin: 'all' },
  'dead-letters:read': { admin: 'all' },
  'dead-letters:replay': { admin: 'all' },
} as const satisfies Record<string, Grants>;

export type Permission = keyof typeof PERMISSIONS;

/** The scope in which a role holds a permission; `null` when it does not. */
export const scopeOf = (role: Role, permission: Permission): Scope | null =>
  (PERMISSIONS[permission] as Grants)[role] ?? null;
