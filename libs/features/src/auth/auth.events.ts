import { choice, defineEvent, integer, listOf, nullable, text } from '@muster/core/events';
import { ROLES } from '@muster/core/permissions';

const userId = integer('The user.');
const by = integer('The user who did it.');
const apiKeyId = integer('The API key.');

export const userCreated = defineEvent('user.created', 'A user was added, or registered.', {
  userId,
  role: choice(ROLES),
  by: nullable(integer('The user who did it; null for a registration, the first admin and the command line.')),
});

export const userUpdated = defineEvent('user.updated', 'A user changed.', {
  userId,
  changed: listOf(text(), 'Names of the changed properties; never their values.'),
  by,
});

export const userDeleted = defineEvent('user.deleted', 'A user was deleted.', { userId, by });

const teamId = integer('The team.');

export const teamCreated = defineEvent('team.created', 'A team was made.', { teamId, by });
export const teamUpdated = defineEvent('team.updated', 'A team has another name.', { teamId, by });
export const teamDeleted = defineEvent('team.deleted', 'A team, which had no members any more, was deleted.', {
  teamId,
  by,
});

export const tokenReused = defineEvent(
  'session.token-reused',
  'A refresh token was used a second time: the session it belonged to was ended.',
  { userId, sessionId: integer('The session.') },
);

export const apiKeyCreated = defineEvent('api-key.created', 'An API key was made.', {
  apiKeyId,
  userId: integer('The user who made it, and for whom it acts.'),
});

export const apiKeyRevoked = defineEvent('api-key.revoked', 'An API key was revoked.', {
  apiKeyId,
  userId: integer('The user for whom it acted.'),
  by,
});
