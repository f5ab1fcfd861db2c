import { Permission, Role } from '@muster/core/permissions';
import { column, TableDefinition } from '@muster/platform/database/dialect/columns';

/** A group of users: what a manager's scope `team` means. */
export interface Team {
  id: number;
  name: string;
  /** The team that new users join. There is exactly one, and it cannot be deleted. */
  isDefault: boolean;
  createdAt: Date;
  updatedAt: Date;
  /** Counts the changes; the ETag. */
  version: number;
}

/** A person who signs in. Deleted users stay as rows, because records name them. */
export interface User {
  id: number;
  name: string;
  /** Normalised. */
  email: string;
  /** The e-mail while the user exists, null once deleted: unique, so that a deleted user's address is free again. */
  emailKey: string | null;
  /** Argon2id, in PHC format. */
  passwordHash: string;
  role: Role;
  teamId: number | null;
  /** E.164. */
  phone: string | null;
  /** False while suspended, and once deleted. */
  active: boolean;
  createdAt: Date;
  updatedAt: Date;
  deletedAt: Date | null;
  version: number;
}

/** One device on which a user is signed in: the family of refresh tokens that began with one login. */
export interface Session {
  id: number;
  userId: number;
  /** What the client called itself at login. */
  device: string | null;
  createdAt: Date;
  lastUsedAt: Date;
  /** When the newest refresh token expires. */
  expiresAt: Date;
  revokedAt: Date | null;
}

/** A refresh token, by its SHA-256 in hex. The one of a session without `rotatedAt` is the live one. */
export interface RefreshToken {
  tokenHash: string;
  sessionId: number;
  expiresAt: Date;
  rotatedAt: Date | null;
}

/** A key with which a program acts for a user, within what both the key and the user's role allow. */
export interface ApiKey {
  id: number;
  userId: number;
  name: string;
  /** Its first characters, by which people tell keys apart. */
  prefix: string;
  /** SHA-256 of the whole key, hex. */
  keyHash: string;
  permissions: Permission[];
  createdAt: Date;
  /** Null: it does not expire. */
  expiresAt: Date | null;
  /** To the minute. */
  lastUsedAt: Date | null;
  revokedAt: Date | null;
  version: number;
}

export const teamTable: TableDefinition = {
  name: 'teams',
  key: ['id'],
  columns: {
    id: column.serial(),
    name: column.text(100),
    isDefault: column.boolean(),
    createdAt: column.time(),
    updatedAt: column.time(),
    version: column.integer(),
  },
  indexes: [{ name: 'uq_teams_name', columns: ['name'], unique: true }],
};

export const userTable: TableDefinition = {
  name: 'users',
  key: ['id'],
  columns: {
    id: column.serial(),
    name: column.text(100),
    email: column.text(254),
    emailKey: column.text(254, { nullable: true }),
    passwordHash: column.text(200),
    role: column.text(20),
    teamId: column.id({ nullable: true }),
    phone: column.text(20, { nullable: true }),
    active: column.boolean(),
    createdAt: column.time(),
    updatedAt: column.time(),
    deletedAt: column.time({ nullable: true }),
    version: column.integer(),
  },
  indexes: [
    { name: 'uq_users_email', columns: ['emailKey'], unique: true },
    { name: 'ix_users_team', columns: ['teamId', 'id'] },
    { name: 'ix_users_role', columns: ['role', 'active'] },
  ],
};

export const sessionTable: TableDefinition = {
  name: 'sessions',
  key: ['id'],
  columns: {
    id: column.serial(),
    userId: column.id(),
    device: column.text(100, { nullable: true }),
    createdAt: column.time(),
    lastUsedAt: column.time(),
    expiresAt: column.time(),
    revokedAt: column.time({ nullable: true }),
  },
  indexes: [
    { name: 'ix_sessions_user', columns: ['userId', 'revokedAt'] },
    { name: 'ix_sessions_expires', columns: ['expiresAt'] },
  ],
};

export const refreshTokenTable: TableDefinition = {
  name: 'refresh_tokens',
  key: ['tokenHash'],
  columns: {
    tokenHash: column.text(64),
    sessionId: column.id(),
    expiresAt: column.time(),
    rotatedAt: column.time({ nullable: true }),
  },
  indexes: [
    { name: 'ix_refresh_tokens_session', columns: ['sessionId'] },
    { name: 'ix_refresh_tokens_expires', columns: ['expiresAt'] },
  ],
};

/** Wrong passwords in a row, by the SHA-256 of the e-mail: known and unknown addresses are locked alike. */
export const loginFailureTable: TableDefinition = {
  name: 'login_failures',
  key: ['emailHash'],
  columns: {
    emailHash: column.text(64),
    failures: column.integer(),
    lockedUntil: column.time({ nullable: true }),
    updatedAt: column.time(),
  },
  indexes: [{ name: 'ix_login_failures_updated', columns: ['updatedAt'] }],
};

export const apiKeyTable: TableDefinition = {
  name: 'api_keys',
  key: ['id'],
  columns: {
    id: column.serial(),
    userId: column.id(),
    name: column.text(100),
    prefix: column.text(20),
    keyHash: column.text(64),
    permissions: column.json(),
    createdAt: column.time(),
    expiresAt: column.time({ nullable: true }),
    lastUsedAt: column.time({ nullable: true }),
    revokedAt: column.time({ nullable: true }),
    version: column.integer(),
  },
  indexes: [
    { name: 'uq_api_keys_hash', columns: ['keyHash'], unique: true },
    { name: 'ix_api_keys_user', columns: ['userId', 'id'] },
  ],
};

export const authTables: TableDefinition[] = [
  teamTable,
  userTable,
  sessionTable,
  refreshTokenTable,
  loginFailureTable,
  apiKeyTable,
];
