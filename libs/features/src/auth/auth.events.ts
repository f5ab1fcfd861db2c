import { defineEvent } from '@muster/core/events';
import { Role } from '@muster/core/permissions';

/** `by` is the user who did it; null for a registration, the first admin and the command line. */
export interface UserCreated {
  userId: number;
  role: Role;
  by: number | null;
}

export interface UserUpdated {
  userId: number;
  /** Names of the changed properties; never their values. */
  changed: string[];
  by: number;
}

export interface UserDeleted {
  userId: number;
  by: number;
}

/** A refresh token was used a second time: the session it belonged to was ended. */
export interface TokenReused {
  userId: number;
  sessionId: number;
}

/** A key was made; it belongs to who made it. */
export interface ApiKeyCreated {
  apiKeyId: number;
  userId: number;
}

export interface ApiKeyRevoked {
  apiKeyId: number;
  userId: number;
  by: number;
}

export const userCreated = defineEvent<UserCreated>('user.created');
export const userUpdated = defineEvent<UserUpdated>('user.updated');
export const userDeleted = defineEvent<UserDeleted>('user.deleted');
export const tokenReused = defineEvent<TokenReused>('session.token-reused');
export const apiKeyCreated = defineEvent<ApiKeyCreated>('api-key.created');
export const apiKeyRevoked = defineEvent<ApiKeyRevoked>('api-key.revoked');
