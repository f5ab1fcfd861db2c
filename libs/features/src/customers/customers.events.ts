import { defineEvent } from '@muster/core/events';

/** A person made a customer. Customers that an import makes are told by the import's own events. */
export const customerCreated = defineEvent<{ id: number; actorId: number }>('customer.created');

/** Fields of a customer changed; `fields` names them. */
export const customerUpdated = defineEvent<{ id: number; actorId: number; fields: string[] }>('customer.updated');

export const customerDeleted = defineEvent<{ id: number; actorId: number }>('customer.deleted');

/** A customer has another owner; null is nobody. Said beside `customer.created` or `customer.updated`. */
export const customerAssigned = defineEvent<{ id: number; actorId: number; from: number | null; to: number | null }>(
  'customer.assigned',
);
