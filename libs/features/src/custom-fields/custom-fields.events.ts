import { defineEvent, integer, listOf, text } from '@muster/core/events';

const definition = {
  id: integer('The custom field.'),
  noun: text('Whose field it is: `leads` or `customers`.'),
  key: text('Its key.'),
  actorId: integer('The user who did it.'),
};

export const customFieldCreated = defineEvent('custom-field.created', 'A custom field was defined.', definition);

export const customFieldUpdated = defineEvent('custom-field.updated', 'The definition of a custom field changed.', {
  ...definition,
  fields: listOf(text(), 'Names of the changed properties.'),
});

export const customFieldDeleted = defineEvent(
  'custom-field.deleted',
  'The field is gone for everyone; values that records still have of it are being taken away.',
  definition,
);
